import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_motions

from repose_jax.config import SimulationConfig
from repose_jax.data.normalise import PERSON_CHANNELS
from repose_jax.simulation import windows
from repose_jax.simulation.simulate import simulate

MOTIONS = small_motions.motions()
WINDOWS = windows.MotionWindows(MOTIONS, 9, (15.0, 60.0))
ROWS = windows.sample(WINDOWS, 16, seed=0, step=0, rows=slice(None))
SHARES = (
    *("upper_body", "arms", "handheld", "truncated", "errors", "confidence_laws", "formats"),
    *("known_fps", "known_focal", "known_up"),
)
NOTHING = dict.fromkeys(SHARES, 0.0)
EVERYTHING = dict.fromkeys(SHARES, 1.0)
DEFAULT = {name: getattr(SimulationConfig(), name) for name in SHARES}


@functools.partial(jax.jit, static_argnums=3)
def _simulate(key, rows, shares, normalise):
    # A configuration of traced numbers, so that all of them share one program.
    config = object.__new__(SimulationConfig)
    for name in SHARES:
        object.__setattr__(config, name, shares[name])
    joints = jnp.asarray(MOTIONS.joints)
    flip_share = shares["flip"]
    return simulate(key, joints, rows, config, normalise=normalise, flip_share=flip_share)


def simulated(shares=NOTHING, *, normalise="person", flip=0.0, key=0, rows=ROWS, **changes):
    shares = {
        name: jnp.float32(share) for name, share in (shares | changes | {"flip": flip}).items()
    }
    return jax.device_get(_simulate(jax.random.key(key), rows, shares, normalise))


@pytest.mark.parametrize("normalise", ["person", "image"])
@pytest.mark.parametrize("shares", [NOTHING, DEFAULT, EVERYTHING])
def test_batches_have_the_shapes_of_those_of_recorded_views_and_are_finite(shares, normalise):
    batch = simulated(shares, normalise=normalise, flip=0.5)
    channels = {"person": len(PERSON_CHANNELS), "image": 3}[normalise]
    assert {name: array.shape for name, array in batch.items()} == {
        "inputs": (16, 9, 17, channels),
        "targets": (16, 9, 17, 3),
        "mask": (16, 9, 1),
    }
    assert all(np.isfinite(array).all() for array in batch.values())
    np.testing.assert_array_equal(batch["mask"][..., 0], ROWS["mask"])


def test_geometry_is_in_full_precision_whatever_the_default_of_an_accelerator():
    program = functools.partial(
        simulate, config=SimulationConfig(), normalise="person", flip_share=0.5
    )
    with jax.default_matmul_precision("bfloat16"):
        text = str(jax.make_jaxpr(program)(jax.random.key(0), MOTIONS.joints, ROWS))
    found = re.findall(r"precision=(.*)", text)
    assert len(found) > 5
    assert all("HIGHEST" in precision for precision in found)
