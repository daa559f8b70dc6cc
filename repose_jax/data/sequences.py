"""Prepared datasets in memory: the concatenated sequences of some splits."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from repose_jax.data import prepare
from repose_jax.runtime import names

_FRAMES = ("keypoints_2d", "confidence", "joints_3d", "visibility", "valid", "activity")
_SEQUENCES = ("image_size", "intrinsics", "distortion")


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Concatenated sequences; sequence `i` is rows `offsets[i]:offsets[i + 1]` of each array.

    Attributes:
        keypoints_2d: `[n, j, 2]` 2D joints of a detector, px.
        confidence: `[n, j]` detector confidence in [0, 1].
        joints_3d: `[n, j, 3]` ground truth in camera space, mm; with `mm_per_px` 2.5D labels: x and
            y in the image, px, and depth relative to the root of the frame in px of the same size.
        visibility: `[n, j]` 1 visible, 0 occluded, -1 unknown.
        valid: `[n]` whether the dataset's protocol counts the frame.
        activity: `[n]` the dataset's number of the activity in each frame; 0 if unknown.
        offsets: `[s + 1]` first row of each sequence, and the number of rows.
        image_size: `[s, 2]` width and height, px.
        intrinsics: `[s, 3, 3]` pinhole matrix, px; NaN if unknown.
        distortion: `[s, 5]` of the lens, k1 k2 p1 p2 k3 as in OpenCV; NaN if unknown.
        fps: `[s]` frames per second; NaN if unknown.
        names: sequence names.
        actions: action in each sequence.
        subjects: person in each sequence.
        mm_per_px: `[n]` size of a px of a 2.5D label in each frame, mm, NaN if unknown; None for
            labels in camera space.
    """

    keypoints_2d: Float[np.ndarray, "n j 2"]
    confidence: Float[np.ndarray, "n j"]
    joints_3d: Float[np.ndarray, "n j 3"]
    visibility: Int8[np.ndarray, "n j"]
    valid: Bool[np.ndarray, " n"]
    activity: Int8[np.ndarray, " n"]
    offsets: Int[np.ndarray, " starts"]
    image_size: Int[np.ndarray, "s 2"]
    intrinsics: Float[np.ndarray, "s 3 3"]
    distortion: Float[np.ndarray, "s 5"]
    fps: Float[np.ndarray, " s"]
    names: tuple[str, ...]
    actions: tuple[str, ...]
    subjects: tuple[str, ...]
    mm_per_px: Float[np.ndarray, " n"] | None = None

    @functools.cached_property
    def lengths(self) -> Int[np.ndarray, " s"]:
        """Number of frames of each sequence."""
        return np.diff(self.offsets)


def load(specs: Sequence[str], data_dir: str | None = None) -> Sequences:
    """Reads prepared splits into memory.

    Args:
        specs: prepared splits, each `dataset/config:split`, for example `cmu_mocap/30fps:train`.
        data_dir: folder of prepared datasets; TFDS's default if None.

    Returns:
        All sequences of all specs, in their order.

    Raises:
        ValueError: a malformed spec, a split that does not exist, or 2.5D labels in a config of
            another name or among labels in camera space.
        FileNotFoundError: a dataset that is not prepared; the message gives the command.
    """
    if isinstance(specs, str):
        raise ValueError(f"data specs are a tuple of strings, found the string {specs!r}.")
    records = [record for spec in specs for record in _records(spec, data_dir)]
    if not records:
        raise ValueError(f"There is no sequence in {list(specs)}.")
    lengths = [len(record["joints_3d"]) for record in records]
    labelled = [len(record["mm_per_px"]) for record in records]
    if any(labelled) and labelled != lengths:
        raise ValueError(f"{list(specs)} mix 2.5D labels in the image with labels in camera space.")
    if any(labelled) != any(map(has_25d_labels, specs)):
        raise ValueError(
            f"{list(specs)}: datasets with 2.5D labels, and no others, have a config whose name "
            "begins with '2.5d'."
        )
    # Records are released as they are concatenated: large datasets would not fit in memory twice.
    arrays = {key: np.concatenate([record.pop(key) for record in records]) for key in _FRAMES}
    scales = np.concatenate([record["mm_per_px"] for record in records])

    def text(key: str) -> tuple[str, ...]:
        return tuple(record[key].decode() for record in records)

    return Sequences(
        **arrays | {"valid": arrays["valid"].astype(bool)},
        **{key: np.stack([record[key] for record in records]) for key in _SEQUENCES},
        mm_per_px=scales if any(labelled) else None,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        fps=np.array([record["fps"] for record in records], np.float32),
        names=text("name"),
        actions=text("action"),
        subjects=text("subject"),
    )


def has_25d_labels(spec: str) -> bool:
    """Returns whether a split has 2.5D labels in the image, by the name of its config."""
    return spec.partition("/")[2].startswith("2.5d")


def _records(spec: str, data_dir: str | None):
    import tensorflow_datasets as tfds  # slow to import, and not needed without datasets
    from tensorflow_datasets.core import constants

    path, _, split = spec.partition(":")
    if path.count("/") != 1 or not split:
        raise ValueError(
            f"{spec!r} is not of the form dataset/config:split (cmu_mocap/30fps:train)."
        )
    name, config = path.split("/")
    root = pathlib.Path(data_dir or constants.DATA_DIR).expanduser()
    # TFDS writes to a folder of another name first, which remains if preparation is killed.
    found = [p.parent for p in (root / path).glob("*/dataset_info.json")]
    versions = [p for p in found if re.fullmatch(r"\d+\.\d+\.\d+", p.name)]
    if not versions:
        # `prepare` names --fps=30 --views=8 --seed=1 "30fps_views8_seed1".
        if rate := re.match(r"([\d.]+)fps", config):
            settings = re.findall(r"_(views|seed)(\d+)", config)
            options = [f"--fps={rate[1]}", *(f"--{k}={v}" for k, v in settings)]
        else:
            options = [f"--config={config}", "--source=FILES"]
        close = names.closest(name, prepare.DATASETS)
        hint = f" Did you mean {close}/{config}?" if close and close != name else ""
        raise FileNotFoundError(
            f"The dataset {path} is not prepared in {root}.{hint} Prepare it with\n"
            f"  repose prepare {name} {' '.join(options)} "
            f"--data_dir={root}\nor give its folder with --config.data.data_dir=DIR."
        )
    latest = max(versions, key=lambda p: tuple(int(part) for part in p.name.split(".")))
    builder: Any = tfds.builder_from_directory(latest)
    if split not in builder.info.splits:
        source = prepare.split_source(name, split)
        raise ValueError(
            f"{path} has no split {split!r}; it has {', '.join(builder.info.splits)}."
            + (f" It is read from {source}: prepare it again with --overwrite." if source else "")
        )
    missing = [key for key in _FRAMES if key not in builder.info.features]
    if missing:
        raise ValueError(
            f"{latest} was prepared by an older version (its records have no {missing[0]!r}). "
            "Prepare it again with --overwrite."
        )
    return builder.as_data_source(split)
