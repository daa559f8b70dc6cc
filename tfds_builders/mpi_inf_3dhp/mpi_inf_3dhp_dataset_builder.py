"""MPI-INF-3DHP, from its original release or from the archives of P-STMO."""

import functools
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from absl import logging

from tfds_builders.builder import RecordBuilder, Shard
from tfds_builders.mpi_inf_3dhp import p_stmo, release
from tfds_builders.mpi_inf_3dhp.view import Sequence, record_of

ARCHIVES = ("data_train_3dhp.npz", "data_test_3dhp.npz")
NAMES = {
    "train": [f"S{subject}/Seq{number}" for subject in range(1, 9) for number in (1, 2)],
    "test": [f"TS{number}" for number in range(1, 7)],
}


class Builder(RecordBuilder):
    """MPI-INF-3DHP; S1 to S8 are the training split, TS1 to TS6 the test split.

    Args:
        source: The folder of the release or of the archives of P-STMO, or one of those archives.
        **kwargs: As for any TFDS builder.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First version."}
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(
            name="universal", description="Height-normalised ground truth (univ_annot3)"
        ),
        tfds.core.BuilderConfig(
            name="metric", description="Ground truth in metric camera space (annot3)"
        ),
    ]
    SPLIT_SOURCES: ClassVar[Mapping[str, str]] = {
        "train": f"S1 to S8 of the release, or {ARCHIVES[0]} of P-STMO",
        "test": f"TS1 to TS6 of the release, or {ARCHIVES[1]} of P-STMO",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Give as the source the folder with S1/Seq1/annot.mat, ..., and TS1/annot_data.mat, "
        f"... of the release, or {' and '.join(ARCHIVES)} of P-STMO. The dataset is at "
        "https://vcai.mpi-inf.mpg.de/3dhp-dataset/."
    )

    def __init__(self, *, source: str | os.PathLike[str] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._source = None if source is None else pathlib.Path(source).expanduser()

    @functools.cached_property
    def _sequences(self) -> list[Sequence]:
        source, config = self._source, self.builder_config.name  # pyright: ignore[reportOptionalMemberAccess]
        if source is None or not source.exists():
            missing = (
                "no source was given" if source is None else f"{source}: no such file or folder"
            )
            raise FileNotFoundError(f"{self.name}: {missing}. {self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        archives = [source] if source.is_file() else [source / name for name in ARCHIVES]
        archives = [path for path in archives if path.exists()]
        found = [] if source.is_file() else release.sequences(source, config)
        if archives and config == "metric":
            raise ValueError(
                f"{archives[0]}: has the universal ground truth only, expected the metric one: "
                "prepare it from the release, or the config universal from this file"
            )
        found += [sequence for path in archives for sequence in p_stmo.sequences(path)]
        if not found:
            raise FileNotFoundError(
                f"{self.name}: no such data in {source}. {self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        found = sorted(found, key=lambda sequence: sequence.name)
        for one, other in itertools.pairwise(found):
            if one.name == other.name:
                raise ValueError(
                    f"{one.sources[0]} and {other.sources[0]} both contain {one.name}, keep one"
                )
        return found

    def source_files(self) -> Iterable[pathlib.Path]:
        """Returns the files of the sequences in the source."""
        if self._source is None:
            return ()
        return {path for sequence in self._sequences for path in sequence.sources}

    def _shards(self, dl_manager: tfds.download.DownloadManager) -> dict[str, list[Shard]]:
        del dl_manager
        shards: dict[str, list[Shard]] = {}
        for sequence in self._sequences:
            records = functools.partial(_records, sequence)
            shards.setdefault(sequence.split, []).append(Shard(records, sequence.frames))
        found = {sequence.name for sequence in self._sequences}
        for split in shards:
            if missing := [name for name in NAMES[split] if name not in found]:
                logging.warning(
                    "%s: the %s split is without %s", self.name, split, ", ".join(missing)
                )
        return shards


def _records(sequence: Sequence) -> Iterator[dict[str, Any]]:
    for view in sequence.views():
        yield record_of(view)
