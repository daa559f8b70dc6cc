"""The one person of a live view, among those who are detected in each frame."""

import math

import numpy as np
from jaxtyping import Float

from repose_jax.detectors.detector import Found

REACH = 1.0
"""Distance that a person moves from one frame to the next at most, in sizes of the person."""
SMALLER = 0.6
"""Size of the person who is followed below which the largest is followed instead."""
PATIENCE_S = 0.5
"""Time for which the person who is followed may be away, or smaller, before another is followed."""


class Follower:
    """Follows one person: the largest at first, then whoever is nearest to the last pose."""

    def __init__(self) -> None:
        """Follows nobody yet."""
        self._last: np.ndarray | None = None
        self._kept_s = -math.inf

    def choose(
        self, found: Found, time_s: float
    ) -> tuple[Float[np.ndarray, "17 2"], Float[np.ndarray, "17"], bool]:
        """Chooses one of the people in a frame.

        Args:
            found: the people.
            time_s: of the frame, later than the last one.

        Returns:
            `[17, 2]` joints, px, NaN where missing, which all are if the person is away; `[17]`
            their confidence; and whether this is another person than before.
        """
        nobody = np.full((17, 2), np.nan), np.zeros(17), False
        sure = np.where(np.isfinite(found.keypoints).all(-1), found.confidence, 0)
        points = np.where((sure > 0)[..., None], found.keypoints, np.nan)
        some = (sure > 0).sum(-1) > 1
        sure, points = sure[some], points[some]
        if not len(points):
            return nobody
        size = np.array([_size(one) for one in points])
        chosen, kept, other = int(size.argmax()), True, False
        if self._last is not None:
            apart = np.array([_apart(self._last, one) for one in points]) / size
            nearest = int(apart.argmin())
            near = bool(apart[nearest] < REACH)
            kept = near and bool(size[nearest] > SMALLER * size.max())
            patient = time_s - self._kept_s <= PATIENCE_S
            if patient and not near:
                return nobody
            if kept or patient:
                chosen = nearest
            else:
                other = True
        if kept or other:
            self._kept_s = time_s
        self._last = points[chosen]
        return points[chosen], sure[chosen], other


def _size(points: Float[np.ndarray, "17 2"]) -> float:
    """Returns the length of the diagonal of the box round points, px; 1 at least."""
    extent = np.nanmax(points, axis=0) - np.nanmin(points, axis=0)
    return max(float(np.linalg.norm(extent)), 1.0)


def _apart(one: Float[np.ndarray, "17 2"], other: Float[np.ndarray, "17 2"]) -> float:
    """Returns the median distance of the joints that two poses share, px."""
    apart = np.linalg.norm(one - other, axis=-1)
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if len(apart) else math.inf
