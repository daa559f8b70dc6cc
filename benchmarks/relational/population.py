"""Trains many models at once that differ in nothing but their seed and the weights of their losses.

The models of a seed see the same batches, which are simulated once for all of them. The updates of
all models are one program: a GPU that a single small model leaves idle trains dozens in its time.
Each is the update of `repose train` (`training.step.train_step`). All is on one device.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from repose_jax import models
from repose_jax.evaluation.predict import Variables
from repose_jax.simulation import windows
from repose_jax.simulation.windows import MotionWindows
from repose_jax.training import state
from repose_jax.training.setup import Run, initial_state
from repose_jax.training.step import simulated_batch, train_step

Batches = dict[str, Array]
"""Simulated batches of some steps and seeds, `[steps, seeds, b, ...]`."""


def batches(run: Run, seeds: Sequence[int], steps: int, *, at_a_time: int) -> Iterator[Batches]:
    """Simulates the batches of `repose train` with each of some seeds, from the first step on.

    Args:
        run: made of an experiment with motions; of its seed nothing is used.
        seeds: of the trainings.
        steps: their number.
        at_a_time: steps in a piece.
    """
    assert isinstance(run.train, MotionWindows)
    motions = jnp.asarray(run.train.motions.joints)
    for first in range(0, steps, at_a_time):
        number = range(first, min(first + at_a_time, steps))
        rows = [[_windows(run, seed, step) for seed in seeds] for step in number]
        stacked = jax.tree.map(lambda *x: np.stack(x), *[row for each in rows for row in each])
        shape = len(number), len(seeds)
        of_seeds = jax.tree.map(lambda x, s=shape: x.reshape(*s, *x.shape[1:]), stacked)
        yield _simulate(run.config, motions, of_seeds, np.array(number), np.array(seeds))


def _windows(run: Run, seed: int, step: int) -> dict[str, np.ndarray]:
    assert isinstance(run.train, MotionWindows)
    size = run.config.train.batch_size
    return windows.sample(run.train, size, seed=seed, step=step, rows=slice(None))


@functools.partial(jax.jit, static_argnums=0)
def _simulate(config, motions, rows, steps, seeds):
    def at(step_and_rows):
        step, rows = step_and_rows
        simulate = functools.partial(simulated_batch, config, motions)
        return jax.vmap(simulate, (0, None, 0))(seeds, step, rows)

    return jax.lax.map(at, (steps, rows))


def train(
    run: Run,
    seeds: Sequence[int],
    weights: Float[np.ndarray, "m l"],
    pieces: Iterator[Batches] | Sequence[Batches],
    start: Variables | None = None,
    *,
    together: bool = True,
) -> Variables:
    """Trains members for every seed.

    Args:
        run: the run of one member; its model, update rule and losses are those of all.
        seeds: of the initial values, of dropout and of `pieces`.
        weights: for each member those of the losses in `run.objective.weights`.
        pieces: the batches, from `batches`.
        start: variables to start from, `[seeds, ...]`; None for initial values.
        together: each step updates all members at once, otherwise one after the other.

    Returns:
        The variables for the evaluation, `[seeds, m, ...]`.

    Raises:
        FloatingPointError: the loss of a member is not finite.
    """
    stacked = _initial(run, seeds)
    if start:
        params, stats = start
        average = None if stacked.ema is None else params
        stacked = dataclasses.replace(
            stacked, params={**stacked.params, "model": params}, stats=stats, ema=average
        )
    members = jax.tree.map(lambda x: jnp.repeat(x[:, None], len(weights), axis=1), stacked)
    steps = jax.jit(functools.partial(_steps, run, together), donate_argnums=0)
    losses = jnp.zeros((1, len(seeds), len(weights)))
    for made in pieces:
        losses.block_until_ready()  # or many pieces wait in memory, and the progress is theirs
        members, losses = steps(members, made, np.array(seeds), weights)
    if not np.isfinite(losses).all():
        where = np.argwhere(~np.isfinite(np.asarray(losses)))[0]
        raise FloatingPointError(
            f"The loss of seed {seeds[where[1]]} with the weights {weights[where[2]].tolist()} of "
            f"{', '.join(name for name, _ in run.objective.weights)} is not finite."
        )
    return members.variables


def initial(run: Run, seeds: Sequence[int]) -> Variables:
    """Returns the initial values of a model for some seeds, `[seeds, ...]`."""
    return _initial(run, seeds).variables


def _initial(run: Run, seeds: Sequence[int]) -> state.TrainState:
    made = [models.create(**run.config.model_fields, seed=seed) for seed in seeds]
    steps = run.steps_per_epoch
    states = [initial_state(run.config, model, steps_per_epoch=steps)[1] for model in made]
    return jax.tree.map(lambda *x: jnp.stack(x), *states)


def _steps(
    run: Run,
    together: bool,
    members: state.TrainState,
    made: Batches,
    seeds: Array,
    weights: Array,
) -> Any:
    """Makes the updates of all members with each of some batches; returns them and the losses."""
    names = [name for name, _ in run.objective.weights]

    def update(train_state, batch, seed, weights):
        weighted = tuple(zip(names, weights, strict=True))
        train_state, metrics = train_step(
            train_state,
            batch,
            graphdef=run.graphdef,
            objective=dataclasses.replace(run.objective, weights=weighted),
            optimizer=run.optimizer,
            momentum=run.momentum,
            ema=run.config.optim.ema,
            scale_by_loss=run.config.optim.scale_by_loss,
            seed=seed,
            microbatches=1,
        )
        return train_state, metrics["loss"]

    def each(function, *rows):
        if together:
            return jax.vmap(function)(*rows)
        return jax.lax.map(lambda row: function(*row), rows)

    def of_seed(members, batch, seed):
        return each(lambda member, own: update(member, batch, seed, own), members, weights)

    return jax.lax.scan(lambda all_, batch: each(of_seed, all_, batch, seeds), members, made)
