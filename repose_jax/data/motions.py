"""Prepared motions in memory: joints in the world, without cameras."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from repose_jax import skeleton
from repose_jax.data import prepared

LANDMARKS = (*skeleton.HUMAN36M.joints, "nose", "left_ear", "right_ear")
"""The joints of motions: those of Human3.6M and three points of the face."""
_KEYS = ("joints", "fps", "name", "subject", "action")


@dataclasses.dataclass(frozen=True)
class Motions:
    """Concatenated motions; motion `i` is rows `offsets[i]:offsets[i + 1]` of `joints`.

    Attributes:
        joints: `[n, 20, 3]` the joints `LANDMARKS`, metres, in a right-handed world with Y up.
        offsets: `[s + 1]` first row of each motion, and the number of rows.
        fps: `[s]` frames per second.
        names: names of the motions.
        subjects: person in each motion, "" where unknown.
        actions: action in each motion, "" where unknown.
    """

    joints: Float[np.ndarray, "n j 3"]
    offsets: Int[np.ndarray, " starts"]
    fps: Float[np.ndarray, " s"]
    names: tuple[str, ...]
    subjects: tuple[str, ...]
    actions: tuple[str, ...]


def load(specs: Sequence[str], data_dir: str | None = None) -> Motions:
    """Reads prepared splits of motions into memory.

    Args:
        specs: prepared splits, each `dataset/config:split`, for example
            `cmu_mocap/60fps_motion:train`.
        data_dir: folder of prepared datasets; TFDS's default if None.

    Returns:
        All motions of all specs, in their order.

    Raises:
        ValueError: a malformed spec, a split that does not exist, or records of cameras.
        FileNotFoundError: a dataset that is not prepared; the message gives the command.
    """
    records = prepared.records(specs, data_dir, _KEYS)

    def text(key: str) -> tuple[str, ...]:
        return tuple(record[key].decode() for record in records)

    return Motions(
        joints=np.concatenate([record["joints"] for record in records]),
        offsets=np.concatenate([[0], np.cumsum([len(record["joints"]) for record in records])]),
        fps=np.array([record["fps"] for record in records], np.float32),
        names=text("name"),
        subjects=text("subject"),
        actions=text("action"),
    )
