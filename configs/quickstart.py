"""A small model on embedded synthetic motion: a few minutes on two CPU cores.

    repose train --config=quickstart --workdir=runs/quickstart

The dataset `synthetic_motion` is prepared on the first run; nothing is downloaded. The model is too
small to lift well: the pictures show the shipped weights below it.
"""

from ml_collections import ConfigDict

from configs import common
from configs.variants import apply

VARIANTS = common.VARIANTS


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = common.base()
    config.update(common.TINY.change)
    config.data.train = ("synthetic_motion/30fps:train",)
    config.data.test = ("synthetic_motion/30fps:test",)
    config.optim.update({"lr": 1e-3, "decay": 0.7, "warmup_steps": 20, "ema": 0.99})
    config.train.update({"epochs": 9, "epoch_steps": 50, "batch_size": 8, "log_every": 20})
    config.train.eval_every = 9
    return apply(config, variant, VARIANTS, of=__name__)
