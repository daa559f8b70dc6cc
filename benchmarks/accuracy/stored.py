"""Accuracy on prepared test splits, by the evaluation of `repose eval`."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

import repose_jax
from benchmarks.accuracy.report import Rows, Values
from repose_jax.config import Experiment
from repose_jax.data import sequences
from repose_jax.data.sequences import has_25d_labels
from repose_jax.evaluation.evaluator import Evaluator, load_evaluator
from repose_jax.evaluation.predictions import Predictions
from repose_jax.evaluation.protocols.every_frame import HANDS
from repose_jax.evaluation.tally import Tally
from repose_jax.lifting.predictor import Predictor
from repose_jax.runtime import devices
from repose_jax.skeleton import HUMAN36M


def load(name: str | None) -> Predictor:
    """Loads weights for these tests; None for those that ship.

    Raises:
        ValueError: there are none, or they predict px.
    """
    predictor = repose_jax.load(name)
    if predictor.unit != "mm":
        raise ValueError(f"{name} was trained on 2.5D labels and predicts px; these tests need mm.")
    return predictor


def measure(
    models: Mapping[str, Predictor], split: str, *, data_dir: str | None, known: Sequence[str]
) -> Rows:
    """Evaluates models on a prepared split: every frame once, of detected joints.

    Args:
        models: the models by name.
        split: `dataset/config:split`.
        data_dir: folder of the prepared datasets; TFDS's default if None.
        known: what the models are given of the cameras.

    Returns:
        A row for each model, and one for all of several.

    Raises:
        ValueError: the split has no poses in mm, or a model does not take its clips.
        FileNotFoundError: the dataset is not prepared.
    """
    found: dict[str, list[Values]] = {
        name: [summary(tally(model, split, data_dir=data_dir, known=known))]
        for name, model in models.items()
    }
    if len(found) > 1:
        found["all models"] = [values for row in found.values() for values in row]
    return found


def tally(model: Predictor, split: str, *, data_dir: str | None, known: Sequence[str]) -> Tally:
    """Evaluates a model on a prepared split, as `measure` does.

    Raises:
        ValueError: the split has no poses in mm, or the model does not take its clips.
        FileNotFoundError: the dataset is not prepared.
    """
    evaluator, made = predict(model, split, data_dir=data_dir, known=known)
    return evaluator.score(made)


def predict(
    model: Predictor, split: str, *, data_dir: str | None, known: Sequence[str]
) -> tuple[Evaluator, Predictions]:
    """Predicts a prepared split as `measure` does; returns the evaluator too.

    Raises:
        ValueError: the split has no poses in mm, or the model does not take its clips.
        FileNotFoundError: the dataset is not prepared.
    """
    if has_25d_labels(split):
        raise ValueError(f"{split} has 2.5D labels; this test needs poses in camera space.")
    config = experiment(model.config, split, data_dir=data_dir, known=known)
    evaluator = load_evaluator(config, devices.data_mesh())
    return evaluator, evaluator.predict(evaluator.predictor(model.graphdef, model.variables))


def experiment(
    config: Experiment, split: str, *, data_dir: str | None, known: Sequence[str]
) -> Experiment:
    """Returns the experiment of a model with this split as its test set."""
    data = dataclasses.replace(
        config.data,
        test=(split,),
        data_dir=data_dir,
        partial_clips="cover",
        inputs="detected",
        known=tuple(known),
    )
    return dataclasses.replace(
        config, data=data, eval=dataclasses.replace(config.eval, protocol="every_frame")
    )


def summary(tally: Tally) -> Values:
    """Returns the columns of a result."""
    plain = ("mpjpe", "pa_mpjpe", "ra_mpjpe", "n_mpjpe", "mpjve", "bone_variation")
    return {
        **{metric: tally.mean(metric) for metric in plain},
        "mpjpe_occluded": tally.mean("mpjpe", visibility="occluded"),
        "pa_mpjpe_occluded": tally.mean("pa_mpjpe", visibility="occluded"),
        "mpjpe_hands": tally.mean("mpjpe", joint=HANDS),
    }


def mean_pose(split: str, data_dir: str | None) -> Float[np.ndarray, "17 3"]:
    """Returns the mean pose of a prepared split in camera axes, relative to the pelvis, mm."""
    joints = sequences.load((split,), data_dir).joints_3d
    return (joints - joints[:, HUMAN36M.root, None]).mean(axis=0, dtype=np.float64)
