"""Preparation of datasets: from the files of their authors to the records that training reads."""

import contextlib
import dataclasses
import importlib
import json
import math
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from absl import logging

from repose_jax.runtime import folders, names
from repose_jax.runtime.lock import Lock

SOURCE = "source.json"
"""Names and sizes of the files that a prepared dataset was read from, in its folder."""

LEFT_OUT = "left_out.txt"
"""The bad files that a prepared dataset is without, a line each, in its folder."""

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A dataset that can be prepared.

    Attributes:
        files: whether it is read from files that the user has, the source.
        options: its other options: "config" by name, or the settings that make a config.
        several: whether it may be read from several sources together.
    """

    files: bool
    options: tuple[str, ...]
    several: bool = False


_MOCAP = ("fps", "views", "seed", "skip_bad")
DATASETS = {
    "human36m": Dataset(files=True, options=("config",)),
    "mpi_inf_3dhp": Dataset(files=True, options=("config",)),
    "cmu_mocap": Dataset(files=True, options=_MOCAP),
    "bandai_namco": Dataset(files=True, options=_MOCAP),
    "bvh_motion": Dataset(files=True, options=(*_MOCAP, "label", "settings"), several=True),
    "synthetic_motion": Dataset(files=False, options=_MOCAP),
}


def _module(name: str) -> ModuleType:
    # Imported by name: training must not depend on the builders, nor on what they import.
    return importlib.import_module(f"tfds_builders.{name}")


def root(data_dir: str | os.PathLike[str] | None) -> pathlib.Path:
    """Returns the folder of the prepared datasets, by default that of TFDS.

    Raises:
        FileNotFoundError: it is in a home folder that does not exist.
    """
    from tensorflow_datasets.core import constants  # slow to import

    try:
        return folders.expand(data_dir or constants.DATA_DIR)
    except FileNotFoundError as error:
        hint = "" if data_dir else " The prepared datasets are in TFDS_DATA_DIR, if it is set."
        raise FileNotFoundError(f"{error}{hint}") from error


def builder(
    name: str,
    source: Source | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Any:
    """Makes the TFDS builder of a dataset; nothing is written yet. Options of None are ignored.

    Raises:
        FileNotFoundError: the source is needed to choose the config, and is missing.
        ValueError: an unknown dataset, or an option that it does not have.
    """
    if name not in DATASETS:
        raise ValueError(names.unknown("dataset", name, DATASETS))
    dataset = DATASETS[name]
    if source is not None and not dataset.files:
        raise ValueError(f"{name} is generated, not read from files: leave out --source.")
    if not isinstance(source, str | os.PathLike | None) and not dataset.several:
        if len(source) > 1:
            raise ValueError(f"{name} is read from one source, found {len(source)}.")
        source = source[0]
    if isinstance(source, str | os.PathLike):
        source = folders.expand(source)
    elif source is not None:
        source = [folders.expand(each) for each in source]
    options = {key: value for key, value in options.items() if value is not None}
    for key in options:
        if key not in dataset.options:
            raise ValueError(
                f"{name} has no option --{key}; it has "
                + ", ".join(f"--{option}" for option in dataset.options)
                + "."
            )
    builder_class = _module(f"{name}.{name}_dataset_builder").Builder
    if set(_MOCAP) <= set(dataset.options):
        if options.get("views") == 0 and "seed" in options and dataset.files:
            raise ValueError(f"{name} without cameras has nothing random: leave out --seed.")
        read = {key: options.pop(key) for key in ("settings", "skip_bad") if key in options}
        if "settings" in read:
            read["settings"] = folders.expand(read["settings"])
            stem = read["settings"].stem.lower()
            options.setdefault("label", re.sub(r"[^a-z0-9]+", "_", stem))
        config = _module("mocap.builder").mocap_config(**options)
        # TFDS expects its own object if the class already has a config of this name.
        options = {"config": builder_class.builder_configs.get(config.name, config), **read}
    if dataset.files:
        options["source"] = source
    data_dir = root(data_dir)
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # TFDS warns of every config that is not its default
    try:
        return builder_class(data_dir=data_dir, **options)
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            raise _damaged_before(name, data_dir, error) from None
        raise
    except Exception as error:  # of any kind: TFDS's parsers raise their own
        raise _damaged_before(name, data_dir, error) from None
    finally:
        logging.set_verbosity(verbosity)


def _damaged_before(name: str, data_dir: pathlib.Path | None, error: Exception) -> ValueError:
    """Returns the error for what an earlier preparation left, which TFDS reads first."""
    from tensorflow_datasets.core import constants

    folder = pathlib.Path(data_dir or constants.DATA_DIR) / name
    return ValueError(
        f"{folder} has a damaged dataset ({_line(error)}). Remove it and prepare it again."
    )


def damaged(path: pathlib.Path, error: Exception) -> ValueError:
    """Returns the error for a file or the folder of a prepared dataset, in one line."""
    return ValueError(
        f"{path} is damaged ({_line(error)}). Prepare the dataset again with --overwrite."
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def split_source(name: str, split: str) -> str | None:
    """Returns the files that a split of a dataset is read from, if they may hold others alone."""
    if name not in DATASETS:
        return None
    return _module(f"{name}.{name}_dataset_builder").Builder.SPLIT_SOURCES.get(split)


def write(builder: Any, *, overwrite: bool = False) -> bool:
    """Writes a dataset, unless it is prepared already.

    One process at a time writes to the folder of a config; others wait until it is done.

    Args:
        builder: its builder.
        overwrite: prepare it again. What is there is kept until the new records are complete, and
            stays if they cannot be made.

    Returns:
        Whether it was written now.

    Raises:
        FileNotFoundError: a file of the source is missing.
        ValueError: the source is damaged, or other than the one that was prepared; names the files.
    """
    folder = pathlib.Path(builder.data_path)
    source = _sizes(builder.source_files())
    if folder.exists() and not overwrite:  # TFDS moves a folder here once it is complete
        _check_same_source(folder, source)
        return False
    with Lock(folder.parent, wait=True):
        old = folder.with_name(f"replaced_{folder.name}")  # left by a process that was killed
        if old.exists() and folder.exists():
            shutil.rmtree(old)
        elif old.exists():
            old.rename(folder)
        if folder.exists() and not overwrite:  # put back, or written by another process
            _check_same_source(folder, source)
            try:
                builder.info.read_from_directory(folder)
            except Exception as error:  # of any kind, as in `builder`
                raise damaged(folder, error) from None
            return False
        _write(builder, folder, old, source)
    return True


def _write(builder: Any, folder: pathlib.Path, old: pathlib.Path, source: dict[str, int]) -> None:
    """Writes a dataset to its folder; what is there is at `old` until the new one is complete."""
    if folder.exists():
        folder.rename(old)
    try:
        with open(os.devnull, "w", encoding="utf-8") as quiet, contextlib.redirect_stdout(quiet):
            builder.download_and_prepare()  # prints "downloaded" whether or not anything was
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    (folder / SOURCE).write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")
    if left_out := getattr(builder, "left_out", ()):
        (folder / LEFT_OUT).write_text("\n".join(left_out) + "\n", encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)


def _sizes(files: Iterable[pathlib.Path]) -> dict[str, int]:
    """Returns the size of each file in bytes, by its path from the folder that they share."""
    files = [path.absolute() for path in files]
    root = os.path.commonpath([path.parent for path in files]) if files else ""
    return {path.relative_to(root).as_posix(): path.stat().st_size for path in sorted(files)}


def _check_same_source(folder: pathlib.Path, source: dict[str, int]) -> None:
    """Refuses a source with other files than those that a dataset was prepared from."""
    path = folder / SOURCE
    if not source or not path.exists():  # of an earlier version, or downloaded
        return
    try:
        prepared: dict[str, int] = json.loads(path.read_text("utf-8"))
        if not isinstance(prepared, dict) or {*map(type, prepared.values())} - {int}:
            raise ValueError("it is no list of files and sizes")
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from None
    differing = [
        f"{name}: {_size(prepared.get(name))} then, {_size(source.get(name))} now"
        for name in sorted(prepared.keys() | source.keys())
        if prepared.get(name) != source.get(name)
    ]
    if differing:
        more = f" and {len(differing) - 3} more files" if len(differing) > 3 else ""
        raise ValueError(
            f"{folder} was prepared from other files ({'; '.join(differing[:3])}{more}). "
            "Prepare it again with --overwrite, or give another --data_dir."
        )


def _size(size: int | None) -> str:
    return "missing" if size is None else f"{size:,} bytes"


def prepare(
    name: str,
    *,
    source: Source | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    config: str | None = None,
    fps: int | float | None = None,
    views: int | None = None,
    seed: int | None = None,
    label: str | None = None,
    settings: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
) -> pathlib.Path:
    """Prepares a dataset, unless that is done already.

    Args:
        name: one of `DATASETS`.
        source: the file or the folder to read, or several for `bvh_motion`. Without it, TFDS's
            manual directory (`DATA_DIR/downloads/manual`) is read for `cmu_mocap` and
            `bandai_namco`, and `cmu_mocap` is downloaded if it is missing there.
        data_dir: folder of the prepared datasets; by default TFDS's: the environment variable
            `TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        config: name of the dataset's config; by default the only one that the source of `human36m`
            allows, and `universal` of `mpi_inf_3dhp`.
        fps: frames per second of the records (motion capture only; 30, and 60 without cameras).
        views: virtual cameras for each recorded motion (motion capture only; 4); 0 for the motions
            themselves, in the world.
        seed: random seed of bodies, cameras and the detector's errors (motion capture only; 0).
        label: beginning of the config's name (`bvh_motion` only; that of the settings), by which
            datasets that are read from other files are kept apart.
        settings: TOML file of splits, frame rates and joint maps (`bvh_motion` only), or the name
            of one in `tfds_builders/bvh_motion`.
        skip_bad: leave out bad files (motion capture only), as long as they are at most a tenth of
            a split, or one; they are listed in `left_out.txt` of the prepared dataset.
        overwrite: prepare it again if it is there.

    Returns:
        The folder of the prepared dataset, `DATA_DIR/NAME/CONFIG/VERSION`. It appears only once it
        is complete: a preparation that fails leaves nothing there.

    Raises:
        FileNotFoundError: the data are missing; says which file to put where.
        ValueError: an argument is wrong, a file or archive is damaged, or the source is other than
            the one that was prepared.
    """
    options = {"config": config, "fps": fps, "views": views, "seed": seed}
    options["skip_bad"] = skip_bad or None
    made = builder(name, source, data_dir, **options, label=label, settings=settings)
    write(made, overwrite=overwrite)
    return pathlib.Path(made.data_path)


def prepare_embedded(specs: Sequence[str], data_dir: str | None) -> None:
    """Prepares the datasets of a configuration that need no files and are not prepared yet.

    Args:
        specs: splits, each `dataset/config:split`.
        data_dir: folder of the prepared datasets; None for TFDS's default.
    """
    for path in dict.fromkeys(spec.partition(":")[0] for spec in specs):
        name, _, config = path.partition("/")
        needs_nothing = name in DATASETS and not DATASETS[name].files
        if needs_nothing and (match := re.fullmatch(r"([\d.]+)fps(_motion)?", config)):
            views = 0 if match[2] else None
            prepare(name, data_dir=data_dir, fps=float(match[1]), views=views)


def options_of(name: str, config: str) -> list[str]:
    """Returns the command-line options that prepare a config of a dataset.

    Raises:
        ValueError: there is no such dataset, or it has no such config.
    """
    if name not in DATASETS:
        raise ValueError(
            f"`repose prepare` has no dataset {name!r}; it has {', '.join(DATASETS)}. One of your "
            "own is prepared by its builder."
        )
    options = DATASETS[name].options
    if "config" in options:
        return [f"--config={config}", "--source=FILES"]
    found = re.fullmatch(r"(?:(\w+)_)?([\d.]+)fps(_motion|_views\d+)?(_seed\d+)?", config)
    if not found or (found[1] and "label" not in options):
        raise ValueError(
            f"{name} has no config {config!r}; they are named like 30fps, and 60fps_motion without "
            "cameras."
        )
    label, rate, views, seed = found.groups(default="")
    source = []
    if label:
        shipped = importlib.import_module("tfds_builders.bvh_motion.settings").SHIPPED
        source = [f"--{'settings' if label in shipped else 'label'}={label}"]
    if DATASETS[name].files:
        source.append("--source=FILES")
    views = "_views0" if views == "_motion" else views
    settings = [f"--{key}={value}" for key, value in re.findall(r"_([a-z]+)(\d+)", views + seed)]
    return [*source, f"--fps={rate}", *settings]


def summary(builder: Any) -> str:
    """Returns a table of the splits of a prepared dataset, with their names in a config."""
    spec = f"{builder.name}/{builder.builder_config.name}"
    lines = [f"{'split':<8}{'sequences':>10}{'frames':>12}{'minutes':>10}   in a config"]
    for split in sorted(builder.info.splits, reverse=True):
        try:
            lengths = [
                (len(record["joints" if "joints" in record else "joints_3d"]), float(record["fps"]))
                for record in builder.as_data_source(split=split)
            ]
        except Exception as error:  # of any kind, as in `builder`
            raise damaged(pathlib.Path(builder.data_path), error) from None
        frames = sum(length for length, _ in lengths)
        minutes = sum(length / fps for length, fps in lengths) / 60
        time = "-" if math.isnan(minutes) else f"{minutes:,.1f}"
        lines.append(f"{split:<8}{len(lengths):>10,}{frames:>12,}{time:>10}   {spec}:{split}")
    for split, source in builder.SPLIT_SOURCES.items():
        if split not in builder.info.splits:
            lines.append(f"No split {split!r}: it is read from {source}.")
    return "\n".join(lines)
