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
) -> tuple[Takes, dict[str, list[float]]]:
    """Evaluates models on a prepared split, and their predictions once more in other sizes.

    Args:
        models: the models by name.
        split: `dataset/config:split`.
        data_dir: folder of the prepared datasets; TFDS's default if None.
        depths: factors of the depths of the first model.
        sizes: factors of its whole poses.

    Returns:
        The errors of every model, of the first with these factors, and of each with the true
        stature of every sequence given, as `repose lift --height` does; and the ratios of these
        statures to those that each model predicts.

    Raises:
        ValueError: the split has no poses in mm, or a model does not take its clips.
        FileNotFoundError: the dataset is not prepared.
    """
    found, statures = {}, {}
    for name, model in models.items():
        evaluator, made = stored.predict(model, split, data_dir=data_dir, known=("fps",))
        poses = {name: made.poses}
        if not found:
            poses |= {f"{name}, depth x {x:g}": made.poses * [1, 1, x] for x in depths}
            poses |= {f"{name}, size x {x:g}": made.poses * x for x in sizes}
        ratios = statures_of(made)
        frames = np.diff(made.clips.sequences.offsets)
        given = np.repeat(ratios, frames)[:, None, None]
        poses[f"{name}, stature given"] = made.poses * np.nan_to_num(given, nan=1.0)
        statures[name] = [round(float(ratio), 4) for ratio in ratios if np.isfinite(ratio)]
        for row, changed in poses.items():
            tally = evaluator.score(dataclasses.replace(made, poses=changed.astype(np.float32)))
            found[row] = takes.by_take(tally)
    return found, statures


def statures_of(made: Predictions) -> Float[np.ndarray, " s"]:
    """Returns the true stature of every sequence over the predicted one; NaN without a pose."""
    ratios = np.full(len(made.clips.sequences.offsets) - 1, np.nan)
    for index, (first, end) in enumerate(itertools.pairwise(made.clips.sequences.offsets)):
        rows = np.arange(first, end)[made.valid[first:end]]
        if len(rows):
            ratios[index] = height_of(made.truth[rows]) / height_of(made.poses[rows])
    return ratios
