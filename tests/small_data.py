"""A dataset of a few synthetic sequences; `small_config` is an experiment on it."""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import small_config
import tensorflow_datasets as tfds

from repose_jax import config
from repose_jax.data.sequences import Sequences
from tfds_builders.builder import RecordBuilder, Shard
from tfds_builders.records import features, make_record

# Frames of the sequences of each split. Clips have 9 frames: some sequences are shorter,
# and some end with a partial clip.
LENGTHS = {"train": (23, 9, 30, 5, 17), "test": (20, 9, 4, 31)}
INTRINSICS = np.array([[1100.0, 0, 500], [0, 1100, 450], [0, 0, 1]])
TRAIN, TEST = "small/30fps:train", "small/30fps:test"


def record(split: str, number: int, length: int) -> dict[str, Any]:
    """A person of 17 smooth points, who walks past a camera 4 m away."""
    rng = np.random.default_rng([split == "test", number])
    time = np.arange(length)[:, None, None] / 30
    wave = np.sin(2 * np.pi * (time * rng.uniform(0.3, 2, (17, 3)) + rng.random((17, 3))))
    wave *= rng.uniform(10, 150, (17, 3))
    joints = rng.uniform(-500, 500, (17, 3)) + wave + [0, 0, 4000] + time * [300, 0, -200]
    width, height = 1000, 900
    noise = rng.normal(0, 2, (length, 17, 2))
    # The last sequence is of unknown visibility.
    last = number == len(LENGTHS[split]) - 1
    return make_record(
        name=f"{split}{number}/view0",
        camera="view0",
        subject=split,
        action=("walk", "wave")[number % 2],
        fps=30,
        image_size=(width, height),
        keypoints_2d=(joints @ INTRINSICS.T)[..., :2] / joints[..., 2:] + noise,
        confidence=rng.uniform(0.5, 1, (length, 17)),
        joints_3d=joints,
        visibility=None if last else rng.integers(0, 2, (length, 17)),
        intrinsics=INTRINSICS,
        distortion=np.zeros(5),
    )


def records(split: str) -> Iterator[dict[str, Any]]:
    """All records of a split."""
    return (record(split, number, length) for number, length in enumerate(LENGTHS[split]))


def sequences(lengths: Sequence[int]) -> Sequences:
    """Sequences of these lengths, as if read from a dataset."""
    made = [record("train", number, length) for number, length in enumerate(lengths)]
    frames = ("keypoints_2d", "confidence", "joints_3d", "visibility", "activity")
    recordings = ("image_size", "intrinsics", "distortion")
    return Sequences(
        **{key: np.concatenate([r[key] for r in made]) for key in frames},
        **{key: np.stack([r[key] for r in made]) for key in recordings},
        valid=np.ones(sum(lengths), bool),
        offsets=np.cumsum([0, *lengths]),
        fps=np.full(len(lengths), 30, np.float32),
        names=tuple(r["name"] for r in made),
        actions=tuple(r["action"] for r in made),
        subjects=tuple(r["subject"] for r in made),
    )


class Small(RecordBuilder):
    """The records, as a dataset `small`."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="30fps")]  # noqa: RUF012 (as TFDS declares it)

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=features(), disable_shuffling=True)

    splits = tuple(LENGTHS)

    def _shards(self, dl_manager):
        return {split: [Shard(functools.partial(records, split))] for split in self.splits}


def prepare(data_dir: pathlib.Path, splits: tuple[str, ...] = Small.splits) -> None:
    """Writes splits of the dataset to `data_dir/small/30fps/1.0.0`."""
    builder = Small(config="30fps", data_dir=data_dir)
    builder.splits = splits
    builder.download_and_prepare()


def experiment(data_dir: pathlib.Path, **changes: dict[str, Any]) -> config.Experiment:
    """The experiment of `small_config`, with changes by section, such as `train={"epochs": 1}`."""
    values = small_config.get_config()
    values.data.data_dir = str(data_dir)
    sections = values.to_dict()
    return config.from_mapping(
        {name: section | changes.get(name, {}) for name, section in sections.items()}
    )
