"""Checkpoints on disk; the only module that uses Orbax.

`WORKDIR/checkpoints/latest` and `WORKDIR/checkpoints/best` hold one step each. A checkpoint
appears under its name only when it is complete.
"""

import functools
import pathlib
from collections.abc import Iterable
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp
from etils import epath

from repose_jax.runtime.former_paths import former_path

T = TypeVar("T")
KINDS = ("latest", "best")


def saved_step(workdir: pathlib.Path) -> int | None:
    """Returns the step of the latest state that a run has saved, or None."""
    steps = (workdir / "checkpoints" / "latest").glob("*")
    return max((int(step.name) for step in steps if step.name.isdigit()), default=None)


class Checkpoints:
    """The latest and the best state of a training run."""

    def __init__(self, workdir: pathlib.Path):
        self.directory = workdir.absolute() / "checkpoints"
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
        self._managers = {
            kind: ocp.CheckpointManager(self.directory / kind, options=options) for kind in KINDS
        }

    def save(self, kind: str, step: int, state: Any, info: dict[str, Any]) -> None:
        """Writes a state in the background, after those begun before.

        Args:
            kind: "latest" or "best".
            step: the state's step.
            state: a pytree of arrays.
            info: JSON values to save beside it, such as the epoch and the metrics.
        """
        manager = self._managers[kind]
        if manager.latest_step() != step:
            # One save at a time: two would confuse the barriers at which Orbax's processes meet.
            self.wait()
            # From the host: of arrays on several devices Orbax slices a part on each.
            state = jax.device_get(state)
            args = ocp.args.Composite(
                state=ocp.args.StandardSave(state), info=ocp.args.JsonSave(info)
            )
            manager.save(step, args=args)

    def info(self, kind: str) -> dict[str, Any] | None:
        """Returns the values saved beside a state, or None if there is none of that kind."""
        manager = self._managers[kind]
        step = manager.latest_step()
        if step is None:
            return None
        return manager.restore(step, args=ocp.args.Composite(info=ocp.args.JsonRestore()))["info"]

    def restore(self, kind: str, like: T) -> T:
        """Reads a state into the structure, types and shardings of `like`.

        Parameters that have another path since an earlier version are read from the former one.

        Raises:
            FileNotFoundError: there is no checkpoint of that kind.
            ValueError: it has other parameters than `like`; names them.
        """
        tree, leaves = _match(self._saved(kind), like)
        saved = jax.tree.unflatten(jax.tree.structure(tree), [leaves[n] for n in _by_name(tree)])
        args = ocp.args.Composite(state=ocp.args.StandardRestore(saved))
        manager = self._managers[kind]
        return _put_into(like, leaves, manager.restore(manager.latest_step(), args=args)["state"])

    def restore_part(self, kind: str, like: T) -> T:
        """Reads the entries of a saved state that `like` has; see `restore`.

        Args:
            kind: "latest" or "best".
            like: a dictionary of some of the state's entries; its leaves have a sharding.

        Raises:
            FileNotFoundError: there is no checkpoint of that kind.
            ValueError: it has other parameters than `like`; names them.
        """
        path = self._saved(kind)
        tree, leaves = _match(path, like, whole=False)
        saved: dict[str, Any] = {}
        for keys, _ in jax.tree.leaves_with_path(tree):
            if (name := _name(keys)) in leaves:
                *parents, last = map(_key, keys)
                node = functools.reduce(lambda node, key: node.setdefault(key, {}), parents, saved)
                node[last] = leaves[name]
        restore_args = ocp.checkpoint_utils.construct_restore_args(saved)
        args = ocp.args.PyTreeRestore(saved, restore_args=restore_args, partial_restore=True)
        with ocp.PyTreeCheckpointer() as checkpointer:
            return _put_into(like, leaves, checkpointer.restore(path / "state", args=args))

    def path(self, kind: str) -> pathlib.Path | None:
        """Returns the folder of the newest checkpoint of a kind, or None."""
        self.wait()
        step = self._managers[kind].latest_step()
        return None if step is None else self.directory / kind / str(step)

    def _saved(self, kind: str) -> pathlib.Path:
        path = self.path(kind)
        if path is None:
            raise FileNotFoundError(f"There is no checkpoint in {self.directory / kind}.")
        return path

    def wait(self) -> None:
        """Blocks until everything is on disk."""
        for manager in self._managers.values():
            manager.wait_until_finished()

    def close(self) -> None:
        """Waits until everything is on disk, and releases the directory."""
        for manager in self._managers.values():
            manager.close()


def _match(path: pathlib.Path, like: Any, *, whole: bool = True) -> tuple[Any, dict[str, Any]]:
    """Returns the saved tree of a checkpoint, and the leaves of `like` by their names in it.

    Args:
        path: the checkpoint.
        like: a tree of arrays or their shapes.
        whole: whether the checkpoint may have no other leaves.

    Raises:
        ValueError: the checkpoint has other leaves or shapes than `like`.
    """
    tree = ocp.PyTreeCheckpointHandler().metadata(epath.Path(path / "state")).tree
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
    return tree, leaves


def _put_into(like: T, leaves: Iterable[str], restored: Any) -> T:
    """Puts restored leaves into the structure of `like`, by the names of its leaves in order."""
    found = _by_name(restored)
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in leaves])


def _by_name(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by their names, such as "params.model.head.bias", in order."""
    return {_name(keys): leaf for keys, leaf in jax.tree.leaves_with_path(tree)}


def _name(keys: tuple[Any, ...]) -> str:
    return ".".join(map(_key, keys)).removesuffix(".value")


def _key(key: Any) -> str:
    return str(next(getattr(key, a) for a in ("key", "name", "idx") if hasattr(key, a)))
