import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_data
from small_run import assert_close

from repose_jax.data import clips as clips_lib
from repose_jax.runtime import devices
from repose_jax.training.setup import Run, setup
from repose_jax.training.step import batches, jit_step, jit_steps


@pytest.fixture(scope="module")
def started(trained):
    """The run before its first step, and its state, which must not be donated."""
    return setup(trained.config)


@pytest.fixture(scope="module")
def step(started):
    return jit_step(started[0])


def batch_of(run: Run, step: int):
    batch = clips_lib.train_batch(run.train, run.config.train.batch_size, seed=0, step=step)
    return devices.put_rows(batch, run.mesh)


def test_training_on_one_batch_lowers_its_loss_and_compiles_once(started, step):
    run, first = started
    state = jax.tree.map(jnp.copy, first)
    batch, losses = batch_of(run, 0), []
    for _ in range(60):
        state, metrics = step(state, batch)
        losses.append(float(metrics["mpjpe"]))
    assert step._cache_size() == 1  # pyright: ignore[reportFunctionMemberAccess]
    assert int(state.step) == 60
    assert losses[-1] < 0.5 * losses[0]
    for name, log_variance in state.params["log_variances"].items():
        assert first.params["log_variances"][name] == 0
        assert log_variance != 0


def test_the_average_follows_the_parameters_and_faster_early_on(started, step):
    run, first = started
    state, wanted = jax.tree.map(jnp.copy, first), first.ema
    for decay in (1 / 10, 2 / 11, 3 / 12):  # not yet the 0.9 of the configuration
        state, _ = step(state, batch_of(run, 0))
        follow = functools.partial(lambda old, new, d: d * old + (1 - d) * new, d=decay)
        wanted = jax.tree.map(follow, wanted, state.params["model"])
        assert_close(state.ema, wanted, rtol=1e-5, atol=1e-6)
    state = dataclasses.replace(state, step=state.step + 1000)
    average = jax.tree.map(np.asarray, state.ema)
    state, _ = step(state, batch_of(run, 0))
    wanted = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, average, state.params["model"])
    assert_close(state.ema, wanted, rtol=1e-5, atol=1e-6)


def test_bfloat16_without_average_or_learned_weights_trains_float32_parameters(data_dir):
    config = small_data.experiment(
        data_dir,
        model={"dtype": "bfloat16"},
        optim={"ema": 0.0},
        objective={"learn_weights": False, "weights": {"mpjpe": 1.0}},
    )
    run, state = setup(config)
    assert state.ema is None
    assert state.params["log_variances"] == {}
    step, losses = jit_step(run), []
    for _ in range(10):
        state, metrics = step(state, batch_of(run, 0))
        losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0]
    for leaf in jax.tree.leaves(state.params):
        assert leaf.dtype == jnp.float32
        assert bool(jnp.isfinite(leaf).all())
    assert set(metrics) == {"loss", "mpjpe", "grad_norm"}


@pytest.fixture(scope="module")
def in_parts(data_dir):
    """Makes the run with batches of 16 clips, in microbatches of so many, and its state."""

    def make(clips):
        config = small_data.experiment(
            data_dir,
            model={"attention_dropout": 0.0},
            train={"batch_size": 16, "microbatch_size": clips},
        )
        return setup(config)

    return make


def test_microbatches_change_neither_losses_nor_update(in_parts):
    (whole, state), (parts, same) = in_parts(16), in_parts(8)
    assert (whole.microbatches, parts.microbatches) == (1, 2)
    for step in range(2):
        batch = batch_of(whole, step)
        batch["mask"] = batch["mask"].at[:3, 2:].set(False)  # parts of unequal weight
        state, metrics = jit_step(whole)(state, batch)
        same, added = jit_step(parts)(same, batch)
        assert_close(added, metrics, rtol=1e-4, atol=1e-6)
    assert_close(same.params, state.params, rtol=1e-3, atol=2e-5)


def test_the_gradient_of_a_batch_may_be_scaled_by_its_loss(started, step):
    run, first = started
    optim = dataclasses.replace(run.config.optim, scale_by_loss=True)
    objective = dataclasses.replace(run.config.objective, learn_weights=False)
    scaled = dataclasses.replace(
        run, config=dataclasses.replace(run.config, optim=optim, objective=objective)
    )
    batch = batch_of(run, 0)
    _, plain = step(jax.tree.map(jnp.copy, first), batch)
    _, metrics = jit_step(scaled)(jax.tree.map(jnp.copy, first), batch)
    assert metrics["loss"] == plain["loss"] != 1
    np.testing.assert_allclose(metrics["grad_norm"], plain["loss"] * plain["grad_norm"], rtol=1e-5)


def test_a_microbatch_needs_less_memory(in_parts):
    def temporary(made):
        run, state = made
        memory = jit_step(run).lower(state, batch_of(run, 0)).compile().memory_analysis()
        return memory.temp_size_in_bytes

    assert temporary(in_parts(8)) < 0.75 * temporary(in_parts(16))


def test_several_steps_in_a_call_are_those_one_by_one(started, step):
    run, first = started
    one, alone = jax.tree.map(jnp.copy, first), []
    for number in range(2):
        made = jax.tree.map(lambda x: x[0], batches(run, range(number, number + 1)))
        one, metrics = step(one, made)
        alone.append(metrics)
    several, metrics = jit_steps(run)(jax.tree.map(jnp.copy, first), batches(run, range(2)))
    assert_close(metrics, jax.tree.map(lambda *x: jnp.stack(x), *alone), rtol=1e-4, atol=1e-6)
    assert_close(several.params, one.params, rtol=1e-3, atol=2e-5)
