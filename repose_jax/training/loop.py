"""Training, from a configuration to a table of results.

The order of events, which the code follows from top to bottom:

1. Check the workdir and lock it.
2. Load the data, make the model.
3. Resume the state that the workdir holds, or start.
4. Score the baselines: the mean pose, and the model before training.
5. A few steps at a time: make their batches, dispatch their updates and, while these run, look at
   the metrics of those before.
6. At the end of an epoch (every `eval_every`): evaluate, save the latest state, save the best.
7. Conclude: tables, files, pictures.

Steps 5 and 6 are `train`, which pre-training uses too.
"""

import contextlib
import dataclasses
import math
import pathlib
import signal
from collections.abc import Callable, Mapping
from typing import Any

import jax

from repose_jax.config import Experiment
from repose_jax.evaluation import report
from repose_jax.evaluation.predict import mean_pose_predictor
from repose_jax.evaluation.predictions import Lift, Predictions
from repose_jax.evaluation.tally import Tally
from repose_jax.runtime.checkpoint import Checkpoints, Damaged, saved_step
from repose_jax.runtime.metric_writer import MetricWriter
from repose_jax.runtime.progress import Progress
from repose_jax.runtime.signals import Interrupted, Stop, stop_signals
from repose_jax.training import examples
from repose_jax.training.log import ADVICE, TrainLog, draw, metric_writer
from repose_jax.training.setup import Run, setup
from repose_jax.training.state import TrainState
from repose_jax.training.step import batches, jit_steps
from repose_jax.training.stored import find, start_from
from repose_jax.training.workdir import check_length, check_workdir, owned, write_config

Arrays = Mapping[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Task:
    """The parts of the loop in which training and pre-training differ.

    Attributes:
        update: (state, batches of some steps) to (state, metrics of each); donates the state.
        batches: makes the batches of some steps.
        evaluate: scores a state by some numbers.
        score: the number whose lowest value is the best.
        describe: formats these numbers as text.
        saved: JSON values to save beside each state.
        unit: unit of the distances in the losses.
    """

    update: Callable[[TrainState, Any], tuple[TrainState, Arrays]]
    batches: Callable[[range], Arrays]
    evaluate: Callable[[TrainState], dict[str, float]]
    score: str
    describe: Callable[[Mapping[str, float]], str]
    saved: Mapping[str, Any]
    unit: str


def train_and_evaluate(
    config: Experiment,
    workdir: pathlib.Path,
    *,
    from_best: bool = False,
    shipped: Lift | None = None,
) -> Tally:
    """Trains as configured, resuming the state that the workdir holds, and evaluates.

    Args:
        config: the experiment.
        workdir: folder of the run.
        from_best: resume from the best checkpoint if the latest is lost.
        shipped: the shipped weights, to draw beside the model; None to draw the model alone.

    Returns:
        The evaluation of the last state.

    Raises:
        ValueError: an invalid configuration, or a workdir of another one.
        OSError: a workdir that is not writable or in use, a full disk, or a dataset that is not
            prepared.
        FloatingPointError: the loss, its gradient or the test error is not finite; names the step
            and the last good checkpoint.
        Interrupted: SIGINT or SIGTERM; while it trains, the state is saved first.
    """
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        # 1. Check the workdir and lock it.
        workdir = check_workdir(config, workdir)
        lock = stack.enter_context(owned(workdir))
        start = config.init_from
        if start and saved_step(workdir) is None:
            find(start)  # raises if there is no such model
        # 2. Load the data, make the model.
        run, train_state = setup(config)
        if start and saved_step(workdir) is None:
            train_state = start_from(start, train_state)
        check_length(workdir, run.last_step, run.steps_per_epoch)
        write_config(config, workdir)  # not that of an experiment that cannot start
        # 3. Resume or start.
        checkpoints = stack.enter_context(contextlib.closing(Checkpoints(workdir, lock)))
        train_state, info = resume(run, checkpoints, train_state, from_best)
        writer = stack.enter_context(metric_writer(workdir, train_state))
        # 4. Score the baselines.
        baselines = (info or {}).get("baselines")
        if not baselines:
            name = "converted" if info else "initial" if start else "untrained"
            baselines = _baselines(run, train_state, name, writer)
        # 5. and 6. Train.
        evaluated: list[tuple[Predictions, Tally]] = []
        task = _task(run, baselines, evaluated)
        # Converted weights are the best until training finds better ones.
        converted = baselines.get("converted", {})
        train_state = train(run, task, train_state, checkpoints, writer, stop, converted)
        # 7. Conclude.
        if not evaluated:  # everything was trained before
            task.evaluate(train_state)
        predictions, tally = evaluated[-1]
        written, text = report.conclude(
            config,
            run.evaluator,
            predictions,
            tally,
            workdir,
            step=int(train_state.step),
            checkpoint="latest",
            baselines=baselines,
            shipped=shipped,
        )
        try:
            if writer:
                written.append(draw(workdir, writer, written, run.last_step))
        finally:
            report.show(written, text)
    return tally


def train(
    run: Run,
    task: Task,
    train_state: TrainState,
    checkpoints: Checkpoints,
    writer: MetricWriter | None,
    stop: Stop,
    converted: Mapping[str, Any],
) -> TrainState:
    """Trains to the last step: steps 5 and 6 of the order of events.

    Args:
        run: the run.
        task: kind of training.
        train_state: the state to start from; donated.
        checkpoints: those of the run.
        writer: that of the run; None in all processes but the first.
        stop: the signals of the run.
        converted: numbers of the weights that the run was made of; empty if of none.

    Returns:
        The last state, which is saved.

    Raises:
        FloatingPointError: as `train_and_evaluate`.
        Interrupted: a signal; the state is saved.
    """
    step, last = int(train_state.step), run.last_step
    best = _best(checkpoints, task.score, converted, train_state)
    calls, pending = 0, None
    stop.saves_after = "step"
    with Progress(last, "train", initial=step) as progress, _precision(run):
        log = TrainLog(run, task.unit, checkpoints, writer, progress)
        while step < last:
            # 5. Dispatch a few steps, and look at the metrics of those before.
            steps = _next_steps(run, step)
            train_state, metrics = task.update(train_state, task.batches(steps))
            log.look(pending, step)
            pending, step, calls = metrics, steps.stop, calls + 1
            progress.advance(len(steps))
            epoch, rest = divmod(step, run.steps_per_epoch)
            ends = rest == 0 and (epoch % run.config.train.eval_every == 0 or step == last)
            signum = stop.agreed(calls)
            if not (ends or signum):
                continue
            # 6. Evaluate, save the latest state, save the best, and print.
            log.look(pending, step)
            pending = None
            saved, line = {"step": step, "epoch": epoch, **task.saved}, ""
            if ends:
                stop.saves_after = "evaluation"
                numbers = _evaluate(task, train_state, step, checkpoints)
                if writer:
                    writer.write(step, "test", numbers)
                line = f"epoch {epoch}, step {step}: {task.describe(numbers)}"
                saved |= numbers
                if numbers[task.score] < best[task.score]:
                    best = {"step": step, task.score: numbers[task.score]}
            checkpoints.save("latest", step, train_state, saved | {"best": best})
            if best["step"] == step:
                checkpoints.save("best", step, train_state, saved)
            if line:  # now that nothing is lost if the output is closed
                progress.write(line)
            if signum := signum or stop.agreed(calls):
                raise Interrupted(signum, _stopped(signum, step, last, checkpoints))
            log.restart(step)
            stop.saves_after = "step"
    stop.saves_after = ""
    return train_state


def resume(
    run: Run, checkpoints: Checkpoints, train_state: TrainState, from_best: bool
) -> tuple[TrainState, dict[str, Any] | None]:
    """Restores the state to resume from, if there is one, and prints what the run will do.

    A latest checkpoint that is damaged is set aside, and the best one takes its place: the steps
    after that are trained again, with the same results.

    Args:
        run: the run.
        checkpoints: its checkpoints.
        train_state: the state of a new run.
        from_best: resume from the best checkpoint if the latest is lost.

    Returns:
        The state, and the values saved beside it, or None for a new run.

    Raises:
        FileNotFoundError: the latest checkpoint is lost, though there is a best one.
        Damaged: the latest checkpoint is damaged, and the best one too, or there is none.
    """
    if jax.process_index() == 0:
        checkpoints.remove_unfinished()
    latest, best = checkpoints.path("latest"), checkpoints.path("best")
    info, first = None, "A new run"
    if best and not latest and not from_best:
        raise FileNotFoundError(
            f"The latest checkpoint of {checkpoints.workdir} is lost; the best one is that of step "
            f"{best.name}. Resume from it with --from_best, or give another --workdir."
        )
    if latest:
        try:
            info = checkpoints.info("latest")
            train_state = checkpoints.restore("latest", train_state)
            first = f"Resuming after step {latest.name} ({latest})"
        except Damaged as error:
            if not best:
                raise
            _say(f"warning: {error} Resuming from the best one, that of step {best.name}.")
            info = None
    if best and not info:
        info = checkpoints.info("best")
        train_state = checkpoints.restore("best", train_state)
        if latest:
            checkpoints.set_aside("latest")
        checkpoints.save("latest", int(best.name), train_state, info or {})
        first = f"Resuming after step {best.name} ({best})"
    _say(f"{first} in {checkpoints.directory.parent}:\n{run.describe(train_state)}")
    return train_state, info


def _evaluate(
    task: Task, train_state: TrainState, step: int, checkpoints: Checkpoints
) -> dict[str, float]:
    """Evaluates a state; raises a FloatingPointError if its score is not finite."""
    try:
        numbers = task.evaluate(train_state)
        if not math.isfinite(numbers[task.score]):
            raise FloatingPointError(f"the test {task.score} is {numbers[task.score]}.")
    except FloatingPointError as error:
        raise FloatingPointError(
            f"Not finite after step {step}: {error} "
            f"The last good checkpoint is {checkpoints.path('latest') or 'none'}. {ADVICE}"
        ) from error
    return numbers


def _best(
    checkpoints: Checkpoints, score: str, converted: Mapping[str, Any], train_state: TrainState
) -> dict[str, Any]:
    """Returns the step and the score of the best state, which may be the one that was resumed.

    The latest is saved first: if the run was killed before it was saved as the best too, it is now.

    Args:
        checkpoints: those of the run.
        score: name of the score.
        converted: numbers of the state that the run began with, if it was the best until others.
        train_state: the state that was resumed.
    """
    latest = checkpoints.info("latest") or {}
    try:
        best = checkpoints.info("best") or {}
    except Damaged as error:
        _say(f"warning: {error} It is moved to {checkpoints.set_aside('best')}.")
        best = {}
    best = {**(converted if best else {}), **best}
    if latest.get(score, math.inf) < best.get(score, math.inf):
        checkpoints.save("best", latest["step"], train_state, latest)
        best = latest
    found = {"step": best.get("step"), score: best.get(score, math.inf)}
    known = latest.get("best", found)
    if known["step"] != found["step"] and known[score] < found[score]:
        _say(
            f"warning: the best checkpoint, that of step {known['step']} with test {score} "
            f"{known[score]:.4g}, is lost; the best from here is kept."
        )
    return found


def _say(line: str) -> None:
    """Prints a line on the first process."""
    if jax.process_index() == 0:
        print(line, flush=True)


def _task(
    run: Run,
    baselines: Mapping[str, Mapping[str, float]],
    evaluated: list[tuple[Predictions, Tally]],
) -> Task:
    """Returns the task of training a lifter; it keeps the last evaluation in `evaluated`."""

    def evaluate(train_state: TrainState) -> dict[str, float]:
        predictor = run.evaluator.predictor(run.graphdef, train_state.variables)
        predictions = run.evaluator.predict(predictor)
        evaluated[:] = [(predictions, run.evaluator.score(predictions))]
        return run.evaluator.protocol.summary(evaluated[0][1])

    def describe(numbers: Mapping[str, float]) -> str:
        return (
            f"test MPJPE {numbers['mpjpe']:.2f} mm, PA-MPJPE {numbers['pa_mpjpe']:.2f} mm "
            f"(protocol {run.config.eval.protocol})"
        )

    return Task(
        update=jit_steps(run),
        batches=lambda steps: batches(run, steps),
        evaluate=evaluate,
        score="mpjpe",
        describe=describe,
        saved={"baselines": baselines},
        # Millimetres are compared as metres.
        unit="half image widths" if run.evaluator.clips.sequences.mm_per_px is not None else "m",
    )


def _baselines(
    run: Run, train_state: TrainState, start: str, writer: MetricWriter | None
) -> dict[str, dict[str, float]]:
    mean = examples.mean_pose(run.config, run.train)
    predictors = {
        "mean pose": mean_pose_predictor(mean, run.evaluator.clips.context),
        start: run.evaluator.predictor(run.graphdef, train_state.variables),
    }
    baselines = {}
    for name, predictor in predictors.items():
        baselines[name] = run.evaluator.summary(predictor)
        if writer:
            writer.write(0, name.replace(" ", "_"), baselines[name])
    return baselines


def _next_steps(run: Run, step: int) -> range:
    """Returns the steps of the next call, all of one epoch."""
    done = step % run.steps_per_epoch
    group = run.steps_per_call - done % run.steps_per_call  # after a resume there may be fewer
    return range(step, step + min(group, run.steps_per_epoch - done))


def _precision(run: Run) -> contextlib.AbstractContextManager[None]:
    name = run.config.train.matmul_precision
    return contextlib.nullcontext() if name == "default" else jax.default_matmul_precision(name)


def _stopped(signum: int, step: int, last: int, checkpoints: Checkpoints) -> str:
    return (
        f"Stopped by {signal.Signals(signum).name} after step {step} of {last}; "
        f"saved {checkpoints.path('latest')}. The same command resumes from there."
    )
