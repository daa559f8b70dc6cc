"""Prepares a data set: reads what was downloaded once and writes the records that training reads.

    python -m repose_jax.prepare cmu_mocap --source=~/Downloads/allasfamc.zip
    python -m repose_jax.prepare bandai_namco --source=~/Downloads/data.zip
    python -m repose_jax.prepare synthetic_motion

A data set is prepared once for each frame rate, number of views and seed; asking again costs
nothing. At the end stands what a config names it by, such as `cmu_mocap/30fps:train`.
"""

import argparse
import importlib
import os
import pathlib
import re
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

# Data sets by name, and whether they are read from files that the user has.
DATASETS = {"cmu_mocap": True, "bandai_namco": True, "synthetic_motion": False}


def _module(name: str) -> ModuleType:
    # Imported by name: training must not depend on the builders, nor on what they import.
    return importlib.import_module(f"tfds_builders.{name}")


def _builder(
    name: str,
    source: str | os.PathLike[str] | None,
    data_dir: str | os.PathLike[str] | None,
    fps: int | float,
    views: int,
    seed: int,
) -> Any:
    """The TFDS builder of a data set; nothing is read or written yet."""
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; there are {', '.join(DATASETS)}")
    if source is not None and not DATASETS[name]:
        raise ValueError(f"{name} is made without any files: leave out the source")
    builder_class = _module(f"{name}.{name}_dataset_builder").Builder
    config = _module("mocap.builder").mocap_config(fps=fps, views=views, seed=seed)
    # TFDS wants its own object where the class already has a config of this name.
    config = builder_class.builder_configs.get(config.name, config)
    source_option = {"source": source} if DATASETS[name] else {}
    if data_dir is not None:
        data_dir = pathlib.Path(data_dir).expanduser()
    return builder_class(config=config, data_dir=data_dir, **source_option)


def prepare(
    name: str,
    *,
    source: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    fps: int | float = 30,
    views: int = 4,
    seed: int = 0,
) -> pathlib.Path:
    """Prepares a data set, unless that is done already.

    Args:
        name: One of `DATASETS`.
        source: The archive or the folder to read. Where it is not given, TFDS's manual directory
            (`DATA_DIR/downloads/manual`) is read, and `cmu_mocap` is downloaded if it is not there.
        data_dir: Where prepared data sets live; by default TFDS's: the environment variable
            `TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        fps: Frames per second of the records.
        views: Virtual cameras for each recorded motion.
        seed: Seed of everything drawn: bodies, cameras and the detector's errors.

    Returns:
        The folder of the prepared data set, `DATA_DIR/NAME/CONFIG/VERSION`. It appears only once it
        is whole: a preparation that fails leaves nothing there.

    Raises:
        FileNotFoundError: If the data are not where they should be; says what to put where.
        ValueError: If an argument is wrong, or a file or archive is damaged; names it.
    """
    builder = _builder(name, source, data_dir, fps, views, seed)
    builder.download_and_prepare()
    return pathlib.Path(builder.data_path)


def prepare_embedded(specs: Sequence[str], data_dir: str | None) -> None:
    """Prepares those datasets of a configuration that need no files and are not prepared yet.

    Args:
        specs: what training reads, each `dataset/config:split`.
        data_dir: where prepared data sets live; None for TFDS's default.
    """
    for path in dict.fromkeys(spec.partition(":")[0] for spec in specs):
        name, _, config = path.partition("/")
        if DATASETS.get(name) is False and (match := re.fullmatch(r"([\d.]+)fps", config)):
            prepare(name, data_dir=data_dir, fps=float(match[1]))


def _summary(builder: Any) -> str:
    """A table of what was prepared."""
    spec = f"{builder.name}/{builder.builder_config.name}"
    lines = [f"{'split':<8}{'sequences':>10}{'frames':>12}{'minutes':>10}   in a config"]
    for split in sorted(builder.info.splits, reverse=True):
        records = builder.as_data_source(split=split)
        lengths = [(len(record["joints_3d"]), float(record["fps"])) for record in records]
        frames = sum(length for length, _ in lengths)
        minutes = sum(length / fps for length, fps in lengths) / 60
        lines.append(
            f"{split:<8}{len(lengths):>10,}{frames:>12,}{minutes:>10,.1f}   {spec}:{split}"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns 0, or 2 if the data set could not be prepared."""
    parser = argparse.ArgumentParser(
        prog="python -m repose_jax.prepare",
        description="Prepare a data set for training.",
        allow_abbrev=False,
    )
    parser.add_argument("name", choices=DATASETS, help="which data set")
    parser.add_argument("--source", help="the downloaded archive, or the folder of its files")
    parser.add_argument(
        "--data_dir", help="where prepared data sets live (TFDS_DATA_DIR or ~/tensorflow_datasets)"
    )
    parser.add_argument("--fps", type=float, default=30, help="frames per second (30)")
    parser.add_argument("--views", type=int, default=4, help="cameras for each motion (4)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is drawn (0)")
    args = parser.parse_args(argv)
    try:
        builder = _builder(**vars(args))
        if pathlib.Path(builder.data_path).exists():  # TFDS moves it here once it is whole
            print(f"Already prepared: {builder.data_path} (remove it to prepare it again)")
        else:
            builder.download_and_prepare()
            print(f"Prepared: {builder.data_path}")
    except (OSError, ValueError) as error:
        message = " ".join(str(error).split())
        print(f"{parser.prog}: error: {message}", file=sys.stderr)
        return 2
    print(_summary(builder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
