"""The lock of a folder: one process at a time writes to it, and the lock ends with that process.

On one machine the kernel knows whether the owner is alive: the file is locked by `flock`, or the
process is looked up. Between machines `flock` is not reliable: on some network file systems it is
local to a machine, on others it outlives a machine that is gone, and some have none. So the owner
also touches the file every 10 s; without a touch for 60 s the lock of another machine is void.
Both times are those of the file server: the clocks of the machines may differ.
"""

import contextlib
import dataclasses
import datetime
import errno
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import time

from repose_jax.runtime import names
from repose_jax.runtime.whole_file import writing

BEAT = 10.0
"""Seconds between two touches."""
VOID = 60.0
"""Seconds without a touch, after which the lock of another machine is void."""
_GRACE = 3.0  # seconds in which a killed process may still be ending
_HELD = (errno.EWOULDBLOCK, errno.EACCES)


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process, as its lock describes it.

    Attributes:
        host: name of its machine.
        pid: its number.
        since: local time at which it took the lock.
        boot: the running system of the machine.
        space: the process numbers that `pid` is one of; a container has its own.
        begun: start of the process, in ticks of that system; None where it is not known.
    """

    host: str
    pid: int
    since: str
    boot: str
    space: str
    begun: int | None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class Lock:
    """The right to write to a folder, which is made if it is missing; a context manager.

    Waits up to a minute where only that shows that an owner on another machine is gone.

    Args:
        folder: where the file `.lock` is.
        wait: until another process that has it ends; a line on stderr names that process.

    Raises:
        OSError: another process has it, without `wait`; names its machine and number. Or the
            folder is not writable.
    """

    def __init__(self, folder: pathlib.Path, wait: bool = False):
        self._folder, self._made = folder, not folder.exists()
        self._path = folder / ".lock"
        self._file = _take(self._path, wait)
        self._text = json.dumps(dataclasses.asdict(_this_process())).encode()
        with writing(self._path):
            os.ftruncate(self._file, 0)
            os.write(self._file, self._text)
            os.fsync(self._file)
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._touch, daemon=True)
        self._beats.start()

    def check(self) -> None:
        """Refuses to write after a pause, as of a suspended machine, in which another took over.

        Raises:
            OSError: the lock is another's, or gone.
        """
        if _read(self._path) != self._text:
            owner = _owner(_read(self._path))
            raise OSError(f"{self._folder} was taken over by {owner or 'another process'}.")

    def release(self) -> None:
        """Gives the folder free; removes it if it was made for this, and nothing is in it."""
        self._ended.set()
        self._beats.join()
        if _read(self._path) == self._text:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        if self._made and not any(self._folder.iterdir()):
            with contextlib.suppress(OSError):  # one that waits takes it now
                self._folder.rmdir()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _touch(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                os.utime(self._file if os.utime in os.supports_fd else self._path)
            except OSError as error:  # a server that does not answer may come back
                print(
                    f"warning: {self._path} is not touched: {names.message(error)}", file=sys.stderr
                )


def _take(path: pathlib.Path, wait: bool) -> int:
    """Returns the descriptor of a lock file whose owner, if it names any, is gone."""
    first, started, touched, waiting = None, time.monotonic(), None, False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)  # which the last owner may have removed
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        free = _flock(file)
        content, now = _read(path), os.fstat(file)
        if not _is_at(now, path):  # its owner has just removed it
            os.close(file)
            continue
        owner = _owner(content)
        gone = _is_gone(owner, free)
        if gone is None:
            touched = touched or now.st_mtime_ns
            left = VOID - _age(now, path.parent)
            gone = None if left > 0 and now.st_mtime_ns == touched else left <= 0
            if gone is None and owner != first:
                first = owner
                print(
                    f"{path.parent} was in use by {owner or 'another process'}; waiting up to "
                    f"{left:.0f} s to see whether it still is.",
                    file=sys.stderr,
                    flush=True,
                )
        if gone and free is not False:
            return file
        if gone:  # a file server keeps the lock of a machine that is gone: leave it that file
            path.unlink(missing_ok=True)
        os.close(file)
        if gone is False and not waiting and time.monotonic() - started > _GRACE:
            used = f"{path.parent} is in use by {owner or 'another process'}"
            if not wait:
                raise OSError(f"{used}. Stop that one first, or give another folder.")
            print(f"{used}; waiting until that one is done.", file=sys.stderr, flush=True)
            waiting = True
        time.sleep(1.0 if waiting else 0.2)


def _is_gone(owner: Owner | None, free: bool | None) -> bool | None:
    """Returns whether an owner has ended, or None if only the age of its lock shows it.

    Args:
        owner: that of the lock, None for one that names none.
        free: whether the kernel gives the lock; None if it has no locks there.
    """
    if owner is None:
        return None if free is False else True
    this = _this_process()
    if owner.boot != this.boot:
        return None
    if free:
        return True
    if this.space and owner.space == this.space:
        return _begun(owner.pid) != owner.begun
    return free


def _flock(file: int) -> bool | None:
    """Locks a file; returns whether it was free, or None if there are no locks for it."""
    try:
        import fcntl  # not on Windows

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return None
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def _is_at(file: os.stat_result, path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(file, os.stat(path))
    except FileNotFoundError:
        return False


def _age(file: os.stat_result, folder: pathlib.Path) -> float:
    """Returns the seconds since a file was touched, by the clock of its file system."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".lock") as probe:
        return os.fstat(probe.fileno()).st_mtime - file.st_mtime


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # missing; or on SMB, where a lock also keeps others from reading
        return b""


def _owner(content: bytes) -> Owner | None:
    try:
        return Owner(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None


def _this_process() -> Owner:
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        boot, space = socket.gethostname(), ""
    since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return Owner(socket.gethostname(), os.getpid(), since, boot, space, _begun(os.getpid()))


def _begun(pid: int) -> int | None:
    """Returns the start of a process in clock ticks; None if it has ended."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    return None if state in "ZX" else int(fields[18])
