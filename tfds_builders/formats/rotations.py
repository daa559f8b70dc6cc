"""Rotation matrices from the Euler angles of motion files."""

import numpy as np

MAX_DEGREES = 1e6
"""Larger angles in a file are damage: turns add up, but a float has no fraction of a turn left."""


def about_axis(axis: str, angle: np.ndarray) -> np.ndarray:
    """Returns the rotations about one coordinate axis.

    Args:
        axis: "x", "y" or "z".
        angle: `[...]`, radians, counter-clockwise when the axis points at the viewer.

    Returns:
        `[..., 3, 3]` matrices that multiply column vectors.
    """
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., i, i] = 1.0
    matrix[..., j, j] = matrix[..., k, k] = np.cos(angle)
    matrix[..., k, j] = np.sin(angle)
    matrix[..., j, k] = -matrix[..., k, j]
    return matrix
