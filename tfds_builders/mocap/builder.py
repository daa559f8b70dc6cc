"""Base class of the builders of motion capture datasets."""

import abc
import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow_datasets as tfds

from tfds_builders.builder import RecordBuilder, Shard
from tfds_builders.mocap.take import Take
from tfds_builders.mocap.views import views_of


@dataclasses.dataclass(eq=False)
class MocapConfig(tfds.core.BuilderConfig):
    """Settings for the conversion of takes to records; create one with `mocap_config`.

    Attributes:
        fps: Frames per second of the records.
        views: Virtual cameras for each take.
        seed: Seed of all samples: bodies, cameras and the detector's errors.
    """

    fps: float = 30.0
    views: int = 4
    seed: int = 0


def mocap_config(fps: float = 30, views: int = 4, seed: int = 0) -> MocapConfig:
    """Returns the config of the given settings, named after those that are not the default.

    Args:
        fps: Frames per second of the records; always part of the name: "30fps".
        views: Virtual cameras for each take: "30fps_views8".
        seed: Seed of all samples: "30fps_seed1".

    Raises:
        ValueError: If `fps` or `views` is not positive or `seed` is negative.
    """
    if not fps > 0 or views < 1 or seed < 0:
        raise ValueError(
            f"fps and views must be positive and seed not negative, found {fps=}, {views=}, {seed=}"
        )
    name = f"{fps:g}fps"
    name += f"_views{views}" if views != 4 else ""
    name += f"_seed{seed}" if seed != 0 else ""
    return MocapConfig(
        name=name,
        description=f"{fps:g} frames per second, {views} virtual cameras, seed {seed}",
        fps=float(fps),
        views=views,
        seed=seed,
    )


class MocapBuilder(RecordBuilder):
    """Converts takes to records of 2D and 3D joints; a dataset only has to yield its takes.

    Each take is seen by `views` virtual cameras. In the split "train" a body is sampled for each
    view; in every other split the person keeps the recorded one. Records keep the order of the
    takes.
    """

    BUILDER_CONFIGS = [mocap_config(30), mocap_config(50)]  # noqa: RUF012 (as TFDS declares it)

    @abc.abstractmethod
    def _takes(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterable[Take]]:
        """Returns the takes of each split, preferably lazily; names are unique within a split."""

    def _shards(self, dl_manager: tfds.download.DownloadManager) -> dict[str, list[Shard]]:
        return {
            split: [Shard(functools.partial(self._records, split, takes))]
            for split, takes in self._takes(dl_manager).items()
        }

    def _records(self, split: str, takes: Iterable[Take]) -> Iterator[dict[str, Any]]:
        config = self.builder_config
        assert isinstance(config, MocapConfig)
        for take in takes:
            yield from views_of(
                take,
                dataset=self.name,
                fps=config.fps,
                views=config.views,
                seed=config.seed,
                train=split == "train",
            )
