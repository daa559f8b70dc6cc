"""The output of commands: any text on any terminal, and a quiet end where nobody reads it."""

import codecs
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from repose_jax.runtime import names

_PLAIN = {
    "→": "->",
    "↑": "^",
    "↓": "v",
    "±": "+-",
    "×": "x",
    "·": "*",
    "−": "-",
    "–": "-",
    "²": "^2",
}
"""Replacements of characters that a terminal lacks."""
_CLOSED = 128 + signal.SIGPIPE


class _Messages:
    """The error output, in which a message that cannot be written ends no program."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def run(main: Callable[[], int | None]) -> int:
    """Runs the main function of a program with its output prepared, and writes all of it.

    A character that the encoding of the terminal lacks is spelled in ASCII. An output that is
    closed, as `head` does, ends the program without a message. Messages to an error output that
    is closed, or on a full disk, are lost, and nothing else.

    Args:
        main: returns the exit status, None for 0.

    Returns:
        The exit status; 2 if the output cannot be written.
    """
    codecs.register_error("spell", _spell)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the program started
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spell")
    try:
        messages: Any = _Messages(sys.stderr)
        with contextlib.redirect_stderr(messages):
            return _run(main)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                flush(stream)


def _run(main: Callable[[], int | None]) -> int:
    try:
        status = main() or 0
    except BrokenPipeError:
        return _CLOSED
    try:
        flush()
    except OSError as error:
        if status == 0 and not isinstance(error, BrokenPipeError):
            print(f"error: {names.message(error)}", file=sys.stderr)
            return 2
    return status


def flush(stream: Any = None) -> None:
    """Writes what was printed, at a place where an error can be handled.

    Args:
        stream: by default the standard output.

    Raises:
        OSError: it cannot be written, and is discarded.
    """
    stream = stream or sys.stdout
    try:
        stream.flush()
    except OSError as error:
        with open(os.devnull, "wb") as nowhere:  # or Python reports it once more at its end
            os.dup2(nowhere.fileno(), stream.fileno())
        raise OSError(error.errno, error.strerror, "standard output") from error


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replaces the first character that cannot be encoded, as a handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, end = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is not text
        return bytes([ord(character) - 0xDC00]), end
    if character in _PLAIN:
        return _PLAIN[character], end
    return character.encode("ascii", "backslashreplace").decode(), end
