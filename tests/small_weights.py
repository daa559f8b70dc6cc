"""Weights of a small untrained model that lifts, as a file."""

import pathlib

from flax import nnx

from repose_jax import models
from repose_jax.config import DataConfig, EvalConfig, Experiment
from repose_jax.weights import file

FRAMES = 9
MODEL = {"name": "repose", "frames": FRAMES, "width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2}


def write(path: pathlib.Path, frames: int = FRAMES) -> pathlib.Path:
    """Writes the weights in the frame of the person, as the shipped ones are; returns the path."""
    config = Experiment(
        model={**MODEL, "frames": frames, "representation": 8},
        data=DataConfig(frames=frames, stride=3, normalise="person"),
        eval=EvalConfig(),
    )
    _, *variables = nnx.split(models.create(**config.model_fields), nnx.Param, nnx.BatchStat)
    file.write(path, config, tuple(variables), "float32")
    return path
