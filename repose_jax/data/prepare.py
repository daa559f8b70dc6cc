"""Preparation of datasets: from files as their publishers give them to the records of training."""

import dataclasses
import importlib
import math
import os
import pathlib
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set that can be prepared.

    Attributes:
        files: Whether it is read from files that the user has, the source.
        options: What else can be chosen: "config" by its name, or the settings that make one.
    """

    files: bool
    options: tuple[str, ...]


_MOCAP = ("fps", "views", "seed")
DATASETS = {
    "human36m": DataSet(files=True, options=("config",)),
    "mpi_inf_3dhp": DataSet(files=True, options=("config",)),
    "cmu_mocap": DataSet(files=True, options=_MOCAP),
    "bandai_namco": DataSet(files=True, options=_MOCAP),
    "synthetic_motion": DataSet(files=False, options=_MOCAP),
}


def _module(name: str) -> ModuleType:
    # Imported by name: training must not depend on the builders, nor on what they import.
    return importlib.import_module(f"tfds_builders.{name}")


def builder(
    name: str,
    source: str | os.PathLike[str] | None,
    data_dir: str | os.PathLike[str] | None,
    **options: Any,
) -> Any:
    """The TFDS builder of a data set; nothing is written yet. Options of None are left out."""
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; there are {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    if source is not None and not dataset.files:
        raise ValueError(f"{name} is made without any files: leave out the source")
    options = {key: value for key, value in options.items() if value is not None}
    for key in options:
        if key not in dataset.options:
            raise ValueError(
                f"{name} has no option --{key}; it has "
                + ", ".join(f"--{option}" for option in dataset.options)
            )
    builder_class = _module(f"{name}.{name}_dataset_builder").Builder
    if dataset.options == _MOCAP:
        config = _module("mocap.builder").mocap_config(**options)
        # TFDS wants its own object where the class already has a config of this name.
        options = {"config": builder_class.builder_configs.get(config.name, config)}
    if dataset.files:
        options["source"] = source
    if data_dir is not None:
        data_dir = pathlib.Path(data_dir).expanduser()
    return builder_class(data_dir=data_dir, **options)


def prepare(
    name: str,
    *,
    source: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    config: str | None = None,
    fps: int | float | None = None,
    views: int | None = None,
    seed: int | None = None,
) -> pathlib.Path:
    """Prepares a data set, unless that is done already.

    Args:
        name: One of `DATASETS`.
        source: The file or the folder to read. Where it is not given, TFDS's manual directory
            (`DATA_DIR/downloads/manual`) is read for motion capture, and `cmu_mocap` is downloaded
            if it is not there.
        data_dir: Where prepared data sets live; by default TFDS's: the environment variable
            `TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        config: Which of the data set's configs; by default `human36m`'s only one that the source
            allows for, and `universal` of `mpi_inf_3dhp`.
        fps: Frames per second of the records (motion capture only; 30).
        views: Virtual cameras for each recorded motion (motion capture only; 4).
        seed: Seed of everything drawn: bodies, cameras and the detector's errors (motion capture
            only; 0).

    Returns:
        The folder of the prepared data set, `DATA_DIR/NAME/CONFIG/VERSION`. It appears only once it
        is whole: a preparation that fails leaves nothing there.

    Raises:
        FileNotFoundError: If the data are not where they should be; says what to put where.
        ValueError: If an argument is wrong, or a file or archive is damaged; names it.
    """
    made = builder(name, source, data_dir, config=config, fps=fps, views=views, seed=seed)
    made.download_and_prepare()
    return pathlib.Path(made.data_path)


def prepare_embedded(specs: Sequence[str], data_dir: str | None) -> None:
    """Prepares those datasets of a configuration that need no files and are not prepared yet.

    Args:
        specs: what training reads, each `dataset/config:split`.
        data_dir: where prepared data sets live; None for TFDS's default.
    """
    for path in dict.fromkeys(spec.partition(":")[0] for spec in specs):
        name, _, config = path.partition("/")
        needs_nothing = name in DATASETS and not DATASETS[name].files
        if needs_nothing and (match := re.fullmatch(r"([\d.]+)fps", config)):
            prepare(name, data_dir=data_dir, fps=float(match[1]))


def summary(builder: Any) -> str:
    """A table of what was prepared."""
    spec = f"{builder.name}/{builder.builder_config.name}"
    lines = [f"{'split':<8}{'sequences':>10}{'frames':>12}{'minutes':>10}   in a config"]
    for split in sorted(builder.info.splits, reverse=True):
        records = builder.as_data_source(split=split)
        lengths = [(len(record["joints_3d"]), float(record["fps"])) for record in records]
        frames = sum(length for length, _ in lengths)
        minutes = sum(length / fps for length, fps in lengths) / 60
        time = "-" if math.isnan(minutes) else f"{minutes:,.1f}"
        lines.append(f"{split:<8}{len(lengths):>10,}{frames:>12,}{time:>10}   {spec}:{split}")
    return "\n".join(lines)
