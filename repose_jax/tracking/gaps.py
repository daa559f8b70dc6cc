"""Short gaps of a track, filled by interpolation over time."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from repose_jax.motion.motion import FILLED, MISSING
from repose_jax.tracking.track import Track

_FIT, _FIT_S = 4, 0.2  # points, and s they may span, that give the velocity beside a gap
_TRUST = 0.5  # confidence of a filled joint, as a share of the lower of those beside the gap


def fill_gaps(track: Track, max_gap_s: float) -> Track:
    """Interpolates missing joints, of some or of all joints, over short gaps.

    A gap lasts from the last sight of a joint to the next one. Filled joints have half the lower
    confidence of the two and the status `FILLED`. Those in longer gaps, before the first sight and
    after the last one stay missing: NaN, 0 and `MISSING`.

    Args:
        track: the person.
        max_gap_s: longest gap that is filled, s.

    Returns:
        The track with other `keypoints`, `confidence` and `status`.
    """
    keypoints, confidence, status = (
        value.copy() for value in (track.keypoints, track.confidence, track.status)
    )
    seen = ~np.isnan(keypoints[..., 0]) & (confidence > 0)
    keypoints[~seen], confidence[~seen], status[~seen] = np.nan, 0, MISSING
    for joint in range(keypoints.shape[1]):
        known = np.flatnonzero(seen[:, joint])
        # A tolerance for times that were rounded to microseconds.
        short = np.diff(track.time_s[known]) <= max_gap_s + 1e-4
        rows = np.flatnonzero(~seen[:, joint])
        after = np.searchsorted(known, rows)
        inside = (after > 0) & (after < len(known))
        rows, after = rows[inside], after[inside]
        rows, after = rows[short[after - 1]], after[short[after - 1]]
        time_s, points, trust = track.time_s[known], keypoints[known, joint], confidence[known]
        keypoints[rows, joint] = _between(time_s, points, after, track.time_s[rows])
        trust = np.minimum(trust[after - 1, joint], trust[after, joint])
        confidence[rows, joint], status[rows, joint] = _TRUST * trust, FILLED
    return dataclasses.replace(track, keypoints=keypoints, confidence=confidence, status=status)


def _between(
    time_s: Float[np.ndarray, " k"],
    points: Float[np.ndarray, "k 2"],
    after: Int[np.ndarray, " r"],
    at_s: Float[np.ndarray, " r"],
) -> Float[np.ndarray, "r 2"]:
    """Returns cubics between point `after - 1` and point `after` at some times.

    Their velocities at both ends are half those of the points beyond the gap and half that of the
    straight line: noise in the former weighs more, the longer the gap is.
    """
    span = (time_s[after] - time_s[after - 1])[:, None]
    chord = points[after] - points[after - 1]
    before = _slopes(time_s, points, after - 1, -1) * span
    behind = _slopes(time_s, points, after, 1) * span
    first, last = (
        np.where(np.isnan(slope), chord, 0.5 * (slope + chord)) for slope in (before, behind)
    )
    x = (at_s - time_s[after - 1])[:, None] / span
    curved = (1 - x) * x * ((1 - x) * (first - chord) - x * (last - chord))
    return points[after - 1] + x * chord + curved


def _slopes(time_s, points, at, direction) -> Float[np.ndarray, "r 2"]:
    """Returns the velocity over a few points from each of `at` away from a gap; NaN if too few."""
    rows = at[:, None] + direction * np.arange(_FIT)
    inside = (rows >= 0) & (rows < len(time_s))
    rows = rows.clip(0, len(time_s) - 1)
    from_s = time_s[rows] - time_s[at][:, None]
    weight = (inside & (np.abs(from_s) <= _FIT_S))[..., None]
    count = weight.sum(1)
    from_s, moved = from_s[..., None], points[rows] - points[at][:, None]
    # Least squares about the means, so that no end counts more.
    off_s = np.where(weight, from_s - (weight * from_s).sum(1, keepdims=True) / count[:, None], 0)
    slope = (off_s * moved).sum(1) / np.where(count > 1, (off_s**2).sum(1), np.nan)
    return np.where(count > 1, slope, np.nan)
