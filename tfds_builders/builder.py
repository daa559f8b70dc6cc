"""Base class of all dataset builders: writes records to shards, resumes if interrupted."""

import abc
import dataclasses
import hashlib
import os
import pathlib
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from absl import logging
from array_record.python import array_record_module  # pyright: ignore[reportAttributeAccessIssue]
from tensorflow_datasets.core import dataset_builder, splits
from tensorflow_datasets.core import writer as writer_lib
from tqdm import tqdm

from tfds_builders.records import features, frames_of

_SAMPLE = 2**16  # bytes of the beginning and the end of a file, in the fingerprint of the source


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records to write.

    Attributes:
        records: Yields the records; not called where the file exists from an earlier run.
        frames: Total number of their frames, for the progress bar; 0 where unknown.
    """

    records: Callable[[], Iterator[dict[str, Any]]]
    frames: int = 0


class RecordBuilder(dataset_builder.FileReaderBuilder):
    """Writes records of `tfds_builders.records`; a dataset only has to define its shards.

    Files are array_record, which needs no TensorFlow. Records keep their order. One record at a
    time is in memory, besides the data that a dataset keeps.

    An interrupted preparation resumes: finished shards are kept in
    `DATA_DIR/NAME/CONFIG/unfinished_VERSION_FINGERPRINT`, which no reader takes for a dataset.
    """

    SPLIT_SOURCES: ClassVar[Mapping[str, str]] = {}
    """Split to its source, for a dataset whose files may hold some of its splits only."""

    def __init__(self, *, file_format: str | None = None, **kwargs: Any):
        super().__init__(file_format=file_format or "array_record", **kwargs)

    @abc.abstractmethod
    def _shards(self, dl_manager: tfds.download.DownloadManager) -> Mapping[str, Sequence[Shard]]:
        """Returns the shards of each split.

        Names of records must be unique within a split.
        """

    def source_files(self) -> Iterable[pathlib.Path]:
        """Returns the user's files that are read; shards from other files are not reused."""
        return ()

    def _files_read(self) -> Iterable[pathlib.Path]:
        """Returns the files that are read, once the shards are planned."""
        return self.source_files()

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(features=features(), disable_shuffling=True)

    def _download_and_prepare(
        self, dl_manager: tfds.download.DownloadManager, download_config: Any = None
    ) -> None:
        del download_config
        file_format = self.info.file_format
        assert file_format is not None  # __init__ sets it
        writer = writer_lib.ExampleWriter(file_format)
        plan = self._shards(dl_manager)
        if not plan:  # TFDS would write a dataset that it cannot read
            raise ValueError(f"{self.name}: it has no records")
        unfinished = self._unfinished()
        frames = sum(shard.frames for shards in plan.values() for shard in shards)
        finished: dict[str, list[tuple[pathlib.Path, pathlib.Path]]] = {}
        lengths: dict[str, list[int]] = {}
        with tqdm(  # None: on a terminal only; elsewhere a line for each shard
            total=frames or None, unit="frame", unit_scale=True, desc=self.name, disable=None
        ) as bar:
            for split, shards in plan.items():
                template = self._get_filename_template(split_name=split)
                names: set[str] = set()
                for index, shard in enumerate(shards):
                    path = template.sharded_filepath(shard_index=index, num_shards=len(shards))
                    kept = unfinished / path.name
                    if kept.exists():
                        self._add_names(split, self._names(kept), names)
                        bar.update(shard.frames)
                    else:
                        # Named at random: were there two processes, each would write its own.
                        writing = kept.with_name(f"{kept.name}.{secrets.token_hex(4)}.writing")
                        examples = self._examples(split, shard, names, bar)
                        try:
                            writer.write(writing, examples)
                        except BaseException:
                            _remove(writing)
                            raise
                        os.replace(writing, kept)
                        if bar.disable:
                            done = f"{self.name}: wrote {split}, shard {index + 1} of {len(shards)}"
                            print(done, file=sys.stderr)
                    finished.setdefault(split, []).append((kept, pathlib.Path(path)))
                    lengths.setdefault(split, []).append(_count(kept))
                if not sum(lengths.get(split, [])):
                    raise ValueError(f"{self.name}, split {split!r}: it has no records")
        infos = []
        for split, moves in finished.items():
            size = sum(kept.stat().st_size for kept, _ in moves)
            for kept, path in moves:
                os.replace(kept, path)
            infos.append(
                splits.SplitInfo(
                    name=split,
                    shard_lengths=lengths[split],
                    num_bytes=size,
                    filename_template=self._get_filename_template(split_name=split),
                )
            )
        shutil.rmtree(unfinished)
        self.info.set_splits(splits.SplitDict(infos))

    def _examples(
        self, split: str, shard: Shard, names: set[str], bar: tqdm
    ) -> Iterator[tuple[str, bytes]]:
        schema: Any = self.info.features
        for record in shard.records():
            name = record["name"]
            self._add_names(split, [name], names)
            yield name, schema.serialize_example(record)
            bar.update(frames_of(record))

    def _add_names(self, split: str, new: Iterable[str], names: set[str]) -> None:
        for name in new:
            if name in names:
                raise ValueError(f"{self.name}, split {split!r}: two records are named {name!r}")
            names.add(name)

    def _names(self, shard: pathlib.Path) -> list[str]:
        """Returns the names of the records in a finished shard."""
        schema: Any = self.info.features
        reader = array_record_module.ArrayRecordReader(os.fspath(shard))
        try:
            return [schema.deserialize_example_np(r)["name"].decode() for r in reader.read_all()]
        finally:
            reader.close()

    def _unfinished(self) -> pathlib.Path:
        """Returns the folder of finished shards, after removing those from other files."""
        digest = hashlib.sha256()
        for source in sorted({path.absolute() for path in self._files_read()}):
            stat = source.stat()
            digest.update(f"{source}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
            with source.open("rb") as file:
                digest.update(file.read(_SAMPLE))
                file.seek(max(0, stat.st_size - _SAMPLE))
                digest.update(file.read())
        parent = pathlib.Path(self.data_path).parent
        folder = parent / f"unfinished_{self.version}_{digest.hexdigest()[:16]}"
        for other in parent.glob("unfinished_*"):
            if other != folder:
                logging.warning(
                    "%s: an earlier preparation was stopped, which read other files than there are "
                    "now; it starts anew",
                    self.name,
                )
                shutil.rmtree(other)
        folder.mkdir(exist_ok=True)
        for left in folder.glob("*.writing"):  # by a process that was killed
            left.unlink(missing_ok=True)
        return folder


def _remove(writing: pathlib.Path) -> None:
    """Removes an incomplete shard, and its folder if it is then empty."""
    writing.unlink(missing_ok=True)
    if not any(writing.parent.iterdir()):
        writing.parent.rmdir()


def _count(path: pathlib.Path) -> int:
    reader = array_record_module.ArrayRecordReader(os.fspath(path))
    try:
        return reader.num_records()
    finally:
        reader.close()
