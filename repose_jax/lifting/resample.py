"""A uniform frame rate and back, by time."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from repose_jax.keypoints.detections import Detections
from repose_jax.motion.motion import usual_step
from repose_jax.tracking.track import Track

TOLERANCE = 0.1
"""Deviation of time stamps from uniform ones that is left as it is, in frames."""
BRIDGE = 3.0
"""Longest gap between frames that joints are interpolated over, in frames."""
LONGEST = 300
"""Longest gap in time that is resampled, in frames: clips are shorter, so that what is on one side
of a longer one has no influence on the other."""


def to_uniform(
    keypoints: Float[np.ndarray, "t j 2"],
    confidence: Float[np.ndarray, "t j"],
    time_s: Float[np.ndarray, " t"],
) -> tuple[Float[np.ndarray, "u j 2"], Float[np.ndarray, "u j"], Float[np.ndarray, " u"]]:
    """Resamples 2D joints to a uniform frame rate: the usual one, of the steps near the median.

    The first and the last frame stay where they are, so that the rate is the usual one but for a
    rounding. A joint is interpolated between two frames in which it was seen, with the lower
    confidence of both; where only the nearer of the two has it, it is used as it is, if it is at
    most half a frame away. Time stamps that are uniform but for `TOLERANCE` are left as they are.

    Args:
        keypoints: px; any value where the confidence is 0.
        confidence: 0 where missing.
        time_s: of each frame, increasing; see `without_long_gaps`.

    Returns:
        Joints, NaN where missing; confidence; and times.

    Raises:
        ValueError: the times do not increase.
    """
    step = np.diff(time_s)
    if (step <= 0).any():
        raise ValueError("The times of the frames do not increase.")
    if len(time_s) < 2:
        return keypoints, confidence, time_s
    period = usual_step(time_s)
    count = max(round((time_s[-1] - time_s[0]) / period), 1) + 1
    uniform = np.linspace(time_s[0], time_s[-1], count)
    if count == len(time_s) and np.abs(uniform - time_s).max() <= TOLERANCE * period:
        return keypoints, confidence, time_s

    # Of two frames the uniform step may be up to half as long again.
    period = max(period, float(uniform[1] - uniform[0]))
    return *at(uniform, keypoints, confidence, time_s, period), uniform


def without_long_gaps(time_s: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """Returns times in which no step is longer than `LONGEST` usual ones; others stay as they are.

    So a gap of an hour, in which there are no frames, costs no more than one of seconds.
    """
    step = np.diff(time_s)
    longest = LONGEST * usual_step(time_s)
    if not (step > longest).any():
        return time_s
    step = np.minimum(step, longest)
    return np.concatenate([time_s[:1], time_s[0] + np.cumsum(step)])


def at(
    wanted_s: Float[np.ndarray, " u"],
    keypoints: Float[np.ndarray, "t j 2"],
    confidence: Float[np.ndarray, "t j"],
    time_s: Float[np.ndarray, " t"],
    period: float,
) -> tuple[Float[np.ndarray, "u j 2"], Float[np.ndarray, "u j"]]:
    """Returns 2D joints at other times, NaN where missing, and their confidence; see `to_uniform`.

    Args:
        wanted_s: the times; more than half a period beyond the frames, joints are missing.
        keypoints: px; any value where the confidence is 0.
        confidence: 0 where missing.
        time_s: of each of two frames or more, increasing.
        period: s between frames.
    """
    after = np.clip(np.searchsorted(time_s, wanted_s, side="right"), 1, len(time_s) - 1)
    before = after - 1
    share = ((wanted_s - time_s[before]) / (time_s[after] - time_s[before]))[:, None]
    near = np.where(share[:, 0] < 0.5, before, after)
    seen = (confidence > 0) & np.isfinite(keypoints).all(axis=-1)
    both = seen[before] & seen[after]
    both &= (time_s[after] - time_s[before])[:, None] <= BRIDGE * period
    both &= (share >= 0) & (share <= 1)
    exact = np.abs(wanted_s - time_s[near]) <= 1e-3 * period
    alone = seen[near] & (~both | exact[:, None])
    alone &= (np.abs(wanted_s - time_s[near]) <= period / 2)[:, None]
    between = keypoints[before] + share[..., None] * (keypoints[after] - keypoints[before])
    found = np.where(both[..., None], between, np.nan)
    found = np.where(alone[..., None], keypoints[near], found)
    sure = np.where(both, np.minimum(confidence[before], confidence[after]), 0)
    return found, np.where(alone, confidence[near], sure)


def to_all_frames(track: Track, detections: Detections) -> Track:
    """Returns a track of the frames that were examined in all frames from its first to its last.

    Between two of them joints are interpolated, and as certain as in the less certain one; a joint
    that is missing in either is missing.

    Args:
        track: of `detections.of_examined_frames()`.
        detections: of all frames.
    """
    if detections.examined is None:
        return track
    number = np.flatnonzero(detections.examined)[track.frame]
    frame = np.arange(number[0], number[-1] + 1)
    time_s = detections.time_s[frame]
    after = np.searchsorted(number, frame)
    before = np.searchsorted(number, frame, side="right") - 1
    step_s = np.where(after > before, track.time_s[after] - track.time_s[before], 1)
    share = ((time_s - track.time_s[before]) / step_s)[:, None, None]

    def between(values):
        return values[before] + share * (values[after] - values[before])

    sure, of_detector = (
        np.minimum(values[before], values[after])
        for values in (track.confidence, track.detected[..., 2])
    )
    return Track(
        frame=frame,
        time_s=time_s,
        keypoints=between(track.keypoints),
        confidence=sure,
        status=np.maximum(track.status[before], track.status[after]),
        detected=np.concatenate(
            [between(track.detected[..., :2]), of_detector[..., None]], axis=-1
        ),
    )


def back(
    values: Float[np.ndarray, "u ..."],
    uniform_s: Float[np.ndarray, " u"],
    time_s: Float[np.ndarray, " t"],
) -> Float[np.ndarray, "t ..."]:
    """Interpolates finite values at uniform times to others, by a cubic spline.

    Args:
        values: such as positions.
        uniform_s: their times, increasing.
        time_s: times within those.
    """
    if len(uniform_s) == len(time_s) and np.array_equal(uniform_s, time_s):
        return values
    if len(uniform_s) == 1:
        return np.repeat(values, len(time_s), axis=0)
    return CubicSpline(uniform_s, values, axis=0)(time_s).astype(values.dtype)
