"""Bones of constant length: a person's bones do not change during a video."""

import numpy as np
from jaxtyping import Float

from repose_jax.skeleton import HUMAN36M

SWEEPS = 100
"""Sweeps over all bones; after them lengths are right to 0.1 mm."""


def with_constant_lengths(poses: Float[np.ndarray, "t 17 3"]) -> Float[np.ndarray, "t 17 3"]:
    """Moves joints as little as needed so that every bone has one length in all frames.

    The length of a bone is its median over the frames, the mean of both sides. Each sweep goes from
    the pelvis outward and moves both ends of a bone by half of what it is too long or too short
    (position-based dynamics; Müller et al., 2007), so that an error is not passed on to the wrists
    and ankles. Bones as far from the pelvis move at once, so that a mirrored video has the
    mirrored result.

    Args:
        poses: joints in any unit, relative to the pelvis.

    Returns:
        Joints relative to the pelvis.
    """
    parents, children = np.array(HUMAN36M.bones).T
    lengths = np.zeros(HUMAN36M.size)
    bones = poses[:, children] - poses[:, parents]
    lengths[children] = np.median(np.linalg.norm(bones, axis=-1), axis=0)
    lengths = (lengths + lengths[list(HUMAN36M.flip)]) / 2
    moved = poses.astype(np.float64)
    for _ in range(SWEEPS):
        for ends, starts, shares in _LEVELS:
            bone = moved[:, ends] - moved[:, starts]
            length = np.linalg.norm(bone, axis=-1, keepdims=True)
            move = bone * (lengths[ends, None] / np.maximum(length, 1e-9) - 1) / 2
            moved[:, ends] += move
            moved -= np.einsum("jk,tkd->tjd", shares, move)
    return (moved - moved[:, HUMAN36M.root, None]).astype(np.float32)


def _levels() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Returns the bones by their distance from the pelvis: ends, starts, and what moves starts.

    A joint where several bones start moves by the mean of their moves.
    """
    depth = np.zeros(HUMAN36M.size, int)
    for parent, child in HUMAN36M.bones:
        depth[child] = depth[parent] + 1
    levels = []
    for level in range(1, depth.max() + 1):
        ends = np.flatnonzero(depth == level)
        starts = np.array(HUMAN36M.parents)[ends]
        shares = (np.arange(HUMAN36M.size)[:, None] == starts).astype(float)
        levels.append((ends, starts, shares / np.maximum(shares.sum(1, keepdims=True), 1)))
    return levels


_LEVELS = _levels()
