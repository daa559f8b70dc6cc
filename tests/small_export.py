"""Models of every lifter at small sizes with random weights, and inputs, for tests of exports."""

import dataclasses
import functools

import jax
import numpy as np
from flax import nnx

from repose_jax import models
from repose_jax.config import DataConfig, EvalConfig, Experiment
from repose_jax.export.program import Program
from repose_jax.weights.file import Contents

FRAMES = 9
SIZES = {
    "frames": FRAMES,
    "width": 8,
    "depth": 1,
    "heads": 2,
    "hidden": 8,
    "representation": 8,
    "generator_depth": 1,
    "generator_heads": 3,
    "kept_frames": 3,
    "kept_coefficients": 3,
    "filter_widths": (3, 3),
}
DROPPED = {"semgcn": ("neck",)}
OTHER = {"mhformer": {"depth": 2}, "stcformer": {"width": 16}, "d3dp": {"width": 12}}


def contents(
    name: str, *, model=None, data=None, evaluation=None, notes=None, seed: int = 0
) -> Contents:
    """Returns a small model of random weights, the same ones at every call.

    Args:
        name: of the model.
        model: sizes other than the small ones.
        data: settings of the data.
        evaluation: settings of the evaluation.
        notes: of the file.
        seed: of the weights.
    """
    known = {field.name for field in dataclasses.fields(models.MODELS[name][1]) if field.init}
    sizes = {key: value for key, value in SIZES.items() if key in known} | OTHER.get(name, {})
    config = Experiment(
        model={"name": name, **sizes, **(model or {})},
        data=DataConfig(
            **{"frames": FRAMES, "stride": FRAMES, "dropped_joints": DROPPED.get(name, ())}
            | (data or {})
        ),
        eval=EvalConfig(**(evaluation or {})),
    )
    create = functools.partial(models.create, **config.model_fields)
    graphdef, *trees = nnx.split(nnx.eval_shape(create), nnx.Param, nnx.BatchStat)
    rng = np.random.default_rng(seed)

    def sample(path, leaf):
        values = rng.normal(0, 0.3, leaf.shape).astype(np.float32)
        return 1 + np.abs(values) if "'var'" in jax.tree_util.keystr(path) else values

    variables = tuple(jax.tree.map_with_path(sample, tree) for tree in trees)
    return Contents(config, graphdef, variables, notes or {})


def inputs(program: Program, clips: int) -> dict[str, np.ndarray]:
    """Returns clips of joints that move, of which some are missing."""
    rng = np.random.default_rng(0)
    if program.form == "normalised":
        shape = (clips, *program.inputs["normalised"])
        return {"normalised": rng.normal(0, 0.5, shape).astype(np.float32)}
    shape = (clips, *program.inputs["keypoints"][:2])
    confidence = rng.uniform(0.2, 1, shape) * (rng.uniform(size=shape) > 0.1)
    keypoints = rng.normal(600, 100, (*shape, 2))
    if program.config.data.normalise == "person":  # in which missing joints may be anything
        keypoints[confidence == 0] = np.nan
    made = {
        "keypoints": keypoints,
        "confidence": confidence,
        "image_size": np.tile([1920, 1080], (clips, 1)),
        "fps": np.resize([50, np.nan], clips),
        "focal_length": np.resize([np.nan, 1500, 1200], clips),
        "up": np.tile([0, -1, 0], (clips, 1)),
    }
    return {name: np.asarray(made[name], np.float32) for name in program.inputs}
