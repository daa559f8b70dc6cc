"""Joints that jump away and back in a single frame."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from repose_jax.motion.motion import MISSING
from repose_jax.tracking import similarity
from repose_jax.tracking.track import Track

_LEAST_JUMP = 0.08  # heights of the person
# Heights a second squared by which nothing of a body changes its velocity for a frame: at 30
# frames a second a jump of 0.08, at 10 of 0.7.
_LEAST_CHANGE = 70.0
_CALM = 3.0  # the motion in the frames around must be so many times smaller
_LONGEST_STEP = 0.1  # s; at longer ones a jump can be a movement


def without_outliers(track: Track) -> tuple[Track, int]:
    """Removes joints that are far from where they are in the frames before and after.

    Such a joint jumps and comes back, by more than a share of the person's height and by several
    times the motion in the two frames on either side; a fast movement has fast frames around it.
    Missing frames are passed over. Frame rates under 10 frames/s are left as they are.

    Args:
        track: the person.

    Returns:
        The track with outliers NaN, of confidence 0 and `MISSING`, and their number.
    """
    keypoints, confidence, status = (
        value.copy() for value in (track.keypoints, track.confidence, track.status)
    )
    heights = similarity.height(keypoints)
    if not np.isfinite(heights).any():
        return track, 0
    # Of the whole track: in one frame the outlier itself would enlarge it.
    height = max(float(np.nanmedian(heights)), 1.0)  # that of a point is 0
    removed = 0
    for joint in range(keypoints.shape[1]):
        rows = np.flatnonzero(np.isfinite(keypoints[:, joint, 0]) & (confidence[:, joint] > 0))
        bad = rows[_jumps(track.time_s[rows], keypoints[rows, joint], height)]
        keypoints[bad, joint], confidence[bad, joint], status[bad, joint] = np.nan, 0, MISSING
        removed += len(bad)
    if not removed:
        return track, 0
    changed = dataclasses.replace(track, keypoints=keypoints, confidence=confidence, status=status)
    return changed, removed


def _jumps(
    time_s: Float[np.ndarray, " t"], points: Float[np.ndarray, "t 2"], height: float
) -> Bool[np.ndarray, " t"]:
    """Returns which points jump away and back; never the first or last two."""
    result = np.zeros(len(points), bool)
    if len(points) < 5:
        return result
    step_s = np.diff(time_s)
    moved = np.linalg.norm(np.diff(points, axis=0), axis=1)
    over = np.linalg.norm(points[3:-1] - points[1:-3], axis=1)
    jump = np.minimum(moved[1:-2], moved[2:-1])
    around = np.maximum(np.maximum(moved[:-3], moved[3:]), over)
    longest = np.maximum(step_s[1:-2], step_s[2:-1])
    least = height * np.maximum(_LEAST_JUMP, _LEAST_CHANGE * longest**2)
    result[2:-2] = (jump > least) & (jump > _CALM * around) & (longest <= _LONGEST_STEP + 1e-6)
    return result
