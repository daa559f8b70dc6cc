"""Scores of predictions: every metric of every frame, in millimetres.

Poses are compared relative to the root of each frame: velocity and acceleration along whole
sequences, the order of frames within clips.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from repose_jax.data import clips as clips_lib
from repose_jax.data.sequences import Sequences
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.predictions import Predictions
from repose_jax.evaluation.tally import VISIBILITY, Group, Tally

_SEQUENCE_BLOCK = 1024  # sequences are padded to a multiple, so that few lengths are compiled


@functools.partial(jax.jit, static_argnums=0)
def _scores(metrics, prediction, target, mask):
    return {metric.name: tuple(metric(prediction, target, mask)) for metric in metrics}


class Sums:
    """Sums of metrics by group, joint and visibility, to which frames are added."""

    def __init__(self, sequences: Sequences, metrics: Iterable[str]):
        """Starts at zero.

        Args:
            sequences: those that frames are of.
            metrics: names of the metrics.
        """
        sequence = np.repeat(np.arange(len(sequences.names)), sequences.lengths)
        labels = np.stack([sequence, sequences.activity])
        kinds, group = np.unique(labels, axis=1, return_inverse=True)
        self._groups = tuple(
            Group(sequences.names[s], sequences.subjects[s], sequences.actions[s], int(activity))
            for s, activity in kinds.T
        )
        shape = (len(self._groups), sequences.visibility.shape[1], len(VISIBILITY))
        self._cell = np.ravel_multi_index(
            (group[:, None], np.arange(shape[1]), sequences.visibility.astype(np.int64) + 1), shape
        )
        self._sums = [{name: np.zeros(shape) for name in metrics} for _ in range(2)]

    def add(self, scores: Mapping[str, tuple[Any, Any]], rows: Int[np.ndarray, "..."]) -> None:
        """Adds the totals and weights `[..., j]` of metrics in the rows `[...]` of frames."""
        cells = self._cell[rows].ravel()
        for name, parts in jax.device_get(scores).items():
            for sums, part in zip(self._sums, parts, strict=True):
                counts = np.bincount(cells, part.ravel(), minlength=sums[name].size)
                sums[name] += counts.reshape(sums[name].shape)

    def tally(self) -> Tally:
        """Returns the sums."""
        return Tally(self._groups, *self._sums)


def score(predictions: Predictions, *, batch_size: int = 32) -> Tally:
    """Sums every metric over the valid frames, each of them once, and the joints that count.

    Args:
        predictions: predicted and true poses; those in frames that are not valid are ignored.
        batch_size: clips that are scored at a time.
    """
    clips, valid = predictions.clips, predictions.valid
    prediction, target = predictions.poses, predictions.truth
    sequences = clips.sequences
    sums = Sums(sequences, METRICS)
    along = {
        kind: tuple(metric for metric in METRICS.values() if metric.along == kind)
        for kind in ("clips", "sequences")
    }
    for index, new in clips_lib.eval_batches(clips, batch_size):
        rows = clips_lib.rows(clips, index)
        mask = (new & valid[rows])[..., None] & clips.counted
        sums.add(_scores(along["clips"], prediction[rows], target[rows], mask), rows)
    for begin, end in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
        padded = -(end - begin) % _SEQUENCE_BLOCK + end - begin
        rows = np.minimum(np.arange(begin, begin + padded), end - 1)
        mask = (valid[rows] & (np.arange(padded) < end - begin))[:, None] & clips.counted
        sums.add(_scores(along["sequences"], prediction[rows], target[rows], mask), rows)
    return sums.tally()
