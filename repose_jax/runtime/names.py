"""Words of messages: the nearest known name, numbers of things, what files hold."""

import difflib
import sys
from collections.abc import Iterable

MOST = 4000
"""Characters of a message that are shown."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that is most like an unknown one, if one is like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns the error message for a name that does not exist.

    Args:
        kind: what the name is of, such as "dataset".
        name: the unknown name.
        known: the names that exist.
    """
    known = list(known)
    close = closest(name, known)
    hint = f" Did you mean {close!r}?" if close else ""
    return f"There is no {kind} {name!r}.{hint} Choose from {', '.join(known)}."


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Returns a number with its noun: "1 frame", "2 frames"."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def message(error: BaseException) -> str:
    """Returns what an error says in one line, for a terminal.

    Of an error of the system these are the file and the reason, without its number; of a name that
    is no text also what to do.
    """
    said = str(error)
    if isinstance(error, UnicodeEncodeError):
        name = error.object[max(error.start - 60, 0) : error.end + 20]
        said = (
            f"a name has characters that are no text in the encoding of this system, "
            f"{sys.getfilesystemencoding()}: {name!r}; rename it, or set LC_ALL=C.UTF-8."
        )
    elif isinstance(error, OSError) and error.strerror:
        files = [str(file) for file in (error.filename, error.filename2) if file is not None]
        said = f"{' -> '.join(files)}: {error.strerror}" if files else error.strerror
    return readable(" ".join(said.splitlines()))


def readable(message: str) -> str:
    """Returns a message for a terminal: without control characters of files, and not too long."""
    half = MOST // 2
    if len(message) > MOST:
        message = f"{message[:half]} [...] {message[-half:]}"
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)
