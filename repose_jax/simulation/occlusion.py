"""Self-occlusion: joints inside a body of capsules, seen by a camera.

The same body and rule as `tfds_builders.mocap.occlusion`, for batches and on any device.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from repose_jax.skeleton import HUMAN36M

# Two joints and the radius in metres, for a stature of 1.7 m.
CAPSULES = (
    ("right_hip", "right_knee", 0.076),
    ("right_knee", "right_ankle", 0.050),
    ("left_hip", "left_knee", 0.076),
    ("left_knee", "left_ankle", 0.050),
    ("left_shoulder", "left_elbow", 0.047),
    ("left_elbow", "left_wrist", 0.038),
    ("right_shoulder", "right_elbow", 0.047),
    ("right_elbow", "right_wrist", 0.038),
    ("right_hip", "left_hip", 0.095),
    ("right_shoulder", "left_shoulder", 0.070),
    ("right_hip", "right_shoulder", 0.085),
    ("left_hip", "left_shoulder", 0.085),
    ("pelvis", "spine", 0.105),
    ("spine", "thorax", 0.105),
    ("thorax", "neck", 0.058),
    ("neck", "head", 0.075),
)
REFERENCE_STATURE = 1.7  # metres
_FLESH = 1.5  # radii of the thickest part that ends at a joint, which are its own flesh

_JOINTS = HUMAN36M.joints
_START, _END = (np.array([_JOINTS.index(c[i]) for c in CAPSULES]) for i in (0, 1))
_RADIUS = np.array([radius for *_, radius in CAPSULES], np.float32)
_DEPTH = _FLESH * np.array(
    [max(radius for *ends, radius in CAPSULES if joint in ends) for joint in _JOINTS], np.float32
)
_HIPS, _SHOULDERS = {"right_hip", "left_hip"}, {"right_shoulder", "left_shoulder"}
_LIMBS_AT = {"pelvis": _HIPS, "spine": set(), "thorax": _SHOULDERS}
_TRUNK = {*_LIMBS_AT, *_HIPS, *_SHOULDERS}
# Whether a capsule is a joint's own flesh all over and never hides it: the trunk and the limbs that
# begin there, for the joints in its midline.
_OWN = np.array(
    [
        [
            joint in _LIMBS_AT and ({*ends} <= _TRUNK or bool({*ends} & _LIMBS_AT[joint]))
            for *ends, _ in CAPSULES
        ]
        for joint in _JOINTS
    ]
)


def hidden(joints: Float[Array, "b t 17 3"], stature: Float[Array, " b"]) -> Bool[Array, "b t 17"]:
    """Returns the joints that the camera does not see past the person's own body.

    A joint is hidden where the ray to it meets a capsule before it reaches the joint's own flesh.

    Args:
        joints: in camera space, metres.
        stature: height of each person, metres, which scales the capsules.
    """
    scale = (stature / REFERENCE_STATURE)[:, None, None]
    distance = jnp.linalg.norm(joints, axis=-1)
    ends = joints * jnp.maximum(1 - scale * _DEPTH / distance, 0)[..., None]
    starts, direction = joints[:, :, _START], joints[:, :, _END] - joints[:, :, _START]
    # |s E - (A + u D)| is least at the lines' closest points, then one after the other clamped to
    # its segment (Ericson, Real-Time Collision Detection, 5.1.9). Only dot products are stored.
    dot = "btjk,btck->btjc"
    ee = (ends**2).sum(-1)[..., None]
    dd = (direction**2).sum(-1)[:, :, None] + 1e-12
    aa = (starts**2).sum(-1)[:, :, None]
    ad = (starts * direction).sum(-1)[:, :, None]
    # In full precision: the test compares millimetres at a distance of metres.
    ed, ea = (jnp.einsum(dot, ends, x, precision="highest") for x in (direction, starts))
    s = jnp.clip((ea * dd - ed * ad) / (ee * dd - ed * ed + 1e-9), 0, 1)
    u = jnp.clip((s * ed - ad) / dd, 0, 1)
    s = jnp.clip((u * ed + ea) / ee, 0, 1)
    square = s * (s * ee - 2 * (ea + u * ed)) + u * (u * dd + 2 * ad) + aa
    return ((square < (scale[..., None] * _RADIUS) ** 2) & ~_OWN).any(-1)
