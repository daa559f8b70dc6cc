"""The size of a body: the stature that its bones have, and poses scaled to a known one."""

import numpy as np
from jaxtyping import Float

from repose_jax.skeleton import HUMAN36M

STATURES = (500.0, 2500.0)
"""Least and greatest stature, mm; others are taken for another unit."""
ANKLE = 0.0794
"""Height of an ankle above the sole, in lengths of the leg from hip to ankle: 0.039 of the stature
to 0.491 (Drillis and Contini, 1966)."""
UPRIGHT = 0.98
"""Distance from ankle to head top of someone who stands, in lengths of leg, trunk and head: nobody
is straight. Measured on motion capture."""

HIPS, KNEES, ANKLES = (
    [HUMAN36M.joints.index(f"{side}_{joint}") for side in ("left", "right")]
    for joint in ("hip", "knee", "ankle")
)
THORAX, _HEAD = map(HUMAN36M.joints.index, ("thorax", "head"))


def leg_length(joints_mm: Float[np.ndarray, "t 17 3"]) -> float:
    """Returns the median distance from hip over knee to ankle, of both legs."""
    return _length(joints_mm, HIPS, KNEES) + _length(joints_mm, KNEES, ANKLES)


def height_of(joints_mm: Float[np.ndarray, "t 17 3"]) -> float:
    """Returns the stature of a body from its bones, whatever its pose.

    It is the height of an ankle, and what leg, trunk (pelvis to thorax) and head (thorax to its
    top) reach of someone who stands.

    Args:
        joints_mm: `[t, 17, 3]` in any axes; lengths are medians over the frames.

    Returns:
        mm, or the unit of `joints_mm`.
    """
    leg = leg_length(joints_mm)
    trunk = _length(joints_mm, [HUMAN36M.root], [THORAX])
    head = _length(joints_mm, [THORAX], [_HEAD])
    return ANKLE * leg + UPRIGHT * (leg + trunk + head)


def scale_to_height(
    joints_mm: Float[np.ndarray, "t 17 3"], height_mm: int | float
) -> Float[np.ndarray, "t 17 3"]:
    """Scales root-relative poses so that the body has a stature.

    Raises:
        ValueError: an impossible stature, such as one in metres, or poses without size.
    """
    least, most = STATURES
    if not least <= height_mm <= most:
        raise ValueError(
            f"A stature of {height_mm / 1000:g} m is impossible; give the height of the person, "
            f"{least / 1000:g} to {most / 1000:g} m."
        )
    height = height_of(joints_mm)
    if not height > 0:
        raise ValueError("The joints are in one point: a body without size has no stature.")
    return (joints_mm * (height_mm / height)).astype(joints_mm.dtype)


def _length(joints: np.ndarray, starts: list[int], ends: list[int]) -> float:
    bones = joints[:, ends].astype(np.float64) - joints[:, starts]
    return float(np.median(np.linalg.norm(bones, axis=-1), axis=0).mean())
