import numpy as np
import pytest

from repose_jax.motion.motion import FILLED, MISSING, SEEN
from repose_jax.tracking.gaps import fill_gaps
from repose_jax.tracking.track import Track


def steady(time_s, missing=()):
    """A track whose joints move at 100 px/s, without the (frame, joint) pairs of `missing`."""
    time_s = np.asarray(time_s, float)
    points = np.ones((len(time_s), 17, 3))
    points[..., 0] = 100 * time_s[:, None] + np.arange(17)
    points[..., 2] = 0.8
    for frame, joint in missing:
        points[frame, joint] = (np.nan, np.nan, 0)
    return Track(
        frame=np.arange(len(time_s)),
        time_s=time_s,
        keypoints=points[..., :2].copy(),
        confidence=points[..., 2].copy(),
        status=np.where(points[..., 2] > 0, SEEN, MISSING).astype(np.uint8),
        detected=points,
    )


def test_short_gaps_are_filled_by_time_with_half_the_confidence():
    time_s = np.array([0, 0.1, 0.13, 0.3, 0.4])
    track = steady(time_s, [(2, 5), (3, 5)])
    filled = fill_gaps(track, 0.5)
    np.testing.assert_allclose(filled.keypoints, steady(time_s).keypoints)
    np.testing.assert_allclose(filled.confidence[2:4, 5], 0.4)
    assert (filled.status[2:4, 5] == FILLED).all()
    assert (filled.status == FILLED).sum() == 2
    np.testing.assert_array_equal(filled.detected, track.detected)


def test_frames_without_the_person_are_filled():
    filled = fill_gaps(steady(np.arange(6) / 30, [(3, joint) for joint in range(17)]), 0.1)
    np.testing.assert_allclose(filled.keypoints, steady(np.arange(6) / 30).keypoints)
    assert (filled.status[3] == FILLED).all()


@pytest.mark.parametrize(("max_gap_s", "status"), [(0.29, MISSING), (0.3, FILLED)])
def test_a_gap_lasts_from_one_sight_to_the_next(max_gap_s, status):
    filled = fill_gaps(steady(np.arange(6) / 10, [(2, 0), (3, 0)]), max_gap_s)
    assert (filled.status[2:4, 0] == status).all()
    assert (np.isnan(filled.keypoints[2:4, 0]) == (status == MISSING)).all()
    assert ((filled.confidence[2:4, 0] == 0) == (status == MISSING)).all()


def test_ends_are_not_extrapolated():
    filled = fill_gaps(steady(np.arange(6) / 30, [(0, 3), (1, 3), (5, 3)]), 10.0)
    assert np.isnan(filled.keypoints[[0, 1, 5], 3]).all()
    assert (filled.status[[0, 1, 5], 3] == MISSING).all()


def test_a_joint_that_is_never_seen_is_missing():
    filled = fill_gaps(steady(np.arange(4) / 30, [(frame, 10) for frame in range(4)]), 10.0)
    assert (filled.status[:, 10] == MISSING).all()
    assert (filled.status[:, :10] == SEEN).all()


def test_a_position_without_confidence_is_no_sight_of_a_joint():
    track = steady(np.arange(3) / 30)
    track.keypoints[1, 2], track.confidence[1, 2] = (0, 0), 0
    filled = fill_gaps(track, 1.0)
    np.testing.assert_allclose(filled.keypoints, steady(np.arange(3) / 30).keypoints)
    assert filled.status[1, 2] == FILLED
