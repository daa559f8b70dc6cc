import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax import optim

PARAMS = {
    "model": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([0.5])},
    "log_variances": {"spatial_depth": jnp.array(0.25)},
}
GRADS = {
    "model": {"kernel": jnp.array([[3.0, 0.0]]), "bias": jnp.array([-4.0])},
    "log_variances": {"spatial_depth": jnp.array(12.0)},
}  # of norm 13


def updates(steps: int = 1, **options):
    """What is added to the parameters at the last of some steps with the same gradient."""
    optimizer = optim.optimizer(optim.OptimConfig(**options), steps_per_epoch=10)
    state = optimizer.init(PARAMS)
    update = None
    for _ in range(steps):
        update, state = jax.jit(optimizer.update)(GRADS, state, PARAMS)
    assert update is not None
    return update


def adamw(gradient, parameter, lr, weight_decay, steps=1):
    """AdamW as PyTorch documents it, for a gradient that stays the same."""
    m = v = 0.0
    for _ in range(steps):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
    m_hat, v_hat = m / (1 - 0.9**steps), v / (1 - 0.999**steps)
    return -lr * weight_decay * parameter - lr * m_hat / (np.sqrt(v_hat) + 1e-8)


def test_the_learning_rate_falls_after_every_epoch():
    rate = optim.schedule(optim.OptimConfig(lr=2.0, decay=0.5), steps_per_epoch=3)
    assert [float(rate(step)) for step in range(7)] == [2, 2, 2, 1, 1, 1, 0.5]


def test_the_learning_rate_rises_linearly_at_first():
    config = optim.OptimConfig(lr=2.0, decay=0.5, warmup_steps=4)
    rate = optim.schedule(config, steps_per_epoch=3)
    assert [float(rate(step)) for step in range(6)] == [0.5, 1.0, 1.5, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("steps", [1, 3])
def test_an_update_is_that_of_pytorchs_adamw_with_decay_on_every_parameter(steps):
    found = updates(steps, lr=0.1, weight_decay=0.3, clip_norm=0.0)["model"]
    for name in ("kernel", "bias"):
        wanted = adamw(GRADS["model"][name], PARAMS["model"][name], 0.1, 0.3, steps)
        np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-7)
    # By hand: the first step is lr against the gradient's sign, and lr * decay of the parameter.
    if steps == 1:
        np.testing.assert_allclose(found["kernel"], [[-0.1 - 0.03, 0.06]], rtol=1e-5)
        np.testing.assert_allclose(found["bias"], [0.1 - 0.015], rtol=1e-5)


def test_learned_loss_weights_are_not_decayed():
    found = updates(lr=0.1, weight_decay=0.3, clip_norm=0.0)["log_variances"]
    np.testing.assert_allclose(found["spatial_depth"], -0.1, rtol=1e-5)


def test_an_optimiser_without_learned_weights_works_as_well():
    params, grads = ({**tree, "log_variances": {}} for tree in (PARAMS, GRADS))
    optimizer = optim.optimizer(optim.OptimConfig(lr=0.1, clip_norm=0.0), 10)
    found, _ = optimizer.update(grads, optimizer.init(params), params)
    np.testing.assert_allclose(found["model"]["bias"], [0.1 * (1 - 0.01 * 0.5)], rtol=1e-5)


@pytest.mark.parametrize(("clip_norm", "factor"), [(1.3, 0.1), (26.0, 1.0), (0.0, 1.0)])
def test_the_gradient_is_clipped_by_its_norm_over_all_parameters(clip_norm, factor):
    # Adam's first update hides the scale of the gradient; its moments do not.
    optimizer = optim.optimizer(optim.OptimConfig(clip_norm=clip_norm), 10)
    _, state = optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)
    moments = [x for x in jax.tree.leaves(state) if x.shape == (1, 2)]
    np.testing.assert_allclose(moments[0], 0.1 * factor * GRADS["model"]["kernel"], rtol=1e-5)
    np.testing.assert_allclose(
        moments[1], 0.001 * (factor * GRADS["model"]["kernel"]) ** 2, rtol=1e-5
    )


def test_the_schedule_reaches_the_update():
    slow = updates(lr=0.1, warmup_steps=4, clip_norm=0.0)["model"]["bias"]
    fast = updates(lr=0.1, clip_norm=0.0)["model"]["bias"]
    assert math.isclose(float(slow[0]) * 4, float(fast[0]), rel_tol=1e-5)
