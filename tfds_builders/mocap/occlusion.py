"""Self-occlusion: joints inside a body of capsules, seen by a camera."""

import dataclasses

import numpy as np

from tfds_builders.records import JOINTS

_CHUNK = 256  # frames at a time; some MB, which stay in the processor's cache


@dataclasses.dataclass(frozen=True)
class Capsule:
    """Points within `radius` (metres, for a stature of 1.7 m) of the line between two joints."""

    start: str
    end: str
    radius: float


# Radii of an average adult: mean circumferences over 2 pi for limbs and neck (thigh 0.48 m, shin
# 0.31 m, upper arm 0.30 m, forearm 0.24 m, neck 0.37 m), half the breadth of the head, half the
# depth of the trunk. The trunk is flat and wide: four capsules around it and one along the spine.
# Hands and feet are left out.
CAPSULES = (
    Capsule("right_hip", "right_knee", 0.076),
    Capsule("right_knee", "right_ankle", 0.050),
    Capsule("left_hip", "left_knee", 0.076),
    Capsule("left_knee", "left_ankle", 0.050),
    Capsule("left_shoulder", "left_elbow", 0.047),
    Capsule("left_elbow", "left_wrist", 0.038),
    Capsule("right_shoulder", "right_elbow", 0.047),
    Capsule("right_elbow", "right_wrist", 0.038),
    Capsule("right_hip", "left_hip", 0.095),
    Capsule("right_shoulder", "left_shoulder", 0.070),
    Capsule("right_hip", "right_shoulder", 0.085),
    Capsule("left_hip", "left_shoulder", 0.085),
    Capsule("pelvis", "spine", 0.105),
    Capsule("spine", "thorax", 0.105),
    Capsule("thorax", "neck", 0.058),
    Capsule("neck", "head", 0.075),
)
REFERENCE_STATURE = 1.7  # metres
# A joint lies inside its own body parts, and the eye sees the skin in front of it. Up to this many
# radii of the thickest part that ends at the joint are its own flesh; anything beyond that hides
# it. So a limb hides the joint at its far end when seen from within about 42 degrees (asin 1 / 1.5)
# of end-on, and the trunk hides the far hip and shoulder from the side but not from the front. For
# joints in its midline all of the trunk is own flesh, and so are the thighs for the pelvis and the
# upper arms for the thorax.
_FLESH = 1.5

_START = [JOINTS.index(capsule.start) for capsule in CAPSULES]
_END = [JOINTS.index(capsule.end) for capsule in CAPSULES]
_RADIUS = np.array([capsule.radius for capsule in CAPSULES])
_DEPTH = _FLESH * np.array(
    [max(c.radius for c in CAPSULES if joint in (c.start, c.end)) for joint in JOINTS]
)
_HIPS = {"right_hip", "left_hip"}
_SHOULDERS = {"right_shoulder", "left_shoulder"}
_LIMBS_AT = {"pelvis": _HIPS, "spine": set(), "thorax": _SHOULDERS}
_TRUNK = {*_LIMBS_AT, *_HIPS, *_SHOULDERS}


def _own(joint: str, capsule: Capsule) -> bool:
    """Whether a capsule is a joint's own flesh all over and never hides it."""
    ends = {capsule.start, capsule.end}
    return joint in _LIMBS_AT and (ends <= _TRUNK or bool(ends & _LIMBS_AT[joint]))


_OWN = np.array([[_own(joint, capsule) for capsule in CAPSULES] for joint in JOINTS])


def _squared_distance(ends: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Squared distances between segments from the origin and other segments.

    Args:
        ends: `[t, j, 3]`; the first segments go from the origin to these.
        starts: `[t, c, 3]`, one end of the second segments.
        stops: `[t, c, 3]`, their other end.

    Returns:
        `[t, j, c]`.
    """
    # Minimise |s E - (A + u D)| over s and u in [0, 1]: the lines' closest points, then one after
    # the other clamped to its segment (Ericson, Real-Time Collision Detection, 5.1.9). Only dot
    # products are stored.
    direction = stops - starts
    ee = np.einsum("tjk,tjk->tj", ends, ends)[:, :, None]
    dd = np.einsum("tck,tck->tc", direction, direction)[:, None] + 1e-12
    aa = np.einsum("tck,tck->tc", starts, starts)[:, None]
    ad = np.einsum("tck,tck->tc", starts, direction)[:, None]
    ed = ends @ direction.transpose(0, 2, 1)
    ea = ends @ starts.transpose(0, 2, 1)
    # The epsilon makes parallel segments start at s = 0, one of their many closest points.
    s = np.clip((ea * dd - ed * ad) / (ee * dd - ed * ed + 1e-9), 0, 1)
    u = np.clip((s * ed - ad) / dd, 0, 1)
    s = np.clip((u * ed + ea) / ee, 0, 1)
    return s * (s * ee - 2 * (ea + u * ed)) + u * (u * dd + 2 * ad) + aa


def visible(joints: np.ndarray, stature: float = REFERENCE_STATURE) -> np.ndarray:
    """Computes which joints the camera sees past the person's own body.

    A joint is hidden where the ray to it meets a capsule before it reaches the joint's own flesh.

    Args:
        joints: `[t, 17, 3]`, camera space, mm, in front of the camera.
        stature: Height of the person in metres, which scales the capsules.

    Returns:
        `[t, 17]` int8: 1 visible, 0 occluded.
    """
    size = stature / REFERENCE_STATURE
    result = np.empty(joints.shape[:2], np.int8)
    for first in range(0, len(joints), _CHUNK):
        chunk = joints[first : first + _CHUNK] / 1000
        distance = np.linalg.norm(chunk, axis=-1)
        ends = chunk * np.maximum(1 - size * _DEPTH / distance, 0)[..., None]
        squared = _squared_distance(ends, chunk[:, _START], chunk[:, _END])
        hidden = ((squared < (size * _RADIUS) ** 2) & ~_OWN).any(axis=-1)
        result[first : first + _CHUNK] = ~hidden
    return result
