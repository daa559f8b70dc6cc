"""The paper's model and recipe, and the variants that most configurations share."""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from configs.variants import Variant


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


def learn_weights(config: ConfigDict) -> None:
    """Learns the weights of the relational losses with the model.

    Raises:
        ValueError: there are none.
    """
    weights = config.objective.weights
    if not (weights.get("spatial_depth") or weights.get("temporal_depth")):
        raise ValueError(
            "Variant 'learned' has no loss to learn; add one, such as 'spatial,temporal,learned'."
        )
    config.objective.learn_weights = True


BOTH_LOSSES = "spatial loss", "temporal loss"
LEARNED = Variant(
    "learned",
    ("learned weights",),
    "learn the weights of the relational losses with the model",
    learn_weights,
)
SPATIAL = Variant(
    "spatial",
    ("spatial loss",),
    "the spatial relational loss; with `temporal`, both",
    {"objective": {"weights": {"spatial_depth": 1.0}}},
)
TEMPORAL = Variant(
    "temporal",
    ("temporal loss",),
    "the temporal relational loss; with `spatial`, both",
    {"objective": {"weights": {"temporal_depth": 1.0}}},
)
TINY = Variant(
    "tiny",
    ("size", "frames"),
    "0.15 million parameters on 27 frames",
    {
        "model": {
            "frames": 27,
            "width": 64,
            "depth": 1,
            "heads": 2,
            "mlp_ratio": 2,
            "representation": 128,
        },
        "data": {"frames": 27, "stride": 9},
    },
)
VARIANTS = (
    Variant(
        "baseline",
        (*BOTH_LOSSES, "learned weights"),
        "without the relational losses",
        {},
    ),
    SPATIAL,
    TEMPORAL,
    LEARNED,
    Variant(
        "small",
        ("size", "frames"),
        "0.9 million parameters on 81 frames",
        {
            "model": {
                "frames": 81,
                "width": 96,
                "depth": 3,
                "heads": 3,
                "mlp_ratio": 2,
                "representation": 192,
            },
            "data": {"frames": 81, "stride": 27},
        },
    ),
    TINY,
)
