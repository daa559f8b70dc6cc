"""Files that appear when they are complete."""

import contextlib
import os
import pathlib
from collections.abc import Iterator


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
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
