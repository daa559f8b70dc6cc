"""The authors' recipes of the backbones: `--config=NAME:VARIANT,...`, such as `mixste:relational`.

Each configuration is what the authors of a backbone trained it with, on the data and by the
protocol of their table; `docs/zoo.md` has them side by side. RePOSE's own is `configs/h36m.py`.
`VARIANTS` are those of all recipes, to which each adds its own.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from configs import common, h36m, mocap, quickstart
from configs.variants import Variant


def stacked_hourglass(name: str, **sizes: Any) -> ConfigDict:
    """Returns a recipe as MotionBERT's: stacked-hourglass keypoints with confidence, 2.5D labels.

    Args:
        name: the model's name in `repose_jax.models`.
        **sizes: fields of its configuration.
    """
    config = h36m.get_config("baseline")
    config.data.root_relative = True
    return _with_model(config, name, sizes)


def cpn(name: str, **sizes: Any) -> ConfigDict:
    """Returns a recipe as VideoPose3D's: CPN keypoints, joints in camera space in metres.

    An epoch of these authors has every clip and its mirror image: as many clips as two passes with
    half of them mirrored at random.

    Args:
        name: the model's name in `repose_jax.models`.
        **sizes: fields of its configuration.
    """
    config = h36m.get_config("baseline,camera")
    config.train.epoch_passes = 2
    return _with_model(config, name, sizes)


def _with_model(config: ConfigDict, name: str, sizes: dict[str, Any]) -> ConfigDict:
    config.model = ConfigDict({"name": name, **sizes, "dtype": "float32"})
    config.optim.clip_norm = 0.0  # none of the authors' recipes clips gradients
    return config


def single_frames(config: ConfigDict, *, test: int) -> None:
    """Trains on every frame alone, with the frames around it as input.

    Args:
        config: the recipe.
        test: consecutive frames of a test clip; it matters only for speed and memory.
    """
    config.data.update({"frames": 1, "stride": 1})
    config.eval.frames = test


def clips(config: ConfigDict, frames: int = 9) -> None:
    """Trains on clips of several frames instead of single ones, with as many frames in a batch."""
    lifted = config.train.batch_size * config.data.frames
    config.data.update({"frames": frames, "stride": frames})
    config.train.batch_size = lifted // frames


def temporal(config: ConfigDict) -> None:
    """Adds the temporal relational loss, which needs clips."""
    if config.data.frames == 1:
        clips(config)
    config.objective.weights.temporal_depth = 1.0


def relational(config: ConfigDict) -> None:
    """Adds both relational losses."""
    config.objective.weights.spatial_depth = 1.0
    temporal(config)


def data_of(other: ConfigDict) -> Callable[[ConfigDict], None]:
    """Returns a change to the data and the protocol of another configuration."""

    def change(config: ConfigDict) -> None:
        keys = ("train", "test", "partial_clips", "root_relative")
        config.data.update({key: other.data[key] for key in keys})
        config.eval.protocol = other.eval.protocol

    return change


def budget(config: ConfigDict) -> None:
    """Trains as briefly as `budget` of `configs/mocap.py`, the same for every model."""
    config.update(mocap.BUDGET.change)
    config.optim.update({"clip_norm": 1.0, "drop_every": 0})
    config.data.flip_share, config.eval.flip = 0.5, True


CLIPS = Variant(
    "clips", ("clips",), "clips of nine frames, for a fair comparison with `temporal`", clips
)
VARIANTS = (
    Variant("relational", common.BOTH_LOSSES, "both relational losses", relational),
    common.SPATIAL,
    dataclasses.replace(common.TEMPORAL, change=temporal),
    common.LEARNED,
    h36m.GT2D,
    Variant(
        "mocap",
        ("data",),
        "motion capture as in `configs/mocap.py` instead of Human3.6M",
        data_of(mocap.get_config()),
    ),
    Variant(
        "synthetic",
        ("data",),
        "embedded data as in `configs/quickstart.py` instead of Human3.6M",
        data_of(quickstart.get_config()),
    ),
    dataclasses.replace(mocap.BUDGET, change=budget),
)


def frames(count: int, **changes: dict[str, Any]) -> Variant:
    """Returns a variant of another number of frames.

    Args:
        count: frames that the model sees.
        **changes: the values that it sets, by section.
    """
    return Variant(str(count), ("frames",), f"{count} frames", changes)


def variants(*own: Variant) -> tuple[Variant, ...]:
    """Returns `VARIANTS` and a recipe's own, which replace shared ones of the same name."""
    return tuple({variant.name: variant for variant in (*VARIANTS, *own)}.values())


def tiny(**sizes: Any) -> Variant:
    """Returns a model of about 0.15 million parameters on the same clips for every recipe.

    Every frame of a clip is trained on and evaluated, with all joints.

    Args:
        **sizes: fields of the model's configuration.
    """

    def change(config: ConfigDict) -> None:
        config.model.update(sizes)
        if config.data.frames == 1:
            clips(config, 27)
        config.data.update({"frames": 27, "stride": 9, "dropped_joints": ()})
        config.eval.update({"frames": None, "output": "every"})

    decides = ("size", "frames", "clips")
    return Variant("tiny", decides, "0.15 million parameters on clips of 27 frames", change)
