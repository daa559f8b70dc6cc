"""Reads the reference outputs in tests/golden; their weight recipe is stated here."""

import json
import pathlib
from typing import Any

import numpy as np

GOLDEN = pathlib.Path(__file__).parent / "golden"
SIZES = {  # name of a size in the published code -> ours
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


def load(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
    """Returns (arrays, weights by published name, sizes) of one golden file.

    Weights are drawn, in the sorted order of their names, from a generator with the file's seed:
    1-D tensors 0.1 z (+ 1 for norm scales), the rest 0.05 z.
    """
    stored = arrays(name)
    shapes = json.loads(str(stored["names"]))
    ones = set(json.loads(str(stored["ones"])))
    rng = np.random.default_rng(int(stored["weight_seed"]))
    weights = {}
    for key in sorted(shapes):
        z = rng.standard_normal(shapes[key]).astype(np.float32)
        weights[key] = (key in ones) + np.float32(0.1) * z if z.ndim <= 1 else np.float32(0.05) * z
    sizes = {SIZES[key]: value for key, value in json.loads(str(stored["config"])).items()}
    return stored, weights, sizes
