"""What a run ends with: tables, files and pictures; also for a checkpoint of an earlier run."""

import pathlib
from typing import Any

import jax
import numpy as np

import repose_jax
from repose_jax.config import Experiment
from repose_jax.evaluation import report
from repose_jax.evaluation import tally as evaluate
from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.training.setup import Run, claim_workdir, setup

_PICTURE_SECONDS = 3.0
_FPS = 25.0  # to show what does not tell its rate


def evaluate_checkpoint(config: Experiment, workdir: pathlib.Path, kind: str) -> evaluate.Tally:
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
    tally = run.score(run.predictor(train_state.variables))
    conclude(run, tally, train_state.variables, int(train_state.step), kind, baselines)
    return tally


def conclude(
    run: Run,
    tally: evaluate.Tally,
    variables: tuple[Any, ...],
    step: int,
    kind: str,
    baselines: dict[str, dict[str, float]],
) -> None:
    """Prints the tables and writes them and the pictures to the workdir.

    All processes take part, for they predict together; the first prints and writes.
    """
    pictures = draw(run, variables)
    if jax.process_index() > 0:
        return
    compared = {**baselines, "trained": run.protocol.summary(tally)}
    print("\n" + report.table(compared, "for comparison"))
    print("\n" + report.full_table(tally, run.protocol))
    info = {
        "version": repose_jax.__version__,
        "step": step,
        "checkpoint": kind,
        "test": list(run.config.data.test),
        "protocol": run.config.eval.protocol,
        "baselines": baselines,
    }
    written = report.write(run.workdir, tally, run.protocol, info) + pictures
    print("\nWritten: " + ", ".join(str(path) for path in written))


def draw(run: Run, variables: tuple[Any, ...]) -> list[pathlib.Path]:
    """Draws the middle of some test sequences: stills and animations, in `WORKDIR/pictures`."""
    written = []
    directory = run.workdir / "pictures"
    motion = run.test_motion
    truth = evaluate.root_relative_mm(run.test.joints, run.test)
    count = min(run.config.eval.pictures, len(motion.names))
    for sequence in np.linspace(0, len(motion.names), count + 2).astype(int)[1:-1].tolist():
        prediction = evaluate.predict_sequence(
            run.predictor(variables),
            run.test,
            sequence,
            batch_size=run.config.eval.batch_size,
            mesh=run.mesh,
        )
        if jax.process_index() > 0:
            continue
        from repose_jax.evaluation import pictures as picture

        fps, length = float(motion.fps[sequence]), len(prediction)
        fps = _FPS if np.isnan(fps) else fps
        frames = min(round(_PICTURE_SECONDS * fps), length)
        first = (length - frames) // 2
        start = int(motion.offsets[sequence]) + first
        rows = slice(start, start + frames)
        width, height = motion.image_size[sequence].tolist()
        clip = picture.Clip(
            keypoints_2d=motion.keypoints_2d[rows],
            confidence=motion.confidence[rows],
            prediction=prediction[first : first + frames],
            image_size=(width, height),
            target=truth[rows],
            visibility=motion.visibility[rows],
        )
        directory.mkdir(exist_ok=True)
        name = motion.names[sequence].replace("/", "_")
        still, animation = directory / f"{name}.png", directory / f"{name}.gif"
        title = f"{motion.names[sequence]} ({motion.actions[sequence]}), frames from {first}"
        picture.still(still, clip, title=title)
        picture.animation(animation, clip, fps=fps, title=title)
        written += [still, animation]
    return written
