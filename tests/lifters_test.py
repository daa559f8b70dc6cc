"""Lifters that are not like RePOSE: centre frames, batch norms, several outputs, no confidence."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_data
from flax import nnx
from small_run import assert_close, records, restore

from repose_jax import config as config_lib
from repose_jax import models
from repose_jax.data import clips as clips_lib
from repose_jax.runtime import devices
from repose_jax.training import loop as train
from repose_jax.training import setup as run
from repose_jax.training import state, stored
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint
from repose_jax.training.step import jit_step
from repose_jax.training.stored import start_from
from repose_jax.weights import file

MODEL = {"name": "pstmo", "frames": 9, "width": 8, "depth": 1, "heads": 2, "dropout": 0.1}


@pytest.fixture(scope="module")
def config(data_dir):
    config = small_data.experiment(
        data_dir,
        data={"frames": 1, "stride": 1},
        eval={"frames": 9},
        train={"epochs": 2, "epoch_steps": 2},
    )
    return dataclasses.replace(config, model=MODEL)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A finished run, and its last state."""
    workdir = tmp_path_factory.mktemp("pstmo")
    tally = train.train_and_evaluate(config, workdir)
    return workdir, tally, restore(workdir, run.setup(config)[1])


def test_a_lifter_of_centre_frames_is_trained_and_evaluated_on_every_frame(config, finished):
    workdir, tally, _ = finished
    assert tally.frames() == sum(small_data.LENGTHS["test"])
    (last,) = (r for r in records(workdir, "test") if r["step"] == 4)
    assert np.isfinite(last["mpjpe"])
    again = evaluate_checkpoint(config, workdir, "latest")
    assert again.mean("mpjpe") == pytest.approx(tally.mean("mpjpe"), rel=1e-6)


def test_test_clips_may_have_any_number_of_frames(config, finished):
    workdir, tally, _ = finished
    other = dataclasses.replace(config, eval=dataclasses.replace(config.eval, frames=4))
    again = evaluate_checkpoint(other, workdir, "latest")
    assert again.mean("mpjpe") == pytest.approx(tally.mean("mpjpe"), rel=1e-5)


def test_a_resumed_run_continues_with_its_statistics(config, finished, tmp_path):
    shorter = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=1))
    train.train_and_evaluate(shorter, tmp_path)
    train.train_and_evaluate(config, tmp_path)
    assert_close(restore(tmp_path, finished[2]), finished[2], rtol=1e-5, atol=1e-6)


def one_step(config, tmp_path):
    made, before = run.setup(config)
    batch = clips_lib.train_batch(made.train, config.train.batch_size, seed=0, step=0)
    batch = jax.tree.map(jnp.asarray, batch)
    kept = jax.tree.map(jnp.copy, before)  # the step takes the memory of its state
    after, metrics = jit_step(made)(before, devices.put_rows(batch, made.mesh))
    return made, batch, kept, after, metrics


def test_running_statistics_take_a_tenth_of_the_batch(config, tmp_path):
    made, batch, before, after, _ = one_step(config, tmp_path)
    copy = jax.tree.map(jnp.copy, before.stats)
    model = nnx.merge(made.graphdef, before.params["model"], copy)
    key = jax.random.fold_in(jax.random.key(config.train.seed), 0)
    model.outputs(batch["inputs"][..., :2], key)  # leaves the batch's statistics
    found = jax.tree.leaves(nnx.state(model, nnx.BatchStat))
    assert len(found) > 0
    old, new = jax.tree.leaves(before.stats), jax.tree.leaves(after.stats)
    for was, of_batch, now in zip(old, found, new, strict=True):
        np.testing.assert_allclose(now, 0.9 * was + 0.1 * of_batch, rtol=1e-4, atol=1e-5)


def test_every_output_is_trained_against_the_frames_that_it_gives(config, tmp_path):
    made, batch, before, _, metrics = one_step(config, tmp_path)
    copy = jax.tree.map(jnp.copy, before.stats)
    model = nnx.merge(made.graphdef, before.params["model"], copy)
    key = jax.random.fold_in(jax.random.key(config.train.seed), 0)
    every, centre = model.outputs(batch["inputs"][..., :2], key)
    assert every.shape[1:] == (9, 17, 3)
    assert centre.shape[1:] == (1, 17, 3)
    logs = before.params["log_variances"]
    whole, _ = made.objective(every, batch["targets"], batch["mask"], logs)
    middle, parts = made.objective(centre, batch["targets"][:, 4:5], batch["mask"][:, 4:5], logs)
    np.testing.assert_allclose(metrics["loss"], whole + middle, rtol=1e-4)
    np.testing.assert_allclose(metrics["mpjpe"], parts["mpjpe"], rtol=1e-4)


# Weights of another run


def test_a_run_starts_from_the_weights_of_another(config, finished, tmp_path):
    workdir, _, _ = finished
    tuned = dataclasses.replace(
        config,
        init_from=str(workdir),
        optim=dataclasses.replace(config.optim, lr=1e-30, weight_decay=0.0, ema=0.0),
        train=dataclasses.replace(config.train, epochs=1, epoch_steps=1),
    )
    train.train_and_evaluate(tuned, tmp_path)
    (initial,) = records(tmp_path, "initial")
    best = {r["step"]: r for r in records(workdir, "test")}
    assert initial["mpjpe"] == pytest.approx(min(r["mpjpe"] for r in best.values()), rel=1e-5)
    restored = restore(tmp_path, run.setup(tuned)[1])
    started = start_from(workdir, run.setup(tuned)[1])
    # A learning rate that moves nothing.
    assert_close(restored.params["model"], started.params["model"], rtol=0, atol=1e-25)
    assert int(started.step) == 0
    again = train.train_and_evaluate(tuned, tmp_path)  # finished: does not start again
    assert len(records(tmp_path, "initial")) == 1
    assert np.isfinite(again.mean("mpjpe"))


def test_a_run_starts_from_a_file_of_weights(config, finished, tmp_path):
    path = tmp_path / "model.safetensors"
    _, _, variables, _ = stored.load(finished[0])
    file.write(path, config, variables, "float32")
    tuned = dataclasses.replace(
        config,
        init_from=str(path),
        train=dataclasses.replace(config.train, epochs=1, epoch_steps=1),
    )
    train.train_and_evaluate(tuned, tmp_path / "run")
    (initial,) = records(tmp_path / "run", "initial")
    best = min(record["mpjpe"] for record in records(finished[0], "test"))
    assert initial["mpjpe"] == pytest.approx(best, rel=1e-5)


def test_weights_of_another_model_are_refused(config, finished, tmp_path):
    wider = dataclasses.replace(config, model={**MODEL, "width": 16}, init_from=str(finished[0]))
    with pytest.raises(ValueError, match=r"other parameters than this one: .*, wanted .* more\."):
        train.train_and_evaluate(wider, tmp_path)
    lost = dataclasses.replace(config, init_from=str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="There are no weights .*nowhere"):
        train.train_and_evaluate(lost, tmp_path)


# What a model does not take


@pytest.mark.parametrize(
    ("model", "data", "evaluation", "message"),
    [
        ({}, {}, {"output": "centre"}, "predicts nothing else"),
        ({"name": "repose", "frames": 9}, {"frames": 10}, {}, "more than config.model.frames, 9"),
        ({"name": "repose", "frames": 9}, {}, {"frames": 10}, "config.eval.frames is 10, more"),
        ({"name": "mixste", "frames": 9, "depth": 1}, {}, {}, "is 1, not config.model.frames, 9"),
        ({"name": "semgcn", "frames": 9}, {}, {}, r"dropped_joints is \(\); add neck, which 'sem"),
    ],
)
def test_clips_that_the_model_does_not_take_are_refused(config, model, data, evaluation, message):
    wrong = dataclasses.replace(
        config,
        model=model or MODEL,
        data=dataclasses.replace(config.data, **data),
        eval=dataclasses.replace(config.eval, **evaluation),
    )
    with pytest.raises(ValueError, match=message):
        run.check_model(wrong)


def test_a_model_of_every_frame_may_be_read_at_the_centre(config):
    read = dataclasses.replace(
        config,
        model={"name": "repose", "frames": 9},
        data=dataclasses.replace(config.data, frames=9),
        eval=config_lib.EvalConfig(frames=3, output="centre"),
    )
    assert run.check_model(read) == ((0, 0), (4, 4))


def test_a_state_without_batch_norms_has_no_statistics(trained):
    _, train_state = run.setup(trained.config)
    assert jax.tree.leaves(train_state.stats) == []
    assert isinstance(train_state, state.TrainState)


@pytest.mark.parametrize("name", ["repose", "motionagformer"])
@pytest.mark.parametrize("remat", [False, True])
def test_layers_that_are_alike_are_traced_once(name, remat):
    sizes = dict(frames=5, width=8, depth=3, heads=2, mlp_ratio=2, representation=8)
    graphdef, variables = nnx.split(models.create(name, **sizes, remat=remat))
    lift = jax.make_jaxpr(lambda variables, x: nnx.merge(graphdef, variables)(x))
    jaxpr = lift(variables, jnp.zeros((1, 5, 17, 3)))
    calls = [eqn.params["jaxpr"] for eqn in jaxpr.eqns if eqn.params.get("name") == "__call__"]
    assert len(calls) == 3
    assert calls[0] is calls[1] is calls[2]
