"""Reads the reference outputs in tests/golden; their weight recipe is stated here."""

import json
import pathlib
from typing import Any

import numpy as np

GOLDEN = pathlib.Path(__file__).parent / "golden"


def load(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
    """Returns (arrays, weights by published name, hyper-parameters) of one golden file.

    Weights are drawn, in the sorted order of their names, from a generator with the file's seed:
    1-D tensors 0.1 z (+ 1 for norm scales), the rest 0.05 z.
    """
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    shapes = json.loads(str(arrays["names"]))
    ones = set(json.loads(str(arrays["ones"])))
    rng = np.random.default_rng(int(arrays["weight_seed"]))
    weights = {}
    for key in sorted(shapes):
        z = rng.standard_normal(shapes[key]).astype(np.float32)
        weights[key] = (key in ones) + np.float32(0.1) * z if z.ndim <= 1 else np.float32(0.05) * z
    return arrays, weights, json.loads(str(arrays["config"]))
