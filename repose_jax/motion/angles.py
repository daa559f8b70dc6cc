"""Joint angles with clinical definitions, as far as 17 joint centres determine them.

`docs/angles.md` defines each angle and its sign.
"""

import numpy as np
from jaxtyping import Float

from repose_jax.skeleton import HUMAN36M

Vectors = Float[np.ndarray, "t 3"]
Frames = Float[np.ndarray, "t 3 3"]
Degrees = Float[np.ndarray, " t"]

# World axes of one who faces the camera: forwards, up, to their right.
_WORLD = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]).T


def angles(joints: Float[np.ndarray, "t 17 3"]) -> dict[str, Degrees]:
    """Returns the angles of a person over time, degrees.

    All are 0 when standing upright with arms hanging, facing the camera. Those of limbs have the
    same sign on both sides. Rotation about a limb's own axis and the angles of the feet are left
    out: 17 joint centres do not determine them.

    Args:
        joints: in a right-handed world with y up, such as `repose_jax.motion.motion.Person` has;
            any unit. A joint that is NaN makes the angles NaN that need it.

    Returns:
        Angle name to its values, such as "left_knee_flexion".
    """
    points = dict(zip(HUMAN36M.joints, np.moveaxis(joints, 1, 0), strict=True))

    def bone(start: str, end: str) -> Vectors:
        return _unit(points[end] - points[start])

    pelvis = _frame(bone("pelvis", "spine"), bone("left_hip", "right_hip"))
    thorax = _frame(bone("spine", "thorax"), bone("left_shoulder", "right_shoulder"))
    result = _of_pelvis(pelvis) | _of_trunk(pelvis, thorax, bone("pelvis", "thorax"))
    head = _in_frame(thorax, bone("thorax", "head"))
    result["neck_flexion"] = _unwrapped(np.arctan2(head[:, 0], head[:, 1]))
    result["neck_lateral_bend"] = np.degrees(np.arcsin(head[:, 2].clip(-1, 1)))
    for side, outwards in (("left", -1), ("right", 1)):
        thigh, shank = bone(f"{side}_hip", f"{side}_knee"), bone(f"{side}_knee", f"{side}_ankle")
        upper = bone(f"{side}_shoulder", f"{side}_elbow")
        result |= {
            f"{side}_{name}": values
            for name, values in (
                _of_hip(_in_frame(pelvis, thigh), outwards)
                | {"knee_flexion": _between(thigh, shank)}
                | _of_shoulder(_in_frame(thorax, upper), outwards)
                | {"elbow_flexion": _between(upper, bone(f"{side}_elbow", f"{side}_wrist"))}
            ).items()
        }
    return result


def _of_pelvis(pelvis: Frames) -> dict[str, Degrees]:
    """Heading, obliquity, tilt: in this order of rotation (Baker 2001), from the world's axes."""
    turned = _WORLD.T @ pelvis
    right = turned[:, :, 2]
    return {
        "pelvis_heading": _unwrapped(np.arctan2(right[:, 0], right[:, 2])),
        "pelvis_obliquity": np.degrees(np.arcsin(right[:, 1].clip(-1, 1))),
        "pelvis_tilt": _unwrapped(-np.arctan2(turned[:, 1, 0], turned[:, 1, 1])),
    }


def _of_trunk(pelvis: Frames, thorax: Frames, axis: Vectors) -> dict[str, Degrees]:
    """Thorax against pelvis: flexion, lateral bend, rotation, in this order; lean in the world."""
    turned = np.swapaxes(pelvis, 1, 2) @ thorax
    up = turned[:, :, 1]
    return {
        "trunk_lean": _between(axis, np.broadcast_to([0.0, 1.0, 0.0], axis.shape)),
        "trunk_flexion": _unwrapped(np.arctan2(up[:, 0], up[:, 1])),
        "trunk_lateral_bend": np.degrees(np.arcsin(up[:, 2].clip(-1, 1))),
        "trunk_rotation": _unwrapped(np.arctan2(-turned[:, 2, 0], turned[:, 2, 2])),
    }


def _of_hip(thigh: Vectors, outwards: int) -> dict[str, Degrees]:
    """Flexion about the pelvis's axis to the right, then adduction (Grood and Suntay)."""
    return {
        "hip_flexion": _unwrapped(np.arctan2(thigh[:, 0], -thigh[:, 1])),
        "hip_adduction": np.degrees(np.arcsin((-outwards * thigh[:, 2]).clip(-1, 1))),
    }


def _of_shoulder(upper: Vectors, outwards: int) -> dict[str, Degrees]:
    """Elevation of the upper arm, and its parts forwards and outwards.

    A sequence of two rotations is undetermined with the arm held out to the side, where people hold
    it often; these parts only when it points straight up.
    """
    forward, side = upper[:, 0], outwards * upper[:, 2]
    level = np.hypot(forward, side)
    elevation = np.arctan2(level, -upper[:, 1])
    share = elevation / np.maximum(level, 1e-9)
    return {
        "shoulder_elevation": np.degrees(elevation),
        "shoulder_flexion": np.degrees(forward * share),
        "shoulder_abduction": np.degrees(side * share),
    }


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def _frame(up: Vectors, right: Vectors) -> Frames:
    """Returns forwards, up and right as columns: `right` is kept, `up` made perpendicular to it."""
    up = _unit(up - (up * right).sum(-1, keepdims=True) * right)
    return np.stack([np.cross(up, right), up, right], axis=-1)


def _in_frame(frame: Frames, vectors: Vectors) -> Vectors:
    return np.einsum("tij,ti->tj", frame, vectors)


def _between(first: Vectors, second: Vectors) -> Degrees:
    """Returns the angle between two directions, in [0, 180]; exact near both ends."""
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.degrees(np.arctan2(across, (first * second).sum(-1)))


def _unwrapped(radians: Float[np.ndarray, " t"]) -> Degrees:
    """Returns degrees without jumps of 360; NaN is passed over."""
    known = np.isfinite(radians)
    result = radians.copy()
    result[known] = np.unwrap(radians[known])
    return np.degrees(result)
