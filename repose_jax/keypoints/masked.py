"""Masked arrays of NumPy as arrays of plain numbers."""

from typing import Any

import numpy as np


def filled(values: Any, hidden: int | float) -> np.ndarray:
    """Returns an array of floats with `hidden` in place of what a mask hides.

    Args:
        values: an array, a masked array, or lists of numbers or of either.
        hidden: NaN for coordinates, 0 for confidences.

    Raises:
        TypeError: there is something else than numbers.
        ValueError: as for `TypeError`, or the lists differ in length.
    """
    return np.ma.asarray(values, np.float64).filled(hidden)
