"""The update of a step, and of several: pure functions of the state and the batches."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from repose_jax.config import Experiment
from repose_jax.objectives import objective
from repose_jax.objectives.objective import Truth
from repose_jax.runtime import devices
from repose_jax.simulation.windows import MotionWindows
from repose_jax.training import examples, state
from repose_jax.training.setup import Run


def train_step(
    train_state: state.TrainState,
    batch: dict[str, jax.Array],
    *,
    graphdef: nnx.GraphDef,
    objective: objective.Objective,
    optimizer: optax.GradientTransformation,
    momentum: optax.Schedule,
    ema: float,
    scale_by_loss: bool,
    seed: Int[Array, ""] | int,
    microbatches: int,
) -> tuple[state.TrainState, dict[str, jax.Array]]:
    """Makes one update. Pure: the same state and batch give the same result.

    Args:
        train_state: the state before.
        batch: `inputs`, `targets` and `mask`, as from `clips.train_batch`; and `occluded`,
            `[b, t, j]`, if the objective needs it.
        graphdef: the model's static half.
        objective: the function to minimise.
        optimizer: the update rule.
        momentum: step to the weight of a batch in the running statistics of batch norms.
        ema: decay of the moving average, where the state keeps one.
        scale_by_loss: multiply the gradient by the loss of the batch.
        seed: seed of dropout and stochastic depth.
        microbatches: parts of the batch that go through the model one after the other.

    Returns:
        The state after, and scalars: `loss`, its parts, the norm of the gradient, learned weights.
        Of a model with several outputs the loss is the sum over them, the parts are of the last.
    """
    key = jax.random.fold_in(jax.random.key(seed), train_state.step)
    # A mask of joints instead of frames, as losses count them.
    batch = batch | {"mask": jnp.broadcast_to(batch["mask"], batch["targets"].shape[:-1])}

    def loss_fn(params, rows, key):
        # Variables that are made inside of the differentiation are writable in it.
        stats = jax.tree.map(lambda x: x, train_state.stats)
        model = nnx.merge(graphdef, params["model"], stats)
        first, _ = model.context
        total, parts = jnp.zeros(()), {}
        inputs = rows["inputs"][..., : model.config.in_channels]
        for output in model.training_outputs(inputs, rows["targets"], key):
            whole = output.shape[1] == rows["targets"].shape[1]
            frames = slice(None) if whole else slice(first, first + output.shape[1])

            def truth(batch, frames=frames):
                found = {name: x[:, frames] for name, x in batch.items() if name != "inputs"}
                return Truth(found["targets"], found["mask"], found.get("occluded"))

            mine = truth(rows)
            shares = objective.shares(mine, truth(batch)) if microbatches > 1 else None
            loss, parts = objective(
                output, mine.target, mine.mask, params["log_variances"], shares, mine.occluded
            )
            total += loss
        return total, (parts, nnx.state(model, nnx.BatchStat))

    differentiate = jax.value_and_grad(loss_fn, has_aux=True)
    if microbatches == 1:
        found = differentiate(train_state.params, batch, key)
    else:
        # Parts interleave rows, so that each device keeps its own.
        rows = jax.tree.map(
            lambda x: x.reshape(-1, microbatches, *x.shape[1:]).swapaxes(0, 1), batch
        )
        microbatch_inputs = rows, jax.random.split(key, microbatches)

        def add(total, inputs):
            seen, grads = differentiate(train_state.params, *inputs)
            return jax.tree.map(jnp.add, total, grads), seen

        zero = optax.tree.zeros_like(train_state.params)
        grads, seen = jax.lax.scan(add, zero, microbatch_inputs)
        found = jax.tree.map(lambda x: x.sum(0), seen), grads
    (loss, (parts, batch_stats)), grads = found
    if scale_by_loss:
        grads = optax.tree.scale(loss, grads)
    with jax.named_scope("update"):
        updates, opt_state = optimizer.update(grads, train_state.opt_state, train_state.params)
        params: Any = optax.apply_updates(train_state.params, updates)
        average = train_state.ema
        if average is not None:
            # At first the average follows faster, so that it forgets the initialisation.
            decay = jnp.minimum(ema, (1.0 + train_state.step) / (10.0 + train_state.step))
            average = optax.incremental_update(params["model"], average, 1.0 - decay)
        stats = optax.incremental_update(batch_stats, train_state.stats, momentum(train_state.step))
        metrics = {"loss": loss, **parts, "grad_norm": optax.tree.norm(grads)}
    metrics |= {f"log_variance/{k}": v for k, v in params["log_variances"].items()}
    new_state = state.TrainState(train_state.step + 1, params, stats, opt_state, average)
    return new_state, metrics


def jit_step(run: Run) -> jax.stages.Wrapped:
    """Returns the compiled `train_step` of a run, (state, batch) -> (state, metrics).

    The state is donated.
    """
    step = functools.partial(
        train_step,
        graphdef=run.graphdef,
        objective=run.objective,
        optimizer=run.optimizer,
        momentum=run.momentum,
        ema=run.config.optim.ema,
        scale_by_loss=run.config.optim.scale_by_loss,
        seed=run.config.train.seed,
        microbatches=run.microbatches,
    )
    return jax.jit(step, donate_argnums=0)


def jit_steps(run: Run) -> Callable[..., Any]:
    """Returns the compiled updates of several steps, (state, batches) -> (state, metrics).

    The state is donated. The arrays of `batches` and the metrics have a first axis of steps.
    Batches come split over the devices, so that the only communication is the reduction of the
    gradients, once for every pass, and that of the statistics of batch norms, which are of all
    clips.
    """
    step = jit_step(run)
    if not isinstance(run.train, MotionWindows):
        return jax.jit(lambda state, batches: jax.lax.scan(step, state, batches), donate_argnums=0)

    def simulated(motions, state, rows):
        seed = run.config.train.seed
        return step(state, simulated_batch(run.config, motions, seed, state.step, rows))

    def steps(motions, state, batches):
        return jax.lax.scan(functools.partial(simulated, motions), state, batches)

    motions = examples.landmarks(run.train, run.mesh)
    return functools.partial(jax.jit(steps, donate_argnums=1), motions)


def simulated_batch(
    config: Experiment,
    motions: Float[Array, "n l 3"],
    seed: Int[Array, ""] | int,
    step: Int[Array, ""],
    rows: dict[str, Array],
) -> dict[str, Array]:
    """Simulates the batch of a step, from its windows into the landmarks of motions.

    Args:
        config: the experiment; its seed is not read.
        motions: landmarks of all takes.
        seed: seed of the run.
        step: the training step.
        rows: from `windows.sample` with the same seed and step.
    """
    key = jax.random.fold_in(jax.random.key(seed), step)
    # Not the key of dropout, which is of the same seed and step.
    return examples.simulated(config, jax.random.fold_in(key, 1), motions, rows)


def batches(run: Run, steps: range) -> dict[str, jax.Array]:
    """Makes the batches of some steps, `[steps, b, ...]`, for `jit_steps`."""
    made = [examples.batch(run.config, run.train, step) for step in steps]
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *made)
    return devices.put_rows(stacked, run.mesh, axis=1)
