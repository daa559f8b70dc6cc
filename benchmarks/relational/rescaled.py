"""Errors of predictions that are flattened or made smaller: what a loss brings by that alone."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from benchmarks.accuracy import stored, takes
from benchmarks.accuracy.takes import Takes
from repose_jax.evaluation.predictions import Predictions
from repose_jax.lifting.predictor import Predictor
from repose_jax.lifting.scale import height_of


def measure(
    models: Mapping[str, Predictor],
    split: str,
    *,
    data_dir: str | None,
    depths: Sequence[float],
    sizes: Sequence[float],
) -> Takes:
    """Evaluates models on a prepared split, and their predictions once more in other sizes.

    Args:
        models: the models by name.
        split: `dataset/config:split`.
        data_dir: folder of the prepared datasets; TFDS's default if None.
        depths: factors of the depths of the first model.
        sizes: factors of its whole poses.

    Returns:
        Every model, the first with these factors, and each with the true stature of every
        sequence given, as `repose lift --height` does.

    Raises:
        ValueError: the split has no poses in mm, or a model does not take its clips.
        FileNotFoundError: the dataset is not prepared.
    """
    found = {}
    for name, model in models.items():
        evaluator, made = stored.predict(model, split, data_dir=data_dir, known=("fps",))
        poses = {name: made.poses}
        if not found:
            poses |= {f"{name}, depth x {x:g}": made.poses * [1, 1, x] for x in depths}
            poses |= {f"{name}, size x {x:g}": made.poses * x for x in sizes}
        poses[f"{name}, stature given"] = of_true_stature(made)
        for row, changed in poses.items():
            tally = evaluator.score(dataclasses.replace(made, poses=changed.astype(np.float32)))
            found[row] = takes.by_take(tally)
    return found


def of_true_stature(made: Predictions) -> Float[np.ndarray, "n j 3"]:
    """Returns the poses of every sequence in the stature of its truth."""
    poses, offsets = made.poses.copy(), made.clips.sequences.offsets
    for first, end in itertools.pairwise(offsets):
        rows = np.arange(first, end)[made.valid[first:end]]
        if len(rows):
            poses[rows] *= height_of(made.truth[rows]) / height_of(poses[rows])
    return poses
