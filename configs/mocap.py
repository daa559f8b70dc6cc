"""CMU and Bandai Namco motion capture: two laboratories, tested on a person never seen.

    repose prepare cmu_mocap --source=allasfamc.zip
    repose prepare bandai_namco --source=data.zip
    repose train --config=mocap --workdir=runs/mocap

With `bandai` the test is a person and a laboratory never seen; `tiny,budget` is a short training.
"""

from ml_collections import ConfigDict

from configs import common
from configs.variants import Variant, apply

BANDAI = Variant(
    "bandai",
    ("data",),
    "train on Bandai Namco alone",
    {"data": {"train": ("bandai_namco/30fps:train",)}},
)
BUDGET = Variant(
    "budget",
    ("schedule",),
    "a few minutes on two CPU cores with `tiny`: 2,000 steps of 8 clips",
    {
        "optim": {"lr": 1e-3, "decay": 0.7, "warmup_steps": 50, "ema": 0.99},
        "train": {"epochs": 10, "epoch_steps": 200, "batch_size": 8, "eval_every": 10},
    },
)
VARIANTS = (*common.VARIANTS, BANDAI, BUDGET)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = common.base()
    config.data.train = ("cmu_mocap/30fps:train", "bandai_namco/30fps:train")
    config.data.test = ("cmu_mocap/30fps:test",)
    return apply(config, variant, VARIANTS, of=__name__)
