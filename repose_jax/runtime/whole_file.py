"""Files that appear when they are complete, and disks that are full."""

import contextlib
import errno
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

_FULL = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields the path of a temporary file beside a file, and renames it when all went well.

    An error or a signal leaves what was at `path` before, and no temporary file.

    Raises:
        OSError: the file cannot be written there.
    """
    path = pathlib.Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with writing(path):
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Makes one line, with the path and the free space, of the many errors of a full disk.

    Raises:
        OSError: the disk, or the share of it that the user may have, is full.
    """
    try:
        yield
    except Exception as error:
        reason = next((reason for reason in _FULL if reason in str(error)), None)
        if reason is None:
            raise
        raise OSError(_no_space(pathlib.Path(path), reason)) from error


def check_space(folder: pathlib.Path, size: int) -> None:
    """Refuses to write to a folder whose disk has less than some free space.

    The space is taken and given back, because a user's share may be less than what is free.

    Args:
        folder: where to write; made if it is missing.
        size: number of bytes.

    Raises:
        OSError: there is less; one line with the folder and the free space.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # Linux
                os.posix_fallocate(file.fileno(), 0, size)
            elif shutil.disk_usage(folder).free < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _no_space(path: pathlib.Path, reason: str) -> str:
    """Returns one line on a full disk."""
    message = f"{path} is not written: {reason.lower()}"
    for folder in path.absolute().parents:
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free / 1e6
            return f"{message} ({free:,.1f} MB are free). Make space, then run the command again."
    return f"{message}."
