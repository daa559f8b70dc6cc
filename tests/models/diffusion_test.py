import json

import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import arrays

from repose_jax.models import diffusion

TINY = arrays("d3dp_tiny")


def test_the_schedule_is_that_of_the_authors():
    stored, schedule = arrays("d3dp_t27"), diffusion.schedule()
    assert len(schedule) == 12
    for name, values in schedule.items():
        assert (values.shape, values.dtype) == ((1000,), np.float64)
        wanted = stored[f"buffer/{name}"]
        np.testing.assert_allclose(values[stored["buffer_steps"]], wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(schedule["betas"], TINY["buffer/betas"], rtol=1e-12)


def test_the_steps_of_the_sampling_are_those_of_the_authors():
    table = json.loads(TINY["ddim/times_table"].item())
    assert len(table) > 20
    for count, times in table.items():
        assert diffusion.sampling_times(int(count)).tolist() == times[:-1]
    for count in (0, 1001):
        with pytest.raises(ValueError, match=f"There are {count} sampling steps; give 1 to 1000"):
            diffusion.sampling_times(count)


def test_noisy_poses_are_those_of_the_authors():
    x0, noise, step = (TINY[f"train/{name}"] for name in ("x0", "noise", "t"))
    noisy = diffusion.add_noise(jnp.asarray(x0), jnp.asarray(noise), jnp.asarray(step))
    np.testing.assert_allclose(noisy, TINY["train/x_t"], atol=1e-6)


def test_a_network_that_knows_the_pose_ends_at_it():
    pose = jnp.full((2, 3), 0.7)
    found = diffusion.sample(lambda x, step: pose, lambda number: jnp.ones((2, 3)), 4)
    np.testing.assert_array_equal(found, jnp.broadcast_to(pose, (4, 2, 3)))
