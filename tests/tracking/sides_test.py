import dataclasses

import numpy as np
import pytest
from small_tracks import of_points, walk

from repose_jax.skeleton import HUMAN36M
from repose_jax.tracking.sides import mend_sides

LEFT, RIGHT = np.array(HUMAN36M.left), np.array(HUMAN36M.right)
LEGS, ARMS, BODY = slice(0, 3), slice(3, 6), slice(0, 6)


def exchanged(track, part, frames):
    """The track with left and right of a part of the body exchanged in some frames."""
    points = track.keypoints.copy()
    for frame in frames:
        left, right = LEFT[part], RIGHT[part]
        points[frame, left], points[frame, right] = (
            track.keypoints[frame, right],
            track.keypoints[frame, left],
        )
    return of_points(points, track.time_s)


@pytest.mark.parametrize(
    ("part", "name"), [(BODY, "the body"), (LEGS, "the legs"), (ARMS, "the arms")]
)
@pytest.mark.parametrize("frames", [range(50, 51), range(35, 50)], ids=["one", "fifteen"])
def test_exchanged_sides_are_exchanged_back(part, name, frames):
    # Seen obliquely, so that left and right are apart.
    track = walk(turns=8)
    mended, notes = mend_sides(exchanged(track, part, frames))
    np.testing.assert_array_equal(mended.keypoints, track.keypoints)
    (note,) = notes
    assert note.startswith(f"Left and right of {name} were exchanged back in {len(frames)} frame")


def test_the_note_has_the_times_and_a_count():
    track = exchanged(walk(turns=8), BODY, [*range(20, 26), 60])
    assert mend_sides(track)[1] == [
        "Left and right of the body were exchanged back in 7 frames (0.67 to 0.83 s, 2.00 s)."
    ]


def test_confidence_and_status_follow_their_joints_and_detections_stay():
    track = exchanged(walk(turns=8), BODY, [40])
    track.confidence[40, LEFT], track.confidence[40, RIGHT] = 0.8, 0.7
    track.status[40, LEFT] = 1
    mended, _ = mend_sides(track)
    assert (mended.confidence[40, RIGHT] == 0.8).all()
    assert (mended.status[40, RIGHT] == 1).all()
    np.testing.assert_array_equal(mended.detected, track.detected)


@pytest.mark.parametrize("turns", [0, 45, 180, -360])
@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_one_who_turns_round_is_not_touched(turns, fps):
    track = walk(turns=turns, fps=fps)
    mended, notes = mend_sides(track)
    assert notes == []
    np.testing.assert_array_equal(mended.keypoints, track.keypoints)


def test_half_a_track_is_reported_only():
    track = exchanged(walk(turns=8), BODY, range(60))
    mended, notes = mend_sides(track)
    np.testing.assert_array_equal(mended.keypoints, track.keypoints)
    assert notes
    assert all("may be exchanged" in note and "left as they are" in note for note in notes)


def test_nothing_is_inferred_over_a_long_gap():
    track = exchanged(walk(turns=8), BODY, range(80, 120))
    points = track.keypoints.copy()
    points[60:80] = np.nan
    assert mend_sides(of_points(points))[1] == []


def test_missing_joints_do_not_tell_sides_apart():
    track = walk(turns=8)
    points = track.keypoints.copy()
    points[:, LEFT] = np.nan
    assert mend_sides(of_points(points))[1] == []
    points[:] = np.nan
    assert mend_sides(of_points(points))[1] == []


def test_a_few_frames_are_left_as_they_are():
    track = walk(frames=2)
    mended, notes = mend_sides(dataclasses.replace(track))
    assert notes == []
    np.testing.assert_array_equal(mended.keypoints, track.keypoints)
