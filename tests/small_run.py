"""Reads the files of a run."""

import json
import pathlib
from typing import Any

import jax
import numpy as np

from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.training import state


def records(workdir: pathlib.Path, split: str | None = None) -> list[dict[str, Any]]:
    """The metrics of a run, without its speed."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    for record in found:
        record.pop("clips_per_s", None)
    return [record for record in found if split in (None, record["split"])]


def restore(workdir: pathlib.Path, like: state.TrainState, kind: str = "latest"):
    """A checkpoint of a run."""
    checkpoints = Checkpoints(workdir)
    restored = checkpoints.restore(kind, like)
    checkpoints.close()
    return restored


def assert_close(a: Any, b: Any, **tolerance: float) -> None:
    """Compares the leaves of two trees; without a tolerance bit by bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        if tolerance:
            np.testing.assert_allclose(x, y, **tolerance)
        else:
            np.testing.assert_array_equal(x, y)
