import gc
import os
import signal
import subprocess
import sys
import threading
import time

import jax
import pytest
from jax.experimental import multihost_utils

from repose_jax.runtime import signals


def kill(signum: int) -> None:
    os.kill(os.getpid(), signum)


def test_signals_are_collected_while_there_is_something_to_save(capsys):
    handlers = [signal.getsignal(signum) for signum in signals.STOP]
    with signals.stop_signals() as stop:
        stop.saves_after = "step"
        assert stop.agreed(0) is None
        kill(signal.SIGTERM)
        assert stop.received == [signal.SIGTERM]
        assert stop.agreed(0) == signal.SIGTERM
    assert [signal.getsignal(signum) for signum in signals.STOP] == handlers
    assert "Saving after this step; press Ctrl-C again to quit." in capsys.readouterr().err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_with_nothing_to_save_a_signal_stops_the_run(signum, capsys):
    with (
        pytest.raises(signals.Interrupted, match=f"Stopped by {signum.name}") as stopped,
        signals.stop_signals(),
    ):
        kill(signum)
    assert stopped.value.signum == signum
    assert "Stopping; press Ctrl-C again" in capsys.readouterr().err


def test_a_signal_during_garbage_collection_is_not_lost():
    def callback(phase, info):
        if phase == "start":
            kill(signal.SIGINT)

    def collect():
        with signals.stop_signals():
            gc.callbacks.append(callback)
            try:
                gc.collect()
            finally:
                gc.callbacks.remove(callback)
            time.sleep(60)

    with pytest.raises(signals.Interrupted):
        collect()


def test_a_signal_while_an_object_is_deleted_is_not_lost():
    class Deleted:
        def __del__(self):
            kill(signal.SIGINT)

    def delete():
        with signals.stop_signals():
            Deleted()
            time.sleep(60)

    with pytest.raises(signals.Interrupted):
        delete()


def test_other_threads_take_no_signals():
    seen = []

    def work():
        with signals.stop_signals() as stop:
            seen.append(signal.getsignal(signal.SIGINT) == stop.handle)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


# The main thread waits in C code, where Python's handlers do not run.
BUSY = """
import hashlib
from repose_jax.runtime import signals
with signals.stop_signals() as stop:
    stop.saves_after = "evaluation"
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000_000)
"""


def test_the_answer_does_not_wait_for_the_main_thread_and_a_second_signal_quits():
    program = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stderr is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGINT)
    assert program.stderr.readline() == "\n"
    expected = "Saving after this evaluation; press Ctrl-C again to quit.\n"
    assert program.stderr.readline() == expected
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate()
    assert program.returncode == 128 + signal.SIGINT
    assert errors == ""


def test_processes_exchange_their_signals_now_and_then(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    gathered = [0, signal.SIGTERM]
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda mine: gathered)
    stop = signals.Stop()
    assert [stop.agreed(call) for call in (9, 10, 11)] == [None, signal.SIGTERM, None]
