import numpy as np
import pytest
from small_tracks import HEIGHT, of_points, walk

from repose_jax.motion.motion import MISSING
from repose_jax.tracking.outliers import without_outliers


def test_a_joint_that_jumps_away_and_back_is_removed():
    track = walk()
    track.keypoints[40, 16] += (0.3 * HEIGHT, 0)
    track.keypoints[70, 3] -= (0, 0.5 * HEIGHT)
    cleaned, count = without_outliers(track)
    assert count == 2
    removed = np.isnan(cleaned.keypoints[..., 0])
    assert np.argwhere(removed).tolist() == [[40, 16], [70, 3]]
    assert (cleaned.confidence[removed] == 0).all()
    assert (cleaned.status[removed] == MISSING).all()
    assert np.isfinite(cleaned.detected).all()


def test_missing_frames_are_passed_over():
    points = walk().keypoints
    points[38:40] = np.nan
    points[41, 16] += 0.4 * HEIGHT
    cleaned, count = without_outliers(of_points(points))
    assert count == 1
    assert cleaned.confidence[41, 16] == 0


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0, 120.0])
def test_a_kick_is_kept(fps):
    time_s = np.arange(round(2 * fps)) / fps
    track = walk(len(time_s), fps=fps, noise=0.003)
    # The foot swings up by the height of the person and back within 0.4 s.
    swing = np.where(np.abs(time_s - 1) < 0.2, np.cos((time_s - 1) * np.pi / 0.4) ** 2, 0)
    track.keypoints[:, 3, 1] -= HEIGHT * swing
    assert without_outliers(track)[1] == 0


def test_at_few_frames_a_second_a_jump_can_be_a_movement():
    track = walk(40, fps=5.0)
    track.keypoints[20, 16] += 0.5 * HEIGHT
    assert without_outliers(track)[1] == 0


def test_a_joint_that_stays_away_is_kept():
    track = walk()
    track.keypoints[40:, 16] += 0.3 * HEIGHT
    assert without_outliers(track)[1] == 0


def test_a_good_a_short_and_an_empty_track_are_returned_as_they_are():
    for track in (walk(), walk(3), of_points(np.full((20, 17, 2), np.nan))):
        assert without_outliers(track) == (track, 0)
