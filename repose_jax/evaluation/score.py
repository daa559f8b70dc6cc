"""Scores of predictions: every metric of every frame, in millimetres.

Poses are compared relative to the root of each frame: velocity and acceleration along whole
sequences, the order of frames within clips.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.predictions import Predictions
from repose_jax.evaluation.tally import VISIBILITY, Group, Tally

_SEQUENCE_BLOCK = 1024  # sequences are padded to a multiple, so that few lengths are compiled


@functools.partial(jax.jit, static_argnums=0)
def _scores(metrics, prediction, target, mask):
    return {metric.name: tuple(metric(prediction, target, mask)) for metric in metrics}


def score(predictions: Predictions, *, batch_size: int = 32) -> Tally:
    """Sums every metric over the valid frames, each of them once, and the joints that count.

    Args:
        predictions: predicted and true poses; those in frames that are not valid are ignored.
        batch_size: clips that are scored at a time.
    """
    clips, valid = predictions.clips, predictions.valid
    prediction, target = predictions.poses, predictions.truth
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
    for index, new in clips_lib.eval_batches(clips, batch_size):
        rows = clips_lib.rows(clips, index)
        mask = (new & valid[rows])[..., None] & clips.counted
        add(_scores(along["clips"], prediction[rows], target[rows], mask), rows)
    for begin, end in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
        padded = -(end - begin) % _SEQUENCE_BLOCK + end - begin
        rows = np.minimum(np.arange(begin, begin + padded), end - 1)
        mask = (valid[rows] & (np.arange(padded) < end - begin))[:, None] & clips.counted
        add(_scores(along["sequences"], prediction[rows], target[rows], mask), rows)
    return Tally(groups=groups, totals=totals, weights=weights)
