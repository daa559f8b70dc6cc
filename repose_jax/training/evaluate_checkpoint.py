"""Evaluation of a checkpoint of a run, trained or converted; needs its test data alone."""

import pathlib
from collections.abc import Mapping

import jax

from repose_jax.config import Experiment
from repose_jax.evaluation import hypotheses, report
from repose_jax.evaluation.evaluator import Evaluator, load_evaluator
from repose_jax.evaluation.predict import mean_pose_predictor
from repose_jax.evaluation.tally import Tally
from repose_jax.runtime import devices
from repose_jax.training import examples
from repose_jax.training.workdir import check_workdir, load_weights, read_config


def evaluate_checkpoint(
    config: Experiment, workdir: pathlib.Path, kind: str, *, write_predictions: bool = False
) -> Tally:
    """Evaluates the "best" or the "latest" checkpoint of a workdir: tables, files and pictures.

    Args:
        config: the experiment, of which evaluation settings may differ from the run's.
        workdir: the run, and where the files go.
        kind: "best" or "latest".
        write_predictions: write `predictions.npz` too; see `Predictions.write`.

    Raises:
        FileNotFoundError: there is no checkpoint, or a test set is not prepared.
        ValueError: the workdir belongs to another configuration.
    """
    workdir = check_workdir(config, workdir)
    read_config(workdir)  # raises if there is none
    weights = load_weights(config, workdir, kind)
    evaluator = load_evaluator(config, devices.data_mesh())
    predictions = evaluator.predict(evaluator.predictor(weights.graphdef, weights.variables))
    tally = evaluator.score(predictions)
    written, text = report.conclude(
        config,
        evaluator,
        predictions,
        tally,
        workdir,
        step=weights.step,
        checkpoint=kind,
        baselines=weights.info["baselines"] or _mean_pose(config, evaluator),
    )
    if config.eval.hypotheses:
        found = hypotheses.evaluate(config, evaluator, weights.graphdef, weights.variables)
        hypotheses.conclude(config, evaluator, found, workdir)
    if write_predictions and jax.process_index() == 0:
        predictions.write(workdir / "predictions.npz")
        written.append(workdir / "predictions.npz")
    report.show(written, text)
    return tally


def _mean_pose(config: Experiment, evaluator: Evaluator) -> Mapping[str, Mapping[str, float]]:
    """Evaluates the mean pose of the training data; empty, with a line, if they are missing."""
    context = evaluator.clips.context
    try:
        train = examples.load(config, context)
    except (FileNotFoundError, ValueError) as error:
        if jax.process_index() == 0:
            print(
                f"The table has no mean pose, without training data: {str(error).splitlines()[0]}"
            )
        return {}
    mean = examples.mean_pose(config, train)
    return {"mean pose": evaluator.summary(mean_pose_predictor(mean, context))}
