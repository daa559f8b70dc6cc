"""An experiment on the dataset `small` that trains in seconds; see `small_data`.

It has every part of a state (a moving average, learned weights) and every kind of randomness
(flips, dropout). The 17 training clips make 2 steps of 8 in each of 3 epochs.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "model": {
                "name": "repose",
                "frames": 9,
                "width": 8,
                "depth": 1,
                "heads": 2,
                "mlp_ratio": 2,
                "representation": 8,
                "attention_dropout": 0.1,
            },
            "data": {
                "train": ("small/30fps:train",),
                "test": ("small/30fps:test",),
                "data_dir": placeholder(str),
                "frames": 9,
                "stride": 4,
            },
            "objective": {"learn_weights": True},
            "optim": {"lr": 1e-2, "ema": 0.9, "warmup_steps": 3},
            "train": {
                "epochs": 3,
                "batch_size": 8,
                "steps_per_call": 1,
                "eval_every": 2,
                "log_every": 1,
            },
            "eval": {"batch_size": 8, "pictures": 0},
        }
    )
