"""The fast forms against their plain definitions: values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from repose_jax import models
from repose_jax.models import kernels, layers

every_dtype = pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def normal(seed: int, *shape: int, dtype: str = "float32") -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape).astype(dtype)


def assert_same(fast, plain, dtype: str, *args: jax.Array) -> None:
    """Asserts that two forms have the same values, types and gradients by every argument."""

    def value_and_gradients(form):
        def loss(*args):
            out = form(*args)
            weights = normal(99, *out.shape)
            return (weights * jnp.tanh(out.astype(jnp.float32))).sum(), out

        (_, out), gradients = jax.value_and_grad(loss, range(len(args)), has_aux=True)(*args)
        return out, *gradients

    for found, expected in zip(value_and_gradients(fast), value_and_gradients(plain), strict=True):
        assert found.dtype == expected.dtype
        found, expected = np.asarray(found, np.float32), np.asarray(expected, np.float32)
        error = TOLERANCE[dtype] * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=error)


@every_dtype
def test_gelu(dtype):
    assert_same(kernels.gelu, kernels.plain_gelu, dtype, 3.0 * normal(0, 7, 50, dtype=dtype))


@every_dtype
@pytest.mark.parametrize(("inputs", "outputs"), [(8, 24), (24, 8), (8, 8)])
def test_linear(dtype, inputs, outputs):
    x = normal(0, 2, 5, 3, inputs, dtype=dtype)
    parameters = normal(1, inputs, outputs), normal(2, outputs)
    for arguments in ((x, *parameters), (x, parameters[0])):  # with and without a bias
        assert_same(
            lambda x, kernel, bias=None: kernels.linear(x, kernel, bias, dtype=jnp.dtype(dtype)),
            lambda x, kernel, bias=None: kernels.plain_linear(
                x, kernel, bias, dtype=jnp.dtype(dtype)
            ),
            dtype,
            *arguments,
        )


@every_dtype
@pytest.mark.parametrize("bias", [True, False])
def test_norm_linear(dtype, bias):
    def form(function):
        def run(x, scale, shift, kernel, bias=None):
            return function(x, scale, shift, kernel, bias, epsilon=1e-6, dtype=jnp.dtype(dtype))

        return run

    x = (3.0 + 2.0 * normal(0, 2, 5, 3, 16)).astype(dtype)
    norm = 1.0 + 0.1 * normal(1, 16), 0.1 * normal(2, 16)
    parameters = 0.2 * normal(3, 16, 24), *([normal(4, 24)] if bias else [])
    fast, plain = form(kernels.norm_linear), form(kernels.plain_norm_linear)
    assert_same(fast, plain, dtype, x, *norm, *parameters)


def test_plain_norm_linear_is_flax():
    norm = layers.layer_norm(16, epsilon=1e-5, rngs=nnx.Rngs(0))
    norm.scale, norm.bias = nnx.Param(normal(0, 16)), nnx.Param(normal(1, 16))
    kernel, bias, x = normal(2, 16, 8), normal(3, 8), 3.0 + normal(4, 2, 5, 16)
    found = kernels.plain_norm_linear(
        x,
        norm.scale[...],
        norm.bias[...],
        kernel,
        bias,
        epsilon=1e-5,
        dtype=jnp.dtype("float32"),
    )
    np.testing.assert_allclose(found, norm(x) @ kernel + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", [kernels.norm_linear, kernels.plain_norm_linear])
def test_a_token_without_spread_stays_finite(form):
    ones, zeros, dtype = jnp.ones(16), jnp.zeros(16), jnp.dtype("float32")

    def loss(x):
        return form(x, ones, zeros, jnp.eye(16), None, epsilon=1e-6, dtype=dtype).sum()

    value, gradient = jax.value_and_grad(loss)(jnp.full((1, 16), 3.0))
    assert value == 0.0
    assert np.isfinite(gradient).all()


@every_dtype
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention(dtype, scale):
    parts = [normal(seed, 2, 4, 9, 8, dtype=dtype) for seed in range(3)]
    assert_same(
        lambda *parts: kernels.attention(*parts, scale=scale),
        lambda *parts: kernels.plain_attention(*parts, scale=scale),
        dtype,
        *parts,
    )


def test_attention_drops_the_same_weights():
    parts = [normal(seed, 2, 4, 9, 8) for seed in range(3)]
    key = jax.random.key(5)
    assert_same(
        lambda *parts: kernels.attention(*parts, 0.4, key),
        lambda *parts: kernels.plain_attention(*parts, 0.4, key),
        "float32",
        *parts,
    )
    dropped = kernels.attention(*parts, 0.4, key)
    assert jnp.abs(dropped - kernels.attention(*parts)).max() > 0.1


@pytest.mark.parametrize("scale", [None, 0.3])
def test_plain_attention_is_the_softmax_of_the_products_times_the_values(scale):
    query, key, value = (normal(seed, 2, 4, 9, 8) for seed in range(3))
    logits = jnp.einsum("bhnd,bhmd->bhnm", query, key) * (8**-0.5 if scale is None else scale)
    expected = jnp.einsum("bhnm,bhmd->bhnd", jax.nn.softmax(logits), value)
    found = kernels.plain_attention(query, key, value, scale=scale)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@every_dtype
def test_depthwise_convolution(dtype):
    x, kernel = normal(0, 2, 7, 5, 4, dtype=dtype), normal(1, 3, 3, 4, dtype=dtype)
    assert_same(
        kernels.depthwise_convolution, kernels.plain_depthwise_convolution, dtype, x, kernel
    )


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_kth_largest(k):
    rows = jnp.array([[5.0, 1, 5, 2, 3, 4], [0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6]])
    expected = kernels.plain_kth_largest(rows, k)
    assert expected[:, 0].tolist() == sorted_rows(rows)[:, -k].tolist()
    np.testing.assert_array_equal(kernels.kth_largest(rows, k), expected)


def sorted_rows(rows: jax.Array) -> np.ndarray:
    return np.sort(np.asarray(rows), axis=1)


def test_other_devices_use_the_plain_definitions(monkeypatch):
    sizes = dict(frames=5, width=8, depth=1, heads=2, representation=8)
    graphdef, variables = nnx.split(models.create("repose", **sizes))
    x = normal(0, 2, 5, 17, 3)

    def gradient() -> tuple[list[jax.Array], str]:
        jax.clear_caches()  # of what was traced for the other device
        gradient = jax.grad(lambda v, x: (nnx.merge(graphdef, v)(x) ** 2).sum())
        traced = jax.jit(gradient).trace(variables, x)
        return jax.tree.leaves(traced.lower().compile()(variables, x)), str(traced.jaxpr)

    on_cpu, jaxpr_on_cpu = gradient()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    elsewhere, jaxpr = gradient()
    jax.clear_caches()
    assert "optimization_barrier" in jaxpr_on_cpu
    assert "optimization_barrier" not in jaxpr
    for found, expected in zip(elsewhere, on_cpu, strict=True):
        error = 1e-7 + 1e-4 * float(jnp.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=error)


@pytest.mark.parametrize("over", ["joints", "frames"])
@pytest.mark.parametrize("frames", [9, 6])
def test_cudnn_is_given_the_same_attention(monkeypatch, over, frames):
    given, cudnn = [], jax.nn.dot_product_attention

    def without_a_gpu(*args, implementation, **options):
        given.append((implementation, args[0].dtype, args[0].shape[1] % 2))
        return cudnn(*args, implementation="xla", **options)

    monkeypatch.setattr(jax.nn, "dot_product_attention", without_a_gpu)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    parts = [normal(seed, 2, frames, 5, 4, 8, dtype="bfloat16") for seed in range(3)]
    assert_same(
        lambda *parts: layers.attend_over_by_cudnn(over, *parts),
        lambda *parts: layers.attend_over(over, *parts),
        "bfloat16",
        *parts,
    )
    assert set(given) == {("cudnn", jnp.dtype(jnp.bfloat16), 0)}  # an even number of tokens
