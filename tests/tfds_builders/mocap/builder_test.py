import dataclasses
import sys
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.tfds_builders.mocap.person import walking
from tfds_builders.mocap.builder import MocapBuilder, mocap_config
from tfds_builders.mocap.take import Take, resample
from tfds_builders.mocap.views import views_of


def _take(name, frames=8):
    return Take(name, name[:2], "walk", 30.0, walking(frames, 30))


class TinyMocap(MocapBuilder):
    """Three takes whose names are not in alphabetical order."""

    VERSION = tfds.core.Version("1.0.0")
    TAKES: ClassVar[dict[str, list[str]]] = {"train": ["02_03", "02_01"], "test": ["07_01"]}

    def _takes(self, dl_manager):
        return {split: (_take(name) for name in names) for split, names in self.TAKES.items()}


def test_a_dataset_is_built_and_read_back_without_tensorflow(tmp_path):
    before = "tensorflow" in sys.modules  # another test may have imported it
    builder = TinyMocap(data_dir=tmp_path)
    builder.download_and_prepare()
    assert (tmp_path / "tiny_mocap/30fps/1.0.0").is_dir()

    read = tfds.builder_from_directory(tmp_path / "tiny_mocap/30fps/1.0.0")
    assert {split: info.num_examples for split, info in read.info.splits.items()} == {
        "train": 8,
        "test": 4,
    }
    for split, names in TinyMocap.TAKES.items():
        records = list(read.as_data_source(split=split))
        expected = [f"{name}/view{view}" for name in names for view in range(4)]
        assert [record["name"].decode() for record in records] == expected
        made = views_of(
            _take(names[0]), dataset="tiny_mocap", fps=30, views=4, seed=0, train=split == "train"
        )
        for record, original in zip(records, made, strict=False):
            for key, value in original.items():
                found = record[key].decode() if isinstance(value, str) else record[key]
                np.testing.assert_array_equal(found, value)
    assert ("tensorflow" in sys.modules) == before


def test_records_do_not_depend_on_the_other_takes(tmp_path):
    class FewerTakes(TinyMocap, skip_registration=True):
        name = "tiny_mocap"
        TAKES: ClassVar[dict[str, list[str]]] = {"train": ["02_01"]}

    records = {}
    for cls, folder in ((TinyMocap, "all"), (FewerTakes, "fewer")):
        builder = cls(data_dir=tmp_path / folder)
        builder.download_and_prepare()
        source = builder.as_data_source(split="train")
        records[folder] = {record["name"]: record["keypoints_2d"] for record in source}
    assert len(records["fewer"]) == 4
    for name, keypoints in records["fewer"].items():
        np.testing.assert_array_equal(keypoints, records["all"][name])


def test_a_config_sets_rate_views_and_seed(tmp_path):
    builder = TinyMocap(data_dir=tmp_path, config=mocap_config(fps=15, views=2, seed=3))
    builder.download_and_prepare()
    assert (tmp_path / "tiny_mocap/15fps_views2_seed3/1.0.0").is_dir()
    records = list(builder.as_data_source(split="train"))
    assert len(records) == 2 * 2
    assert records[0]["fps"] == 15
    assert records[0]["keypoints_2d"].shape == (4, 17, 2)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "30fps"),
        ({"fps": 50}, "50fps"),
        ({"fps": 29.97}, "29.97fps"),
        ({"views": 8, "seed": 1}, "30fps_views8_seed1"),
        ({"views": 0}, "60fps_motion"),
        ({"fps": 120, "views": 0, "seed": 1}, "120fps_motion_seed1"),
    ],
)
def test_configs_are_named_after_their_changes(settings, name):
    assert mocap_config(**settings).name == name


@pytest.mark.parametrize(
    "settings", [{"fps": 0}, {"fps": 1e-4}, {"fps": 1e9}, {"views": -1}, {"seed": -1}]
)
def test_impossible_configs_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        mocap_config(**settings)


def test_without_cameras_the_records_are_the_motions_in_the_world(tmp_path):
    builder = TinyMocap(data_dir=tmp_path, config="60fps_motion")
    builder.download_and_prepare()
    read = tfds.builder_from_directory(tmp_path / "tiny_mocap/60fps_motion/1.0.0")
    records = list(read.as_data_source(split="train"))
    assert [record["name"].decode() for record in records] == ["02_03", "02_01"]
    [test] = read.as_data_source(split="test")
    assert set(test) == {"name", "subject", "action", "fps", "joints"}
    assert (test["subject"], test["action"], test["fps"]) == (b"07", b"walk", 60)
    take = resample(_take("07_01"), 60)
    assert test["joints"].dtype == np.float32
    np.testing.assert_array_equal(test["joints"][:, :17], take.joints.astype(np.float32))
    np.testing.assert_array_equal(test["joints"][:, 17:], take.face.astype(np.float32))


def test_30_frames_per_second_is_the_default():
    assert next(iter(TinyMocap.builder_configs)) == "30fps"


def test_a_split_without_takes_is_an_error(tmp_path):
    class NoTakes(TinyMocap):
        TAKES: ClassVar[dict[str, list[str]]] = {"train": []}

    with pytest.raises(ValueError, match=r"no_takes, split 'train': it has no records"):
        NoTakes(data_dir=tmp_path).download_and_prepare()


def test_takes_that_share_a_name_are_an_error(tmp_path):
    class TwiceTheSame(TinyMocap):
        TAKES: ClassVar[dict[str, list[str]]] = {"train": ["02_01", "02_01"]}

    with pytest.raises(ValueError, match="two records are named '02_01/view0'"):
        TwiceTheSame(data_dir=tmp_path).download_and_prepare()


def test_warnings_of_takes_are_logged_once_a_kind(tmp_path, caplog):
    class Odd(TinyMocap, skip_registration=True):
        name = "tiny_mocap"

        def _takes(self, dl_manager):
            odd = (dataclasses.replace(_take(name), warnings=("it is odd",)) for name in "abc")
            return {"train": [*odd, _take("d")]}

    caplog.set_level("WARNING", logger="absl")
    Odd(data_dir=tmp_path, config="60fps_motion").download_and_prepare()
    assert [record.message for record in caplog.records] == ["tiny_mocap, a and 2 more: it is odd"]
