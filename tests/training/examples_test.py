"""Training on motions, of which views are simulated; tests are on the recorded views of `small`."""

import dataclasses
import os
import pathlib
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_data
import small_motions
from jax.sharding import AxisType
from small_run import assert_close, records, restore

from repose_jax.config import Experiment
from repose_jax.data.clips import Clips
from repose_jax.runtime import devices
from repose_jax.runtime.signals import Interrupted
from repose_jax.simulation import windows
from repose_jax.simulation.windows import MotionWindows
from repose_jax.training import examples, loop
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint
from repose_jax.training.setup import setup
from repose_jax.training.step import batches, jit_steps

MIXER = {"name": "mixer", "frames": 9, "width": 8, "depth": 1}
REPOSE = {"frames": 9, "width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2, "representation": 8}
MADE = {"targets": jnp.float32(0.25), "mask": jnp.ones((1, 1, 1), bool)}
KINDS = {
    "mixer": (MIXER, {"normalise": "person", "unit": "millimetres"}),
    "repose": ({"name": "repose", **REPOSE}, {}),
}


@pytest.fixture(scope="module")
def motion_dir(data_dir) -> pathlib.Path:
    """The folder of the prepared datasets `small` and `dancers`."""
    small_motions.prepare(data_dir)
    return data_dir


def experiment(data_dir, kind: str = "mixer", data=None, **train) -> Experiment:
    model, more = KINDS[kind]
    data = {"train": (small_motions.TRAIN,), "normalise": "image", **more, **(data or {})}
    train = {"epochs": 2, "epoch_steps": 3, "eval_every": 1, **train}
    config = small_data.experiment(data_dir, data=data, train=train)
    return dataclasses.replace(config, model=model)


def motion_windows(*lengths: int) -> MotionWindows:
    return MotionWindows(small_motions.motions(lengths or (90, 31)), 9, (15.0, 60.0))


@pytest.fixture(scope="module", params=["mixer", pytest.param("repose", marks=pytest.mark.slow)])
def run(request, motion_dir, tmp_path_factory):
    """A finished run: its kind, workdir and results."""
    workdir = tmp_path_factory.mktemp(request.param)
    tally = loop.train_and_evaluate(experiment(motion_dir, request.param), workdir)
    return request.param, workdir, tally


def test_a_run_that_was_stopped_ends_bit_by_bit_as_one_that_was_not(
    run, motion_dir, tmp_path, monkeypatch
):
    kind, workdir, tally = run
    config, make = experiment(motion_dir, kind), examples.batch

    def batch(config, found, step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return make(config, found, step)

    with monkeypatch.context() as patch:
        patch.setattr(examples, "batch", batch)
        with pytest.raises(Interrupted, match="after step 4 of 6"):
            loop.train_and_evaluate(config, tmp_path)
    assert loop.train_and_evaluate(config, tmp_path).summary() == tally.summary()
    _, like = setup(config)
    assert_close(restore(tmp_path, like), restore(workdir, like))
    assert records(tmp_path) == records(workdir)


def test_its_losses_are_those_of_metres_and_finite(run):
    losses = [record["mpjpe"] for record in records(run[1], "train")]
    assert len(losses) == 6
    assert all(0.01 < loss < 2 for loss in losses)
    assert len(set(losses)) == 6  # every step has a batch of its own


def test_it_is_evaluated_as_any_other(run, motion_dir):
    kind, workdir, tally = run
    found = evaluate_checkpoint(experiment(motion_dir, kind), workdir, "latest")
    assert found.summary() == pytest.approx(tally.summary(), rel=1e-6)


@pytest.mark.parametrize("run", ["mixer"], indirect=True)
def test_eight_devices_find_the_losses_of_one(run, motion_dir, monkeypatch):
    kind, workdir, _ = run
    one = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:1])
    monkeypatch.setattr(devices, "data_mesh", lambda: one)
    alone, state = setup(experiment(motion_dir, kind))
    _, metrics = jit_steps(alone)(state, batches(alone, range(1)))
    (first, *_) = records(workdir, "train")
    for name in ("loss", "mpjpe", "grad_norm"):
        np.testing.assert_allclose(metrics[name][0], first[name], rtol=1e-4)


def test_the_mean_pose_is_that_of_simulated_views(motion_dir):
    config = experiment(motion_dir)
    mean = examples.mean_pose(config, examples.load(config, (0, 0))) / 1000
    np.testing.assert_array_equal(mean[0], 0)
    # People of any stature, seen from any side: the head is above the pelvis, the feet below.
    assert -0.9 < mean[10, 1] < -0.4
    assert 0.5 < mean[3, 1] < 1.1


def test_targets_are_in_the_unit_of_the_experiment(motion_dir, monkeypatch):
    monkeypatch.setattr(examples, "simulate", lambda *_, **__: MADE)
    for unit, wanted in (("metres", 0.25), ("millimetres", 250)):
        config = experiment(motion_dir, data={"unit": unit})
        made = examples.simulated(config, jax.random.key(0), jnp.zeros((1, 20, 3)), {})
        np.testing.assert_allclose(made["targets"], wanted, rtol=1e-6)


def test_windows_are_of_the_frames_that_the_model_needs(motion_dir):
    config = experiment(motion_dir)
    found = examples.load(config, (3, 5))
    assert isinstance(found, MotionWindows)
    assert found.frames == 3 + 9 + 5
    assert found.rates == config.simulation.rates
    np.testing.assert_array_equal(found.motions.joints, small_motions.motions().joints)
    rows = examples.batch(config, found, 7)
    wanted = windows.sample(found, 8, seed=0, step=7, rows=slice(None))
    for name in wanted:
        np.testing.assert_array_equal(rows[name], wanted[name])


def test_recorded_views_make_clips(motion_dir):
    config = small_data.experiment(motion_dir)
    found = examples.load(config, (0, 0))
    assert isinstance(found, Clips)
    assert examples.batch(config, found, 0)["inputs"].shape == (8, 9, 17, 3)


def test_examples_are_described_in_words(motion_dir):
    config, found = experiment(motion_dir, seed=3), motion_windows(3600, 1800)
    assert examples.describe(found) == "1.5 minutes of 2 motions, in simulated views"
    assert examples.names_of(config, found, 5) == "simulated in step 5 with seed 3"
    config = small_data.experiment(motion_dir)
    clips = examples.load(config, (0, 0))
    assert examples.describe(clips) == "17 clips of 9 frames"
    assert examples.names_of(config, clips, 0).startswith("the training clips [")


def test_fewer_motions_than_a_batch_make_an_epoch_of_one_step(motion_dir):
    started, _ = setup(experiment(motion_dir, epoch_steps=None))
    assert len(started.train) < 8
    assert started.steps_per_epoch == 1


def test_targets_of_motions_are_relative_to_the_root(motion_dir):
    with pytest.raises(ValueError, match=r"leave config\.data\.root_relative at its default"):
        examples.load(experiment(motion_dir, data={"root_relative": False}), (0, 0))


@pytest.mark.parametrize(
    "asks",
    [
        {"pairs": "occluded"},
        {"weights": {"mpjpe": 1.0, "occluded_mpjpe": 1.0}, "learn_weights": False},
    ],
    ids=lambda of: next(iter(of)),
)
def test_recorded_views_say_which_joints_are_occluded_if_the_objective_asks(motion_dir, asks):
    config = small_data.experiment(motion_dir)
    clips = examples.load(config, (0, 0))
    assert "occluded" not in examples.batch(config, clips, 0)
    objective = dataclasses.replace(config.objective, **asks)
    config = dataclasses.replace(config, objective=objective)
    batch = examples.batch(config, examples.load(config, (0, 0)), 0)
    assert batch["occluded"].shape == batch["targets"].shape[:3]
    assert 0 < batch["occluded"].mean() < 1


def test_views_of_unknown_visibility_have_no_occluded_joints_to_train_on(motion_dir, monkeypatch):
    config = small_data.experiment(motion_dir)
    views = examples.load_splits(config.data.train, config.data.data_dir)
    unknown = dataclasses.replace(views, visibility=np.full_like(views.visibility, -1))
    monkeypatch.setattr(examples, "load_splits", lambda *_: unknown)
    examples.load(config, (0, 0))
    objective = dataclasses.replace(config.objective, pairs="occluded")
    with pytest.raises(ValueError, match=r"no joint of config\.data\.train .* is known to be occl"):
        examples.load(dataclasses.replace(config, objective=objective), (0, 0))


def test_motions_cannot_be_mixed_with_recorded_views(motion_dir):
    both = {"train": (small_motions.TRAIN, small_data.TRAIN)}
    with pytest.raises(ValueError, match=r"config\.data\.train mixes motions .* recorded views"):
        experiment(motion_dir, data=both)


def test_motions_are_no_test_data(motion_dir):
    config = experiment(motion_dir, data={"test": (small_motions.TRAIN,)})
    with pytest.raises(ValueError, match="dancers/60fps_motion has motions without cameras"):
        setup(config)


def test_motions_that_are_not_prepared_are_named(tmp_path, data_dir):
    config = experiment(data_dir)
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, data_dir=str(tmp_path))
    )
    with pytest.raises(FileNotFoundError, match="dancers/60fps_motion is not prepared"):
        examples.load(config, (0, 0))


@pytest.mark.parametrize(("normalise", "channels"), [("person", 3), ("image", 11), ("image", 4)])
def test_input_channels_that_the_data_do_not_have_are_refused(normalise, channels, motion_dir):
    config = experiment(motion_dir, data={"normalise": normalise})
    with pytest.raises(ValueError, match=rf"config\.model\.in_channels is {channels}; "):
        dataclasses.replace(config, model=MIXER | {"in_channels": channels})
