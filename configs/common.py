"""The paper's model and recipe, and the variants that most configurations share."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from configs.variants import Variant
from repose_jax.config import RELATIONAL, Experiment

REPOSE = {
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
    "fused_attention": ("auto",),
    "dtype": "float32",
}


def base() -> ConfigDict:
    """Returns the paper's model and the defaults of `repose_jax.config`; without data."""
    return ConfigDict(_values(Experiment(REPOSE)))


def _values(section: Any) -> dict[str, Any]:
    values = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            value = _values(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        values[field.name] = placeholder(field.metadata["rule"].kind) if value is None else value
    return values


def learn_weights(config: ConfigDict) -> None:
    """Learns the weights of the relational losses with the model.

    Raises:
        ValueError: there are none.
    """
    weights = config.objective.weights
    if not any(weights.get(name) for name in RELATIONAL):
        raise ValueError(
            "Variant 'learned' has no loss to learn; add one, such as 'spatial,temporal,learned'."
        )
    config.objective.learn_weights = True
    config.optim.scale_by_loss = False  # the loss with its learned weights may be negative


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
