"""Checkpoints on disk; the one file that knows Orbax.

`WORKDIR/checkpoints/latest` and `WORKDIR/checkpoints/best` hold one step each. A checkpoint
appears under its name only when it is whole.
"""

import pathlib
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp

T = TypeVar("T")
KINDS = ("latest", "best")


def has_saved(workdir: pathlib.Path) -> bool:
    """Returns whether a run has saved a state."""
    steps = (workdir / "checkpoints" / "latest").glob("*")
    return any(step.name.isdigit() for step in steps)


class Checkpoints:
    """The latest and the best state of a training run."""

    def __init__(self, workdir: pathlib.Path):
        self.directory = workdir.absolute() / "checkpoints"
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
        self._managers = {
            kind: ocp.CheckpointManager(self.directory / kind, options=options) for kind in KINDS
        }

    def save(self, kind: str, step: int, state: Any, info: dict[str, Any]) -> None:
        """Writes a state in the background, after those begun before, with what to know about it.

        Args:
            kind: "latest" or "best".
            step: the state's step.
            state: a pytree of arrays.
            info: JSON values, such as the epoch and the metrics.
        """
        manager = self._managers[kind]
        if manager.latest_step() != step:
            # One save at a time: two would confuse the barriers at which Orbax's processes meet.
            self.wait()
            # From the host: of arrays on several devices Orbax cuts a part out on each.
            state = jax.device_get(state)
            args = ocp.args.Composite(
                state=ocp.args.StandardSave(state), info=ocp.args.JsonSave(info)
            )
            manager.save(step, args=args)

    def info(self, kind: str) -> dict[str, Any] | None:
        """Returns what is known about a checkpoint, or None where there is none."""
        manager = self._managers[kind]
        step = manager.latest_step()
        if step is None:
            return None
        return manager.restore(step, args=ocp.args.Composite(info=ocp.args.JsonRestore()))["info"]

    def restore(self, kind: str, like: T) -> T:
        """Reads a state into the structure, types and shardings of `like`.

        Raises:
            FileNotFoundError: there is no checkpoint of that kind.
        """
        manager = self._managers[kind]
        step = manager.latest_step()
        if step is None:
            raise FileNotFoundError(f"There is no checkpoint in {self.directory / kind}.")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        return manager.restore(step, args=args)["state"]

    def path(self, kind: str) -> pathlib.Path | None:
        """Returns where the newest checkpoint of a kind lies, or None."""
        self.wait()
        step = self._managers[kind].latest_step()
        return None if step is None else self.directory / kind / str(step)

    def wait(self) -> None:
        """Blocks until everything is on disk."""
        for manager in self._managers.values():
            manager.wait_until_finished()

    def close(self) -> None:
        """Waits and lets go of the directory."""
        for manager in self._managers.values():
            manager.close()
