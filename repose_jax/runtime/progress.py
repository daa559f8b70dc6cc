"""Progress of long work, on the error output of the first process.

A bar where that is a terminal; elsewhere a line now and then, so that logs stay readable.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import jax
from tqdm import tqdm

T = TypeVar("T")

_SECONDS, _SHARE, _LONGEST = 10.0, 0.05, 60.0  # a line after 10 s and 5 %, or after a minute


class Progress:
    """How far a piece of work is; a context manager.

    Args:
        total: units of work.
        label: name of the work.
        initial: units done before.
        unit: name of a unit.
        keep: leave the full bar on the terminal, and begin with a line elsewhere.
    """

    def __init__(
        self, total: int, label: str, *, initial: int = 0, unit: str = "step", keep: bool = True
    ):
        self.total, self.label, self.unit, self.done, self.status = total, label, unit, initial, ""
        self._first = jax.process_index() == 0
        self._lines = self._first and not _fits_bar()
        self._start = self._last = (time.monotonic(), initial)
        self._bar = tqdm(
            total=total,
            initial=initial,
            desc=label,
            unit=unit,
            leave=keep,
            dynamic_ncols=True,
            disable=not self._first or self._lines,
        )
        if self._lines and keep:
            self._print(self._start[0])

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, units: int = 1) -> None:
        """Counts work that is done."""
        self.done += units
        self._bar.update(units)
        (last, done), now = self._last, time.monotonic()
        enough = self.done - done >= _SHARE * self.total
        if self._lines and now - last >= (_SECONDS if enough else _LONGEST):
            self._last = now, self.done
            self._print(now)

    def show(self, status: str) -> None:
        """Shows a text beside the progress, such as the loss."""
        self.status = status
        self._bar.set_postfix_str(status)

    def write(self, line: str) -> None:
        """Prints a line to the output, above the bar."""
        if self._first:
            self._bar.write(line)
            sys.stdout.flush()

    def _print(self, now: float) -> None:
        share = f"{self.unit} {self.done} of {self.total} ({self.done / self.total:.0%})"
        parts = [f"{self.label}: {share}", self.status]
        begun, initial = self._start
        if self.done > initial:
            left = (now - begun) / (self.done - initial) * (self.total - self.done)
            parts.append(f"{tqdm.format_interval(left)} left")
        print(", ".join(filter(None, parts)), file=sys.stderr, flush=True)


def _fits_bar() -> bool:
    """Returns whether the error output is a terminal; one of no known size hides a bar."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).lines > 0
    except OSError:
        return False


def track(items: Iterable[T], *, total: int, label: str, unit: str = "batch") -> Iterator[T]:
    """Yields items, with progress while there are any.

    Args:
        items: what is worked on.
        total: how many there are.
        label: name of the work.
        unit: name of an item.
    """
    with Progress(total, label, unit=unit, keep=False) as progress:
        for item in items:
            yield item
            progress.advance()
