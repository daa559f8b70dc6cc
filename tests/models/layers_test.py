"""What the lifters share, against the plain definitions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from repose_jax.models import layers

CLOSE = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)


def normal(key: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(key), shape)


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 24), (24, 8), (8, 8)])
def test_a_product_and_its_derivatives_are_those_of_matrices(inputs, outputs):
    x, kernel, weights = normal(0, 50, inputs), normal(1, inputs, outputs), normal(2, 50, outputs)

    def loss(product):
        return lambda x, kernel: (weights * jnp.tanh(product(x, kernel))).sum()

    found = jax.value_and_grad(loss(layers.product), (0, 1))(x, kernel)
    expected = jax.value_and_grad(loss(jnp.matmul), (0, 1))(x, kernel)
    jax.tree.map(CLOSE, found, expected)


def normed_map(dtype: str, *, bias: bool):
    """A LayerNorm and a linear map with nothing in them left at 0 or 1."""
    rngs = nnx.Rngs(0)
    norm = layers.layer_norm(16, rngs=rngs)
    linear = layers.uniform_linear(16, 24, bias=bias, dtype=jnp.dtype(dtype), rngs=rngs)
    state = nnx.state((norm, linear))
    drawn = jax.tree.map(lambda p: p + 0.1 * jax.random.normal(rngs.params(), p.shape), state)
    nnx.update((norm, linear), drawn)
    return nnx.split((norm, linear))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_a_map_after_a_norm_is_the_norm_and_then_the_map(dtype, error, bias):
    graphdef, parameters = normed_map(dtype, bias=bias)
    x, weights = 3.0 + 2.0 * normal(0, 2, 5, 3, 16), normal(1, 2, 5, 3, 24)

    def at_once(norm, linear, x):
        return layers.mapped(linear, x, norm)

    def one_after_the_other(norm, linear, x):
        return linear(norm(x).astype(dtype))

    def loss(form):
        def run(parameters, x):
            out = form(*nnx.merge(graphdef, parameters), x.astype(dtype))
            assert out.dtype == dtype
            return (weights * jnp.tanh(out.astype(jnp.float32))).sum()

        return jax.value_and_grad(run, (0, 1))(parameters, x)

    found, expected = loss(at_once), loss(one_after_the_other)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=error, atol=error * np.abs(other).max())


def test_a_map_without_a_norm_is_the_map():
    linear = layers.uniform_linear(16, 8, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0))
    x = normal(0, 2, 5, 3, 16)
    np.testing.assert_allclose(layers.mapped(linear, x), linear(x), rtol=1e-5, atol=1e-6)


def test_a_token_without_spread_stays_finite():
    def standardised(x):
        return layers.standardised(x, 1e-6, jnp.dtype("float32")).sum()

    value, grad = jax.value_and_grad(standardised)(jnp.full((1, 16), 3.0))
    assert value == 0.0
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_the_softmax_of_the_products_times_the_values(scale):
    query, key, value, weights = (normal(seed, 2, 4, 9, 8) for seed in range(4))

    def plain(query, key, value):
        logits = jnp.einsum("bhnd,bhmd->bhnm", query, key) * (8**-0.5 if scale is None else scale)
        return jnp.einsum("bhnm,bhmd->bhnd", jax.nn.softmax(logits), value)

    def found(query, key, value):
        return layers.attend(query, key, value, scale=scale)

    def grads(form):
        def loss(*parts):
            return (weights * form(*parts)).sum()

        return jax.value_and_grad(loss, (0, 1, 2))(query, key, value)

    jax.tree.map(CLOSE, grads(found), grads(plain))


@pytest.mark.parametrize("over", ["joints", "frames"])
@pytest.mark.parametrize("frames", [9, 6])
def test_fused_attention_asks_cudnn_for_the_same(monkeypatch, over, frames):
    kernel, asked = jax.nn.dot_product_attention, []

    def without_a_gpu(*args, implementation, **options):
        asked.append((implementation, args[0].dtype, args[0].shape[1] % 2))
        return kernel(*args, implementation="xla", **options)

    monkeypatch.setattr(jax.nn, "dot_product_attention", without_a_gpu)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    parts = [normal(seed, 2, frames, 5, 4, 8).astype(jnp.bfloat16) for seed in range(3)]
    weights = normal(3, 2, frames, 5, 4, 8)

    def grads(form):
        def loss(*parts):
            return (weights * form(over, *parts)).sum()

        return jax.grad(loss, (0, 1, 2))(*parts)

    def numbers(tree):
        return jax.tree.map(lambda x: np.asarray(x, np.float32), tree)

    for one, other in zip(
        numbers((layers.attend_fused(over, *parts), *grads(layers.attend_fused))),
        numbers((layers.attend_over(over, *parts), *grads(layers.attend_over))),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=0.02, atol=0.02 * np.abs(other).max())
    assert set(asked) == {("cudnn", jnp.dtype(jnp.bfloat16), 0)}  # an even number of tokens
