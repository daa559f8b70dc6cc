"""Signals that ask a run to stop: collected, and agreed on by all processes."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

_STOP_SYNC_TURNS = 10  # between two rounds in which processes exchange their signals


class Interrupted(Exception):
    """Training was asked to stop by a signal, and saved its state before."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.signum = signum


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of dying of them; a second one does kill."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {}

    def handle(signum, frame):
        del frame
        received.append(signum)
        signal.signal(signum, previous[signum])

    for signum in (signal.SIGINT, signal.SIGTERM):
        previous[signum] = signal.signal(signum, handle)
    try:
        yield received
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


def agreed_stop(received: list[int], turn: int) -> int | None:
    """Returns the signal on which all processes stop at this turn of their loops, or None."""
    if jax.process_count() == 1:
        return received[0] if received else None
    if turn % _STOP_SYNC_TURNS:
        return None
    mine = np.array(received[0] if received else 0)
    return int(np.max(multihost_utils.process_allgather(mine))) or None
