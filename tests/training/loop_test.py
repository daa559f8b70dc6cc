import dataclasses
import functools
import json
import math
import os
import re
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_data
from small_run import assert_close, records, restore

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation.metrics import METRICS
from repose_jax.runtime import devices
from repose_jax.runtime.signals import Interrupted
from repose_jax.training import loop as train
from repose_jax.training import optim
from repose_jax.training import step as step_module
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint
from repose_jax.training.setup import Run, microbatches_of, setup, steps_per_call_of
from repose_jax.training.step import jit_step, train_step
from repose_jax.training.workdir import claim_workdir

STEPS = 6  # 3 epochs of 2


@pytest.fixture(scope="module")
def started(trained, tmp_path_factory):
    """The run before its first step, and its state, which must not be donated."""
    return setup(trained.config, tmp_path_factory.mktemp("started"))


@pytest.fixture(scope="module")
def step(started):
    return jit_step(started[0])


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the finished run's workdir."""
    return shutil.copytree(trained.workdir, tmp_path / "copy")


def change_batch(monkeypatch, step, change) -> None:
    """Calls `change` with the batch of a step when it is made."""
    make = clips_lib.train_batch

    def train_batch(*args, **kwargs):
        batch = make(*args, **kwargs)
        if kwargs["step"] == step:
            change(batch)
        return batch

    monkeypatch.setattr(clips_lib, "train_batch", train_batch)


def batch_of(run: Run, step: int):
    batch = clips_lib.train_batch(run.train, run.config.train.batch_size, seed=0, step=step)
    return devices.put_rows(batch, run.mesh)


# One step


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


def test_bfloat16_without_average_or_learned_weights_trains_float32_parameters(data_dir, tmp_path):
    config = small_data.experiment(
        data_dir,
        model={"dtype": "bfloat16"},
        optim={"ema": 0.0},
        objective={"learn_weights": False, "weights": {"mpjpe": 1.0}},
    )
    run, state = setup(config, tmp_path)
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
def in_parts(data_dir, tmp_path_factory):
    """Makes, of clips at once, the run with batches of 16 clips and its state."""

    def make(clips):
        config = small_data.experiment(
            data_dir,
            model={"attention_dropout": 0.0},
            train={"batch_size": 16, "microbatch_size": clips},
        )
        return setup(config, tmp_path_factory.mktemp("parts"))

    return make


def test_clips_at_once_change_neither_losses_nor_update(in_parts):
    (whole, state), (parts, same) = in_parts(16), in_parts(8)
    assert (whole.microbatches, parts.microbatches) == (1, 2)
    for step in range(2):
        batch = batch_of(whole, step)
        batch["mask"] = batch["mask"].at[:3, 2:].set(False)  # parts of unequal weight
        state, metrics = jit_step(whole)(state, batch)
        same, added = jit_step(parts)(same, batch)
        assert_close(added, metrics, rtol=1e-4, atol=1e-6)
    assert_close(same.params, state.params, rtol=1e-3, atol=2e-5)


def test_a_part_of_the_batch_needs_less_memory(in_parts):
    def temporary(made):
        run, state = made
        memory = jit_step(run).lower(state, batch_of(run, 0)).compile().memory_analysis()
        return memory.temp_size_in_bytes

    assert temporary(in_parts(8)) < 0.75 * temporary(in_parts(16))


@pytest.mark.parametrize("clips", [4, 12, 32])  # not of 8 devices, not a part of 16
def test_clips_at_once_that_cannot_be_are_refused(in_parts, clips):
    with pytest.raises(ValueError, match=f"microbatch_size is {clips}; it must divide .* 16, and"):
        in_parts(clips)


def test_on_a_cpu_long_clips_go_through_a_few_at_a_time(data_dir, started):
    _, state = started

    def passes(frames, batch):
        config = small_data.experiment(
            data_dir, train={"batch_size": batch}, data={"frames": frames}
        )
        return microbatches_of(config, state)

    assert passes(243, 32) == 4  # one for each of the 8 devices
    assert passes(81, 48) == 2  # three
    assert passes(81, 40) == 5  # one: two or three are no part of five
    assert passes(9, 64) == 1


def test_batch_norms_need_the_whole_batch(data_dir, tmp_path):
    config = dataclasses.replace(
        small_data.experiment(data_dir, train={"batch_size": 16, "microbatch_size": 8}),
        model={"name": "videopose3d", "filter_widths": (3, 3), "width": 16},
    )
    with pytest.raises(
        ValueError, match=r"microbatch_size is 8, but 'videopose3d' has batch norms"
    ):
        setup(config, tmp_path)


# Several steps at once


def test_steps_at_once_change_nothing_but_rounding(data_dir, tmp_path):
    found = []
    for at_once in (1, 2):  # two, two and one in an epoch of five
        config = small_data.experiment(
            data_dir,
            train={"epochs": 2, "epoch_steps": 5, "eval_every": 1, "steps_per_call": at_once},
        )
        train.train_and_evaluate(config, tmp_path / str(at_once))
        found.append(records(tmp_path / str(at_once)))
    alone, together = found
    for one, other in zip(alone, together, strict=True):
        assert one.pop("split") == other.pop("split")
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)


def test_a_run_of_several_steps_at_once_stops_between_them_and_goes_on(
    data_dir, started, tmp_path, monkeypatch
):
    config = small_data.experiment(
        data_dir, train={"epochs": 2, "epoch_steps": 5, "steps_per_call": 2}
    )
    train.train_and_evaluate(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        change_batch(patch, 2, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted, match="after step 4 of 10"):
            train.train_and_evaluate(config, tmp_path / "stopped")
    train.train_and_evaluate(config, tmp_path / "stopped")
    whole, stopped = (restore(tmp_path / name, started[1]) for name in ("whole", "stopped"))
    assert_close(stopped, whole)
    assert records(tmp_path / "stopped") == records(tmp_path / "whole")


def test_a_loss_that_is_not_finite_is_told_of_its_step_among_several(
    data_dir, tmp_path, monkeypatch
):
    change_batch(monkeypatch, 2, lambda batch: batch["targets"].fill(np.nan))
    config = small_data.experiment(data_dir, train={"epoch_steps": 8, "steps_per_call": 4})
    with pytest.raises(FloatingPointError, match="Not finite at step 3: "):
        train.train_and_evaluate(config, tmp_path)
    assert [record["step"] for record in records(tmp_path, "train")] == [1, 2]


def test_on_a_cpu_short_steps_are_handed_over_up_to_8_at_a_time(data_dir):
    def steps(frames, batch, steps_per_epoch, at_once=None):
        config = small_data.experiment(
            data_dir,
            train={"batch_size": batch, "steps_per_call": at_once},
            data={"frames": frames},
        )
        return steps_per_call_of(config, steps_per_epoch)

    assert steps(27, 64, 50) == 5  # 8 clips on each of 8 devices; the largest part of 50
    assert steps(27, 64, 48) == 8
    assert steps(27, 64, 3) == 3
    assert steps(27, 64, 47) == 1
    assert steps(81, 32, 48) == 1  # 324 frames on each
    assert steps(81, 32, 47, at_once=6) == 6


# A whole run


def test_a_run_leaves_its_configuration_metrics_results_pictures_and_checkpoints(trained):
    workdir = trained.workdir
    saved = json.loads((workdir / "config.json").read_text())
    assert saved["config"] == json.loads(json.dumps(trained.config.to_dict()))
    found = [(record["step"], record["split"]) for record in records(workdir)]
    assert found == [
        (0, "mean_pose"),
        (0, "untrained"),
        *((step, "train") for step in (1, 2, 3, 4)),
        (4, "test"),
        *((step, "train") for step in (5, 6)),
        (6, "test"),
    ]
    assert (workdir / "evaluation.csv").exists()
    (still,) = (workdir / "pictures").glob("*.png")
    assert still.with_suffix(".gif").exists()
    assert (workdir / "checkpoints" / "latest" / "6").is_dir()
    best = min(records(workdir, "test"), key=lambda record: record["mpjpe"])
    assert (workdir / "checkpoints" / "best" / str(best["step"])).is_dir()


def test_the_record_of_a_step_has_the_loss_its_parts_and_its_learning_rate(trained):
    rate = optim.schedule(trained.config.optim, 2)
    for number, record in enumerate(records(trained.workdir, "train")):
        assert record["lr"] == pytest.approx(float(rate(number)))
        assert record["grad_norm"] > 0
        total = record["mpjpe"]
        for name in ("spatial_depth", "temporal_depth"):
            assert record[name] >= 0
            # The weight of the step before this update: 0 at first.
            if number == 0:
                total += record[name]
        if number == 0:
            assert record["loss"] == pytest.approx(total)


def test_the_results_are_those_of_the_last_evaluation(trained):
    summary = trained.tally.summary()
    (*_, last) = records(trained.workdir, "test")
    assert {name: last[name] for name in METRICS} == summary
    content = json.loads((trained.workdir / "evaluation.json").read_text())
    assert content["results"]["all"]["all"] == summary
    assert (content["step"], content["checkpoint"]) == (STEPS, "latest")
    assert content["baselines"] == {
        name.replace("_", " "): {key: record[key] for key in METRICS}
        for name in ("mean_pose", "untrained")
        for record in records(trained.workdir, name)
    }
    assert "for comparison" in trained.printed


def test_evaluating_the_latest_checkpoint_gives_what_training_gave(trained, copy, capsys):
    before = (copy / "evaluation.json").read_text()
    (copy / "evaluation.json").unlink()
    shutil.rmtree(copy / "pictures")
    tally = evaluate_checkpoint(trained.config, copy, "latest")
    assert tally.summary() == trained.tally.summary()
    assert (copy / "evaluation.json").read_text() == before
    assert len(list((copy / "pictures").iterdir())) == 2
    tables = trained.printed[trained.printed.index("\nall ") : trained.printed.index("Written")]
    assert tables in capsys.readouterr().out


def test_evaluating_the_best_checkpoint_gives_its_score(trained, copy):
    tally = evaluate_checkpoint(trained.config, copy, "best")
    assert tally.mean("mpjpe") == min(r["mpjpe"] for r in records(copy, "test"))


# Interruptions


def test_a_run_that_was_stopped_twice_ends_bit_by_bit_as_one_that_was_not(
    trained, started, tmp_path, monkeypatch
):
    handlers = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)]
    # Both in the middle of an epoch.
    for signum, stop in ((signal.SIGTERM, 3), (signal.SIGINT, 5)):
        with monkeypatch.context() as patch:
            change_batch(patch, stop - 1, lambda _: os.kill(os.getpid(), signum))  # noqa: B023
            with pytest.raises(Interrupted) as stopped:
                train.train_and_evaluate(trained.config, tmp_path)
        assert stopped.value.signum == signum
        folder = tmp_path / "checkpoints" / "latest" / str(stop)
        assert folder.is_dir()
        assert str(stopped.value) == (
            f"Stopped by {signum.name} after step {stop} of 6; saved {folder}. "
            "The same command goes on from there."
        )
        assert records(tmp_path)[-1]["step"] == stop
        assert handlers == [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    tally = train.train_and_evaluate(trained.config, tmp_path)
    assert tally.summary() == trained.tally.summary()
    for kind in ("latest", "best"):
        states = [restore(workdir, started[1], kind) for workdir in (tmp_path, trained.workdir)]
        assert states[0].ema is not None
        assert states[0].params["log_variances"]
        assert_close(*states)
    assert records(tmp_path) == records(trained.workdir)
    first, second = ((w / "evaluation.json").read_text() for w in (tmp_path, trained.workdir))
    assert first == second


def test_a_finished_run_can_go_on_for_longer_and_compiles_its_step_once(
    trained, copy, data_dir, monkeypatch
):
    traced = []
    step = train_step

    @functools.wraps(step)
    def counted(*args, **kwargs):
        traced.append(1)
        return step(*args, **kwargs)

    monkeypatch.setattr(step_module, "train_step", counted)
    longer = small_data.experiment(data_dir, train={"epochs": 4, "eval_every": 3})
    train.train_and_evaluate(longer, copy)
    assert len(traced) == 1
    assert [record["step"] for record in records(copy, "train")] == list(range(1, 9))
    assert records(copy)[: STEPS + 4] == records(trained.workdir)
    assert [record["step"] for record in records(copy, "test")] == [4, 6, 8]
    assert json.loads((copy / "config.json").read_text())["config"]["train"]["epochs"] == 4


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where_to_look(
    trained, copy, data_dir, monkeypatch
):
    change_batch(monkeypatch, 7, lambda batch: batch["targets"].fill(np.nan))
    longer = small_data.experiment(data_dir, train={"epochs": 5})
    with pytest.raises(FloatingPointError) as error:
        train.train_and_evaluate(longer, copy)
    message = str(error.value)
    assert message.startswith("Not finite at step 8: ")
    assert "loss is nan" in message
    index = clips_lib.batch_index(17, 8, seed=0, step=7).tolist()
    assert f"Its batch was the training clips {index}." in message
    folder = copy / "checkpoints" / "latest" / "6"
    assert f"The last good checkpoint is {folder}." in message
    assert folder.is_dir()
    assert records(copy)[-1]["step"] == 7
    assert all(math.isfinite(record["loss"]) for record in records(copy, "train"))


# What cannot be


def test_a_workdir_of_another_configuration_is_refused_with_what_differs(trained, copy, data_dir):
    before = (copy / "config.json").read_text()
    other = small_data.experiment(data_dir, optim={"lr": 0.5}, train={"epochs": 9, "seed": 3})
    with pytest.raises(ValueError, match="belongs to another configuration") as error:
        train.train_and_evaluate(other, copy)
    lines = str(error.value).splitlines()
    assert lines[1:-1] == [
        "  config.optim.lr: 0.01 there, 0.5 now",
        "  config.train.seed: 0 there, 3 now",
    ]
    assert (copy / "config.json").read_text() == before
    with pytest.raises(ValueError, match="belongs to another configuration"):
        evaluate_checkpoint(other, copy, "latest")


def test_a_key_that_one_configuration_has_and_the_other_has_not_differs(trained, copy):
    path = copy / "config.json"
    content = json.loads(path.read_text())
    del content["config"]["model"]["depth"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="config.model.depth: None there, 1 now"):
        claim_workdir(trained.config, copy)


def test_what_only_says_how_long_how_often_and_how_it_is_computed_may_change(copy, data_dir):
    other = small_data.experiment(
        data_dir,
        model={"remat": True, "fused_attention": ("frames",)},
        data={"data_dir": "elsewhere"},
        train={"epochs": 99, "eval_every": 9, "log_every": 7},
        eval={"batch_size": 16, "flip": False, "pictures": 5},
    )
    claim_workdir(other, copy)
    content = json.loads((copy / "config.json").read_text())
    assert content["config"] == json.loads(json.dumps(other.to_dict()))


def test_a_missing_data_set_says_how_to_prepare_it_and_leaves_no_workdir(tmp_path):
    config = small_data.experiment(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="small/30fps is not prepared in .*nothing"):
        train.train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"frames": 10}}, "config.data.frames is 10, more than config.model.frames, 9"),
        ({"train": {"batch_size": 12}}, "batch of 12 clips cannot be split over 8 devices"),
        ({"eval": {"batch_size": 4}}, "batch of 4 clips cannot be split over 8 devices"),
        (
            {"objective": {"weights": {"mpjp": 1.0}}},
            "There is no loss 'mpjp'. Did you mean 'mpjpe'?",
        ),
        ({"model": {"widht": 4}}, "Model 'repose' has no 'widht'. Did you mean 'width'?"),
        (
            {"data": {"train": ("small",)}},
            "config.data.train is ('small',); it must be a list",
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(changes, message, data_dir, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        setup(small_data.experiment(data_dir, **changes), tmp_path)


@pytest.mark.parametrize("kind", ["best", "latest"])
def test_a_workdir_without_a_run_cannot_be_evaluated(kind, trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        evaluate_checkpoint(trained.config, tmp_path, kind)
