"""The One-Euro filter: little lag in fast motion, little jitter at rest; for live use."""

import math

import numpy as np
from jaxtyping import Float

MIN_CUTOFF_HZ = 1.7
"""Cutoff at rest."""
BETA = 0.01
"""Growth of the cutoff with the speed, Hz for a mm/s."""
_SPEED_CUTOFF_HZ = 1.0


class OneEuro:
    """A low-pass filter whose cutoff grows with the speed (Casiez, Roussel and Vogel, 2012).

    Offline, filters without lag are better.
    """

    def __init__(self, *, min_cutoff_hz: float = MIN_CUTOFF_HZ, beta: float = BETA):
        """Configures a filter; one for positions in mm by default.

        Args:
            min_cutoff_hz: cutoff at rest.
            beta: growth of the cutoff, Hz for a unit of the speed. That for metres is 1000 times
                that for mm.
        """
        self._min_cutoff_hz, self._beta = min_cutoff_hz, beta
        self.reset()

    def reset(self) -> None:
        """Forgets the past."""
        self._last: tuple[float, np.ndarray, np.ndarray] | None = None

    def filter(self, points: Float[np.ndarray, "j 3"], time_s: float) -> Float[np.ndarray, "j 3"]:
        """Returns the filtered points of a time that is later than that of the last call."""
        if self._last is None:
            self._last = time_s, points, np.zeros((len(points), 1))
            return points
        before, last, speed = self._last
        step = time_s - before
        found = np.linalg.norm(points - last, axis=-1, keepdims=True) / step
        speed = speed + _share(_SPEED_CUTOFF_HZ, step) * (found - speed)
        share = _share(self._min_cutoff_hz + self._beta * speed, step)
        points = (last + share * (points - last)).astype(points.dtype)
        self._last = time_s, points, speed
        return points


def _share(cutoff_hz, step_s: float):
    """Returns the weight of the newest value in an exponential filter."""
    ratio = 2 * math.pi * cutoff_hz * step_s
    return ratio / (ratio + 1)
