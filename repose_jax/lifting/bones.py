"""Bones of constant length: a person's bones do not change during a video."""

import numpy as np
from jaxtyping import Float

from repose_jax.skeleton import HUMAN36M

STEPS = 8
"""Newton steps to the lengths; after three they are right to 0.1 mm for all but gross errors."""
BLOCK = 4096
"""Frames at a time: a frame needs 2 kB for each matrix of all pairs of bones."""
_PARENTS, _CHILDREN = np.array(HUMAN36M.bones).T
_ENDS = np.zeros((len(_CHILDREN), HUMAN36M.size))  # from joints to bones
_ENDS[np.arange(len(_CHILDREN)), _CHILDREN] = 1
_ENDS[np.arange(len(_CHILDREN)), _PARENTS] = -1
_SHARED = _ENDS @ _ENDS.T  # 2 for a bone and itself, 1 or -1 for two that share a joint


def with_constant_lengths(poses: Float[np.ndarray, "t 17 3"]) -> Float[np.ndarray, "t 17 3"]:
    """Moves joints as little as needed so that every bone has one length in all frames.

    Args:
        poses: joints in any unit, relative to the pelvis.

    Returns:
        Joints relative to the pelvis.
    """
    return with_lengths(poses, bone_lengths(poses))


def bone_lengths(poses: Float[np.ndarray, "t 17 3"]) -> Float[np.ndarray, "16"]:
    """Returns the median lengths of the bones of `HUMAN36M` over the frames, equal on both sides.

    The length of a left and a right bone is the mean of their medians.
    """
    lengths = np.zeros(HUMAN36M.size)
    bones = np.linalg.norm(_ENDS @ poses.astype(np.float64), axis=-1)
    lengths[_CHILDREN] = np.median(bones, axis=0)
    return ((lengths + lengths[list(HUMAN36M.flip)]) / 2)[_CHILDREN]


def with_lengths(
    poses: Float[np.ndarray, "t 17 3"], lengths: Float[np.ndarray, "16"]
) -> Float[np.ndarray, "t 17 3"]:
    """Moves joints as little as needed so that the bones have these lengths.

    Each step moves the joints of a pose by the least sum of squares that gives all bones their
    lengths to first order; so an error is not passed on to the wrists and ankles.

    Args:
        poses: joints in any unit, relative to the pelvis.
        lengths: of the bones of `HUMAN36M`, in that unit.

    Returns:
        Joints relative to the pelvis.
    """
    blocks = (poses[start : start + BLOCK] for start in range(0, len(poses), BLOCK))
    return np.concatenate([_with_lengths(block, lengths) for block in blocks])


def _with_lengths(poses: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    moved = poses.astype(np.float64)
    for _ in range(STEPS):
        bones = _ENDS @ moved
        found = np.linalg.norm(bones, axis=-1)
        directions = bones / np.maximum(found, 1e-9)[..., None]
        # How far each bone grows when the ends of another one are pulled along it.
        pull = _SHARED * (directions @ directions.swapaxes(-1, -2))
        pull += 1e-9 * np.eye(len(pull[0]))  # bones without a direction stay as they are
        force = np.linalg.solve(pull, (lengths - found)[..., None])
        moved += _ENDS.T @ (directions * force)
    return (moved - moved[:, HUMAN36M.root, None]).astype(np.float32)
