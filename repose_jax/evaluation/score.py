"""Predictions against the truth: every metric of every frame, in millimetres.

Poses are compared relative to the root of each frame: velocity and acceleration along whole
sequences, the order of frames within clips.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.predict import Predictor, predict_frames, root_relative_mm
from repose_jax.evaluation.tally import VISIBILITY, Group, Tally

_SEQUENCE_BLOCK = 1024  # sequences are padded to a multiple, so that few lengths are compiled


@functools.partial(jax.jit, static_argnums=0)
def _scores(metrics, prediction, target, mask):
    return {metric.name: tuple(metric(prediction, target, mask)) for metric in metrics}


def score(
    prediction: Float[np.ndarray, "n j 3"],
    target: Float[np.ndarray, "n j 3"],
    counted: Bool[np.ndarray, " n"],
    clips: clips_lib.Clips,
    *,
    batch_size: int = 32,
) -> Tally:
    """Compares poses in mm.

    Args:
        prediction: `[n, j, 3]`, relative to the root; anything where it does not count.
        target: `[n, j, 3]`, likewise.
        counted: `[n]` the frames that count.
        clips: which frames are together in a clip.
        batch_size: clips that are scored at once.

    Returns:
        Sums of every metric.
    """
    sequences = clips.sequences
    sequence = np.repeat(np.arange(len(sequences.names)), sequences.lengths)
    kinds, group = np.unique(np.stack([sequence, sequences.activity]), axis=1, return_inverse=True)
    groups = tuple(
        Group(sequences.names[s], sequences.subjects[s], sequences.actions[s], int(activity))
        for s, activity in kinds.T
    )
    shape = (len(groups), target.shape[1], len(VISIBILITY))
    cell = np.ravel_multi_index(
        (group[:, None], np.arange(shape[1]), sequences.visibility.astype(np.int64) + 1), shape
    )
    totals = {name: np.zeros(shape) for name in METRICS}
    weights = {name: np.zeros(shape) for name in METRICS}

    def add(scores: Mapping[str, tuple[Any, Any]], rows: Int[np.ndarray, "..."]) -> None:
        cells = cell[rows].ravel()
        for name, parts in jax.device_get(scores).items():
            for sums, part in zip((totals, weights), parts, strict=True):
                counts = np.bincount(cells, part.ravel(), minlength=sums[name].size)
                sums[name] += counts.reshape(shape)

    along = {
        kind: tuple(metric for metric in METRICS.values() if metric.along == kind)
        for kind in ("clips", "sequences")
    }
    for index, real, batch in clips_lib.eval_batches(clips, batch_size):
        rows = clips_lib.rows(clips, index)
        mask = (batch["counted"][..., 0] & real[:, None] & counted[rows])[..., None]
        add(_scores(along["clips"], prediction[rows], target[rows], mask), rows)
    for begin, end in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
        filled = -(end - begin) % _SEQUENCE_BLOCK + end - begin
        rows = np.minimum(np.arange(begin, begin + filled), end - 1)
        mask = (counted[rows] & (np.arange(filled) < end - begin))[:, None]
        add(_scores(along["sequences"], prediction[rows], target[rows], mask), rows)
    return Tally(groups=groups, totals=totals, weights=weights)


def evaluate(
    predictor: Predictor,
    clips: clips_lib.Clips,
    *,
    batch_size: int,
    mesh: Mesh,
    zero_root: bool = False,
    scale: Float[np.ndarray, " s"] | None = None,
) -> Tally:
    """Evaluates a predictor on all clips, each frame once.

    Frames count that a clip covers, that the dataset's protocol counts (`valid`), and whose scale
    in mm is known.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: test clips.
        batch_size: clips in a batch, over all devices; the last one is filled up and the filling
            not counted.
        mesh: the devices.
        zero_root: see `root_relative_mm`.
        scale: a factor on the predictions of each sequence.

    Returns:
        Sums of every metric.

    Raises:
        ValueError: no frame counts.
    """
    frames = predict_frames(predictor, clips, batch_size=batch_size, mesh=mesh)
    counted = clips_lib.covered(clips) & clips.sequences.valid & np.isfinite(clips.mm_per_unit)
    if not counted.any():
        raise ValueError(
            "Not one frame of the test sequences counts: none is valid, or the scale of their 2.5D "
            "labels is not known (that of Human3.6M's training split is not)."
        )
    prediction = root_relative_mm(frames, clips, zero_root=zero_root)
    if scale is not None:
        prediction *= np.repeat(scale, clips.sequences.lengths)[:, None, None].astype(np.float32)
    target = root_relative_mm(clips.joints, clips)
    return score(prediction, target, counted, clips, batch_size=batch_size)
