"""`repose eval`: tables, files and pictures for a checkpoint of an earlier run."""

import pathlib

from repose_jax.config import Experiment
from repose_jax.evaluation import report
from repose_jax.evaluation.tally import Tally
from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.training.setup import setup
from repose_jax.training.workdir import claim_workdir


def evaluate_checkpoint(config: Experiment, workdir: pathlib.Path, kind: str) -> Tally:
    """Evaluates the "best" or the "latest" checkpoint of a workdir.

    Raises:
        FileNotFoundError: there is no checkpoint, or a dataset is not prepared.
        ValueError: the workdir belongs to another configuration.
    """
    if not (workdir / "config.json").exists():
        raise FileNotFoundError(f"{workdir} holds no run (no config.json); train one first.")
    claim_workdir(config, workdir)
    run, train_state = setup(config, workdir)
    checkpoints = Checkpoints(workdir)
    train_state = checkpoints.restore(kind, train_state)
    baselines = (checkpoints.info(kind) or {})["baselines"]
    checkpoints.close()
    predictor = run.evaluator.predictor(run.graphdef, train_state.variables)
    tally = run.evaluator.score(predictor)
    report.conclude(
        run.evaluator,
        predictor,
        tally,
        workdir,
        pictures=config.eval.pictures,
        baselines=baselines,
        info=run.describe(int(train_state.step), kind),
    )
    return tally
