"""A full disk ends a run in one line; what was saved before remains, and the run resumes."""

import os
import pathlib
import resource
import shutil
import subprocess

import processes
import pytest
import small_data
from small_run import assert_close, records, restore

from repose_jax.runtime.checkpoint import KINDS
from repose_jax.training import loop
from repose_jax.training.setup import setup

FULL = ("no space left on device", "file too large")


@pytest.fixture
def no_large_file():
    """A limit on the size of a file: a disk that is full for a checkpoint, not for a log."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_training_in_one_line_and_leaves_what_was_saved(
    trained, data_dir, tmp_path, no_large_file
):
    workdir = shutil.copytree(trained.workdir, tmp_path / "copy")
    config = small_data.experiment(data_dir, train={"epochs": 4, "eval_every": 1})
    with pytest.raises(OSError, match="latest is not written: file too large") as error:
        loop.train_and_evaluate(config, workdir)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{workdir}/checkpoints/latest is not written: ")
    assert " MB are free)" in line
    _, like = setup(trained.config)
    for kind in KINDS:
        assert_close(restore(workdir, like, kind), restore(trained.workdir, like, kind))
    assert not list(workdir.rglob("*orbax-checkpoint-tmp*"))


@pytest.fixture
def small_disk(tmp_path) -> pathlib.Path:
    """A disk of 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mounted).returncode:
        pytest.skip("mounting a small disk needs the rights of root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 100_000, 1_000_000])  # bytes; none, a log's, half a save's
def test_a_run_on_a_disk_that_was_full_resumes(free, trained, data_dir, small_disk):
    workdir = shutil.copytree(trained.workdir, small_disk / "run")
    flags = (f"--workdir={workdir}", f"--config.data.data_dir={data_dir}")
    longer = (*flags, "--config.train.epochs=4", "--config.train.eval_every=1")
    with (small_disk / "fill").open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free - free))
    status, printed = processes.run(*longer)
    assert status == 2
    last = printed.splitlines()[-1]
    assert "error: " in last
    assert str(workdir) in last
    assert any(reason in last for reason in FULL)
    assert "Traceback" not in printed
    _, like = setup(trained.config)
    assert_close(restore(workdir, like), restore(trained.workdir, like))
    (small_disk / "fill").unlink()
    status, printed = processes.run(*longer)
    assert status == 0, printed
    assert [record["step"] for record in records(workdir, "train")] == list(range(1, 9))
