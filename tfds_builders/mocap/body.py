"""Bodies: bone lengths, and recorded motions of persons of other sizes and proportions."""

import numpy as np

from tfds_builders.records import JOINTS, PARENTS

ANKLES = (3, 6)
# From the floor to the top of the head along one leg and the spine.
_STATURE_BONES = (2, 3, 7, 8, 9, 10)
ANKLE_HEIGHT = 0.08  # metres, of a person standing

# Adult stature in metres: about the 1st percentile of women to the 99th of men.
STATURE_RANGE = (1.50, 1.95)
# Spread of each bone's share of the body, as a standard deviation relative to the recorded one.
# Limbs vary little between people; trunk, hips and shoulders also vary with the placement of joints
# by a capture system.
PROPORTION_SPREAD = {
    "hip": 0.12,
    "thigh": 0.04,
    "shin": 0.04,
    "spine": 0.06,
    "thorax": 0.06,
    "neck": 0.08,
    "head": 0.08,
    "shoulder": 0.10,
    "upper_arm": 0.05,
    "forearm": 0.05,
}
# The class of the bone that ends at each joint; the two sides share a class and so stay symmetric.
BONE_CLASSES = (
    ("", "hip", "thigh", "shin", "hip", "thigh", "shin", "spine", "thorax", "neck", "head")
    + ("shoulder", "upper_arm", "forearm") * 2
)  # fmt: skip


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    """Returns the length of the bone that ends at each joint, `[t, 17]`; 0 for the pelvis.

    Args:
        joints: `[t, 17, 3]`, any unit.
    """
    lengths = np.linalg.norm(joints - joints[:, PARENTS], axis=-1)
    lengths[:, 0] = 0
    return lengths


def stature(joints: np.ndarray) -> float:
    """Returns the height in metres of a person standing upright with these bones.

    The sum of the median lengths of shin, thigh, spine, thorax, neck and head (of the right leg)
    and the height of the ankle; it does not depend on the pose.

    Args:
        joints: `[t, 17, 3]`, metres.
    """
    return float(np.median(bone_lengths(joints), axis=0)[list(_STATURE_BONES)].sum() + ANKLE_HEIGHT)


def scale_bones(joints: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Transfers a motion to another body: every bone keeps its direction and changes its length.

    The path of the pelvis is scaled with the length of the leg, so that steps fit the legs; the
    lowest ankle of the motion keeps its height. Feet on the ground do not slide where hip, thigh
    and shin have one factor, and slide little otherwise.

    Args:
        joints: `[t, 17, 3]`, metres, Y up.
        factors: `[17]`, the factor of the bone that ends at each joint; that of the pelvis is not
            used.

    Returns:
        `[t, 17, 3]`, metres.
    """
    lengths = np.median(bone_lengths(joints), axis=0)
    leg = [2, 3, 5, 6]
    leg_factor = (factors[leg] * lengths[leg]).sum() / lengths[leg].sum()
    floor = joints[:, ANKLES, 1].min()
    pivot = np.array([joints[0, 0, 0], floor, joints[0, 0, 2]])
    scaled = np.empty_like(joints)
    scaled[:, 0] = pivot + leg_factor * (joints[:, 0] - pivot)
    for joint in range(1, len(JOINTS)):
        parent = PARENTS[joint]
        scaled[:, joint] = scaled[:, parent] + factors[joint] * (
            joints[:, joint] - joints[:, parent]
        )
    scaled[..., 1] += floor - scaled[:, ANKLES, 1].min()
    return scaled


def randomise_body(rng: np.random.Generator, joints: np.ndarray) -> np.ndarray:
    """Samples a person of another stature and other proportions in the same motion.

    Args:
        rng: Random generator.
        joints: `[t, 17, 3]`, metres, Y up.

    Returns:
        `[t, 17, 3]`, metres; left and right stay equal and each bone has one factor for all frames.
    """
    # Clipped so that no sample is an impossible body.
    draws = {
        bone: 1 + spread * np.clip(rng.standard_normal(), -2, 2)
        for bone, spread in PROPORTION_SPREAD.items()
    }
    factors = np.array([draws.get(bone, 1.0) for bone in BONE_CLASSES])
    lengths = np.median(bone_lengths(joints), axis=0) * factors
    wanted = rng.uniform(*STATURE_RANGE) - ANKLE_HEIGHT
    return scale_bones(joints, factors * wanted / lengths[list(_STATURE_BONES)].sum())
