"""The published recipes of the backbones: `--config=configs/zoo/NAME.py:VARIANT,...`.

Each configuration is what its authors trained with, on the data and by the protocol of their table;
`docs/zoo.md` has them side by side. RePOSE's own is `configs/h36m.py`.

Variants of all of them:

* `relational`, `spatial`, `temporal`: both or one of the relational losses, with weight 1, added to
  the published ones. Of a model that is trained on single frames, `temporal` makes clips (but not
  of P-STMO, whose first transformer gives every frame of the window).
* `clips` (only such models): clips of nine frames, for a fair comparison with `temporal`.
* `learned`: learns the weights of the relational losses that come before it in the string.
* `gt2d`: ground-truth keypoints as input.
* `mocap`: the data of `configs/mocap.py` instead of Human3.6M.
* `tiny`: about 0.15 million parameters on clips of 27 frames, the same ones for every model.
* `budget`: the short training of `configs/mocap.py`, the same for every model.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from configs import common, h36m
from configs import mocap as mocap_config


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

    There an epoch has every clip and its mirror image: as many clips as two passes with half of
    them mirrored at random.

    Args:
        name: the model's name in `repose_jax.models`.
        **sizes: fields of its configuration.
    """
    config = h36m.get_config("baseline,camera")
    config.train.epoch_passes = 2
    return _with_model(config, name, sizes)


def _with_model(config, name, sizes):
    config.model = ConfigDict({"name": name, **sizes, "dtype": "float32"})
    config.optim.clip_norm = 0.0  # none of the published recipes clips gradients
    return config


def frames(config: ConfigDict, count: int) -> None:
    """Sets the frames that a model which gives every frame takes, trains on and is tested on."""
    config.model.frames = count
    config.data.frames = count


def single_frames(config: ConfigDict, *, test: int) -> None:
    """Trains on every frame for itself, which needs the frames around it.

    Args:
        config: the recipe.
        test: consecutive frames of a test clip; it only matters for speed and memory.
    """
    config.data.update({"frames": 1, "stride": 1})
    config.eval.frames = test


def tiny_data(config: ConfigDict) -> None:
    """Cuts the clips of `tiny`; every one of their frames is trained on and evaluated."""
    config.data.update({"frames": 27, "stride": 9})
    config.eval.update({"frames": None, "output": "every"})


def clips(config: ConfigDict, count: int = 9) -> None:
    """Trains on clips of several frames instead of single ones, with as many frames in a batch."""
    lifted = config.train.batch_size * config.data.frames
    config.data.update({"frames": count, "stride": count})
    config.train.batch_size = lifted // count


def spatial(config: ConfigDict) -> None:
    """Adds the spatial relational loss."""
    config.objective.weights.spatial_depth = 1.0


def temporal(config: ConfigDict) -> None:
    """Adds the temporal relational loss, which needs clips."""
    if config.data.frames == 1:
        clips(config)
    config.objective.weights.temporal_depth = 1.0


def relational(config: ConfigDict) -> None:
    """Adds both relational losses."""
    spatial(config)
    temporal(config)


def mocap(config: ConfigDict) -> None:
    """Trains and tests on motion capture, by the protocol of `configs/mocap.py`."""
    other = mocap_config.get_config()
    config.data.update(
        {key: other.data[key] for key in ("train", "test", "partial_clips", "root_relative")}
    )
    config.eval.protocol = other.eval.protocol


def budget(config: ConfigDict) -> None:
    """A few minutes on two CPU cores with `tiny`: 2,000 steps of 8 clips."""
    mocap_config.budget(config)
    config.optim.update({"clip_norm": 1.0, "drop_every": 0})


VARIANTS: Mapping[str, common.Variant] = {
    "relational": relational,
    "spatial": spatial,
    "temporal": temporal,
    "learned": common.learned,
    "gt2d": h36m.gt2d,
    "mocap": mocap,
    "budget": budget,
}


def apply(config: ConfigDict, string: str, own: Mapping[str, common.Variant]) -> None:
    """Applies the variants after the colon: a recipe's own ones and `VARIANTS`.

    Raises:
        ValueError: an unknown variant; lists the known ones.
    """
    common.apply(config, string, {**VARIANTS, **own})
