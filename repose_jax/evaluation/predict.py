"""Predictors, and predictions for every frame of sequences from the first clip that covers it."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Float

from repose_jax.data import clips as clips_lib
from repose_jax.data.normalise import mirror_inputs
from repose_jax.evaluation.predictions import Predictions
from repose_jax.models.lifter import Lifter, slide
from repose_jax.runtime import devices
from repose_jax.skeleton import HUMAN36M
from repose_jax.skeleton import flip as flip_poses

Batches = Sequence[tuple[np.ndarray, np.ndarray]]
Progress = Callable[[Batches], Iterable[tuple[np.ndarray, np.ndarray]]]
"""A wrapper around batches that shows progress, such as `tqdm`."""
Variables = tuple[nnx.State, ...]
"""A model's parameters and statistics; with its `nnx.GraphDef` they make up the model."""
Predictor = Callable[[jax.Array], jax.Array]
"""Inputs `[b, before + t + after, j, 3]` to poses `[b, t, j, 3]` in the units of the model."""


def predict(
    graphdef: nnx.GraphDef[Lifter],
    variables: Variables,
    inputs: Float[jax.Array, "b n j cin"],
    *,
    flip: bool,
    window: int | None = None,
) -> Float[jax.Array, "b t j 3"]:
    """Runs a model without dropout.

    Args:
        graphdef: the model's static half.
        variables: its parameters and statistics.
        inputs: `[b, before + t + after, j, 3]` normalised joints with confidence, which is removed
            for a model without.
        flip: average with the prediction for the mirrored clip, mirrored back.
        window: take the centre frame of every window of so many frames, from a model that predicts
            all of them; None to take the whole output.

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
        out = (out + flip_poses(lift(mirror_inputs(inputs)))) / 2
    return out


_predict = jax.jit(predict, static_argnums=0, static_argnames=("flip", "window"))


def model_predictor(
    graphdef: nnx.GraphDef[Lifter],
    variables: Variables,
    *,
    flip: bool,
    window: int | None = None,
) -> Predictor:
    """Returns the predictor of a model; compiled once for all parameters of one model."""
    return lambda inputs: _predict(graphdef, variables, inputs, flip=flip, window=window)


def mean_pose_predictor(mean: Float[np.ndarray, "j 3"], context: tuple[int, int]) -> Predictor:
    """Returns the predictor that always predicts one pose, such as the mean of the training frames.

    Args:
        mean: the pose, in the units of the model.
        context: frames before and after the test clips.
    """
    pose = jnp.asarray(mean, jnp.float32)
    return lambda x: jnp.broadcast_to(pose, (x.shape[0], x.shape[1] - sum(context), *pose.shape))


def predict_frames(
    predictor: Predictor,
    clips: clips_lib.Clips,
    *,
    batch_size: int,
    mesh: Mesh,
    progress: Progress = iter,
) -> Float[np.ndarray, "n j 3"]:
    """Predicts all frames.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: clips of the sequences.
        batch_size: clips in a batch, over all devices.
        mesh: the devices.
        progress: wraps the batches, for example in a progress bar.

    Returns:
        `[n, j, 3]` in the units of the model, each frame from the first clip that covers it; NaN in
        frames that no clip covers.
    """
    frames = np.full(clips.joints.shape, np.nan, np.float32)
    batches = progress(clips_lib.eval_batches(clips, batch_size))
    for index, new, prediction in predict_batches(predictor, clips, batches, mesh=mesh):
        frames[clips_lib.rows(clips, index)[new]] = prediction[new]
    return frames


def predict_batches(
    predictor: Predictor,
    clips: clips_lib.Clips,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    mesh: Mesh,
) -> Iterator[tuple[np.ndarray, np.ndarray, Float[np.ndarray, "b t j 3"]]]:
    """Predicts clips in batches, split over the devices.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: clips of the sequences.
        batches: of them, from `clips.eval_batches`.
        mesh: the devices.

    Yields:
        The index of the clips of a batch, their new frames, and their poses in the units of the
        model.
    """
    for index, new in batches:
        inputs = clips_lib.model_inputs(clips, index[devices.process_rows(len(index))])
        batch = jax.make_array_from_process_local_data(devices.split(mesh), inputs)
        with jax.default_matmul_precision("highest"):
            prediction = predictor(batch)
        if not prediction.is_fully_addressable:  # each process has its rows
            prediction = multihost_utils.process_allgather(prediction, tiled=True)
        yield index, new, np.asarray(prediction)


def root_relative_mm(
    poses: Float[np.ndarray, "n j 3"], clips: clips_lib.Clips, *, zero_root: bool = False
) -> Float[np.ndarray, "n j 3"]:
    """Returns poses relative to the root of each frame, in mm.

    Args:
        poses: `[n, j, 3]` in the units of the model.
        clips: the clips that these units belong to.
        zero_root: set the root to 0 instead of subtracting it, as the protocols do for models that
            are trained on root-relative targets.
    """
    if zero_root:
        relative = poses.copy()
        relative[:, HUMAN36M.root] = 0
    else:
        relative = poses - poses[:, HUMAN36M.root, None]
    return relative * clips.mm_per_unit[:, None, None]


def predict_sequences(
    predictor: Predictor,
    clips: clips_lib.Clips,
    *,
    batch_size: int,
    mesh: Mesh,
    zero_root: bool = False,
    scale: Float[np.ndarray, " s"] | None = None,
    progress: Progress = iter,
) -> Predictions:
    """Predicts test sequences, in mm beside the ground truth.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: test clips.
        batch_size: clips in a batch, over all devices; the last one is padded.
        mesh: the devices.
        zero_root: see `root_relative_mm`.
        scale: a factor on the predictions of each sequence.
        progress: wraps the batches, for example in a progress bar.

    Raises:
        ValueError: no frame counts.
        FloatingPointError: a prediction of a frame that counts is not finite.
    """
    valid = clips_lib.covered(clips) & clips.sequences.valid & np.isfinite(clips.mm_per_unit)
    if not valid.any():
        raise ValueError(
            "No frame of the test sequences counts: none is valid, or the scale of their 2.5D "
            "labels is unknown (as in Human3.6M's training split)."
        )
    frames = predict_frames(predictor, clips, batch_size=batch_size, mesh=mesh, progress=progress)
    poses = root_relative_mm(frames, clips, zero_root=zero_root)
    if scale is not None:
        poses *= np.repeat(scale, clips.sequences.lengths)[:, None, None].astype(np.float32)
    bad = valid & ~np.isfinite(poses).all(axis=(1, 2))
    if bad.any():
        sequence = np.searchsorted(clips.sequences.offsets, bad.argmax(), side="right") - 1
        raise FloatingPointError(
            f"The predictions of {bad.sum():,} of {valid.sum():,} frames are NaN or infinite, "
            f"first in {clips.sequences.names[sequence]}."
        )
    return Predictions(clips, poses, root_relative_mm(clips.joints, clips), valid)
