"""Checkpoints on disk; the only module that uses Orbax.

`WORKDIR/checkpoints/latest` and `WORKDIR/checkpoints/best` hold one step each. A checkpoint
appears under its name only when it is complete. Beside a state its checksums are saved: a state
that is not read as it was saved is refused.
"""

import contextlib
import functools
import glob
import hashlib
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils

from repose_jax.runtime import devices
from repose_jax.runtime.former_paths import former_path
from repose_jax.runtime.lock import Lock
from repose_jax.runtime.whole_file import check_space, writing

T = TypeVar("T")
KINDS = ("latest", "best")
_ROOM = 1 << 20  # bytes of a checkpoint beside those of its arrays


class Damaged(ValueError):
    """A checkpoint that is not readable, or differs from what was saved; names its folder."""


class _LiteralPath(type(epath.Path())):
    """A path of which no character is a pattern where Orbax looks for files below it."""

    def glob(self, pattern: str) -> Iterator["_LiteralPath"]:
        found = glob.glob(os.path.join(glob.escape(os.fspath(self)), pattern))
        return (type(self)(path) for path in found)


def check_path(workdir: pathlib.Path) -> None:
    r"""Refuses a workdir in which no checkpoint could be found again.

    TensorStore writes to the folder a/b what belongs to a\b, and knows paths in UTF-8 alone.

    Raises:
        ValueError: its absolute path has such a character.
    """
    path = str(workdir.absolute())
    bad = [c for c in path if (c == "\\" and os.sep == "/") or "\ud800" <= c <= "\udfff"]
    if bad:
        raise ValueError(
            f"--workdir is {path!r}, but there are no checkpoints in a path with {bad[0]!r}; give "
            "another folder."
        )


def saved_step(workdir: pathlib.Path, kind: str = "latest") -> int | None:
    """Returns the step of the latest, or the best, state that a run has saved, or None."""
    steps = (workdir / "checkpoints" / kind).glob("*")
    return max((int(step.name) for step in steps if step.name.isdigit()), default=None)


class Checkpoints:
    """The latest and the best state of a training run; reading them writes nothing.

    Args:
        workdir: folder of the run.
        lock: the right to write there, checked before every save.
    """

    def __init__(self, workdir: pathlib.Path, lock: Lock | None = None):
        check_path(workdir)
        self.workdir, self._lock = workdir, lock
        self.directory = workdir.absolute() / "checkpoints"
        self._managers: dict[str, ocp.CheckpointManager] = {}  # of those that were saved

    def save(self, kind: str, step: int, state: Any, info: Mapping[str, Any]) -> None:
        """Writes a state in the background, after those begun before.

        The first of a kind is read back at once, so that nothing is computed in vain.

        Args:
            kind: "latest" or "best".
            step: the state's step.
            state: a pytree of arrays.
            info: JSON values to save beside it, such as the epoch and the metrics.

        Raises:
            FloatingPointError: a number is not finite; nothing is written.
            OSError: the disk is full, another process has taken over, or what was saved is not
                found again or differs. Those before remain.
        """
        # One save at a time: two would confuse the barriers at which Orbax's processes meet.
        path = self.path(kind)
        if path is not None and path.name == str(step):
            return
        # From the host: of arrays on several devices Orbax slices a part on each.
        state = jax.device_get(state)
        if bad := _not_finite(state):
            raise FloatingPointError(
                f"Not saved at step {step}: {bad}. The last good checkpoint is "
                f"{self.path('latest') or 'none'}."
            )
        leaves = _by_name(state)
        room = sum(np.asarray(leaf).nbytes for leaf in leaves.values()) + _ROOM
        devices.on_first_process(lambda: self._check_disk(kind, room))
        info = {**info, "checksums": {name: _checksum(leaf) for name, leaf in leaves.items()}}
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), info=ocp.args.JsonSave(info))
        first = kind not in self._managers
        with writing(self.directory / kind / str(step)):
            if first:
                options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
                folder = _LiteralPath(self.directory / kind)
                self._managers[kind] = ocp.CheckpointManager(folder, options=options)
            self._managers[kind].save(step, args=args)
        if first:
            try:
                self.restore(kind, state)
            except (Damaged, FileNotFoundError) as error:
                raise OSError(
                    f"What was saved to {self.directory / kind / str(step)} does not come back: "
                    f"{error} Nothing would be left of this run; give another --workdir."
                ) from error

    def _check_disk(self, kind: str, room: int) -> None:
        """Checks the lock and the space, before each of Orbax's threads reports a full disk."""
        if self._lock:
            self._lock.check()
        check_space(self.directory / kind, room)

    def info(self, kind: str) -> dict[str, Any] | None:
        """Returns the values saved beside a state, or None if there is none of that kind.

        Raises:
            Damaged: they are not readable.
        """
        info = self._newest(kind, _info)
        if info:
            info.pop("checksums", None)
        return info

    def restore(self, kind: str, like: T) -> T:
        """Reads a state into the structure, types and shardings of `like`.

        Parameters that have another path since an earlier version are read from the former one.

        Raises:
            FileNotFoundError: there is no checkpoint of that kind.
            Damaged: it is not readable, or differs from what was saved.
            ValueError: it has other parameters than `like`; names them.
            FloatingPointError: it holds NaN or infinity; names them.
        """
        return self._read(kind, like, whole=True)

    def restore_part(self, kind: str, like: T) -> T:
        """Reads the entries of a saved state that `like` has; see `restore`.

        Args:
            kind: "latest" or "best".
            like: a dictionary of some of the state's entries; its leaves have a sharding.

        Raises:
            FileNotFoundError: there is no checkpoint of that kind.
            Damaged: it is not readable, or differs from what was saved.
            ValueError: it has other parameters than `like`; names them.
            FloatingPointError: it holds NaN or infinity; names them.
        """
        return self._read(kind, like, whole=False)

    def _read(self, kind: str, like: T, *, whole: bool) -> T:
        found = self._newest(kind, functools.partial(_restore, like=like, whole=whole))
        if found is None:
            raise FileNotFoundError(f"There is no checkpoint in {self.directory / kind}.")
        return found

    def _newest(self, kind: str, read: Callable[[pathlib.Path], T]) -> T | None:
        """Reads the newest checkpoint of a kind; another if a running training replaces it."""
        while path := self.path(kind):
            try:
                return read(path)
            except Damaged:
                if self.path(kind) in (path, None):
                    raise
        return None

    def path(self, kind: str) -> pathlib.Path | None:
        """Returns the folder of the newest checkpoint of a kind, or None."""
        self.wait()
        step = saved_step(self.directory.parent, kind)
        return None if step is None else self.directory / kind / str(step)

    def set_aside(self, kind: str) -> pathlib.Path:
        """Moves the checkpoint of a kind to the folder `damaged`, and returns its new path."""
        path = self.path(kind)
        assert path is not None
        folder = self.directory / "damaged"
        name = f"{kind}_{path.name}"
        count = len(list(folder.glob(f"{name}*")))
        moved = folder / (f"{name}_{count + 1}" if count else name)
        multihost_utils.sync_global_devices("all have seen the damaged checkpoint")
        if jax.process_index() == 0:
            folder.mkdir(exist_ok=True)
            path.rename(moved)
        multihost_utils.sync_global_devices("the damaged checkpoint is set aside")
        if kind in self._managers:
            self._managers[kind].reload()
        return moved

    def remove_unfinished(self) -> None:
        """Removes what a killed process left half written, or had not removed yet.

        For the owner of the lock alone.
        """
        for kind in KINDS:
            newest = self.path(kind)
            for folder in (self.directory / kind).glob("*"):
                older = folder.name.isdigit() and folder != newest
                if older or ".orbax-checkpoint-tmp" in folder.name:
                    shutil.rmtree(folder)

    def wait(self) -> None:
        """Blocks until everything is on disk.

        Raises:
            OSError: the disk is full.
        """
        for kind, manager in self._managers.items():
            with writing(self.directory / kind):
                manager.wait_until_finished()

    def close(self) -> None:
        """Waits until everything is on disk, and releases the directory.

        Raises:
            OSError: the disk is full.
        """
        for kind, manager in self._managers.items():
            with writing(self.directory / kind):
                manager.close()


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[None]:
    """Makes one line of the many kinds of errors that Orbax raises for a damaged checkpoint.

    Orbax stops at the first error. Arrays that are still being read then find its event loop
    closed, which Python reports for each: not after an error here, which says enough.
    """
    former = sys.unraisablehook

    def report(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            former(unraisable)

    sys.unraisablehook = report
    try:
        yield
        sys.unraisablehook = former
    except MemoryError:
        raise
    except Exception as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
        if isinstance(error, OSError) and not absent:  # of the disk or its permissions
            raise
        (line, *_) = str(error).strip().splitlines() or [""]
        kind = "" if isinstance(error, Damaged) else f"{type(error).__name__}: "
        raise Damaged(f"The checkpoint {path} is damaged ({kind}{line[:200]}).") from error


def _restore(path: pathlib.Path, like: T, *, whole: bool) -> T:
    """Reads the state of a checkpoint into the structure of `like`, or a part of it."""
    sums = _info(path).get("checksums", {})  # those of earlier versions have none
    with _reading(path):
        tree = ocp.PyTreeCheckpointHandler().metadata(_LiteralPath(path / "state")).tree
        if lost := sums.keys() - _by_name(tree).keys():
            raise Damaged(f"{_some(lost)} missing")
    leaves = _match(path, tree, like, whole=whole)
    if whole:
        saved = [leaves[name] for name in _by_name(tree)]
        item = jax.tree.unflatten(jax.tree.structure(tree), saved)
    else:
        item = _nested(tree, leaves)
    args = ocp.args.PyTreeRestore(
        item,
        restore_args=ocp.checkpoint_utils.construct_restore_args(item),
        partial_restore=not whole,
    )
    with _reading(path), ocp.PyTreeCheckpointer() as checkpointer:
        found = _by_name(checkpointer.restore(_LiteralPath(path / "state"), args=args))
        differing = [n for n in leaves if n in sums and not _is_same(found[n], sums[n])]
        if differing:
            raise Damaged(f"{_some(differing)} not as saved")
    if bad := _not_finite(found):
        raise FloatingPointError(f"The checkpoint {path} is not finite: {bad}.")
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in leaves])


def _info(path: pathlib.Path) -> dict[str, Any]:
    """Returns the JSON values of a checkpoint, with its checksums."""
    with _reading(path):
        content = json.loads((path / "info" / "metadata").read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("step"), int):
            raise Damaged("info/metadata is not an object with a step")
        return content


def _checksum(leaf: Any) -> str:
    """Returns the type of an array and a hash of its shape and bytes."""
    array = np.ascontiguousarray(leaf)
    digest = hashlib.blake2b(repr(np.shape(leaf)).encode(), digest_size=16)
    digest.update(array.reshape(-1).view(np.uint8).data)
    return f"{array.dtype}:{digest.hexdigest()}"


def _is_same(leaf: Any, saved: str) -> bool:
    """Returns whether an array is the one of a checksum; of another type it is not known."""
    found = _checksum(jax.device_get(leaf))
    return found == saved or found.split(":")[0] != saved.split(":")[0]


def _not_finite(tree: Any) -> str:
    """Returns the names of the arrays that hold NaN or infinity; empty if none does."""
    found = [name for name, leaf in _by_name(tree).items() if not np.isfinite(leaf).all()]
    return f"{_some(found)} NaN or infinite" if found else ""


def _some(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    return f"{first} and {len(others)} more are" if others else f"{first} is"


def _match(path: pathlib.Path, tree: Any, like: Any, *, whole: bool) -> dict[str, Any]:
    """Returns the shapes of the leaves of `like` by their names in a checkpoint.

    Args:
        path: the checkpoint.
        tree: the tree that it holds.
        like: a tree of arrays or their shapes.
        whole: whether the checkpoint may have no other leaves.

    Raises:
        ValueError: the checkpoint has other leaves or shapes than `like`.
    """
    saved = _by_name(tree)
    leaves: dict[str, Any] = {
        name if name in saved else former_path(name): ocp.utils.to_shape_dtype_struct(leaf)
        for name, leaf in _by_name(like).items()
    }
    found = {name: leaf.shape for name, leaf in saved.items() if whole or name in leaves}
    wanted = {name: leaf.shape for name, leaf in leaves.items()}
    differing = [
        f"{name} is {found.get(name, 'missing')} in it, {wanted.get(name, 'missing')} in the model"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ValueError(
            f"The checkpoint {path} does not fit the configuration: {'; '.join(differing[:3])}"
            f"{more}. Use the configuration of its workdir's config.json."
        )
    return leaves


def _nested(tree: Any, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the branches of a tree, as dictionaries, that end in some leaves."""
    nested: dict[str, Any] = {}
    for keys, _ in jax.tree.leaves_with_path(tree):
        if (name := _name(keys)) in leaves:
            *parents, last = map(_key, keys)
            node = functools.reduce(lambda node, key: node.setdefault(key, {}), parents, nested)
            node[last] = leaves[name]
    return nested


def _by_name(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by their names, such as "params.model.head.bias", in order."""
    return {_name(keys): leaf for keys, leaf in jax.tree.leaves_with_path(tree)}


def _name(keys: tuple[Any, ...]) -> str:
    return ".".join(map(_key, keys)).removesuffix(".value")


def _key(key: Any) -> str:
    return str(next(getattr(key, a) for a in ("key", "name", "idx") if hasattr(key, a)))
