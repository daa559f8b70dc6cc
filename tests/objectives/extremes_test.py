"""Losses with their gradients, and metrics, are finite for poses of any size and shape."""

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from repose_jax.evaluation.metrics import METRICS
from repose_jax.objectives.losses import LOSSES

# A few examples, the same ones every time: each batch tries all losses and metrics.
few = hypothesis.settings(derandomize=True, max_examples=25, deadline=None, database=None)
SHAPE = (1, 4, 17, 3)
SHAPES = ("random", "mixed", "frame of zeros", "point", "line", "still")


def poses(shape: str, exponent: int, seed: int) -> np.ndarray:
    """Poses of about 10 to the power of an exponent."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=SHAPE)
    if shape == "mixed":  # of many sizes at once
        points *= 10.0 ** rng.integers(-20, 1, size=(*SHAPE[:-1], 1))
    elif shape == "frame of zeros":
        points[:, 1] = 0
    elif shape == "point":
        points[:] = points[:, :1, :1]
    elif shape == "line":
        points = points[..., :1] * np.ones(3)
    elif shape == "still":
        points[:] = points[:, :1]
    return points * 10.0**exponent


some_poses = st.builds(
    poses, st.sampled_from(SHAPES), st.integers(-38, 8), st.integers(0, 2**32 - 1)
)


NAMES = (*LOSSES, *(f"metric {name}" for name in METRICS))


@jax.jit
def are_finite(prediction, target):
    """Whether value and gradient of each loss, and each metric, are finite."""
    losses = [jax.value_and_grad(loss)(prediction, target) for loss in LOSSES.values()]
    metrics = [metric(prediction, target) for metric in METRICS.values()]
    return jnp.array(
        [jnp.all(jnp.array([jnp.isfinite(x).all() for x in leaves])) for leaves in losses + metrics]
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@few
@hypothesis.given(prediction=some_poses, target=some_poses)
def test_losses_gradients_and_metrics_are_finite(dtype, prediction, target):
    found = are_finite(jnp.asarray(prediction, dtype), jnp.asarray(target, dtype))
    assert not [name for name, finite in zip(NAMES, found, strict=True) if not finite]
