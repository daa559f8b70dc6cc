"""A run whose files were damaged or lost says so, and loses no more than that."""

import shutil

import pytest
from small_run import assert_close, records, restore

from repose_jax.runtime.checkpoint import KINDS, Damaged
from repose_jax.training import loop
from repose_jax.training.setup import setup


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the finished run; its best checkpoint is the last."""
    return shutil.copytree(trained.workdir, tmp_path / "copy")


def test_of_a_damaged_latest_checkpoint_the_best_takes_the_place(trained, copy, capsys):
    (copy / "checkpoints" / "latest" / "6" / "state" / "_METADATA").write_text("")
    loop.train_and_evaluate(trained.config, copy)
    printed = capsys.readouterr().out
    assert f"warning: The checkpoint {copy}/checkpoints/latest/6 is damaged (" in printed
    assert "Resuming from the best one, that of step 6." in printed
    assert (copy / "checkpoints" / "damaged" / "latest_6").is_dir()
    _, like = setup(trained.config)
    for kind in KINDS:
        assert_close(*(restore(workdir, like, kind) for workdir in (copy, trained.workdir)))
    assert records(copy) == records(trained.workdir)


def test_a_run_that_lost_its_latest_checkpoint_is_not_begun_anew(trained, copy, capsys):
    shutil.rmtree(copy / "checkpoints" / "latest")
    with pytest.raises(FileNotFoundError, match="is lost; the best one is that of step 6") as error:
        loop.train_and_evaluate(trained.config, copy)
    assert "--from_best" in str(error.value)
    assert records(copy) == records(trained.workdir)
    loop.train_and_evaluate(trained.config, copy, from_best=True)
    assert f"Resuming after step 6 ({copy}/checkpoints/best/6)" in capsys.readouterr().out
    _, like = setup(trained.config)
    assert_close(restore(copy, like), restore(trained.workdir, like))


def test_without_another_checkpoint_a_damaged_one_ends_the_run(trained, copy):
    shutil.rmtree(copy / "checkpoints" / "best")
    (copy / "checkpoints" / "latest" / "6" / "info" / "metadata").write_text("")
    with pytest.raises(Damaged, match="latest/6 is damaged"):
        loop.train_and_evaluate(trained.config, copy)
    assert records(copy) == records(trained.workdir)


def test_a_damaged_best_checkpoint_is_set_aside(trained, copy, capsys):
    (copy / "checkpoints" / "best" / "6" / "info" / "metadata").write_text("")
    loop.train_and_evaluate(trained.config, copy)
    assert f"moved to {copy}/checkpoints/damaged/best_6." in capsys.readouterr().out
    _, like = setup(trained.config)
    assert_close(restore(copy, like, "best"), restore(trained.workdir, like, "best"))


@pytest.mark.parametrize("content", ["", "{", "\udcff"])
def test_a_damaged_configuration_ends_a_resume_in_one_line_with_its_path(content, trained, copy):
    (copy / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match="is not the configuration of a run") as error:
        loop.train_and_evaluate(trained.config, copy)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{copy}/config.json ")


def test_a_damaged_line_of_the_log_does_not_stop_a_resume(trained, copy, capsys):
    lines = (copy / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "metrics.jsonl").write_bytes(b"".join([lines[0], b"\xff", *lines[1:]]))
    loop.train_and_evaluate(trained.config, copy)
    warning = f"warning: {copy}/metrics.jsonl: line 2 is damaged and left out."
    assert capsys.readouterr().out.count(warning) == 1
    assert records(copy) == records(trained.workdir)[:1] + records(trained.workdir)[2:]
