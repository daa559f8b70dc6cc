"""Reads the reference outputs in tests/golden and samples their weights."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import nnx

from repose_jax import models
from repose_jax.torch_import import convert

GOLDEN = pathlib.Path(__file__).parent / "golden"
DSTFORMER_SIZES = {  # name of a size in the authors' code -> here
    "dim_in": "in_channels",
    "dim_out": "out_channels",
    "dim_feat": "width",
    "dim_rep": "representation",
    "depth": "depth",
    "num_heads": "heads",
    "mlp_ratio": "mlp_ratio",
    "maxlen": "frames",
    "num_joints": "joints",
}


def arrays(name: str) -> dict[str, np.ndarray]:
    """Returns the arrays of one golden file."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def load(
    name: str, sizes: Mapping[str, str] = DSTFORMER_SIZES
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
    """Returns (arrays, weights by the authors' names, sizes) of one golden file.

    Weights are sampled, in the sorted order of their names, from a generator with the file's seed:
    running variances 1 + 0.1 |z|, other tensors of at most one axis 0.1 z, the rest 0.05 z; + 1
    for scales, which the file lists as "ones".

    Args:
        name: of the file, without its ending.
        sizes: name of a size in the authors' code to the name here; others are omitted.
    """
    stored = arrays(name)
    shapes = json.loads(str(stored["names"]))
    ones = set(json.loads(str(stored["ones"])))
    rng = np.random.default_rng(int(stored["weight_seed"]))
    weights = {}
    for key in sorted(shapes):
        if key.endswith(".num_batches_tracked"):
            continue
        z = rng.standard_normal(shapes[key]).astype(np.float32)
        if key.endswith(".running_var"):
            weights[key] = 1 + np.float32(0.1) * np.abs(z)
        elif z.ndim <= 1:
            weights[key] = (key in ones) + np.float32(0.1) * z
        else:
            weights[key] = (key in ones) + np.float32(0.05) * z
    config = json.loads(str(stored["config"]))
    return stored, weights, {ours: config[theirs] for theirs, ours in sizes.items()}


def check_reproduces(
    backbone: str, name: str, sizes: Mapping[str, str] = DSTFORMER_SIZES, **more: Any
) -> None:
    """Asserts that a converted model has the parameters and gives the outputs of a golden file.

    Args:
        backbone: its name in `models.MODELS`.
        name: of the file.
        sizes: as for `load`.
        **more: sizes that are not in the file.
    """
    stored, weights, found = load(name, sizes)
    model = convert.from_torch(backbone, weights, **found, **more)
    assert models.parameter_count(model) == stored["params"]
    out = nnx.jit(lambda model, x: model(x))(model, stored["x"])
    scale = np.abs(stored["y0"]).max()
    np.testing.assert_allclose(out, stored["y0"], rtol=0, atol=1e-5 * scale)
