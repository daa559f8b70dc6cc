"""The layers that the lifters share."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from repose_jax.models import layers

X = jax.random.normal(jax.random.key(0), (2, 5, 3, 16))


def test_a_linear_map_is_that_of_flax():
    linear = layers.Linear(16, 8, torch_init=True, rngs=nnx.Rngs(0))
    assert linear.bias is not None
    expected = X @ linear.kernel[...] + linear.bias[...]
    np.testing.assert_allclose(linear(X), expected, rtol=1e-5, atol=1e-6)


def test_initial_values_are_those_of_flax_or_of_pytorch():
    linear = layers.Linear(16, 8, rngs=nnx.Rngs(3))
    flax = nnx.Linear(16, 8, kernel_init=layers.INIT, rngs=nnx.Rngs(3))
    np.testing.assert_array_equal(linear.kernel[...], flax.kernel[...])
    assert linear.bias is not None
    assert not linear.bias[...].any()
    torch = layers.Linear(16, 800, torch_init=True, rngs=nnx.Rngs(3))
    assert torch.bias is not None
    for values in (torch.kernel[...], torch.bias[...]):
        assert 0.24 < jnp.abs(values).max() <= 0.25


def test_a_norm_linear_is_its_norm_and_then_its_map():
    rngs = nnx.Rngs(0)
    module = layers.NormLinear(16, 8, epsilon=1e-5, torch_init=True, rngs=rngs)
    module.norm.scale = nnx.Param(1.0 + jax.random.normal(rngs.params(), (16,)))
    module.norm.bias = nnx.Param(jax.random.normal(rngs.params(), (16,)))
    x = 3.0 + 2.0 * X
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    normed = normed * module.norm.scale[...] + module.norm.bias[...]
    assert module.bias is not None
    expected = normed @ module.kernel[...] + module.bias[...]
    np.testing.assert_allclose(module(x), expected, rtol=1e-5, atol=1e-5)


def test_streams_are_fused_equally_at_first():
    fusion = layers.Fusion(16, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(fusion(X, 3.0 * X), 2.0 * X, rtol=1e-6)
    fusion.bias = nnx.Param(jnp.array([50.0, 0.0]))
    np.testing.assert_allclose(fusion(X, 3.0 * X), X, rtol=1e-6)


def test_the_keys_are_those_of_flax():
    ours, theirs = layers.KeySequence(3), nnx.Rngs(3)
    for _ in range(3):
        assert (jax.random.key_data(ours.params()) == jax.random.key_data(theirs.params())).all()
