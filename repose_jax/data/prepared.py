"""The records of prepared datasets, found by the specs of a configuration."""

import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from repose_jax.data import prepare
from repose_jax.runtime import folders, names

LARGEST = 1e7
"""Bound of coordinates in records, px or mm."""
_FEATURES = frozenset(
    f"tensorflow_datasets.core.features.{name}"
    for name in (
        "features_dict.FeaturesDict",
        "scalar.Scalar",
        "tensor_feature.Tensor",
        "text_feature.Text",
    )
)
"""The classes of the features of our records."""


def records(specs: Sequence[str], data_dir: str | None, keys: Sequence[str]) -> list[Any]:
    """Reads the records of prepared splits.

    Args:
        specs: prepared splits, each `dataset/config:split`, for example `cmu_mocap/30fps:train`.
        data_dir: folder of prepared datasets; TFDS's default if None.
        keys: names of the features that are needed; with "joints" the records must be motions
            without cameras, else what cameras saw.

    Returns:
        The records of all specs, in their order.

    Raises:
        ValueError: a malformed spec, a split that does not exist, records of the other kind, or
            damaged files; names the folder.
        FileNotFoundError: a dataset that is not prepared; the message gives the command.
    """
    if isinstance(specs, str):
        raise ValueError(f"data specs are a tuple of strings, found the string {specs!r}.")
    found = [record for spec in specs for record in _split(spec, data_dir, keys)]
    if not found:
        raise ValueError(f"There is no sequence in {list(specs)}.")
    return found


def _split(spec: str, data_dir: str | None, keys: Sequence[str]) -> Any:
    path, _, split = spec.partition(":")
    if path.count("/") != 1 or not split:
        raise ValueError(
            f"{spec!r} is not of the form dataset/config:split (cmu_mocap/30fps:train)."
        )
    root = prepare.root(data_dir)
    folder = _folder(root, path)
    builder = _builder(folder)
    if split not in builder.info.splits:
        source = prepare.split_source(path.split("/")[0], split)
        raise ValueError(
            f"{path} has no split {split!r}; it has {', '.join(builder.info.splits)}."
            + (f" It is read from {source}: prepare it again with --overwrite." if source else "")
        )
    _check_kind(path, builder.info.features, motions="joints" in keys)
    missing = [key for key in keys if key not in builder.info.features]
    if missing:
        raise ValueError(
            f"{folder} was prepared by an older version (its records have no {missing[0]!r}). "
            "Prepare it again with --overwrite."
        )
    return _read(builder, split, folder)


def _builder(folder: pathlib.Path) -> Any:
    """Returns TFDS's reader of a prepared dataset, of which nothing is imported."""
    import tensorflow_datasets as tfds  # slow to import, and not needed without datasets

    folders.check_readable(*(path for path in folder.iterdir() if path.is_file()))
    _check_features(folder / "features.json")
    try:
        builder = tfds.builder_from_directory(folder)
        if not builder.info.splits or not isinstance(
            builder.info.features, tfds.features.FeaturesDict
        ):
            raise ValueError("it has no splits, or no features by name")
        return builder
    except Exception as error:  # of any kind: its parsers raise their own
        raise prepare.damaged(folder, error) from None


def _check_features(path: pathlib.Path) -> None:
    """Refuses features of other classes: TFDS imports the modules that the file names."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise prepare.damaged(path, error) from None
    waiting, found = [content], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            # "type" is the key of old versions of TFDS; both spellings of the other are read.
            found |= {
                str(node[key])
                for key in ("pythonClassName", "python_class_name", "type")
                if key in node
            }
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    if others := sorted(found - _FEATURES):
        raise ValueError(
            f"{path} names the class {others[0]}, which is none of our records: the file is "
            "damaged or from elsewhere. Prepare the dataset again with --overwrite."
        )


def _read(builder: Any, split: str, folder: pathlib.Path) -> Iterator[Any]:
    try:
        for record in builder.as_data_source(split):
            _check_values(record)
            yield record
    except Exception as error:  # of any kind, as above
        raise prepare.damaged(folder, error) from None


def _check_values(record: Mapping[str, Any]) -> None:
    """Refuses numbers that no preparation writes; records have no checksums."""
    for key in ("joints", "keypoints_2d", "confidence", "joints_3d"):
        if key in record and not (np.abs(record[key]) < LARGEST).all():
            raise ValueError(f"{key} of {record['name']!r} has values that are no joints")
    if not (np.isnan(record["fps"]) or 0 < record["fps"] <= 1000):
        raise ValueError(f"fps of {record['name']!r} is {record['fps']}")


def _folder(root: pathlib.Path, path: str) -> pathlib.Path:
    """Returns the folder of the newest version of `dataset/config`."""
    # TFDS writes to a folder of another name first, which remains if preparation is killed.
    found = [p.parent for p in (root / path).glob("*/dataset_info.json")]
    versions = [p for p in found if re.fullmatch(r"\d+\.\d+\.\d+", p.name)]
    if versions:
        return max(versions, key=lambda p: tuple(int(part) for part in p.name.split(".")))
    name, config = path.split("/")
    close = names.closest(name, prepare.DATASETS)
    hint = f" Did you mean {close}/{config}?" if close and close != name else ""
    try:
        options = " ".join(prepare.options_of(name, config))
        how = f"Prepare it with\n  repose prepare {name} {options} --data_dir={root}\nor"
    except ValueError as error:
        how = f"{error} Prepare another, or"
    raise FileNotFoundError(
        f"The dataset {path} is not prepared in {root}.{hint} {how} give its folder with "
        "--config.data.data_dir=DIR."
    )


def _check_kind(path: str, features: Any, motions: bool) -> None:
    """Refuses motions where views are needed, and the reverse."""
    if motions and "joints" not in features:
        raise ValueError(
            f"{path} has what cameras saw, and motions without cameras are needed here. They are "
            "prepared with --views=0 and have a config such as 60fps_motion."
        )
    if not motions and "joints" in features:
        raise ValueError(
            f"{path} has motions without cameras, and what cameras saw is needed here. It is "
            "prepared with --views=4 and has a config such as 30fps."
        )
