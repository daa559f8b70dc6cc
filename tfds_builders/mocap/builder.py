"""Base class of the builders of motion capture datasets."""

import abc
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tfds_builders import limits
from tfds_builders.builder import RecordBuilder, Shard
from tfds_builders.mocap.take import Take, TakeFile, resample
from tfds_builders.mocap.views import views_of
from tfds_builders.records import motion_features

_BAD = 0.1  # of the files of a split, which may be left out


@dataclasses.dataclass(eq=False)
class MocapConfig(tfds.core.BuilderConfig):
    """Settings for the conversion of takes to records; create one with `mocap_config`.

    Attributes:
        fps: Frames per second of the records.
        views: Virtual cameras for each take; 0 for motion records, without cameras.
        seed: Seed of all samples: bodies, cameras and the detector's errors.
    """

    fps: float = 30.0
    views: int = 4
    seed: int = 0


def mocap_config(
    fps: float | None = None, views: int = 4, seed: int = 0, label: str = ""
) -> MocapConfig:
    """Returns the config of the given settings, named after those that are not the default.

    Args:
        fps: Frames per second of the records, by default 30, and 60 without cameras; always part
            of the name: "30fps".
        views: Virtual cameras for each take: "30fps_views8"; 0 for motion records: "60fps_motion".
        seed: Seed of all samples: "30fps_seed1".
        label: The beginning of the name, to distinguish data of several sources:
            "dance_30fps".

    Raises:
        ValueError: If `fps` is out of the limits, `views` or `seed` is negative, or `label` is no
            word.
    """
    if fps is None:
        fps = 30 if views else 60
    lowest, highest = limits.FRAME_RATES
    if not lowest <= fps <= highest or views < 0 or seed < 0:
        raise ValueError(
            f"fps must be {lowest:g} to {highest:g}, views and seed 0 or more, found "
            f"fps={fps:g}, views={views}, seed={seed}"
        )
    if label and not re.fullmatch(r"[a-z0-9_]+", label):
        raise ValueError(
            "label must be of small letters, digits and underscores, such as dance, found "
            f"{label!r}"
        )
    name = f"{label}_{fps:g}fps" if label else f"{fps:g}fps"
    name += {0: "_motion", 4: ""}.get(views, f"_views{views}")
    name += f"_seed{seed}" if seed != 0 else ""
    cameras = f"{views} virtual cameras" if views else "motions without cameras"
    return MocapConfig(
        name=name,
        description=f"{fps:g} frames per second, {cameras}, seed {seed}",
        fps=float(fps),
        views=views,
        seed=seed,
    )


def motion_of(take: Take, fps: float) -> dict[str, Any]:
    """Returns the motion record of a take, of the schema of `motion_features`.

    Args:
        take: The take.
        fps: Frames per second of the record.
    """
    take = resample(take, fps)
    return {
        "name": take.name,
        "subject": take.subject,
        "action": take.action,
        "fps": np.float32(fps),
        "joints": np.concatenate([take.joints, take.face], axis=1).astype(np.float32),
    }


def _read(each: Take | TakeFile) -> Take:
    """Returns a take within the limits; an error begins with the name of its file."""
    try:
        take = each.read() if isinstance(each, TakeFile) else each
        limits.check_take(take)
    except ValueError as error:
        if each.name in str(error) or not isinstance(each, TakeFile):
            raise
        raise ValueError(f"{each.name}: {error}") from None
    return take


class MocapBuilder(RecordBuilder):
    """Converts takes to records of 2D and 3D joints; a dataset only has to yield its takes.

    Each take is seen by `views` virtual cameras. In the split "train" a body is sampled for each
    view; in every other split the person keeps the recorded one. Records keep the order of the
    takes. With a config of no views the takes themselves are the records, at its frame rate.

    Args:
        skip_bad: Leave out bad files, as long as they are at most a tenth of a split (or one).
        **kwargs: As for any TFDS builder.
    """

    BUILDER_CONFIGS = [  # noqa: RUF012 (as TFDS declares it)
        mocap_config(30),
        mocap_config(50),
        mocap_config(views=0),
    ]

    def __init__(self, *, skip_bad: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self._skip_bad = skip_bad
        self.left_out: list[str] = []
        """Faults of the files that were left out."""

    @abc.abstractmethod
    def _takes(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Iterable[Take | TakeFile]]:
        """Returns the takes of each split, preferably lazily; names are unique within a split."""

    def _info(self) -> tfds.core.DatasetInfo:
        if self._config().views:
            return super()._info()
        return self.dataset_info_from_configs(features=motion_features(), disable_shuffling=True)

    def _config(self) -> MocapConfig:
        config = self.builder_config
        assert isinstance(config, MocapConfig)
        return config

    def _shards(self, dl_manager: tfds.download.DownloadManager) -> dict[str, list[Shard]]:
        return {
            split: [Shard(functools.partial(self._records, split, takes))]
            for split, takes in self._takes(dl_manager).items()
        }

    def _good(self, takes: Iterable[Take | TakeFile]) -> Iterator[Take]:
        """Yields the takes within the limits and logs a line for each kind of warning."""
        takes = list(takes) if self._skip_bad else takes
        allowed = max(1, int(_BAD * len(takes))) if isinstance(takes, list) else 0
        warned: dict[str, list[str]] = {}
        bad: list[str] = []
        files: dict[str, str] = {}  # by the take's name
        try:
            for each in takes:
                try:
                    take = _read(each)
                    if isinstance(each, TakeFile) and take.name in files:
                        raise ValueError(
                            f"{each.name}: a second take named {take.name!r}; the first is "
                            f"{files[take.name]}"
                        )
                    files[take.name] = each.name
                except ValueError as error:
                    if not self._skip_bad:
                        raise
                    bad.append(str(error))
                    if len(bad) > allowed:
                        raise ValueError(
                            f"more than {allowed} files are bad, too many to leave out: "
                            + "; ".join(bad[:3])
                        ) from None
                    continue
                for warning in take.warnings:
                    warned.setdefault(warning, []).append(take.name)
                yield take
        finally:
            for warning, names in warned.items():
                several = f" and {len(names) - 1} more" if len(names) > 1 else ""
                logging.warning("%s, %s%s: %s", self.name, names[0], several, warning)
            self.left_out += bad

    def _records(self, split: str, takes: Iterable[Take | TakeFile]) -> Iterator[dict[str, Any]]:
        config = self._config()
        for take in self._good(takes):
            if not config.views:
                yield motion_of(take, config.fps)
                continue
            yield from views_of(
                take,
                dataset=self.name,
                fps=config.fps,
                views=config.views,
                seed=config.seed,
                train=split == "train",
            )
