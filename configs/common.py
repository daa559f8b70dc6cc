"""What the configurations share: model sizes, ablations, and the string after the colon."""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

Variant = Callable[[ConfigDict], None]


def base() -> ConfigDict:
    """Returns the paper's model and recipe without data; see `repose_jax.config` for each field."""
    config = ConfigDict()
    config.model = ConfigDict(
        {
            "name": "repose",
            "frames": 243,
            "width": 256,
            "depth": 5,
            "heads": 8,
            "mlp_ratio": 4,
            "representation": 512,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "stochastic_depth": 0.0,
            "remat": False,
            "fused_attention": (),
            "dtype": "float32",
        }
    )
    config.data = ConfigDict(
        {
            "train": (),
            "test": (),
            "data_dir": placeholder(str),
            "frames": 243,
            "stride": 81,
            "partial_clips": "cover",
            "inputs": "detected",
            "root_relative": True,
            "depth_reference": "frame",
            "unit": "metres",
            "flip_share": 0.5,
        }
    )
    # Equation 4 of the paper, which leaves lambda_S and lambda_T open, and the other terms that the
    # field trains with.
    config.objective = ConfigDict(
        {
            "weights": {
                "mpjpe": 1.0,
                "spatial_depth": 1.0,
                "temporal_depth": 1.0,
                "n_mpjpe": 0.0,
                "velocity": 0.0,
                "limb_length": 0.0,
                "limb_variance": 0.0,
                "angle": 0.0,
                "angle_velocity": 0.0,
                "weighted_mpjpe": 0.0,
                "temporal_consistency": 0.0,
            },
            "learn_weights": False,
            "reduction": "mean",
        }
    )
    config.optim = ConfigDict(
        {
            "name": "adamw",
            "lr": 5e-4,
            "decay": 0.99,
            "drop": 0.5,
            "drop_every": 0,
            "warmup_steps": 0,
            "weight_decay": 0.01,
            "clip_norm": 1.0,
            "ema": 0.0,
            "batch_norm_momentum": 0.1,
            "batch_norm_momentum_end": 0.1,
        }
    )
    config.train = ConfigDict(
        {
            "epochs": 100,
            "epoch_passes": 1,
            "epoch_steps": placeholder(int),
            "batch_size": 32,
            "microbatch_size": placeholder(int),
            "steps_per_call": placeholder(int),
            "seed": 0,
            "eval_every": 1,
            "log_every": 50,
            "matmul_precision": "default",
        }
    )
    config.eval = ConfigDict(
        {
            "batch_size": 32,
            "flip": True,
            "pictures": 1,
            "protocol": "every_frame",
            "frames": placeholder(int),
            "output": "every",
        }
    )
    config.init_from = placeholder(str)
    return config


def baseline(config: ConfigDict) -> None:
    """Trains without the relational losses."""
    config.objective.weights.spatial_depth = 0.0
    config.objective.weights.temporal_depth = 0.0


def spatial(config: ConfigDict) -> None:
    """Trains with the spatial relational loss alone."""
    config.objective.weights.temporal_depth = 0.0


def temporal(config: ConfigDict) -> None:
    """Trains with the temporal relational loss alone."""
    config.objective.weights.spatial_depth = 0.0


def learned(config: ConfigDict) -> None:
    """Learns the weights of the relational losses with the model."""
    config.objective.learn_weights = True


def small(config: ConfigDict) -> None:
    """A model of 0.9 million parameters on 81 frames."""
    config.model.update({"frames": 81, "width": 96, "depth": 3, "heads": 3, "mlp_ratio": 2})
    config.model.representation = 192
    config.data.update({"frames": 81, "stride": 27})


def tiny(config: ConfigDict) -> None:
    """A model of 0.15 million parameters on 27 frames."""
    config.model.update({"frames": 27, "width": 64, "depth": 1, "heads": 2, "mlp_ratio": 2})
    config.model.representation = 128
    config.data.update({"frames": 27, "stride": 9})


VARIANTS: Mapping[str, Variant] = {
    "baseline": baseline,
    "spatial": spatial,
    "temporal": temporal,
    "learned": learned,
    "small": small,
    "tiny": tiny,
}


def apply(config: ConfigDict, string: str, variants: Mapping[str, Variant] = VARIANTS) -> None:
    """Applies the variants that the string after the colon names, separated by commas.

    Raises:
        ValueError: an unknown variant; lists the known ones.
    """
    for name in filter(None, string.split(",")):
        if name not in variants:
            raise ValueError(f"There is no variant {name!r}; there are {', '.join(variants)}.")
        variants[name](config)
