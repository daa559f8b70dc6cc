"""A run that is killed anywhere, and resumed, ends as one that was not."""

import os
import shutil
import signal

import pytest
from small_run import assert_close, records, restore

from repose_jax.runtime import lock
from repose_jax.runtime.checkpoint import KINDS, Checkpoints
from repose_jax.runtime.signals import Interrupted
from repose_jax.training import loop
from repose_jax.training.setup import setup
from tests.faults import kills


class Killed(BaseException):
    """The end of a process, as far as files can show it."""


def saved_steps(workdir) -> dict[str, int | None]:
    checkpoints = Checkpoints(workdir)
    steps = {kind: (checkpoints.info(kind) or {}).get("step") for kind in KINDS}
    checkpoints.close()
    return steps


def kill_before(monkeypatch, kind, step) -> None:
    """Kills a run when it begins to save this checkpoint; those begun before are complete."""
    save = Checkpoints.save

    def save_or_die(self, *args):
        if args[:2] == (kind, step):
            raise Killed
        save(self, *args)

    monkeypatch.setattr(Checkpoints, "save", save_or_die)


def signal_at_next_step(monkeypatch) -> None:
    batches = loop.batches

    def stopped(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return batches(*args)

    monkeypatch.setattr(loop, "batches", stopped)


def test_a_best_state_whose_save_was_killed_is_saved_from_the_latest(trained, tmp_path):
    workdir = shutil.copytree(trained.workdir, tmp_path / "copy")
    shutil.rmtree(workdir / "checkpoints" / "best" / "6")
    assert saved_steps(workdir) == {"latest": 6, "best": None}
    loop.train_and_evaluate(trained.config, workdir)
    assert saved_steps(workdir) == {"latest": 6, "best": 6}
    _, like = setup(trained.config)
    assert_close(restore(workdir, like, "best"), restore(trained.workdir, like, "best"))


def test_a_second_run_in_one_workdir_is_refused_before_it_loads_anything(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(lock, "_GRACE", 0.0)
    workdir = shutil.copytree(trained.workdir, tmp_path / "copy")
    monkeypatch.setattr(loop, "setup", None)
    with (
        lock.Lock(workdir),
        pytest.raises(OSError, match=f"copy is in use by process {os.getpid()} on "),
    ):
        loop.train_and_evaluate(trained.config, workdir)


def test_a_resume_removes_what_the_killed_process_left_half_written(trained, tmp_path):
    workdir = shutil.copytree(trained.workdir, tmp_path / "copy")
    (workdir / "checkpoints" / "best" / "8.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    loop.train_and_evaluate(trained.config, workdir)
    assert [path.name for path in (workdir / "checkpoints" / "best").iterdir()] == ["6"]
    assert not (workdir / ".lock").exists()


@pytest.mark.slow
def test_random_kills_lose_nothing():
    assert kills.main(["--tries=3", "--terms=1"]) == 0


@pytest.mark.slow
def test_a_kill_between_the_commits_of_latest_and_best_loses_no_best(
    trained, tmp_path, monkeypatch
):
    def train_until(end, *, changed) -> None:
        with monkeypatch.context() as patch:
            changed(patch)
            with pytest.raises(end):
                loop.train_and_evaluate(trained.config, tmp_path)

    train_until(Killed, changed=lambda patch: kill_before(patch, "best", 4))
    assert saved_steps(tmp_path) == {"latest": 4, "best": None}
    train_until(Interrupted, changed=signal_at_next_step)  # before another evaluation
    assert saved_steps(tmp_path) == {"latest": 5, "best": 4}
    train_until(Killed, changed=lambda patch: kill_before(patch, "best", 6))
    assert saved_steps(tmp_path) == {"latest": 6, "best": 4}
    loop.train_and_evaluate(trained.config, tmp_path)
    assert saved_steps(tmp_path) == {"latest": 6, "best": 6}
    _, like = setup(trained.config)
    for kind in KINDS:
        assert_close(*(restore(workdir, like, kind) for workdir in (tmp_path, trained.workdir)))
    assert records(tmp_path) == records(trained.workdir)
