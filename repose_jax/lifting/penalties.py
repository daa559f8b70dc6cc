"""Penalties on the speed and the acceleration of a path over time, as banded matrices."""

import numpy as np
from jaxtyping import Float

SHORTEST = 5e-4
"""Least step between frames that counts, s: at shorter ones, of stamps that are nearly equal or in
another unit, the penalties would drown all else."""


def smoothness(
    time_s: Float[np.ndarray, " t"],
    *,
    acceleration: float,
    speed: float | None = None,
) -> Float[np.ndarray, "3 t"]:
    """Returns the matrix of the integral over time of squared speed and squared acceleration.

    Each is in units of its usual value, so that the integral does not depend on the frame rate.

    Args:
        time_s: of each frame, increasing.
        acceleration: usual acceleration, length/s^2.
        speed: usual speed, length/s; None for no penalty.

    Returns:
        Diagonals 0, 1, 2 of the symmetric matrix, as `scipy.linalg.solveh_banded` has lower ones.
    """
    bands = np.zeros((3, len(time_s)))
    step = np.maximum(np.diff(time_s), SHORTEST)
    if speed is not None and len(step) > 0:
        _add(bands, np.stack([-1 / step, 1 / step]), step / speed**2)
    if len(step) > 1:
        mean = (step[1:] + step[:-1]) / 2
        behind, ahead = 1 / step[:-1], 1 / step[1:]
        rows = np.stack([behind, -behind - ahead, ahead]) / mean
        _add(bands, rows, mean / acceleration**2)
    return bands


def _add(bands: np.ndarray, rows: np.ndarray, strength: np.ndarray) -> None:
    """Adds `strength * row' row` for rows whose elements are those of neighbouring frames."""
    for first in range(len(rows)):
        for second in range(first, len(rows)):
            place = slice(first, first + len(strength))
            bands[second - first, place] += strength * rows[first] * rows[second]
