"""One `data` axis over all devices of all processes: parameters on each, batches split along it."""

from typing import TypeVar

import jax
import numpy as np
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
