"""Synthetic motion: generated people doing everyday things; nothing to download."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from tfds_builders.mocap.builder import MocapBuilder, MocapConfig
from tfds_builders.mocap.take import Take
from tfds_builders.synthetic_motion import curves, motion, person

SUBJECTS: dict[str, tuple[str, ...]] = {
    "train": tuple(f"S{i:02}" for i in range(1, 11)),
    "test": ("S11", "S12"),
}
TRAIN_ACTIVITIES = 6  # of each training subject; the test subjects do all of them


def takes(split: str, seed: int = 0) -> Iterator[Take]:
    """Generates the takes of a split, 8 to 12 seconds each.

    A take depends only on the seed, the subject and the activity, not on other takes.

    Args:
        split: "train" or "test".
        seed: another seed gives other subjects and motions.

    Yields:
        The takes, at `curves.FPS`.
    """
    activities = list(motion.ACTIVITIES)
    for subject in SUBJECTS[split]:
        number = int(subject[1:])
        who = person.sample(subject, np.random.default_rng([seed, number]))
        if split == "train":  # cyclic, so that every activity has as many subjects
            first = TRAIN_ACTIVITIES * (number - 1)
            turns = range(first, first + TRAIN_ACTIVITIES)
            picks = sorted(4 * turn % len(activities) for turn in turns)
        else:
            picks = list(range(len(activities)))
        for pick in picks:
            rng = np.random.default_rng([seed, number, pick + 1])
            joints, face = motion.generate(who, activities[pick], rng.uniform(8, 12), rng)
            name = f"{subject}_{activities[pick]}"
            yield Take(name, subject, activities[pick], curves.FPS, joints, face)


class Builder(MocapBuilder):
    """Generated motion; subjects S11 and S12 are the test split."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.0.0": "First version.",
        "1.1.0": "Records have valid frames, activities and the distortion of the lens.",
    }

    def _takes(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterable[Take]]:
        del dl_manager  # nothing to download
        config = self.builder_config
        assert isinstance(config, MocapConfig)
        return {split: takes(split, config.seed) for split in SUBJECTS}
