"""Evaluation of a checkpoint of a run, trained or converted; needs its test data alone."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from repose_jax.config import Experiment
from repose_jax.evaluation import hypotheses, report
from repose_jax.evaluation.evaluator import Evaluator, load_evaluator
from repose_jax.evaluation.predict import mean_pose_predictor
from repose_jax.evaluation.predictions import Lift
from repose_jax.evaluation.tally import Tally
from repose_jax.runtime import devices, folders
from repose_jax.runtime.checkpoint import saved_step
from repose_jax.runtime.whole_file import whole
from repose_jax.training import examples
from repose_jax.training.workdir import check_same, check_writable, load_weights


def evaluate_checkpoint(
    config: Experiment,
    workdir: pathlib.Path,
    kind: str,
    *,
    out: pathlib.Path | None = None,
    write_predictions: bool = False,
    shipped: Lift | None = None,
) -> Tally:
    """Evaluates the "best" or the "latest" checkpoint of a workdir: tables, files and pictures.

    Args:
        config: the experiment, of which evaluation settings may differ from the run's.
        workdir: the run, of which nothing changes but results of before.
        kind: "best" or "latest".
        out: folder of the files, made if it is missing; by default the workdir. If that is not
            writable, the results are printed alone.
        write_predictions: write `predictions.npz` too; see `Predictions.write`.
        shipped: the shipped weights, to draw beside the model; None to draw the model alone.

    Raises:
        FileNotFoundError: there is no checkpoint, or a test set is not prepared.
        FloatingPointError: parameters or predictions are not finite; names the checkpoint.
        PermissionError: `out` is not writable, or predictions are wanted and the workdir is not.
        ValueError: the workdir belongs to another configuration.
    """
    workdir = folders.expand(workdir)
    check_same(config, workdir)
    folder = _folder(workdir, out, write_predictions)
    test = ", ".join(config.data.test)
    try:
        weights = load_weights(config, workdir, kind)
        evaluator = load_evaluator(config, devices.data_mesh())
        predictions = evaluator.predict(evaluator.predictor(weights.graphdef, weights.variables))
    except FloatingPointError as error:
        checkpoint = workdir / "checkpoints" / kind / str(saved_step(workdir, kind))
        raise FloatingPointError(
            f"{checkpoint} is not evaluated on {test}: {error} Give another checkpoint, with "
            "--checkpoint or --workdir."
        ) from error
    tally = evaluator.score(predictions)
    written, text = report.conclude(
        config,
        evaluator,
        predictions,
        tally,
        folder,
        step=weights.step,
        checkpoint=kind,
        baselines=weights.info.get("baselines") or _mean_pose(config, evaluator),
        shipped=shipped,
    )
    try:
        if config.eval.hypotheses:
            graphdef: Any = weights.graphdef  # of D3DP, as the configuration was checked
            found = hypotheses.evaluate(config, evaluator, graphdef, weights.variables)
            hypotheses.conclude(config, evaluator, found, folder)
        if folder and write_predictions and jax.process_index() == 0:
            path = folder / "predictions.npz"
            with whole(path) as part, part.open("wb") as file:
                predictions.write(file)
            written.append(path)
    finally:
        report.show(written, text)
    return tally


def _folder(
    workdir: pathlib.Path, out: pathlib.Path | None, write_predictions: bool
) -> pathlib.Path | None:
    """Returns the folder of the files; None, with a line, if results can be printed alone."""
    folder = folders.expand(out) if out else workdir
    try:
        check_writable(folder, "--out" if out else "--workdir")
    except PermissionError:
        if out or write_predictions:
            raise
        if jax.process_index() == 0:
            print(
                f"warning: {workdir} is not writable: results are printed alone; for files give "
                "--out=FOLDER.",
                flush=True,
            )
        return None
    return folder


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
