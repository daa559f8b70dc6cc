"""Short gaps of a track, filled by interpolation over time."""

import dataclasses

import numpy as np
from jaxtyping import Float

from repose_jax.motion.motion import FILLED, MISSING
from repose_jax.tracking.track import Track

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
        track.keypoints.copy(),
        track.confidence.copy(),
        track.status.copy(),
    )
    seen = ~np.isnan(keypoints[..., 0]) & (confidence > 0)
    keypoints[~seen], confidence[~seen], status[~seen] = np.nan, 0, MISSING
    for joint, known in enumerate(seen.T):
        rows = np.flatnonzero(~known)
        before, after, inside = _neighbours(known, rows)
        gap = track.time_s[after] - track.time_s[before]
        # A tolerance for times that were rounded to microseconds.
        short = inside & (gap <= max_gap_s + 1e-4)
        rows, before, after = rows[short], before[short], after[short]
        keypoints[rows, joint] = _line(track.time_s, keypoints[:, joint], before, after, rows)
        confidence[rows, joint] = _TRUST * np.minimum(
            confidence[before, joint], confidence[after, joint]
        )
        status[rows, joint] = FILLED
    return dataclasses.replace(track, keypoints=keypoints, confidence=confidence, status=status)


def _neighbours(known, rows):
    """Returns the known rows before and after each of `rows`, and whether it has both."""
    where = np.flatnonzero(known)
    if not len(where):
        return rows, rows, np.zeros(len(rows), bool)
    next_one = np.searchsorted(where, rows)
    inside = (next_one > 0) & (next_one < len(where))
    return where[np.maximum(next_one - 1, 0)], where[np.minimum(next_one, len(where) - 1)], inside


def _line(
    time_s: Float[np.ndarray, " t"], values: Float[np.ndarray, "t c"], before, after, rows
) -> Float[np.ndarray, "r c"]:
    share = (time_s[rows] - time_s[before]) / (time_s[after] - time_s[before])
    return values[before] + share[:, None] * (values[after] - values[before])
