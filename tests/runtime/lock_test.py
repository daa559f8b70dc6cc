"""One process at a time has a lock; of another machine only the age of the file is known."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from repose_jax.runtime import lock
from repose_jax.runtime.lock import Lock

ELSEWHERE = lock.Owner("far", 7, "2026-01-01 00:00:00+00:00", "another system", "pid:[1]", 5)
HOLDS = """
import pathlib, sys, time
from repose_jax.runtime.lock import Lock
with Lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(lock, "_GRACE", 0.0)
    monkeypatch.setattr(lock, "BEAT", 0.05)


@contextlib.contextmanager
def other_process(folder):
    """Another process that has the lock; ends with SIGKILL."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, folder], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def leave(folder, owner: lock.Owner, age: float = 0.0) -> None:
    """Leaves the file of a lock that nobody holds here."""
    path = folder / ".lock"
    path.write_text(json.dumps(dataclasses.asdict(owner)))
    os.utime(path, (time.time() - age, time.time() - age))


def test_a_lock_is_a_file_that_goes_with_it(tmp_path):
    with Lock(tmp_path):
        (file,) = tmp_path.iterdir()
        assert json.loads(file.read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_made_for_nothing_is_removed(tmp_path):
    with Lock(tmp_path / "a" / "run"):
        pass
    assert not (tmp_path / "a" / "run").exists()
    with Lock(tmp_path / "run"):
        (tmp_path / "run" / "file").touch()
    assert (tmp_path / "run").exists()


def test_a_second_process_is_refused_with_the_first_ones_machine_and_number(tmp_path):
    with other_process(tmp_path) as first:
        with pytest.raises(OSError, match=f"in use by process {first.pid} on ") as error:
            Lock(tmp_path)
        assert len(str(error.value).splitlines()) == 1
        assert f"process {first.pid} on {lock._this_process().host}, since 20" in str(error.value)
    Lock(tmp_path).release()


@pytest.mark.parametrize("folder_goes", [True, False])
def test_a_process_that_may_wait_gets_it_once_the_first_is_done(folder_goes, tmp_path, capfd):
    folder = tmp_path / "made"
    if not folder_goes:
        folder.mkdir()
    first = Lock(folder)
    threading.Timer(1.5, first.release).start()
    Lock(folder, wait=True).release()
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{folder} is in use by process {os.getpid()} on " in line
    assert line.endswith("; waiting until that one is done.")


def test_the_death_of_another_machine_that_is_waited_for_is_noticed(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(lock, "VOID", 1.0)
    leave(tmp_path, ELSEWHERE)
    naps = iter([lambda: os.utime(tmp_path / ".lock")])
    sleep = time.sleep
    monkeypatch.setattr(lock.time, "sleep", lambda s: next(naps, lambda: sleep(s))())
    Lock(tmp_path, wait=True).release()
    assert "in use by process 7 on far" in capfd.readouterr().err


def test_a_lock_dies_with_its_owner_at_once(tmp_path):
    with other_process(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)  # dead, but still a zombie
        Lock(tmp_path).release()


def test_the_same_process_has_it_once(tmp_path):
    with Lock(tmp_path), pytest.raises(OSError, match="is in use by"):
        Lock(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "a"}', "\udcff"])
def test_a_damaged_lock_that_nobody_holds_is_taken(content, tmp_path):
    (tmp_path / ".lock").write_bytes(content.encode(errors="surrogateescape"))
    with Lock(tmp_path) as taken:
        taken.check()


def test_the_lock_of_another_machine_is_void_after_a_minute_without_a_touch(tmp_path, capsys):
    leave(tmp_path, ELSEWHERE, age=lock.VOID + 1)
    Lock(tmp_path).release()
    assert capsys.readouterr().err == ""


def test_a_younger_one_is_waited_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(lock, "VOID", 1.0)
    leave(tmp_path, ELSEWHERE)
    begun = time.monotonic()
    Lock(tmp_path).release()
    assert time.monotonic() - begun > 0.5
    assert "was in use by process 7 on far, since 2026" in capsys.readouterr().err


def test_that_of_another_machine_which_touches_it_is_refused(tmp_path, monkeypatch):
    leave(tmp_path, ELSEWHERE)
    monkeypatch.setattr(lock.time, "sleep", lambda _: os.utime(tmp_path / ".lock"))
    with pytest.raises(OSError, match="in use by process 7 on far"):
        Lock(tmp_path)


def test_the_lock_that_a_file_server_keeps_for_a_machine_that_is_gone_is_void_too(tmp_path):
    with other_process(tmp_path):  # holds the file that a machine far away owns
        leave(tmp_path, ELSEWHERE, age=lock.VOID + 1)
        with Lock(tmp_path) as taken:
            taken.check()


@pytest.mark.parametrize("alive", [True, False])
def test_without_locks_of_the_file_system_the_process_is_looked_up(alive, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_flock", lambda file: None)
    this = lock._this_process()
    leave(tmp_path, this if alive else dataclasses.replace(this, begun=1))
    if alive:
        with pytest.raises(OSError, match=f"in use by process {this.pid} on {this.host}"):
            Lock(tmp_path)
    else:
        Lock(tmp_path).release()


def test_an_owner_touches_its_lock(tmp_path):
    with Lock(tmp_path) as taken:
        os.utime(tmp_path / ".lock", (0, 0))
        while (tmp_path / ".lock").stat().st_mtime == 0:
            time.sleep(0.01)
        taken.check()


def test_a_lock_that_was_taken_over_is_noticed(tmp_path):
    with Lock(tmp_path) as taken:
        leave(tmp_path, ELSEWHERE)
        with pytest.raises(OSError, match="was taken over by process 7 on far"):
            taken.check()
    assert (tmp_path / ".lock").exists()  # the other's
