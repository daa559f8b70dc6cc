"""Predictions for every frame of sequences: clips predicted one by one and concatenated.

Each frame is that of the first clip that covers it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Float

from repose_jax.data import clips as clips_lib
from repose_jax.models.lifter import slide
from repose_jax.runtime import devices
from repose_jax.skeleton import HUMAN36M
from repose_jax.skeleton import flip as mirror

# Inputs [b, before + t + after, j, 3] to poses [b, t, j, 3] in model units.
Predictor = Callable[[Any], Float[jax.Array, "b t j 3"]]


def predict(
    graphdef: Any,
    variables: tuple[Any, ...],
    inputs: Float[jax.Array, "b n j cin"],
    *,
    flip: bool,
    window: int | None = None,
) -> Float[jax.Array, "b t j 3"]:
    """Runs a model without its drops.

    Args:
        graphdef: the model's static half.
        variables: its parameters and statistics.
        inputs: `[b, before + t + after, j, 3]` normalised joints with confidence, which is left out
            for a model without.
        flip: average with the prediction for the mirrored clip, mirrored back.
        window: read the centre frame of every window of so many frames, of a model that gives every
            frame; None to read all that it gives.

    Returns:
        `[b, t, j, 3]` in the units of the training targets.
    """
    model = nnx.merge(graphdef, *variables)
    inputs = inputs[..., : model.config.in_channels]

    def lift(x):
        if window is None:
            return model(x)
        centre = (window - 1) // 2
        return slide(lambda w: model(w)[:, centre], x, window)

    out = lift(inputs)
    if flip:
        out = (out + mirror(lift(mirror(inputs)))) / 2
    return out


_predict = jax.jit(predict, static_argnums=0, static_argnames=("flip", "window"))


def model_predictor(
    graphdef: Any, variables: tuple[Any, ...], *, flip: bool, window: int | None = None
) -> Predictor:
    """Returns the predictor of a model; compiled once for all parameters of one model."""
    return lambda inputs: _predict(graphdef, variables, inputs, flip=flip, window=window)


def mean_pose_predictor(train: clips_lib.Clips) -> Predictor:
    """Returns the predictor that answers everything with the mean pose of the training frames."""
    joints = train.joints
    if train.root_relative:
        joints = joints - joints[:, HUMAN36M.root, None]
    mean = jnp.asarray(joints.mean(axis=0, dtype=np.float64), jnp.float32)
    around = sum(train.context)
    return lambda x: jnp.broadcast_to(mean, (x.shape[0], x.shape[1] - around, *mean.shape))


def predict_frames(
    predictor: Predictor, clips: clips_lib.Clips, *, batch_size: int, mesh: Mesh
) -> Float[np.ndarray, "n j 3"]:
    """Predicts all clips, and lays each frame where it belongs.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: what to predict.
        batch_size: clips in a batch, over all devices.
        mesh: the devices.

    Returns:
        `[n, j, 3]` in the units of the model, each frame from the first clip that covers it; NaN
        where none does.
    """
    frames = np.full(clips.joints.shape, np.nan, np.float32)
    mine = devices.process_rows(batch_size)
    for index, real, batch in clips_lib.eval_batches(clips, batch_size):
        with jax.default_matmul_precision("highest"):
            prediction = predictor(devices.put_rows(batch["inputs"][mine], mesh))
        if not prediction.is_fully_addressable:  # each process has its rows
            prediction = multihost_utils.process_allgather(prediction, tiled=True)
        prediction = np.asarray(prediction)
        counted = batch["counted"][..., 0] & real[:, None]
        frames[clips_lib.rows(clips, index)[counted]] = prediction[counted]
    return frames


def root_relative_mm(
    poses: Float[np.ndarray, "n j 3"], clips: clips_lib.Clips, *, zero_root: bool = False
) -> Float[np.ndarray, "n j 3"]:
    """Returns poses relative to the root of each frame, in mm.

    Args:
        poses: `[n, j, 3]` in the units of the model.
        clips: whose units.
        zero_root: take the root to be at 0 instead of subtracting it, as the protocols do with
            models that are trained on root-relative targets.
    """
    if zero_root:
        relative = poses.copy()
        relative[:, HUMAN36M.root] = 0
    else:
        relative = poses - poses[:, HUMAN36M.root, None]
    return relative * clips.mm_per_unit[:, None, None]


def predict_sequence(
    predictor: Predictor, clips: clips_lib.Clips, sequence: int, *, batch_size: int, mesh: Mesh
) -> Float[np.ndarray, "t j 3"]:
    """Predicts one sequence.

    Returns:
        `[t, j, 3]` poses in mm, relative to the root of each frame; those of a tail that no clip
        covers are left out.
    """
    mine = clips.windows.sequence == sequence
    windows = clips_lib.Windows(
        *(getattr(clips.windows, field.name)[mine] for field in dataclasses.fields(clips.windows))
    )
    chosen = dataclasses.replace(clips, windows=windows)
    frames = predict_frames(predictor, chosen, batch_size=batch_size, mesh=mesh)
    return root_relative_mm(frames, clips)[clips_lib.covered(chosen)]
