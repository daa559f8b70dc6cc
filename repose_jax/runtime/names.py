"""Errors about names: one line with the nearest known name."""

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns the error message for a name that does not exist.

    Args:
        kind: what the name is of, such as "dataset".
        name: the unknown name.
        known: the names that exist.
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no {kind} {name!r}.{hint} Choose from {', '.join(known)}."
