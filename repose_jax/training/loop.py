"""Training, from a configuration to a table of results.

The order of events: resume or start; evaluate the mean pose and the untrained model; then for
every step, or a few at once, make the batches, dispatch the updates and, while they run, look at
the metrics of those before. At the end of an epoch (every `eval_every`): evaluate, save the latest
state, save it as the best if it is.
"""

import contextlib
import functools
import math
import pathlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.experimental import multihost_utils
from tqdm import tqdm

from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import results
from repose_jax.evaluation import tally as evaluate
from repose_jax.objectives import objective
from repose_jax.runtime import devices
from repose_jax.runtime.checkpoint import Checkpoints, has_saved
from repose_jax.runtime.metric_writer import MetricWriter
from repose_jax.training import optim, state
from repose_jax.training.setup import Run, claim_workdir, setup, start_from

_STOP_SYNC_TURNS = 10  # between two rounds in which processes tell each other of a signal


class Interrupted(Exception):
    """Training was asked to stop by a signal, and saved its state before."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.signum = signum


def train_step(
    train_state: state.TrainState,
    batch: dict[str, jax.Array],
    *,
    graph: Any,
    objective: objective.Objective,
    optimizer: optax.GradientTransformation,
    momentum: optax.Schedule,
    ema: float,
    seed: int,
    passes: int,
) -> tuple[state.TrainState, dict[str, jax.Array]]:
    """Makes one update. Pure: the same state and batch give the same result.

    Args:
        train_state: the state before.
        batch: `inputs`, `targets` and `mask`, as from `clips.train_batch`.
        graph: the model's static half.
        objective: what is minimised.
        optimizer: the update rule.
        momentum: step to the weight of a batch in the running statistics of batch norms.
        ema: decay of the moving average, where the state keeps one.
        seed: seed of the drops.
        passes: parts of the batch that go through the model one after the other.

    Returns:
        The state after, and scalars: `loss`, its parts, the norm of the gradient, learned weights.
        Of a model with several outputs the loss is the sum over them, the parts are of the last.
    """
    key = jax.random.fold_in(jax.random.key(seed), train_state.step)
    # Of joints instead of whole frames, as losses count them.
    batch = batch | {"mask": jnp.broadcast_to(batch["mask"], batch["targets"].shape[:-1])}

    def loss_fn(params, rows, key):
        # Variables made anew here, inside of the differentiation, can be written to in it.
        stats = jax.tree.map(lambda x: x, train_state.stats)
        model = nnx.merge(graph, params["model"], stats)
        first, _ = model.context
        total, parts = jnp.zeros(()), {}
        for output in model.outputs(rows["inputs"][..., : model.config.in_channels], key):
            whole = output.shape[1] == rows["targets"].shape[1]
            frames = slice(None) if whole else slice(first, first + output.shape[1])
            targets, mask = rows["targets"][:, frames], rows["mask"][:, frames]
            shares = objective.shares(mask, batch["mask"][:, frames]) if passes > 1 else None
            loss, parts = objective(output, targets, mask, params["log_variances"], shares)
            total += loss
        return total, (parts, nnx.state(model, nnx.BatchStat))

    differentiate = jax.value_and_grad(loss_fn, has_aux=True)
    if passes == 1:
        found = differentiate(train_state.params, batch, key)
    else:
        # Rows take turns, so that each device keeps its own.
        rows = jax.tree.map(lambda x: x.reshape(-1, passes, *x.shape[1:]).swapaxes(0, 1), batch)
        turns = rows, jax.random.split(key, passes)

        def add(total, turn):
            seen, grads = differentiate(train_state.params, *turn)
            return jax.tree.map(jnp.add, total, grads), seen

        zero = optax.tree.zeros_like(train_state.params)
        grads, seen = jax.lax.scan(add, zero, turns)
        found = jax.tree.map(lambda x: x.sum(0), seen), grads
    (loss, (parts, batch_stats)), grads = found
    with jax.named_scope("update"):
        updates, opt_state = optimizer.update(grads, train_state.opt_state, train_state.params)
        params: Any = optax.apply_updates(train_state.params, updates)
        average = train_state.ema
        if average is not None:
            # Early on the average follows faster, so that it does not remember the initialisation.
            decay = jnp.minimum(ema, (1.0 + train_state.step) / (10.0 + train_state.step))
            average = optax.incremental_update(params["model"], average, 1.0 - decay)
        stats = optax.incremental_update(batch_stats, train_state.stats, momentum(train_state.step))
        metrics = {"loss": loss, **parts, "grad_norm": optax.tree.norm(grads)}
    metrics |= {f"log_variance/{k}": v for k, v in params["log_variances"].items()}
    new_state = state.TrainState(train_state.step + 1, params, stats, opt_state, average)
    return new_state, metrics


def jit_step(run: Run):
    """Returns the compiled `train_step` of a run, (state, batch) -> (state, metrics).

    The state is donated.
    """
    step = functools.partial(
        train_step,
        graph=run.graph,
        objective=run.objective,
        optimizer=run.optimizer,
        momentum=run.momentum,
        ema=run.config.optim.ema,
        seed=run.config.train.seed,
        passes=run.passes,
    )
    return jax.jit(step, donate_argnums=0)


def jit_steps(run: Run):
    """Returns the compiled updates of several steps, (state, batches) -> (state, metrics).

    The state is donated. The arrays of `batches` and the metrics have an axis of steps in front.
    Batches come split over the devices, so that the only communication is the reduction of the
    gradients, once for every pass, and that of the statistics of batch norms, which are of all
    clips.
    """
    step = jit_step(run)
    return jax.jit(lambda state, batches: jax.lax.scan(step, state, batches), donate_argnums=0)


def batches(run: Run, steps: range) -> dict[str, jax.Array]:
    """Makes the batches of some steps, `[steps, b, ...]`, for `jit_steps`."""
    config = run.config
    made = [
        clips_lib.train_batch(
            run.train,
            config.train.batch_size,
            seed=config.train.seed,
            step=step,
            flip_share=config.data.flip_share,
            rows=devices.process_rows(config.train.batch_size),
        )
        for step in steps
    ]
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *made)
    return devices.put_rows(stacked, run.mesh, axis=1)


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of dying of them; a second one does kill."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {}

    def handle(signum, frame):
        del frame
        received.append(signum)
        signal.signal(signum, previous[signum])

    for signum in (signal.SIGINT, signal.SIGTERM):
        previous[signum] = signal.signal(signum, handle)
    try:
        yield received
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


def agreed_stop(received: list[int], turn: int) -> int | None:
    """Returns the signal on which all processes stop at this turn of their loops, or None."""
    if jax.process_count() == 1:
        return received[0] if received else None
    if turn % _STOP_SYNC_TURNS:
        return None
    mine = np.array(received[0] if received else 0)
    return int(np.max(multihost_utils.process_allgather(mine))) or None


def train_and_evaluate(config: Experiment, workdir: pathlib.Path) -> evaluate.Tally:
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
    tally = None
    if not baselines:
        start = "initial" if config.init_from else "untrained"
        if info:
            start = "converted"  # `convert` wrote a state without baselines
        for name, predictor in (
            ("mean pose", evaluate.mean_pose_predictor(run.train)),
            (start, run.predictor(train_state.variables)),
        ):
            baselines[name] = run.protocol.summary(run.score(predictor))
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
            stop_signals() as received,  # before the bar appears
            tqdm(
                total=last, initial=step, unit="step", dynamic_ncols=True, disable=not primary
            ) as bar,
            _precision(config.train.matmul_precision),
        ):
            while step < last:
                upcoming = _next_steps(run, step)
                train_state, metrics = jitted(train_state, batches(run, upcoming))
                check(pending, step)
                pending, step, turn = metrics, upcoming.stop, turn + 1
                bar.update(len(upcoming))
                epoch, rest = divmod(step, run.steps_per_epoch)
                due = rest == 0 and (epoch % config.train.eval_every == 0 or step == last)
                stop = agreed_stop(received, turn)
                if due or stop:
                    check(pending, step)
                    pending = None
                if due:
                    tally = run.score(run.predictor(train_state.variables))
                    summary = run.protocol.summary(tally)
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
                    raise Interrupted(
                        stop,
                        f"Stopped by {signal.Signals(stop).name} after step {step} of {last}; "
                        f"saved {checkpoints.path('latest')}. The same command goes on from there.",
                    )
    finally:
        checkpoints.close()
        if writer:
            writer.close()
    if tally is None:  # everything was trained before
        tally = run.score(run.predictor(train_state.variables))
    results.conclude(run, tally, train_state.variables, step, "latest", baselines)
    return tally


def _next_steps(run: Run, step: int) -> range:
    """Returns the steps to hand over next, of one epoch."""
    done = step % run.steps_per_epoch
    group = run.steps_at_once - done % run.steps_at_once  # after a resume there may be fewer
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
