"""Initial values and parameters' names against those of commit beb5c03.

`golden/initial_parameters.json` has the shape and a weighted sum of every initial value of every
model, by its path then. A checkpoint of that version is read by these paths.
"""

import json

import numpy as np
import pytest
from flax import nnx
from golden_files import GOLDEN

from repose_jax import models
from repose_jax.runtime.former_paths import former_path
from tests.models.models_test import TINY

STORED = json.loads((GOLDEN / "initial_parameters.json").read_text())


def weighted_sum(values: np.ndarray) -> float:
    flat = values.astype(np.float64).ravel()
    return flat @ (1 + np.cos(np.arange(flat.size)))


@pytest.mark.parametrize("name", STORED)
def test_every_parameter_of_the_earlier_version_has_its_place_and_its_initial_value(name):
    stored, found = STORED[name], {}
    for path, param in nnx.to_flat_state(nnx.state(models.create(name, **TINY[name], seed=0))):
        place = ".".join(map(str, path))
        found[place if place in stored else former_path(place)] = np.asarray(param[...])
    assert found.keys() == stored.keys()
    for place, (shape, expected) in stored.items():
        assert list(found[place].shape) == shape, place
        assert weighted_sum(found[place]) == pytest.approx(expected, rel=1e-6, abs=1e-6), place
