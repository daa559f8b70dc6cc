import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_motions

from repose_jax.simulation import occlusion
from tfds_builders.mocap import occlusion as builder

hidden = jax.jit(occlusion.hidden)


def test_the_body_is_that_of_the_builders_of_views():
    assert tuple(map(dataclasses.astuple, builder.CAPSULES)) == occlusion.CAPSULES
    assert occlusion.REFERENCE_STATURE == builder.REFERENCE_STATURE
    np.testing.assert_array_equal(occlusion._OWN, builder._OWN)


@pytest.mark.parametrize("distance", [2.0, 9.0])
def test_the_joints_that_are_hidden_are_those_of_the_builders(distance):
    count, frames = 12, 40
    people = small_motions.clips(count, frames)[:, :, :17] * [1, -1, 1]
    people -= people[:, :1, :1]
    joints = (people + np.array([0.2, 0.1, distance])).astype(np.float32)
    stature = np.linspace(1.4, 2.0, count).astype(np.float32)
    found = np.asarray(hidden(jnp.asarray(joints), jnp.asarray(stature)))
    wanted = np.stack(
        [
            builder.visible(1000 * clip.astype(float), float(height)) == 0
            for clip, height in zip(joints, stature, strict=True)
        ]
    )
    assert 0.05 < wanted.mean() < 0.6
    # Where a ray touches a capsule, rounding decides.
    assert (found != wanted).mean() < 2e-3


def test_taller_people_hide_more():
    joints = small_motions.clips(1, 40)[:, :, :17] * [1, -1, 1]
    joints = jnp.asarray(joints + np.array([0, 1, 4]), jnp.float32)
    shares = [float(hidden(joints, jnp.array([stature])).mean()) for stature in (1.0, 1.7, 3.0)]
    assert shares[0] < shares[1] < shares[2]
