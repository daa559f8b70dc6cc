"""Predictions of overlapping clips, blended, so that nothing jumps where a clip ends."""

import dataclasses

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import predict


def predict_blended(
    predictor: predict.Predictor, clips: clips_lib.Clips, *, batch_size: int, mesh: Mesh
) -> Float[np.ndarray, "n j 3"]:
    """Predicts all frames, each as a weighted mean over the clips that cover it.

    The weight of a clip rises linearly from its first frame to its middle and falls to its last, so
    that of clips that overlap one is faded into the next. A clip in which no joint has confidence
    has no weight, and is not predicted.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: clips that cover the sequences.
        batch_size: clips in a batch, over all devices.
        mesh: the devices.

    Returns:
        `[n, j, 3]` in the units of the model; NaN in frames of no clip with confidence.
    """
    frame = np.arange(clips.frames)
    ramp = np.minimum(frame + 1, clips.frames - frame)
    seen = np.asarray((clips.sequences.confidence > 0).any(-1))
    clips = _with_some(clips, seen)
    total = np.zeros(clips.joints.shape, np.float64)
    weights = np.zeros(len(total))
    batches = clips_lib.eval_batches(clips, batch_size)
    for index, new, poses in predict.predict_batches(predictor, clips, batches, mesh=mesh):
        rows = clips_lib.rows(clips, index)
        counts = new.any(1)  # a batch is padded with clips without new frames
        length = np.where(counts, clips.windows.length[index], 0)
        weight = ramp * (frame < length[:, None])
        np.add.at(total, rows, weight[..., None, None] * poses)
        np.add.at(weights, rows, weight)
    covered = weights > 0
    total[covered] /= weights[covered, None, None]
    total[~covered] = np.nan
    return total.astype(np.float32)


def _with_some(clips: clips_lib.Clips, seen: Bool[np.ndarray, " n"]) -> clips_lib.Clips:
    """Returns the clips that have a frame with confidence."""
    before = np.concatenate([[0], np.cumsum(seen)])
    windows = clips.windows
    some = before[windows.start + windows.length] > before[windows.start]
    columns = {name: values[some] for name, values in vars(windows).items()}
    return dataclasses.replace(clips, windows=dataclasses.replace(windows, **columns))


def interpolate(poses: Float[np.ndarray, "t j 3"]) -> Float[np.ndarray, "t j 3"]:
    """Fills frames of NaN linearly in time, those at the ends with the nearest pose."""
    known = np.flatnonzero(np.isfinite(poses).all((1, 2)))
    missing = np.flatnonzero(np.isnan(poses).any((1, 2)))
    if not len(missing):
        return poses
    after = np.searchsorted(known, missing)
    before = known[np.maximum(after - 1, 0)]
    after = known[np.minimum(after, len(known) - 1)]
    share = (missing - before) / np.maximum(after - before, 1)
    share = np.clip(share, 0, 1)[:, None, None].astype(poses.dtype)
    filled = poses.copy()
    filled[missing] = (1 - share) * poses[before] + share * poses[after]
    return filled
