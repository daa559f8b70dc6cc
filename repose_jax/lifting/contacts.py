"""Feet on the floor: when they stand, how far they slide, and a path on which they do not."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import solveh_banded
from scipy.ndimage import percentile_filter

from repose_jax.lifting.penalties import SHORTEST, smoothness
from repose_jax.lifting.scale import ANKLES
from repose_jax.lifting.smooth import segments

SPEEDS = (350.0, 600.0)
"""Speed of an ankle in the image below which a contact begins, and above which it ends, mm/s at the
depth of the person."""
HEIGHTS = (90.0, 140.0)
"""The same of its height above the lowest ankles of the seconds around it, mm."""
LEAST_S = 0.1
"""Shortest contact, s; shorter ones, and shorter breaks in a contact, are taken for noise."""
_WINDOW_S = 0.08  # on each side, for speeds
_AROUND_S = 1.5  # on each side, for the lowest ankles
_STILL, _NEAR, _BEND = 20.0, 300.0, 3000.0  # mm/s, mm and mm/s^2 of the path's correction


@dataclasses.dataclass(frozen=True, eq=False)
class Contacts:
    """Contacts of the feet with the floor, and the path that makes them stand still.

    Attributes:
        touching: `[t, 2]` whether the left and the right foot stand.
        shift_mm: `[t, 3]` to be added to all joints of a frame, in the axes of the joints.
        sliding: mean speed of standing ankles before, mm/s; NaN without contacts.
        sliding_locked: the same with `shift_mm` added.
    """

    touching: Bool[np.ndarray, "t 2"]
    shift_mm: Float[np.ndarray, "t 3"]
    sliding: float
    sliding_locked: float


def lock_feet(
    joints_mm: Float[np.ndarray, "t 17 3"],
    keypoints: Float[np.ndarray, "t 17 2"],
    confidence: Float[np.ndarray, "t 17"],
    mm_per_px: Float[np.ndarray, " t"],
    time_s: Float[np.ndarray, " t"],
) -> Contacts:
    """Finds when feet stand, and the smooth correction of the path with which they stand still.

    A pose stays as it is: the body is moved as a whole.

    Args:
        joints_mm: in the world (y up), mm, smoothed.
        keypoints: px, of a camera that stands still; NaN where missing.
        confidence: 0 for a missing joint: a foot that is not seen has no contact.
        mm_per_px: size of a px at the depth of the person.
        time_s: of each frame, increasing.
    """
    touching = find_contacts(joints_mm, keypoints, confidence, mm_per_px, time_s)
    ankles = joints_mm[:, ANKLES].astype(np.float64)
    shift = _correction(ankles, touching, time_s)
    return Contacts(
        touching=touching,
        shift_mm=shift,
        sliding=sliding(ankles, touching, time_s),
        sliding_locked=sliding(ankles + shift[:, None], touching, time_s),
    )


def find_contacts(
    joints_mm: Float[np.ndarray, "t 17 3"],
    keypoints: Float[np.ndarray, "t 17 2"],
    confidence: Float[np.ndarray, "t 17"],
    mm_per_px: Float[np.ndarray, " t"],
    time_s: Float[np.ndarray, " t"],
) -> Bool[np.ndarray, "t 2"]:
    """Finds when the left and the right foot stand; see `lock_feet`.

    A foot stands while its ankle is slow in the image and low in the world. Each of the two has two
    thresholds: one to begin, and a higher one to end.
    """
    height = joints_mm[:, ANKLES, 1].astype(np.float64)
    if len(time_s) > 1:
        reach = min(round(_AROUND_S / float(np.median(np.diff(time_s)))), len(time_s))
        lowest = percentile_filter(height.min(axis=1), 10, size=2 * reach + 1, mode="nearest")
    else:
        lowest = height.min(axis=1)
    height = height - lowest[:, None]
    seen = (confidence[:, ANKLES] > 0) & np.isfinite(keypoints[:, ANKLES]).all(axis=-1)
    touching = np.zeros(seen.shape, bool)
    for foot, joint in enumerate(ANKLES):
        speed = _speed(keypoints[:, joint], seen[:, foot], time_s) * mm_per_px
        low, high = (
            seen[:, foot] & (speed < most) & (height[:, foot] < above)
            for most, above in zip(SPEEDS, HEIGHTS, strict=True)
        )
        held = _hysteresis(low, high)
        held = ~_long_enough(~held, time_s)  # breaks
        touching[:, foot] = _long_enough(held, time_s) & seen[:, foot]
    return touching


def sliding(
    ankles_mm: Float[np.ndarray, "t 2 3"],
    touching: Bool[np.ndarray, "t 2"],
    time_s: Float[np.ndarray, " t"],
) -> float:
    """Returns the mean speed of ankles between frames in which they stand, mm/s; NaN without."""
    step = np.linalg.norm(np.diff(ankles_mm, axis=0), axis=-1)
    both = touching[1:] & touching[:-1]
    if not both.any():
        return float("nan")
    duration = np.broadcast_to(np.diff(time_s)[:, None], both.shape)
    return float(step[both].sum() / duration[both].sum())


def _speed(points: np.ndarray, seen: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Returns the speed by a line through the points around each frame; infinite with too few."""
    weight = seen.astype(float)
    values = np.where(seen[:, None], points, 0.0)
    values = values - values.sum(axis=0) / max(weight.sum(), 1)
    values *= weight[:, None]
    first = np.searchsorted(time, time - _WINDOW_S - 1e-6)
    last = np.searchsorted(time, time + _WINDOW_S + 1e-6, side="right")
    first = np.minimum(first, np.maximum(np.arange(len(time)) - 1, 0))
    last = np.maximum(last, np.minimum(np.arange(len(time)) + 2, len(time)))

    def total(terms: np.ndarray) -> np.ndarray:
        sums = np.concatenate([np.zeros((1, *terms.shape[1:])), np.cumsum(terms, axis=0)])
        return sums[last] - sums[first]

    clock = time - time.mean()
    count, first_moment = total(weight), total(weight * clock)
    spread = count * total(weight * clock**2) - first_moment**2
    slope = count[:, None] * total(values * clock[:, None]) - first_moment[:, None] * total(values)
    good = (count >= 2) & (spread > 1e-9)
    slope = slope / np.where(good, spread, 1.0)[:, None]
    return np.where(good, np.linalg.norm(slope, axis=-1), np.inf)


def _hysteresis(begins: np.ndarray, holds: np.ndarray) -> np.ndarray:
    """Returns where `holds` is true in a run of it that has a frame of `begins`."""
    held = np.zeros(len(holds), bool)
    for start, stop in segments(holds):
        held[start:stop] = begins[start:stop].any()
    return held


def _long_enough(mask: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Removes runs that are shorter than `LEAST_S`."""
    kept = np.zeros(len(mask), bool)
    for start, stop in segments(mask):
        kept[start:stop] = time[stop - 1] - time[start] >= LEAST_S
    return kept


def _correction(ankles: np.ndarray, touching: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Returns the shift of each frame that makes standing ankles still, and bends the path least.

    Minimises, over time, the squared speed of standing ankles, the shift and its acceleration, each
    in its unit.
    """
    frames = len(time)
    if not (touching[1:] & touching[:-1]).any():
        return np.zeros((frames, 3))
    step = np.maximum(np.diff(time), SHORTEST)
    bands = smoothness(time, acceleration=_BEND)
    target = np.zeros((frames, 3))
    bands[0] += np.append(step, step[-1]) / _NEAR**2
    for foot in range(2):
        strength = (touching[1:, foot] & touching[:-1, foot]) / step / _STILL**2
        bands[0, 1:] += strength
        bands[0, :-1] += strength
        bands[1, :-1] -= strength
        move = strength[:, None] * np.diff(ankles[:, foot], axis=0)
        target[1:] -= move
        target[:-1] += move
    return solveh_banded(bands[: min(3, frames)], target, lower=True)
