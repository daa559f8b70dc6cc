import os

import numpy as np
import pytest
import tensorflow_datasets as tfds
from small_data import record
from tensorflow_datasets.core.writer import ExampleWriter

from tfds_builders.builder import RecordBuilder, Shard
from tfds_builders.records import features


class Counting(RecordBuilder):
    """Three training shards and a test shard of two records each, which counts its records."""

    VERSION = tfds.core.Version("1.0.0")
    made: list[str]
    stop_at: str | None = None
    source = None

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=features(), disable_shuffling=True)

    def _shards(self, dl_manager):
        self.made = []
        return {
            split: [Shard(lambda s=split, i=i: self._records(s, i), 20) for i in range(count)]
            for split, count in (("train", 3), ("test", 1))
        }

    def _records(self, split, shard):
        for number in (2 * shard, 2 * shard + 1):
            made = record(split, number, 10)
            if made["name"] == self.stop_at:
                raise KeyboardInterrupt
            self.made.append(made["name"])
            yield made

    def source_files(self):
        return [self.source] if self.source else []


def _stopped(tmp_path, **attributes):
    builder = Counting(data_dir=tmp_path)
    vars(builder).update({"stop_at": "train3/view0"} | attributes)
    with pytest.raises(KeyboardInterrupt):
        builder.download_and_prepare()


def test_records_of_all_shards_are_read_in_order(tmp_path):
    builder = Counting(data_dir=tmp_path)
    builder.download_and_prepare()
    folder = tmp_path / "counting" / "1.0.0"
    assert len(list(folder.glob("*train*"))) == 3
    read = tfds.builder_from_directory(folder).as_data_source("train")
    assert [r["name"].decode() for r in read] == [f"train{n}/view0" for n in range(6)]
    np.testing.assert_array_equal(read[4]["joints_3d"], record("train", 4, 10)["joints_3d"])
    assert [p.name for p in (tmp_path / "counting").iterdir()] == ["1.0.0"]


def test_an_interrupted_preparation_leaves_no_dataset_and_resumes(tmp_path):
    _stopped(tmp_path)
    assert not (tmp_path / "counting" / "1.0.0").exists()
    builder = Counting(data_dir=tmp_path)
    builder.download_and_prepare()
    assert builder.made == [f"train{n}/view0" for n in range(2, 6)] + ["test0/view0", "test1/view0"]
    read = builder.as_data_source("train")
    assert [r["name"].decode() for r in read] == [f"train{n}/view0" for n in range(6)]
    assert [p.name for p in (tmp_path / "counting").iterdir()] == ["1.0.0"]


def test_preparations_at_the_same_time_write_to_files_of_their_own(tmp_path, monkeypatch):
    written, write = [], ExampleWriter.write

    def spy(self, path, examples):
        written.append(path)
        return write(self, path, examples)

    monkeypatch.setattr(ExampleWriter, "write", spy)
    for _ in range(2):
        _stopped(tmp_path, stop_at="train0/view0")
    assert len(set(written)) == 2


def test_what_a_killed_preparation_was_writing_is_removed(tmp_path):
    _stopped(tmp_path)
    (unfinished,) = (tmp_path / "counting").glob("unfinished_*")
    (unfinished / "counting-train.array_record-00001-of-00003.0a1b2c3d.writing").touch()
    _stopped(tmp_path)
    assert [path.suffix for path in unfinished.iterdir()] == [".array_record-00000-of-00003"]


def test_names_in_earlier_shards_count_as_well(tmp_path):
    _stopped(tmp_path)

    class Repeating(Counting, skip_registration=True):
        name = "counting"

        def _records(self, split, shard):
            return super()._records(split, 0)

    with pytest.raises(ValueError, match="two records are named 'train0/view0'"):
        Repeating(data_dir=tmp_path).download_and_prepare()


def test_preparation_starts_anew_when_the_files_differ(tmp_path):
    source = tmp_path / "source"
    source.write_text("a")
    _stopped(tmp_path, source=source)
    os.utime(source, (1, 1))
    builder = Counting(data_dir=tmp_path)
    vars(builder)["source"] = source
    builder.download_and_prepare()
    assert len(builder.made) == 8
    assert [p.name for p in (tmp_path / "counting").iterdir()] == ["1.0.0"]


def test_a_dataset_without_any_split_is_refused(tmp_path):
    class Empty(Counting, skip_registration=True):
        name = "counting"

        def _shards(self, dl_manager):
            return {}

    with pytest.raises(ValueError, match="counting: it has no records"):
        Empty(data_dir=tmp_path).download_and_prepare()
    assert not (tmp_path / "counting" / "1.0.0").exists()
