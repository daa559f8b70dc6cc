"""Folders of the user: the home that `~` stands for, and the cache; the right to read."""

import os
import pathlib


def expand(path: str | os.PathLike[str]) -> pathlib.Path:
    """Returns a path with the home that a leading `~` stands for.

    Raises:
        FileNotFoundError: there is no such home, as in a container of a user without a name; or the
            path is empty, which would be the current folder.
    """
    if not os.fspath(path):
        raise FileNotFoundError("the path is empty; give a file or a folder.")
    try:
        return pathlib.Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(
            f"{os.fspath(path)}: there is no home folder for {pathlib.Path(path).parts[0]}; "
            "set HOME, or give the whole path."
        ) from error


def check_readable(*paths: pathlib.Path) -> None:
    """Opens files, before a library does that would call those of others missing or damaged.

    Raises:
        OSError: one of them cannot be read, as by the rights of this user; names it.
    """
    for path in paths:
        path.open("rb").close()


def cache() -> pathlib.Path:
    """Returns the folder of this package in $XDG_CACHE_HOME, or in ~/.cache.

    Raises:
        FileNotFoundError: neither is known.
    """
    try:
        return expand(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "repose_jax"
    except FileNotFoundError as error:
        raise FileNotFoundError("there is no home folder") from error
