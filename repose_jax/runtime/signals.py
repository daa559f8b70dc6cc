"""Signals that stop a run: answered at once, and agreed on by all processes."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)
_SYNC_CALLS = 10  # calls of the loop between two rounds in which processes exchange their signals


class Interrupted(BaseException):
    """A signal stopped a run; like `KeyboardInterrupt` no `Exception`, so that nothing hides it."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.signum = signum


class Stop:
    """The signals that a run received.

    Attributes:
        received: signals that wait for the run to save, in their order.
        saves_after: what the run does before it saves, "step" or "evaluation". Empty while there is
            nothing to save: then a signal raises `Interrupted`.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.saves_after = ""
        self._repeated = 0

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Takes a signal, in the main thread."""
        if self.saves_after:
            self.received.append(signum)
        else:
            raise Interrupted(signum, f"Stopped by {signal.Signals(signum).name}.")

    def repeat(self, lost: "sys.UnraisableHookArgs") -> None:
        """Sends a signal again whose exception was lost.

        Python ignores exceptions in the garbage collector and where it deletes objects.
        """
        if isinstance(lost.exc_value, Interrupted):
            self._repeated += 1
            main = threading.main_thread().ident
            threading.Timer(0.01, signal.pthread_kill, (main, lost.exc_value.signum)).start()
        else:
            sys.__unraisablehook__(lost)

    def answer(self, pipe: int) -> None:
        """Answers the first signal of a pipe with a line; the second ends the process."""
        answered = False
        while read := os.read(pipe, 1):
            signum = read[0]
            if signum not in STOP:
                continue
            if answered and self._repeated:
                self._repeated -= 1
                continue
            if answered:
                os._exit(128 + signum)
            answered = True
            doing = f"Saving after this {self.saves_after}" if self.saves_after else "Stopping"
            print(f"\n{doing}; press Ctrl-C again to quit.", file=sys.stderr, flush=True)

    def agreed(self, call: int) -> int | None:
        """Returns the signal on which all processes stop after this call of the loop, or None."""
        import jax  # not above: commands handle `Interrupted` without JAX
        import numpy as np
        from jax.experimental import multihost_utils

        mine = self.received[0] if self.received else 0
        if jax.process_count() == 1:
            return mine or None
        if call % _SYNC_CALLS:
            return None
        return int(np.max(multihost_utils.process_allgather(np.array(mine)))) or None


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Takes SIGINT and SIGTERM, so that training can save before it exits.

    A thread answers, because Python's handlers wait while the main thread compiles or waits for a
    device. Outside the main thread of a process, where no signals arrive, nothing is done.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    answering = threading.Thread(target=stop.answer, args=(reader,), daemon=True)
    answering.start()
    previous = {signum: signal.signal(signum, stop.handle) for signum in STOP}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    hook, sys.unraisablehook = sys.unraisablehook, stop.repeat
    try:
        yield stop
    finally:
        if sys.unraisablehook == stop.repeat:  # else somebody builds on it
            sys.unraisablehook = hook
        signal.set_wakeup_fd(wakeup)
        for signum, handler in previous.items():
            signal.signal(signum, handler)
        os.close(writer)
        answering.join()
        os.close(reader)
