"""Prepared datasets in memory: all sequences of some splits, one after the other."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float, Int, Int8
from tensorflow_datasets.core import constants

_TENSORS = ("keypoints_2d", "confidence", "joints_3d", "visibility")


@dataclasses.dataclass(frozen=True)
class Motion:
    """Sequences laid end to end; sequence `i` is rows `offsets[i]:offsets[i + 1]` of each array.

    Attributes:
        keypoints_2d: `[n, j, 2]` 2D joints as a detector gives them, px.
        confidence: `[n, j]` detector confidence in [0, 1].
        joints_3d: `[n, j, 3]` ground truth in camera space, mm.
        visibility: `[n, j]` 1 visible, 0 occluded, -1 not known.
        offsets: `[s + 1]` where each sequence starts, and the number of frames in all.
        image_size: `[s, 2]` width and height, px.
        fps: `[s]` frames per second.
        names: sequence names.
        actions: what is done in each sequence.
        subjects: who does it.
    """

    keypoints_2d: Float[np.ndarray, "n j 2"]
    confidence: Float[np.ndarray, "n j"]
    joints_3d: Float[np.ndarray, "n j 3"]
    visibility: Int8[np.ndarray, "n j"]
    offsets: Int[np.ndarray, " starts"]
    image_size: Int[np.ndarray, "s 2"]
    fps: Float[np.ndarray, " s"]
    names: tuple[str, ...]
    actions: tuple[str, ...]
    subjects: tuple[str, ...]

    @functools.cached_property
    def lengths(self) -> Int[np.ndarray, " s"]:
        """Frames of each sequence."""
        return np.diff(self.offsets)


def load(specs: Sequence[str], data_dir: str | None = None) -> Motion:
    """Reads prepared splits into memory.

    Args:
        specs: what to read, each `dataset/config:split`, for example `cmu_mocap/30fps:train`.
        data_dir: where datasets were prepared; TFDS's default if None.

    Returns:
        All sequences of all specs, in their order.

    Raises:
        ValueError: a spec that cannot be read, or a split that does not exist.
        FileNotFoundError: a dataset that is not prepared; the message gives the command.
    """
    if isinstance(specs, str):
        raise ValueError(f"data specs are a tuple of strings, found the string {specs!r}.")
    records = [record for spec in specs for record in _records(spec, data_dir)]
    if not records:
        raise ValueError(f"There is not one sequence in {list(specs)}.")
    arrays = {key: np.concatenate([record[key] for record in records]) for key in _TENSORS}
    lengths = [len(record["joints_3d"]) for record in records]

    def text(key: str) -> tuple[str, ...]:
        return tuple(record[key].decode() for record in records)

    return Motion(
        **arrays,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        image_size=np.stack([record["image_size"] for record in records]),
        fps=np.array([record["fps"] for record in records], np.float32),
        names=text("name"),
        actions=text("action"),
        subjects=text("subject"),
    )


def _records(spec: str, data_dir: str | None):
    path, _, split = spec.partition(":")
    if path.count("/") != 1 or not split:
        raise ValueError(
            f"{spec!r} is not of the form dataset/config:split (cmu_mocap/30fps:train)."
        )
    name, config = path.split("/")
    root = pathlib.Path(data_dir or constants.DATA_DIR).expanduser()
    # TFDS writes to a folder of another name first, which a preparation that is killed leaves.
    found = [p.parent for p in (root / path).glob("*/dataset_info.json")]
    versions = [p for p in found if re.fullmatch(r"\d+\.\d+\.\d+", p.name)]
    if not versions:
        # "30fps_views8_seed1" is what `prepare` makes of --fps=30 --views=8 --seed=1.
        settings = re.findall(r"_(views|seed)(\d+)", config)
        options = [f"--fps={config.split('fps')[0]}", *(f"--{k}={v}" for k, v in settings)]
        raise FileNotFoundError(
            f"The dataset {path} is not prepared in {root}. Prepare it with\n"
            f"  python -m repose_jax.prepare {name} {' '.join(options)} "
            f"--data_dir={root}\nor say where it is with --config.data.data_dir=DIR."
        )
    latest = max(versions, key=lambda p: tuple(int(part) for part in p.name.split(".")))
    builder: Any = tfds.builder_from_directory(latest)
    if split not in builder.info.splits:
        raise ValueError(f"{path} has no split {split!r}; it has {', '.join(builder.info.splits)}.")
    return builder.as_data_source(split)
