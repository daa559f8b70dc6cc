"""Rotations over time: from directions, at other times, and as Euler angles."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp


def wrap(angle):
    """Returns angles in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def unit(vectors: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
    """Returns vectors of length 1; those of no length stay."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 1e-9, length, 1)


def frames(
    first: int,
    primary: Float[np.ndarray, "t 3"],
    second: int,
    secondary: Float[np.ndarray, "t 3"],
    time_s: Float[np.ndarray, " t"],
) -> Rotation:
    """Returns the rotations that take axis `first` to `primary`, and `second` near to `secondary`.

    Where the two are parallel or have no length, rotations are interpolated between other frames.

    Args:
        first: 0, 1 or 2 for x, y or z.
        primary: its direction.
        second: another axis.
        secondary: its direction, which is made perpendicular to the primary one.
        time_s: of each frame, s.
    """
    matrix = np.zeros((len(primary), 3, 3))
    matrix[:, :, first] = unit(primary)
    across = np.cross(unit(primary), unit(secondary))
    sign = 1 if (second - first) % 3 == 1 else -1
    third = 3 - first - second
    matrix[:, :, third] = sign * unit(across)
    matrix[:, :, second] = np.cross(matrix[:, :, third], matrix[:, :, first]) * sign
    clear = np.linalg.norm(across, axis=-1) > np.sin(np.radians(1))
    if not clear.any():
        return Rotation.identity(len(primary))
    known = Rotation.from_matrix(matrix[clear])
    return known if clear.all() else interpolate(known, time_s[clear], time_s)


def interpolate(
    rotations: Rotation, time_s: Float[np.ndarray, " t"], at_s: Float[np.ndarray, " n"]
) -> Rotation:
    """Returns rotations at other times; before the first and after the last they are held."""
    if len(time_s) == 1:
        return Rotation.from_quat(np.tile(rotations.as_quat(), (len(at_s), 1)))
    return Slerp(time_s, rotations)(np.clip(at_s, time_s[0], time_s[-1]))


def swing(start: Float[np.ndarray, "t 3"], end: Float[np.ndarray, "t 3"]) -> Rotation:
    """Returns the smallest rotations from unit vectors to others."""
    real = 1 + (start * end).sum(-1)
    axis = np.cross(start, end)
    # Half a turn about any axis that is perpendicular.
    other = np.cross(start, np.eye(3)[np.abs(start).argmin(axis=-1)])
    opposite = real < 1e-14
    axis[opposite], real[opposite] = other[opposite], 0
    return Rotation.from_quat(np.concatenate([axis, real[:, None]], axis=-1))


def euler(rotations: Rotation, order: str) -> Float[np.ndarray, "t 3"]:
    """Returns Euler angles that change as little as possible from frame to frame, rad.

    They may pass half a turn. In gimbal lock the first angle stays as it was.

    Args:
        rotations: `[t]` for column vectors.
        order: three axes, "ZXY" for Rz Rx Ry.
    """
    a, b, c = ("XYZ".index(axis) for axis in order)
    sign = 1 if (b - a) % 3 == 1 else -1
    matrix = rotations.as_matrix()
    middle = np.arcsin(np.clip(sign * matrix[:, a, c], -1, 1))
    locked = np.hypot(matrix[:, b, c], matrix[:, c, c]) < 1e-6
    frame = np.arange(len(matrix))
    free = np.maximum.accumulate(np.where(locked, 0, frame))
    first = np.arctan2(-sign * matrix[:, b, c], matrix[:, c, c])[free]
    # From what is left after the first angle, so that the three fit even when locked.
    rest = (Rotation.from_rotvec(-first[:, None] * np.eye(3)[a]) * rotations).as_matrix()
    last = np.arctan2(sign * rest[:, b, a], rest[:, b, b])
    return np.unwrap(_nearer(np.stack([first, middle, last], axis=-1)), axis=0)


def _nearer(angles: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t 3"]:
    """Returns of the two solutions in each frame the one nearer to that of the frame before."""
    other = angles * (1, -1, 1) + np.pi
    stay = np.linalg.norm(wrap(angles[1:] - angles[:-1]), axis=-1)
    change = np.linalg.norm(wrap(other[1:] - angles[:-1]), axis=-1)
    # A step between two solutions of the other kind is as long as between these two, so that
    # each frame decides for itself whether the kind changes.
    changed = np.concatenate([[False], np.cumsum(change < stay) % 2 == 1])
    return np.where(changed[:, None], other, angles)
