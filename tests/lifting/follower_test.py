"""The one person of a live view."""

import numpy as np
import pytest

from repose_jax.detectors.detector import Found
from repose_jax.lifting.follower import PATIENCE_S, Follower

SHAPE = np.random.default_rng(0).uniform(-0.5, 0.5, (17, 2))
SHAPE[:2] = (-0.5, -0.5), (0.5, 0.5)
FRAME_S = 0.1
NOBODY = Found(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0))


def people(*places: tuple[float, float]) -> Found:
    """People at these x, px, of these sizes, in a row."""
    keypoints = np.array([[x, 200] + size * SHAPE for x, size in places])
    return Found(keypoints, np.full(keypoints.shape[:2], 0.9), np.ones(len(places)))


def followed(*frames: Found, step_s: float = FRAME_S) -> list[tuple[float | None, bool]]:
    """The x of the person in each frame, None if away, and whether it is another than before."""
    follower = Follower()
    chosen = []
    for number, found in enumerate(frames):
        points, sure, other = follower.choose(found, number * step_s)
        assert np.isfinite(points).all(-1).tolist() == (sure > 0).tolist()
        away = not (sure > 0).any()
        chosen.append((None if away else float(points[:2].mean(0)[0]), other))
    return chosen


def test_the_largest_is_followed_first():
    assert followed(people((100, 80), (400, 120), (600, 90))) == [(400, False)]


def test_the_nearest_is_followed_although_another_is_somewhat_larger():
    frames = [people((400 + 10 * i, 100), (150, 90 + 8 * i)) for i in range(8)]
    assert followed(*frames) == [(400 + 10 * i, False) for i in range(8)]


def test_one_who_is_much_larger_is_followed_after_a_while():
    frames = [people((400, 100))] + [people((400, 100), (100, 200))] * 8
    found = followed(*frames)
    kept = round(PATIENCE_S / FRAME_S)
    assert found == [(400, False)] * (kept + 1) + [(100, True)] + [(100, False)] * (7 - kept)


@pytest.mark.parametrize("others", [people((100, 90)), NOBODY])
def test_one_who_is_missed_in_a_few_frames_is_followed_again(others):
    both = people((400, 100), (100, 90))
    assert followed(both, others, others, both) == [
        *[(400, False), (None, False), (None, False), (400, False)]
    ]


def test_another_is_followed_when_the_first_has_left():
    found = followed(people((400, 100), (100, 90)), *[people((100, 90))] * 8)
    kept = round(PATIENCE_S / FRAME_S)
    assert found[: kept + 1] == [(400, False)] + [(None, False)] * kept
    assert found[kept + 1 :] == [(100, True)] + [(100, False)] * (7 - kept)


def test_the_distance_counts_in_sizes_of_the_person():
    """A step of 60 px is small for somebody of 200 px, and too far for one of 40 px."""
    assert followed(people((400, 200)), people((460, 200))) == [(400, False), (460, False)]
    assert followed(people((400, 40)), people((460, 40))) == [(400, False), (None, False)]


def test_missing_joints_have_no_influence():
    whole = people((400, 100), (100, 90))
    keypoints, confidence = whole.keypoints.copy(), whole.confidence.copy()
    keypoints[0, 5:9], confidence[0, 9:13] = np.nan, 0
    keypoints[0, 9:13] = -5000
    follower = Follower()
    follower.choose(whole, 0.0)
    points, sure, other = follower.choose(Found(keypoints, confidence, whole.score), 0.1)
    assert not other
    assert np.flatnonzero(sure == 0).tolist() == [*range(5, 13)]
    np.testing.assert_array_equal(points[:5], whole.keypoints[0, :5])


def test_one_with_a_single_joint_is_nobody():
    alone = people((400, 100))
    alone.confidence[0, 1:] = 0
    assert followed(alone, NOBODY) == [(None, False)] * 2
