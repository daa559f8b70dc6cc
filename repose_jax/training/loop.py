"""Training, from a configuration to a table of results.

The order of events: resume or start; evaluate the mean pose and the untrained model; then for
every step, or a few at once, make the batches, dispatch the updates and, while they run, look at
the metrics of those before. At the end of an epoch (every `eval_every`): evaluate, save the latest
state, save it as the best if it is.
"""

import contextlib
import math
import pathlib
import signal
import time
from typing import Any

import jax
from tqdm import tqdm

from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import report
from repose_jax.evaluation.predict import mean_pose_predictor
from repose_jax.evaluation.tally import Tally
from repose_jax.runtime import signals
from repose_jax.runtime.checkpoint import Checkpoints, has_saved
from repose_jax.runtime.metric_writer import MetricWriter
from repose_jax.training import optim
from repose_jax.training.setup import Run, setup
from repose_jax.training.step import batches, jit_steps
from repose_jax.training.workdir import claim_workdir, start_from


def train_and_evaluate(config: Experiment, workdir: pathlib.Path) -> Tally:
    """Trains as configured, resuming what the workdir holds, and evaluates.

    Returns:
        The evaluation of the last state.

    Raises:
        ValueError: a configuration that cannot be, or a workdir of another one.
        FileNotFoundError: a dataset is not prepared.
        FloatingPointError: the loss or its gradient is not finite; names the step, its clips and
            the last good checkpoint.
        Interrupted: SIGINT or SIGTERM; the state is saved.
    """
    run, train_state = setup(config, workdir)
    if config.init_from and not has_saved(workdir):
        train_state = start_from(pathlib.Path(config.init_from), train_state)
    claim_workdir(config, workdir)  # not for a configuration that cannot even start
    primary = jax.process_index() == 0
    checkpoints = Checkpoints(workdir)
    baselines: dict[str, dict[str, float]] = {}
    if info := checkpoints.info("latest"):
        train_state = checkpoints.restore("latest", train_state)
        baselines = info["baselines"]
        if primary:
            print(f"Resuming after step {info['step']} ({checkpoints.path('latest')}).")
    step, last = int(train_state.step), config.train.epochs * run.steps_per_epoch
    writer = MetricWriter(workdir, resumed_step=step) if primary else None
    jitted, turn = jit_steps(run), 0
    predictions = tally = None
    if not baselines:
        start = "initial" if config.init_from else "untrained"
        if info:
            start = "converted"  # `convert` wrote a state without baselines
        for name, predictor in (
            ("mean pose", mean_pose_predictor(run.train, run.evaluator.clips.context)),
            (start, run.evaluator.predictor(run.graphdef, train_state.variables)),
        ):
            baselines[name] = run.evaluator.summary(predictor)
            if writer:
                writer.write(0, name.replace(" ", "_"), baselines[name])
    # Converted weights are the best until training finds better ones.
    known_best = baselines.get("converted", {}) | (checkpoints.info("best") or {})
    best = known_best.get("mpjpe", math.inf)
    pending: dict[str, jax.Array] | None = None
    logged = _Throughput(step)

    def check(metrics: dict[str, jax.Array] | None, at: int) -> None:
        """Looks at the metrics of the last steps, up to `at`; step n is of the batch n - 1."""
        if metrics is None:
            return
        columns = jax.device_get(metrics)
        first = at + 1 - len(columns["loss"])
        clips_per_s = None
        for now in range(first, at + 1):
            values = {key: float(column[now - first]) for key, column in columns.items()}
            if not all(map(math.isfinite, values.values())):  # the gradient too: it is in the state
                raise FloatingPointError(_not_finite(run, values, now, checkpoints))
            if now % config.train.log_every == 0 or now == last:
                clips_per_s = clips_per_s or logged.rate(at) * config.train.batch_size
                values["clips_per_s"] = clips_per_s
                rate: Any = optim.schedule(config.optim, run.steps_per_epoch)(now - 1)
                if writer:
                    writer.write(now, "train", values | {"lr": float(rate)})
                shown = {"loss": values["loss"], **{n: values[n] for n, _ in run.objective.weights}}
                bar.set_postfix_str(
                    " ".join(f"{k}={v:.4f}" for k, v in shown.items())
                    + f" {clips_per_s:.1f} clips/s"
                )

    try:
        with (
            signals.stop_signals() as stopping,  # before the bar appears
            tqdm(
                total=last, initial=step, unit="step", dynamic_ncols=True, disable=not primary
            ) as bar,
            _precision(config.train.matmul_precision),
        ):
            stopping.saves_after = "step"
            while step < last:
                upcoming = _next_steps(run, step)
                train_state, metrics = jitted(train_state, batches(run, upcoming))
                check(pending, step)
                pending, step, turn = metrics, upcoming.stop, turn + 1
                bar.update(len(upcoming))
                epoch, rest = divmod(step, run.steps_per_epoch)
                due = rest == 0 and (epoch % config.train.eval_every == 0 or step == last)
                stop = stopping.agreed(turn)
                if due or stop:
                    check(pending, step)
                    pending = None
                if due:
                    predictions = run.evaluator.predict(
                        run.evaluator.predictor(run.graphdef, train_state.variables)
                    )
                    tally = run.evaluator.score(predictions)
                    summary = run.evaluator.protocol.summary(tally)
                    if writer:
                        writer.write(step, "test", summary)
                        bar.write(
                            f"epoch {epoch}: MPJPE {summary['mpjpe']:.2f} mm, "
                            f"PA-MPJPE {summary['pa_mpjpe']:.2f} mm"
                        )
                    saved = {"step": step, "epoch": epoch, "baselines": baselines, **summary}
                    checkpoints.save("latest", step, train_state, saved)
                    if summary["mpjpe"] < best:
                        best = summary["mpjpe"]
                        checkpoints.save("best", step, train_state, saved)
                    logged.restart(step)
                elif stop:
                    saved = {"step": step, "epoch": epoch, "baselines": baselines}
                    checkpoints.save("latest", step, train_state, saved)
                if stop:
                    raise signals.Interrupted(
                        stop,
                        f"Stopped by {signal.Signals(stop).name} after step {step} of {last}; "
                        f"saved {checkpoints.path('latest')}. The same command goes on from there.",
                    )
    finally:
        checkpoints.close()
        if writer:
            writer.close()
    if predictions is None or tally is None:  # everything was trained before
        predictions = run.evaluator.predict(
            run.evaluator.predictor(run.graphdef, train_state.variables)
        )
        tally = run.evaluator.score(predictions)
    report.conclude(
        config,
        run.evaluator,
        predictions,
        tally,
        workdir,
        step=step,
        checkpoint="latest",
        baselines=baselines,
    )
    return tally


def _next_steps(run: Run, step: int) -> range:
    """Returns the steps to hand over next, of one epoch."""
    done = step % run.steps_per_epoch
    group = run.steps_per_call - done % run.steps_per_call  # after a resume there may be fewer
    return range(step, step + min(group, run.steps_per_epoch - done))


class _Throughput:
    """Steps per second since the last question, not counting evaluation."""

    def __init__(self, step: int):
        self.restart(step)

    def restart(self, step: int) -> None:
        self.step, self.time = step, time.perf_counter()

    def rate(self, step: int) -> float:
        steps, seconds = step - self.step, time.perf_counter() - self.time
        self.restart(step)
        return steps / seconds if seconds > 0 else math.nan


def _precision(name: str):
    return contextlib.nullcontext() if name == "default" else jax.default_matmul_precision(name)


def _not_finite(run: Run, values: dict[str, float], at: int, checkpoints: Checkpoints) -> str:
    train = run.config.train
    index = clips_lib.batch_index(len(run.train), train.batch_size, train.seed, at - 1)
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    return (
        f"Not finite at step {at}: {', '.join(bad)}. "
        f"Its batch was the training clips {index.tolist()}. "
        f"The last good checkpoint is {checkpoints.path('latest') or 'none'}. "
        "A lower learning rate, a longer warm-up or a smaller config.optim.clip_norm may help."
    )
