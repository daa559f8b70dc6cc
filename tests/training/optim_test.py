import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from repose_jax import config as config_lib
from repose_jax.training import optim

PARAMS = {
    "model": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([0.5])},
    "log_variances": {"spatial_depth": jnp.array(0.25)},
}
GRADS = {
    "model": {"kernel": jnp.array([[3.0, 0.0]]), "bias": jnp.array([-4.0])},
    "log_variances": {"spatial_depth": jnp.array(12.0)},
}  # of norm 13


def updates(steps: int = 1, **options):
    """The update of the parameters at the last of some steps with the same gradient."""
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


def test_the_learning_rate_falls_to_0_along_half_a_cosine():
    config = optim.OptimConfig(lr=2.0, schedule="cosine", decay=0.5, drop=0.1, drop_every=1)
    rate = optim.schedule(config, steps_per_epoch=4, epochs=3)
    assert float(rate(0)) == 2
    found = [float(rate(step)) for step in (3, 6, 9, 12, 20)]
    half = math.sqrt(0.5)
    np.testing.assert_allclose(found, [1 + half, 1, 1 - half, 0, 0], atol=1e-6)
    falling = [float(rate(step)) for step in range(13)]
    assert all(before > after for before, after in itertools.pairwise(falling))


def test_the_cosine_begins_with_the_warm_up():
    config = optim.OptimConfig(lr=2.0, schedule="cosine", warmup_steps=4)
    rate, without = (
        optim.schedule(c, steps_per_epoch=50, epochs=2)
        for c in (config, dataclasses.replace(config, warmup_steps=0))
    )
    found = [float(rate(step)) / float(without(step)) for step in range(6)]
    np.testing.assert_allclose(found, [0.25, 0.5, 0.75, 1, 1, 1], rtol=1e-6)


def test_the_cosine_of_the_whole_training_reaches_the_update():
    optimizer = optim.optimizer(
        optim.OptimConfig(lr=0.1, schedule="cosine", clip_norm=0.0, weight_decay=0.0), 2, epochs=2
    )
    state, found = optimizer.init(PARAMS), []
    for _ in range(5):
        update, state = optimizer.update(GRADS, state, PARAMS)
        found.append(-float(update["model"]["kernel"][0, 0]))
    wanted = 0.05 * (1 + np.cos(np.pi * np.arange(5) / 4))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-7)


def test_the_learning_rate_drops_instead_of_decaying_every_few_epochs():
    config = optim.OptimConfig(lr=1.0, decay=0.9, drop=0.5, drop_every=3)
    rate = optim.schedule(config, steps_per_epoch=2)
    found = [float(rate(2 * epoch)) for epoch in range(8)]
    wanted = np.cumprod([1, 0.9, 0.9, 0.5, 0.9, 0.9, 0.5, 0.9])
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_momentum_of_batch_norms_falls_exponentially_over_the_epochs():
    config = optim.OptimConfig(batch_norm_momentum=0.1, batch_norm_momentum_end=0.001)
    momentum = optim.batch_norm_momentum(config, steps_per_epoch=3, epochs=2)
    found = [float(jax.jit(momentum)(step)) for step in range(7)]
    np.testing.assert_allclose(found, [0.1] * 3 + [0.01] * 3 + [0.001], rtol=1e-5)


def test_the_momentum_of_batch_norms_is_pytorchs_by_default():
    momentum = optim.batch_norm_momentum(optim.OptimConfig(), steps_per_epoch=3, epochs=2)
    np.testing.assert_allclose([momentum(step) for step in range(7)], 0.1, rtol=1e-6)


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


# The second moment of this sequence falls from the second step on; its largest one stays.
VARYING = (2.0, 0.1, -0.3, 0.0) * 3


def amsgrad(gradients, transformation):
    """The updates of one parameter."""
    parameter = jnp.zeros(1)
    state = transformation.init(parameter)
    found = []
    for gradient in gradients:
        update, state = transformation.update(jnp.array([gradient]), state, parameter)
        found.append(float(update[0]))
    return found


def test_amsgrad_by_hand():
    transformation = optim.scale_by_amsgrad(b1=0.5, b2=0.75, eps=0.5)
    # m: 1, then 1 / 2 + 1 / 2 = 1, then 1 / 2, corrected by 1/2, 3/4 and 7/8.
    # v: 4 / 4 = 1, then 3 / 4 + 1 / 4 = 1, then 3 / 4, of which 1 is the largest at every step;
    # corrected by 1/4, 7/16 and 37/64.
    wanted = [
        2 / (math.sqrt(4) + 0.5),
        (4 / 3) / (math.sqrt(16 / 7) + 0.5),
        (4 / 7) / (math.sqrt(64 / 37) + 0.5),
    ]
    np.testing.assert_allclose(amsgrad([2.0, 1.0, 0.0], transformation), wanted, rtol=1e-5)


def test_amsgrad_takes_the_largest_second_moment_and_corrects_it_then():
    m = v = largest = 0.0
    wanted = []
    for step, gradient in enumerate(VARYING, 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.8 * v + 0.2 * gradient**2
        largest = max(largest, v)
        root = math.sqrt(largest) / math.sqrt(1 - 0.8**step)
        wanted.append(m / (1 - 0.9**step) / (root + 1e-8))
    np.testing.assert_allclose(amsgrad(VARYING, optim.scale_by_amsgrad(b2=0.8)), wanted, rtol=1e-5)
    # Neither Optax's nor plain Adam would do.
    for other in (optax.scale_by_amsgrad(b2=0.8), optax.scale_by_adam(b2=0.8)):
        assert not np.allclose(amsgrad(VARYING, other), wanted, rtol=0.1)


def test_amsgrad_is_pytorchs():
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([parameter], lr=1.0, amsgrad=True)
    wanted = []
    for gradient in VARYING:
        before = parameter.item()
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
        wanted.append(before - parameter.item())
    found = amsgrad(VARYING, optim.scale_by_amsgrad())
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["adam", "amsgrad"])
def test_the_others_do_as_adamw_at_the_first_step_but_for_the_weight_decay(name):
    found = updates(name=name, lr=0.1, weight_decay=0.0, clip_norm=0.0)
    np.testing.assert_allclose(found["model"]["kernel"], [[-0.1, 0.0]], rtol=1e-5)
    np.testing.assert_allclose(found["log_variances"]["spatial_depth"], -0.1, rtol=1e-5)


@pytest.mark.parametrize("name", ["adamw", "amsgrad"])
def test_only_amsgrad_remembers_large_gradients(name):
    optimizer = optim.optimizer(optim.OptimConfig(name=name, weight_decay=0.0, clip_norm=0.0), 10)
    state = optimizer.init(PARAMS)
    for factor in (1.0, 0.0):
        grads = jax.tree.map(lambda g, factor=factor: factor * g, GRADS)
        _, state = optimizer.update(grads, state, PARAMS)
    largest = [leaf for leaf in jax.tree.leaves(state) if leaf.shape == (1, 2)][2:]
    assert len(largest) == (name == "amsgrad")
    for found in largest:
        np.testing.assert_allclose(found, [[0.001 * 9, 0]], rtol=1e-5)


def test_the_state_of_amsgrad_can_be_donated():
    state = optim.scale_by_amsgrad().init(PARAMS)
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(buffers)) == len(buffers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "amsgrad"}, "weight_decay is 0.01; it must be 0 for 'amsgrad', which has none"),
        ({"name": "adam"}, "weight_decay is 0.01; it must be 0 for 'adam', which has none"),
    ],
)
def test_only_adamw_has_weight_decay(options, message):
    with pytest.raises(ValueError, match=message):
        optim.OptimConfig(**options)


def test_every_optimiser_has_a_name_in_the_configuration():
    assert set(config_lib.OPTIMIZERS) == set(optim.OPTIMIZERS)


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
