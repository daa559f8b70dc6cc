"""The output of commands: any text on any terminal, and a quiet end where nobody reads it."""

import codecs
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable

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


def run(main: Callable[[], int | None]) -> int:
    """Runs the main function of a program with its output prepared, and writes all of it.

    A character that the encoding of the terminal lacks is spelled in ASCII. An output that is
    closed, as `head` does, ends the program without a message.

    Args:
        main: returns the exit status, None for 0.

    Returns:
        The exit status.
    """
    codecs.register_error("spell", _spell)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the program started
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spell")
    try:
        return main() or 0
    except BrokenPipeError:
        return _CLOSED
    finally:
        with contextlib.suppress(OSError):
            flush()


def flush() -> None:
    """Writes what was printed, at a place where an error can be handled.

    Raises:
        OSError: it cannot be written, and is discarded.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with open(os.devnull, "wb") as nowhere:  # or Python reports it once more at its end
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise


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
