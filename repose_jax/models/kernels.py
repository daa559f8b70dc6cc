"""Operations of the layers in forms that XLA runs faster on a CPU, each after its plain definition.

Other devices use the plain definitions. In training, RePOSE's blocks take 1.33 of the time and 1.7
of the memory with the plain definitions alone (one CPU core, clips of 243 frames; separately:
softmax 1.12, GELU 1.08, folded norms 1.04). Inference takes the same time.
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models.dropout import dropout

P = ParamSpec("P")
R = TypeVar("R")


_plain_only = contextvars.ContextVar("plain_only", default=False)


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
    """Uses the plain definitions on every device, in programs that are traced for other devices."""
    token = _plain_only.set(True)
    try:
        yield
    finally:
        _plain_only.reset(token)


def cpu_form_of(plain: Callable[P, R]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Returns a decorator of a fast form, which is used on a CPU; other devices use `plain`."""

    def decorate(fast: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fast)
        def chosen(*args: P.args, **kwargs: P.kwargs) -> R:
            use_fast = jax.default_backend() == "cpu" and not _plain_only.get()
            return (fast if use_fast else plain)(*args, **kwargs)

        return chosen

    return decorate


@jax.named_scope("gelu")
def plain_gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """GELU by the complementary error function (Hendrycks and Gimpel, 2016)."""
    return jax.nn.gelu(x, approximate=False)


@cpu_form_of(plain_gelu)
@jax.named_scope("gelu")
def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """GELU by the error function, which XLA computes faster than its complement."""
    return 0.5 * x * (1.0 + jax.lax.erf(x * 0.5**0.5))


@jax.named_scope("linear")
def plain_linear(
    x: Float[Array, "*b i"],
    kernel: Float[Array, "i o"],
    bias: Float[Array, " o"] | None,
    *,
    dtype: jnp.dtype,
) -> Float[Array, "*b o"]:
    """A linear map, computed in `dtype`."""
    out = x.astype(dtype) @ kernel.astype(dtype)
    return out if bias is None else out + bias.astype(dtype)


@cpu_form_of(plain_linear)
@jax.named_scope("linear")
def linear(
    x: Float[Array, "*b i"],
    kernel: Float[Array, "i o"],
    bias: Float[Array, " o"] | None,
    *,
    dtype: jnp.dtype,
) -> Float[Array, "*b o"]:
    """A linear map of flat tokens, which halves the time of the backward pass."""
    flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]).astype(dtype)
    out = _product(flat, kernel.astype(dtype))
    out = out if bias is None else out + bias.astype(dtype)
    return out.reshape(*x.shape[:-1], kernel.shape[1])


@jax.custom_vjp
def _product(x: Float[Array, "n i"], kernel: Float[Array, "i o"]) -> Float[Array, "n o"]:
    """A matrix product whose gradient by the kernel is computed in its wider form.

    For a kernel [1024, 256] and 8,262 tokens `x.T @ grad` takes 26 ms, `(grad.T @ x).T` 17 ms.
    """
    return x @ kernel


def _product_gradients(saved: tuple[Array, Array], grad: Array) -> tuple[Array, Array]:
    x, kernel = saved
    if kernel.shape[0] < kernel.shape[1]:
        by_kernel = x.T @ grad
    else:  # the barrier keeps XLA from rewriting it to the form above
        by_kernel = jax.lax.optimization_barrier(grad.T @ x).T
    return grad @ kernel.T, by_kernel


_product.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _product_gradients)


def _standardise(x: Float[Array, "*b c"], epsilon: float) -> Float[Array, "*b c"]:
    """Subtracts each token's mean and divides by its standard deviation, in float32."""
    x = x.astype(jnp.float32)
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + epsilon)


def plain_norm_linear(
    x: Float[Array, "*b i"],
    scale: Float[Array, " i"],
    shift: Float[Array, " i"],
    kernel: Float[Array, "i o"],
    bias: Float[Array, " o"] | None,
    *,
    epsilon: float,
    dtype: jnp.dtype,
) -> Float[Array, "*b o"]:
    """A LayerNorm in float32, then a linear map in `dtype`."""
    with jax.named_scope("norm"):
        normed = _standardise(x, epsilon) * scale + shift
    return plain_linear(normed, kernel, bias, dtype=dtype)


@cpu_form_of(plain_norm_linear)
def norm_linear(
    x: Float[Array, "*b i"],
    scale: Float[Array, " i"],
    shift: Float[Array, " i"],
    kernel: Float[Array, "i o"],
    bias: Float[Array, " o"] | None,
    *,
    epsilon: float,
    dtype: jnp.dtype,
) -> Float[Array, "*b o"]:
    """A LayerNorm whose scale and shift are folded into the linear map after it.

    It saves an array of the size of the tokens in the forward and one in the backward pass.
    """
    with jax.named_scope("norm"):
        standardised = _standardise(x, epsilon).astype(dtype)
        offset = shift @ kernel
        kernel = scale[:, None] * kernel
    return linear(standardised, kernel, offset if bias is None else bias + offset, dtype=dtype)


def plain_attention(
    query: Float[Array, "*b n d"],
    key: Float[Array, "*b n d"],
    value: Float[Array, "*b n d"],
    dropout_rate: float = 0.0,
    dropout_key: PRNGKeyArray | None = None,
    scale: float | None = None,
) -> Float[Array, "*b n d"]:
    """Scaled dot-product attention over the axis `n`, with logits and softmax in float32.

    Args:
        query: queries.
        key: keys.
        value: values.
        dropout_rate: rate on the weights of the softmax.
        dropout_key: random key of the dropout; None for none.
        scale: factor of the products of queries and keys; 1 / sqrt(d) if None.
    """
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    logits = jnp.matmul(query, jnp.swapaxes(key, -1, -2), preferred_element_type=jnp.float32)
    weights = jax.nn.softmax(logits, axis=-1).astype(value.dtype)
    return jnp.matmul(dropout(weights, dropout_rate, dropout_key), value)


@cpu_form_of(plain_attention)
def attention(
    query: Float[Array, "*b n d"],
    key: Float[Array, "*b n d"],
    value: Float[Array, "*b n d"],
    dropout_rate: float = 0.0,
    dropout_key: PRNGKeyArray | None = None,
    scale: float | None = None,
) -> Float[Array, "*b n d"]:
    """Attention as in `plain_attention`, whose softmax divides last.

    That is `d` divisions for each row instead of `n`, and a shorter gradient. Values are laid out
    transposed, which halves the time of their gradient.
    """
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    logits = jnp.matmul(query, jnp.swapaxes(key, -1, -2), preferred_element_type=jnp.float32)
    weights = jnp.exp(logits - jax.lax.stop_gradient(logits.max(-1, keepdims=True)))
    total = weights.sum(-1, keepdims=True)
    weights = dropout(weights.astype(value.dtype), dropout_rate, dropout_key)
    value = jnp.swapaxes(jax.lax.optimization_barrier(jnp.swapaxes(value, -1, -2)), -1, -2)
    mixed = jnp.matmul(weights, value, preferred_element_type=jnp.float32)
    return (mixed / total).astype(value.dtype)


def has_cudnn_attention() -> bool:
    """Returns whether attention can be cuDNN's: on NVIDIA GPUs from compute capability 8.0 on."""
    device = jax.devices()[0]
    return device.platform == "gpu" and float(getattr(device, "compute_capability", 0)) >= 8


def cudnn_attention(
    query: Float[Array, "b n h d"], key: Float[Array, "b n h d"], value: Float[Array, "b n h d"]
) -> Float[Array, "b n h d"]:
    """Attention by cuDNN in bfloat16, which never stores the weights of the softmax.

    Raises:
        ValueError: there is no GPU.
    """
    if jax.default_backend() != "gpu":
        raise ValueError(
            "fused attention is cuDNN's, for NVIDIA GPUs from compute capability 8.0 on; found "
            f"{jax.default_backend()!r}. Leave config.model.fused_attention empty: ()."
        )
    batch, tokens = query.shape[:2]
    # cuDNN has no gradient for odd numbers of tokens: one more is added, and masked.
    padding = ((0, 0), (0, tokens % 2), (0, 0), (0, 0))
    lengths = jnp.full(batch, tokens, jnp.int32)
    mixed = jax.nn.dot_product_attention(
        *(jnp.pad(part, padding) for part in (query, key, value)),
        query_seq_lengths=lengths,
        key_value_seq_lengths=lengths,
        implementation="cudnn",
    )
    return mixed[:, :tokens]


def plain_depthwise_convolution(
    x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c"]
) -> Float[Array, "b h w c"]:
    """Convolution of each channel with its own kernel of 3 by 3, padded with zeros."""
    return jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@cpu_form_of(plain_depthwise_convolution)
def depthwise_convolution(
    x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c"]
) -> Float[Array, "b h w c"]:
    """The convolution as a sum of shifted copies, many times faster than XLA's by groups."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(
        (
            kernel[row, column] * padded[:, row : row + height, column : column + width]
            for row in range(3)
            for column in range(3)
        ),
        start=jnp.zeros((), x.dtype),
    )


def plain_kth_largest(x: Float[Array, "*b n"], k: int) -> Float[Array, "*b 1"]:
    """The k-th largest number of each row, where equal numbers count as often as they occur."""
    return jax.lax.top_k(x, k)[0][..., -1:]


@cpu_form_of(plain_kth_largest)
def kth_largest(x: Float[Array, "*b n"], k: int) -> Float[Array, "*b 1"]:
    """The k-th largest without sorting, for small k; 20 to 30 times faster than `top_k`.

    Descends from the largest number to the next one below until `k` are at least as large.
    """
    found = x.max(-1, keepdims=True)
    for _ in range(k - 1):
        enough = (x >= found).sum(-1, keepdims=True) >= k
        below = jnp.where(x < found, x, -jnp.inf).max(-1, keepdims=True)
        found = jnp.where(enough, found, below)
    return found
