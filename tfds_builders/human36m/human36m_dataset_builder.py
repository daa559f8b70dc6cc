"""Human3.6M, from the files of MotionBERT or VideoPose3D."""

import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from tfds_builders.builder import RecordBuilder, Shard
from tfds_builders.human36m import motionbert, videopose3d
from tfds_builders.human36m.sequences import SPLITS, Sequence

_EXPECTED = (
    f"MotionBERT's {motionbert.FILE}, or VideoPose3D's {videopose3d.FILE_3D} with "
    f"{videopose3d.PREFIX_2D}NAME.npz in the same folder"
)


def choices(source: pathlib.Path) -> dict[str, tuple[pathlib.Path, ...]]:
    """Finds the configs that can be prepared from a file or folder.

    Args:
        source: A pickle, an archive of 2D joints with the 3D joints beside it, or a folder of such
            files.

    Returns:
        Names of configs and the files that each is read from.

    Raises:
        FileNotFoundError: If nothing can be prepared; lists the expected files.
    """
    folder = source if source.is_dir() else source.parent
    positions = folder / videopose3d.FILE_3D
    if source.suffix == ".pkl" or source.name.startswith(videopose3d.PREFIX_2D):
        candidates = [source]
    else:
        candidates = [folder / motionbert.FILE] if source.is_dir() else []
        candidates += sorted(folder.glob(f"{videopose3d.PREFIX_2D}*.npz"))
    found = {}
    for path in filter(pathlib.Path.is_file, candidates):
        if path.suffix == ".pkl":
            found["2.5d"] = (path,)
        elif positions.is_file():
            name = path.stem.removeprefix(videopose3d.PREFIX_2D)
            found[f"camera_{name}"] = (positions, path)
    if not found:
        raise FileNotFoundError(f"{source}: no Human3.6M there; expected {_EXPECTED}")
    return found


def _config(name: str, description: str) -> tfds.core.BuilderConfig:
    return tfds.core.BuilderConfig(name=name, description=description)


class Builder(RecordBuilder):
    """Human3.6M; subjects 1, 5, 6, 7, 8 are the training split, 9 and 11 the test split.

    Files without training subjects give the test split alone.

    Args:
        source: A file, or the folder of the files.
        config: "2.5d" or "camera_NAME", where NAME is that of the 2D joints; optional where the
            source has one only.
        **kwargs: As for any TFDS builder.

    Raises:
        FileNotFoundError: If no config is given and the source has nothing to prepare.
        ValueError: If the config is unknown, or the source has several and none is given.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Human3.6M is licensed: get {_EXPECTED}, and give the file or folder as the source."
    )
    SPLIT_SOURCES: ClassVar[Mapping[str, str]] = {
        "train": f"'train' of {motionbert.FILE}, or S1, S5, S6, S7 and S8 of {videopose3d.FILE_3D}",
        "test": f"'test' of {motionbert.FILE}, or S9 and S11 of {videopose3d.FILE_3D}",
    }
    BUILDER_CONFIGS = [  # noqa: RUF012 (as TFDS declares it)
        _config("2.5d", "Stacked Hourglass 2D joints, labels in px with depth (MotionBERT)"),
        _config("camera_gt", "Projected 2D joints, camera space (VideoPose3D)"),
        _config("camera_cpn_ft_h36m_dbb", "CPN 2D joints, camera space (VideoPose3D)"),
    ]

    def __init__(
        self,
        *,
        source: str | os.PathLike[str] | None = None,
        config: str | tfds.core.BuilderConfig | None = None,
        **kwargs: Any,
    ):
        self._source = None if source is None else pathlib.Path(source).expanduser()
        if config is None:
            config = self._only_choice()
        if isinstance(config, str) and config not in self.builder_configs:
            if not re.fullmatch(r"camera_\w+", config):
                raise ValueError(
                    f"human36m: unknown config {config!r}; expected '2.5d' or 'camera_NAME', such "
                    f"as {', '.join(map(repr, self.builder_configs))}"
                )
            config = _config(config, "2D joints of a detector, camera space (VideoPose3D)")
        super().__init__(config=config, **kwargs)

    def _only_choice(self) -> str:
        if self._source is None:
            raise ValueError("human36m: give a source, or the config of a prepared dataset")
        found = list(choices(self._source))
        if len(found) > 1:
            raise ValueError(
                f"{self._source}: several datasets can be prepared from it; choose one: "
                + ", ".join(f"--config={name}" for name in found)
            )
        return found[0]

    def _files(self) -> tuple[pathlib.Path, ...]:
        config = self.builder_config
        assert config is not None  # __init__ sets it
        if self._source is None:
            raise FileNotFoundError(f"human36m: there is no source. {self._instructions()}")
        found = choices(self._source)
        if config.name not in found:
            raise FileNotFoundError(
                f"{self._source}: it has no {config.name!r} but {', '.join(map(repr, found))}. "
                f"{self._instructions()}"
            )
        return found[config.name]

    def _instructions(self) -> str:
        return " ".join((self.MANUAL_DOWNLOAD_INSTRUCTIONS or "").split())

    def source_files(self) -> Iterable[pathlib.Path]:
        """Returns the files of the source for this config."""
        return () if self._source is None else self._files()

    def _shards(self, dl_manager: tfds.download.DownloadManager) -> dict[str, list[Shard]]:
        del dl_manager
        files = self._files()
        sequences = motionbert.read(*files) if len(files) == 1 else videopose3d.read(*files)
        return {split: _by_subject(members) for split, members in sequences.items()}


def _by_subject(sequences: list[Sequence]) -> list[Shard]:
    """Returns a shard for each subject; an interrupted preparation resumes by shards."""

    def records(members: list[Sequence]) -> Iterator[dict[str, Any]]:
        return (sequence.record() for sequence in members)

    groups = [[s for s in sequences if s.subject == subject] for subject in SPLITS]
    return [
        Shard(lambda members=members: records(members), sum(s.frames for s in members))
        for members in groups
        if members
    ]
