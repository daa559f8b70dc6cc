"""Nose and ears, which recordings have no joints for, from the pose of the head."""

import numpy as np

from tfds_builders.records import JOINTS, LANDMARKS

FACE = LANDMARKS[len(JOINTS) :]
# Of an adult, metres from the centre of the head to its left, upwards and to its front. The centre
# is the midpoint of the joints "neck" and "head"; the tip of the nose is a little below the ears.
OFFSETS = {
    "nose": (0.0, -0.02, 0.11),
    "left_ear": (0.075, 0.0, 0.0),
    "right_ear": (-0.075, 0.0, 0.0),
}
_NECK, _HEAD = JOINTS.index("neck"), JOINTS.index("head")
_LEFT_SHOULDER, _RIGHT_SHOULDER = JOINTS.index("left_shoulder"), JOINTS.index("right_shoulder")


def place_face(joints: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Places the nose and the ears.

    Args:
        joints: `[t, 17, 3]`, metres.
        axes: `[t, 3, 3]`, whose columns are the directions to the left, the top and the front of
            the head: the rotation from a head that is upright and faces +Z, with its left on +X.

    Returns:
        `[t, 3, 3]`, metres: nose, left ear, right ear.
    """
    centre = (joints[:, _NECK] + joints[:, _HEAD]) / 2
    offsets = np.array([OFFSETS[point] for point in FACE])
    return centre[:, None] + offsets @ np.swapaxes(axes, -1, -2)


def axes_from(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Returns the axes of a head, for `place_face`, from two directions.

    Args:
        up: `[t, 3]`, from the neck to the top of the head, any length.
        left: `[t, 3]`, about to the left; only its part across `up` counts.

    Returns:
        `[t, 3, 3]`; where the directions are parallel, another direction replaces `left`.
    """
    up = _normalise(up, np.array([0.0, 1.0, 0.0]))
    across = left - np.sum(left * up, axis=-1, keepdims=True) * up
    least = np.eye(3)[np.argmin(np.abs(up), axis=-1)]  # the world's axis least parallel to `up`
    left = _normalise(across, np.cross(up, least))
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def axes_from_joints(joints: np.ndarray) -> np.ndarray:
    """Returns the axes of a head that looks where the shoulders face.

    For recordings without the rotation of the head.

    Args:
        joints: `[t, 17, 3]`.
    """
    return axes_from(
        joints[:, _HEAD] - joints[:, _NECK], joints[:, _LEFT_SHOULDER] - joints[:, _RIGHT_SHOULDER]
    )


def _normalise(vectors: np.ndarray, default: np.ndarray) -> np.ndarray:
    """Returns unit vectors; `default`, normalised, for those without a length."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors = np.where(lengths > 1e-9, vectors, default)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
