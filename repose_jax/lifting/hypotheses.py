"""Several hypotheses of a person's motion, of a model that makes them: their mean and spread."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from repose_jax import models
from repose_jax.config import UNITS
from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import hypotheses
from repose_jax.lifting import video
from repose_jax.lifting.predictor import Predictor, batch_size
from repose_jax.models.d3dp import D3dp
from repose_jax.runtime import devices

KEPT = 10
"""Hypotheses that are kept, to be drawn; the mean and the spread are of all."""


@dataclasses.dataclass(frozen=True, eq=False)
class Hypotheses:
    """Hypotheses of a person's motion, relative to the pelvis in camera axes, mm.

    Attributes:
        mean: of all of them.
        spread: root mean square distance of all of them from the mean, times the factor that the
            evaluation of the run found (`spread_factor`), 1 if there is none.
        kept: the first `KEPT` of them, as they were sampled.
    """

    mean: Float[np.ndarray, "t 17 3"]
    spread: Float[np.ndarray, "t 17"]
    kept: Float[np.ndarray, "t h 17 3"]


def check(model: Predictor) -> None:
    """Refuses a model that makes one prediction, or whose hypotheses are in px.

    Raises:
        ValueError: says which models make several.
    """
    name = model.config.model["name"]
    if models.MODELS[name][0] is not D3dp:
        raise ValueError(
            f"hypotheses: the model {name!r} makes one prediction; give the "
            "weights of a run of 'd3dp', or leave hypotheses out."
        )
    if model.unit != "mm" or model.config.data.normalise != "image":
        raise ValueError(
            "hypotheses: the model must be trained on joints in camera space, with inputs in the "
            "frame of the image."
        )


def lift(
    model: Predictor,
    keypoints_2d: ArrayLike,
    confidence: ArrayLike | None,
    image_size: Sequence[int] | None,
    *,
    count: int,
    flip: bool | None = None,
    seed: int = 0,
) -> Hypotheses:
    """Lifts the 2D joints of one person in a video in several ways.

    In as many steps as the evaluation of its run has (`config.eval.sampling_steps`).

    Args:
        model: of `d3dp`.
        keypoints_2d: as for `Predictor.__call__`, like the next two.
        confidence: of the detector.
        image_size: width and height, px.
        count: hypotheses, two or more.
        flip: average every step with that of the mirrored clips; None as in the evaluation.
        seed: of the noise: the same gives the same result.

    Raises:
        ValueError: another model; or an argument is missing, has another shape or a value outside
            its range.
    """
    check(model)
    whole = video.check(
        keypoints_2d,
        confidence,
        image_size,
        fps=None,
        focal_length=None,
        up=None,
        mm_per_px=None,
        missing_without_influence=False,
    )
    config, mesh = model.config, devices.data_mesh()
    clips = model.clips(whole)
    sample = functools.partial(
        _sample,
        model.graphdef,
        model.variables,
        seed=jnp.asarray(seed),
        count=count,
        steps=config.eval.sampling_steps,
        flip=config.eval.flip if flip is None else flip,
    )
    t, j = clips.joints.shape[:2]
    shapes = (t, j, 3), (t, j), (t, min(count, KEPT), j, 3)
    found = tuple(np.empty(shape, np.float32) for shape in shapes)
    size = batch_size(len(clips), clips.frames, max(config.eval.batch_size // count, 1))
    for index, new in clips_lib.eval_batches(clips, size):
        arrays = {"inputs": clips_lib.model_inputs(clips, index), "index": index.astype(np.int32)}
        with jax.default_matmul_precision("highest"):
            made = sample(**devices.put_rows(arrays, mesh))
        rows = clips_lib.rows(clips, index)[new]
        for values, new_values in zip(found, made, strict=True):
            values[rows] = np.asarray(new_values)[new]
    mean, spread, kept = (values / UNITS[config.data.unit] for values in found)
    return Hypotheses(mean, spread * spread_factor(model), kept)


def spread_factor(model: Predictor) -> float:
    """Returns the factor on the spread that the evaluation of its run found; 1 if there is none."""
    return float(model.notes.get("spread_factor", 1.0))


def describe(model: Predictor, count: int) -> str:
    """Returns a sentence on the spread."""
    if "spread_factor" in model.notes:
        size = f"multiplied by {spread_factor(model):.2f}, so that {hypotheses.RADIUS:.2f} of it "
        size += f"around the mean hold {hypotheses.LEVEL:.0%} of the joints of the model's test set"
    else:
        size = "not calibrated (repose eval with --config.eval.hypotheses does so)"
    return f"Spread: of {count} hypotheses, {size}."


@functools.partial(jax.jit, static_argnums=0, static_argnames=("count", "steps", "flip"))
def _sample(graphdef, variables, *, inputs, index, seed, count, steps, flip):
    made = hypotheses.sample(
        graphdef, variables, inputs, index, seed, hypotheses=count, steps=steps, flip=flip
    )
    return made.mean(1), hypotheses.spread(made), made[:, :KEPT].swapaxes(1, 2)
