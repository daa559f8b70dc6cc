"""One `data` axis over all devices of all processes: parameters on each, batches split along it."""

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

T = TypeVar("T")


def data_mesh() -> Mesh:
    """Returns the mesh of all devices along one axis, `data`."""
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Returns the sharding of arrays that are split along an axis, by default the first."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def process_rows(batch_size: int) -> slice:
    """Returns the rows of a batch that this process feeds.

    Raises:
        ValueError: the batch does not split evenly over the devices.
    """
    if batch_size % jax.device_count():
        raise ValueError(
            f"A batch of {batch_size} clips cannot be split over {jax.device_count()} devices; "
            f"choose a multiple of {jax.device_count()}."
        )
    rows = batch_size // jax.process_count()
    return slice(jax.process_index() * rows, (jax.process_index() + 1) * rows)


def put_rows(rows: T, mesh: Mesh, axis: int = 0) -> T:
    """Makes global arrays, split over the devices, from the rows that each process holds.

    Args:
        rows: a pytree of arrays.
        mesh: the devices.
        axis: axis of the rows.
    """
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(split(mesh, axis), np.asarray(x)), rows
    )


def on_first_process(action: Callable[[], T]) -> T | None:
    """Runs an action on the first process of a run; its OSError is raised on all of them.

    Returns:
        The result there; None on the others.
    """
    if jax.process_count() == 1:
        return action()
    result, problem = None, b""
    if jax.process_index() == 0:
        try:
            result = action()
        except OSError as error:
            problem = str(error).encode(errors="replace")[:1000]
    text = np.zeros(1000, np.uint8)
    text[: len(problem)] = list(problem)
    problem = bytes(np.asarray(multihost_utils.broadcast_one_to_all(text))).rstrip(b"\0")
    if problem:
        raise OSError(problem.decode(errors="replace"))
    return result
