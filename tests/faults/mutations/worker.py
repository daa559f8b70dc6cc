"""Tries mutations in a process with limits, and watches what the readers do."""

import contextlib
import dataclasses
import os
import pathlib
import random
import re
import resource
import shutil
import socket
import sys
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from typing import Any

from repose_jax.runtime.names import readable
from tests.faults.mutations import mutate
from tests.faults.mutations.readers import READERS

MEMORY = 2 << 30  # bytes that a reader may take
CPU_S = 20.0  # seconds that a reader may compute
_KNOWN = (ValueError, OSError, ImportError, FloatingPointError)  # of which the CLI prints one line


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a try.

    Attributes:
        kind: "read" or "refused", or a fault: "bare", "hang", "memory", "code" or "escaped".
        change: what was changed.
        detail: the message of the error.
    """

    kind: str
    change: str
    detail: str = ""


class _Watch:
    """Notes while `on` what no file may cause: code that runs, and paths outside of a folder."""

    def __init__(self, root: pathlib.Path):
        self.root, self.on = root, False
        self.code: list[str] = []
        self.escaped: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, values: tuple[Any, ...]) -> None:
        if not self.on:
            return
        paths: tuple[Any, ...] = ()  # each with the folder that it is relative to, -1 for none
        if event in ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"):
            self.code.append(f"{event} {values[0]!r}")
        elif event == "import" and str(values[0]).startswith("stranger"):
            self.code.append(f"import {values[0]}")
        elif event == "open":
            wanted = os.O_WRONLY | os.O_RDWR | os.O_CREAT
            paths = ((values[0], -1),) if values[2] and values[2] & wanted else ()
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod"):
            paths = ((values[0], values[-1] if event in ("os.remove", "os.rmdir") else -1),)
        elif event in ("os.rename", "os.link", "os.symlink"):
            paths = ((values[0], -1), (values[1], -1))
        elif event == "socket.connect" and values[0].family != socket.AF_UNIX:
            self.escaped.append(f"{event} {values[1]}")
        for path, folder in paths:
            named = isinstance(path, str | bytes | os.PathLike)
            if named and not self._inside(os.fsdecode(path), folder):
                self.escaped.append(f"{event} {os.fsdecode(path)}")

    def _inside(self, path: str, folder: int) -> bool:
        whole = os.path.realpath(
            os.path.join(f"/proc/self/fd/{folder}" if folder >= 0 else "", path)
        )
        return whole.startswith(
            (*(f"{self.root}/{name}" for name in ("in", "out", "tmp")), "/dev/")
        )


class Tries:
    """The tries of one reader after the other in a folder.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: pathlib.Path):
        self.root = root.resolve()
        self.marker = self.root / "marker"
        (self.root / "tmp").mkdir()
        tempfile.tempdir = str(self.root / "tmp")
        strangers = self.root / "strangers"  # modules that no file may import
        strangers.mkdir()
        (strangers / "stranger.py").write_text(f"open({str(self.marker)!r}, 'w')\n")
        sys.path.append(str(strangers))
        self.watch = _Watch(self.root)
        self.reader = ""
        self.files: dict[pathlib.Path, bytes | None] = {}  # None: a folder

    def begin(self, name: str) -> None:
        """Writes the valid files of a reader and reads them, which must succeed."""
        folder = self.root / "in"
        for entry in self.root.iterdir():
            if entry.name not in ("tmp", "strangers"):
                _remove(entry)
        folder.mkdir()
        (self.root / "out").mkdir()
        reader = READERS[name]
        reader.write(folder)
        self.files = {
            path: None if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))
        }
        changed = self._mutable()[0]
        reader.read(changed if reader.alone else folder)
        self.reader = name

    def _mutable(self) -> list[pathlib.Path]:
        return [path for path, content in self.files.items() if content]

    def _restore(self) -> None:
        for folder in ("in", "out", "tmp"):
            _remove(self.root / folder)
            (self.root / folder).mkdir()
        for path, content in self.files.items():
            if content is None:
                path.mkdir()
            else:
                path.write_bytes(content)

    def one(self, name: str, seed: int, number: int, keep: pathlib.Path | None = None) -> Outcome:
        """Mutates one file of a reader and reads it.

        Args:
            name: of the reader.
            seed: of all tries.
            number: of the try; the same number gives the same mutation.
            keep: a folder for a copy of the changed file.
        """
        if name != self.reader:
            self.begin(name)
        self._restore()
        rng = random.Random(f"{seed} {name} {number}")
        path = rng.choice(self._mutable())
        change = mutate.mutate(path, rng, self.marker)
        if keep is not None and path.is_file():
            shutil.copy(
                path, keep / f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}_{number}_{path.name}"
            )
        outcome = self._read(path, change)
        _remove(self.marker)
        return outcome

    def _read(self, path: pathlib.Path, change: str) -> Outcome:
        reader, folder = READERS[self.reader], self.root / "in"
        before = {entry.name for entry in self.root.iterdir()}
        error, warned = None, ""
        self.watch.code, self.watch.escaped = [], []
        _reset_peak()
        memory, started = _status("VmRSS"), time.process_time()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            self.watch.on = True
            try:
                reader.read(path if reader.alone else folder)
            except BaseException as raised:  # of any kind: to be judged
                error = raised
            self.watch.on = False
        warned = next((str(w.message) for w in caught if w.category is RuntimeWarning), "")
        seconds, memory = time.process_time() - started, _status("VmHWM") - memory
        if self.marker.exists() or self.watch.code:
            return Outcome("code", change, str(self.watch.code))
        if new := {entry.name for entry in self.root.iterdir()} - before:
            return Outcome("escaped", change, str(new))
        if self.watch.escaped:
            return Outcome("escaped", change, str(self.watch.escaped))
        if seconds > CPU_S:
            return Outcome("hang", change, f"{seconds:.0f} s")
        if memory > MEMORY or _of_memory(error):
            return Outcome("memory", change, f"{memory:,} bytes {_short(error)}")
        if error is None:
            return Outcome("read", change, f"RuntimeWarning: {warned}" if warned else "")
        fault = _fault(error, path, folder, reader.whole)
        if fault:
            return Outcome("bare", change, f"{fault}: {_short(error)}{_where(error)}")
        return Outcome("refused", change, str(error))


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fault(
    error: BaseException, path: pathlib.Path, folder: pathlib.Path, whole: bool
) -> str | None:
    """Returns what is wrong with an error: its type, or a message that is no line on the file."""
    message = readable(str(error))
    if not isinstance(error, _KNOWN):
        return "not an error of the input"
    names = [path.name, *(other.name for other in folder.rglob("*") if other.is_file())]
    if whole or not path.exists():
        # The folder itself, or the data set in it by its name, "small/30fps".
        name = path.parents[1].relative_to(folder) if path.parents[0] != folder else folder
        names += [str(folder), *([name.as_posix()] if len(name.parts) > 1 else [])]
    if not any(name in message for name in names):
        return "names no file"
    if isinstance(error, ValueError) and "\n" in message:
        return "several lines"
    return None


def _of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or "bad_alloc" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _short(error: BaseException | None) -> str:
    return "" if error is None else f"{type(error).__name__}: {str(error)[:300]!r}"


def _where(error: BaseException) -> str:
    """Returns the last lines of the project in a trace."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "repose_jax" in f.filename or "tfds_builders" in f.filename]
    return "".join(f" <- {pathlib.Path(f.filename).name}:{f.lineno}" for f in ours[-3:][::-1])


def _status(key: str) -> int:
    """Returns a number of bytes of the process."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")


def serve(connection: Connection, root: str, seed: int, keep: str | None) -> None:
    """Runs the tries that arrive, until None does, and sends their outcomes.

    The process may take `MEMORY` bytes more than it has after a reader's first file.
    """
    with open(f"{root}.log", "a") as log:  # of libraries that print
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.dont_write_bytecode = True
    tries, name = Tries(pathlib.Path(root)), ""
    while (task := connection.recv()) is not None:
        reader, number = task
        if reader != name:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            tries.begin(reader)
            name = reader
            limit = _status("VmSize") + MEMORY + (1 << 30)
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        connection.send(tries.one(reader, seed, number, keep and pathlib.Path(keep)))
