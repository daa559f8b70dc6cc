import functools
import io
import json
import math
import os
import re
import shutil
import signal

import numpy as np
import pytest
import small_data
from small_run import assert_close, records, restore

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import evaluator
from repose_jax.evaluation.metrics import METRICS
from repose_jax.runtime import progress
from repose_jax.runtime.signals import Interrupted
from repose_jax.training import loop as train
from repose_jax.training import optim
from repose_jax.training import step as step_module
from repose_jax.training.setup import setup
from repose_jax.training.step import train_step

STEPS = 6  # 3 epochs of 2


@pytest.fixture(scope="module")
def started(trained):
    """The run before its first step, and its state, which must not be donated."""
    return setup(trained.config)


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


def test_several_steps_in_a_call_change_nothing_but_rounding(data_dir, tmp_path):
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


def test_a_run_of_several_steps_in_a_call_stops_between_calls_and_resumes(
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


def test_a_loss_that_is_not_finite_names_its_step_among_several(data_dir, tmp_path, monkeypatch):
    change_batch(monkeypatch, 2, lambda batch: batch["targets"].fill(np.nan))
    config = small_data.experiment(data_dir, train={"epoch_steps": 8, "steps_per_call": 4})
    with pytest.raises(FloatingPointError, match="Not finite at step 3: "):
        train.train_and_evaluate(config, tmp_path)
    assert [record["step"] for record in records(tmp_path, "train")] == [1, 2]


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
    pictures = {path.name for path in (workdir / "pictures").iterdir()}
    (still,) = {name for name in pictures if name.endswith(".gif")}
    assert pictures == {"curves.png", "errors.png", still, still.replace(".gif", ".png")}
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
            "The same command resumes from there."
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


def test_a_finished_run_can_be_prolonged_and_compiles_its_step_once(
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


def test_a_run_cannot_end_before_the_step_to_which_it_was_trained(copy, data_dir):
    before = (copy / "config.json").read_text()
    shorter = small_data.experiment(data_dir, train={"epochs": 2})
    with pytest.raises(ValueError, match="config.train.epochs is 2, 4 steps, but") as error:
        train.train_and_evaluate(shorter, copy)
    assert f"{copy} was trained to step 6; give at least 3 epochs, or another" in str(error.value)
    assert (copy / "config.json").read_text() == before


def test_a_loss_that_is_not_finite_stops_the_run_and_names_its_step_and_clips(
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


def test_a_missing_dataset_is_named_and_no_workdir_made(tmp_path):
    config = small_data.experiment(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="small/30fps is not prepared in .*nothing"):
        train.train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_prints_its_settings_and_labels_its_numbers(trained, copy, capsys):
    lines = trained.printed.splitlines()
    assert lines[0] == f"A new run in {trained.workdir}:"
    assert lines[1].split() == ["devices", "8", "x", "cpu"]
    (*_, last) = records(trained.workdir, "test")
    assert (
        f"epoch 3, step 6: test MPJPE {last['mpjpe']:.2f} mm, PA-MPJPE {last['pa_mpjpe']:.2f} mm "
        "(protocol every_frame)"
    ) in lines
    assert lines[-1].startswith(f"Written: {trained.workdir / 'evaluation.json'}, ")
    assert lines[-1].endswith(f", {trained.workdir / 'pictures' / 'curves.png'}")
    train.train_and_evaluate(trained.config, copy)
    assert capsys.readouterr().out.startswith("Resuming after step 6 (")


def test_the_progress_shows_the_loss_with_its_parts(data_dir, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(progress.Progress, "show", lambda self, status: shown.append(status))
    config = small_data.experiment(data_dir, train={"epochs": 1})
    train.train_and_evaluate(config, tmp_path)
    number = r"\d+\.\d{4}"
    pattern = (
        rf"loss {number} \(mpjpe {number} m, spatial_depth {number}, temporal_depth {number}\), "
        r"\d+\.\d clips/s"
    )
    assert len(shown) == 2
    assert all(re.fullmatch(pattern, status) for status in shown)


def test_a_divergent_run_ends_in_an_error(data_dir, tmp_path):
    diverging = small_data.experiment(
        data_dir, optim={"lr": 1e30, "clip_norm": 0.0, "warmup_steps": 0}, train={"eval_every": 1}
    )
    with pytest.raises(FloatingPointError, match="Not finite .*step") as error:
        train.train_and_evaluate(diverging, tmp_path)
    assert "The last good checkpoint is none. A lower learning rate" in str(error.value)


def test_a_model_that_diverges_in_the_last_step_is_found_by_the_evaluation(
    data_dir, tmp_path, monkeypatch
):
    config = small_data.experiment(data_dir, train={"epochs": 1})
    monkeypatch.setattr(train.report, "conclude", None)
    score = evaluator.Evaluator.score
    calls = []

    def scored(self, predictions):
        calls.append(1)
        tally = score(self, predictions)
        if len(calls) > 2:  # after the baselines
            tally.totals["mpjpe"][:] = np.nan
        return tally

    monkeypatch.setattr(evaluator.Evaluator, "score", scored)
    message = "Not finite after step 2: the test mpjpe is nan. The last good checkpoint is none."
    with pytest.raises(FloatingPointError, match=message):
        train.train_and_evaluate(config, tmp_path)
    assert not list((tmp_path / "checkpoints").glob("*/*"))


def test_a_signal_before_the_first_step_stops_the_run_at_once(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(
        train, "mean_pose_predictor", lambda *_: os.kill(os.getpid(), signal.SIGINT)
    )
    with pytest.raises(Interrupted, match="Stopped by SIGINT"):
        train.train_and_evaluate(small_data.experiment(data_dir), tmp_path)
    assert not (tmp_path / "checkpoints" / "latest" / "0").exists()


@pytest.mark.parametrize(
    ("unread", "ends"), [("epoch 1", False), pytest.param("Written", True, marks=pytest.mark.slow)]
)
def test_what_was_computed_is_kept_though_nobody_reads_the_output(
    unread, ends, data_dir, tmp_path, monkeypatch
):
    class Closed(io.StringIO):
        """A pipe that was closed before a line."""

        def write(self, text: str) -> int:
            if unread in text:
                raise BrokenPipeError
            return super().write(text)

    monkeypatch.setattr("sys.stdout", Closed())
    config = small_data.experiment(data_dir, train={"epochs": 1})
    with pytest.raises(BrokenPipeError):
        train.train_and_evaluate(config, tmp_path)
    assert records(tmp_path, "test")
    for kind in ("latest", "best"):
        assert len([*(tmp_path / "checkpoints" / kind).iterdir()]) == 1
    assert (tmp_path / "pictures" / "curves.png").exists() == ends
