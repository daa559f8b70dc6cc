"""Layers that the lifters share: linear maps, norms, attention along one axis, MLP, drops."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

# The published initialisation draws weights with standard deviation 0.02, cut only at +-2 (100
# deviations).
INIT = nnx.initializers.normal(0.02)

FLOAT32 = jnp.dtype(jnp.float32)


class Draws(nnx.Rngs):
    """The keys of `nnx.Rngs(seed)`, counted by Python: a ninth of the time to trace a deep model.

    While JAX traces, each write to a Variable, such as the counter of `nnx.Rngs`, searches the
    whole trace.
    """

    def __init__(self, seed: int):
        self.seed, self.drawn = seed, 0

    def params(self) -> PRNGKeyArray:
        """Returns the next key."""
        key = jax.random.fold_in(jax.random.key(self.seed), self.drawn)
        self.drawn += 1
        return key


def linear(
    inputs: int, outputs: int, *, bias: bool = True, dtype: jnp.dtype, rngs: nnx.Rngs
) -> nnx.Linear:
    """Returns a linear map with float32 parameters that computes in `dtype`; zero bias."""
    return nnx.Linear(inputs, outputs, use_bias=bias, dtype=dtype, kernel_init=INIT, rngs=rngs)


def uniform(inputs: int) -> Callable[..., Array]:
    """Returns an initialisation within 1 / sqrt(inputs) of 0, PyTorch's for linear maps."""

    def draw(key: PRNGKeyArray, shape: tuple[int, ...], dtype: jax.typing.DTypeLike) -> Array:
        return jax.random.uniform(key, shape, dtype, -(inputs**-0.5), inputs**-0.5)

    return draw


def uniform_linear(
    inputs: int, outputs: int, *, bias: bool = True, dtype: jnp.dtype, rngs: nnx.Rngs
) -> nnx.Linear:
    """Returns a linear map like `linear`, but with PyTorch's initialisation of kernel and bias."""
    init = uniform(inputs)
    return nnx.Linear(
        inputs, outputs, use_bias=bias, dtype=dtype, kernel_init=init, bias_init=init, rngs=rngs
    )


def fusion(width: int, *, rngs: nnx.Rngs) -> nnx.Linear:
    """Returns the map that weighs two streams; the weights start equal."""
    return nnx.Linear(
        2 * width,
        2,
        kernel_init=nnx.initializers.zeros,
        bias_init=nnx.initializers.constant(0.5),
        rngs=rngs,
    )


@jax.named_scope("fusion")
def fuse(
    weigh: nnx.Linear, a: Float[Array, "*b c"], b: Float[Array, "*b c"]
) -> Float[Array, "*b c"]:
    """Adds two streams by softmax weights learned per token, in float32."""
    weight = jax.nn.softmax(weigh(jnp.concatenate([a, b], axis=-1)), axis=-1)
    return (a * weight[..., :1] + b * weight[..., 1:]).astype(a.dtype)


def layer_norm(width: int, *, rngs: nnx.Rngs, epsilon: float = 1e-6) -> nnx.LayerNorm:
    """Returns a LayerNorm in float32 with the two-pass variance of the published models."""
    return nnx.LayerNorm(
        width, epsilon=epsilon, dtype=jnp.float32, use_fast_variance=False, rngs=rngs
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def standardised(x: Float[Array, "*b c"], epsilon: float, dtype: jnp.dtype) -> Float[Array, "*b c"]:
    """Takes each token's mean off and divides by its standard deviation; from float32 to `dtype`.

    The derivative is told by the result, so the backward pass keeps nothing else of its size.
    """
    return _standardised_forward(x, epsilon, dtype)[0]


def _standardised_forward(x: Array, epsilon: float, dtype: jnp.dtype):
    centred = x - x.mean(-1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + epsilon)
    out = (centred * scale).astype(dtype)
    return out, (out, scale)


def _standardised_backward(
    epsilon: float, dtype: jnp.dtype, kept: tuple[Array, Array], grad: Array
):
    del epsilon, dtype
    grad, (out, scale) = grad.astype(jnp.float32), kept
    along = (grad * out).mean(-1, keepdims=True)
    return ((grad - grad.mean(-1, keepdims=True) - out * along) * scale,)


standardised.defvjp(_standardised_forward, _standardised_backward)


@jax.custom_vjp
def product(x: Float[Array, "n i"], kernel: Float[Array, "i o"]) -> Float[Array, "n o"]:
    """A matrix product whose derivative by the kernel is computed in its wider form.

    On CPU, [1024, 256] from 8,262 tokens takes 26 ms as `x.T @ grad`, and 17 as `(grad.T @ x).T`.
    """
    return x @ kernel


def _product_backward(kept: tuple[Array, Array], grad: Array):
    x, kernel = kept
    if kernel.shape[0] < kernel.shape[1]:
        by_kernel = x.T @ grad
    else:  # without the barrier XLA would turn it back
        by_kernel = jax.lax.optimization_barrier(grad.T @ x).T
    return grad @ kernel.T, by_kernel


product.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _product_backward)


def mapped(
    linear: nnx.Linear, x: Float[Array, "*b i"], norm: nnx.LayerNorm | None = None
) -> Float[Array, "*b o"]:
    """Maps every token by a linear map, after a LayerNorm if one is given.

    The norm's scale and bias become part of the map, which saves an array of the size of the
    tokens forward and one backward. Products are of flat tokens: half the time of a backward pass
    on CPU.
    """
    kernel, dtype = linear.kernel[...], linear.dtype
    offset = jnp.zeros(()) if linear.bias is None else linear.bias[...]
    if norm is not None:
        assert norm.scale is not None  # as `layer_norm` makes them
        assert norm.bias is not None
        with jax.named_scope("norm"):
            x = standardised(x.astype(jnp.float32), norm.epsilon, dtype)
            offset += norm.bias[...] @ kernel
            kernel = norm.scale[...][:, None] * kernel
    with jax.named_scope("linear"):
        flat = x.reshape(-1, x.shape[-1]).astype(dtype)
        out = product(flat, kernel.astype(dtype)) + offset.astype(dtype)
    return out.reshape(*x.shape[:-1], -1)


def draw_uniformly(model: nnx.Module, *, rngs: nnx.Rngs) -> None:
    """Draws all linear maps and convolutions anew, uniformly within +-1 / sqrt(inputs).

    It is PyTorch's way, to which many authors leave their models; biases are drawn too.
    """
    modules: list[Any] = [m for _, m in nnx.iter_modules(model) if hasattr(m, "kernel")]
    draws = jax.random.split(rngs.params(), (len(modules), 2))
    for module, both in zip(modules, draws, strict=True):
        bound = math.prod(module.kernel.shape[:-1]) ** -0.5
        for param, key in zip((module.kernel, getattr(module, "bias", None)), both, strict=True):
            if param is not None:
                value = jax.random.uniform(key, param.shape, param.dtype, -bound, bound)
                param.set_value(value)  # while JAX traces, `param[...] =` takes its time


class BatchNorm(nnx.Module):
    """Batch norm over all axes but one, in float32, as PyTorch computes it.

    The axis that has its own statistics is told by its place from the end, by default the last.

    In training it leaves the mean and the unbiased variance of the batch in `mean` and `var`; who
    trains mixes them into the running ones (`repose_jax.train`), with whatever momentum.
    """

    def __init__(self, width: int, *, axis: int = -1, epsilon: float = 1e-5):
        self.axis, self.epsilon = axis, epsilon
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))
        self.mean = nnx.BatchStat(jnp.zeros(width))
        self.var = nnx.BatchStat(jnp.ones(width))

    def __call__(self, x: Float[Array, "*b c"], training: bool) -> Float[Array, "*b c"]:
        """Normalises along the axis: by the batch in training, else by the running statistics."""
        dtype, x = x.dtype, x.astype(jnp.float32)
        mean, var = self.mean[...], self.var[...]
        if training:
            axes = tuple(axis for axis in range(x.ndim) if axis != x.ndim + self.axis)
            count = x.size // x.shape[self.axis]
            mean, var = x.mean(axes), x.var(axes)
            # `set_value` and not `[...] =`, which searches the whole trace for how it came about.
            self.mean.set_value(jax.lax.stop_gradient(mean))
            self.var.set_value(jax.lax.stop_gradient(var) * (count / max(count - 1, 1)))
        scale = self.scale[...] * jax.lax.rsqrt(var + self.epsilon)
        mean, scale, bias = (
            jnp.expand_dims(vector, tuple(range(1, -self.axis)))
            for vector in (mean, scale, self.bias[...])
        )
        return ((x - mean) * scale + bias).astype(dtype)


@jax.named_scope("gelu")
def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The exact GELU by the error function, which is faster on CPU than JAX's by its complement."""
    return 0.5 * x * (1.0 + jax.lax.erf(x * 0.5**0.5))


def dropout(x: Float[Array, "..."], rate: float, key: PRNGKeyArray | None) -> Float[Array, "..."]:
    """Zeroes a share `rate` of the elements and rescales the rest; the identity without a key."""
    if key is None or rate == 0.0:
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(keep, x / (1.0 - rate), 0).astype(x.dtype)


def drop_path(
    x: Float[Array, "b ..."],
    rate: float,
    key: PRNGKeyArray | None,
    whole: tuple[int, ...] | None = None,
) -> Float[Array, "b ..."]:
    """Stochastic depth: drops a residual branch (Huang et al., ECCV 2016).

    `whole` has the axes that are dropped or kept whole; without it all but the first: whole clips.
    """
    if key is None or rate == 0.0:
        return x
    whole = tuple(range(1, x.ndim)) if whole is None else whole
    shape = tuple(1 if axis in whole else size for axis, size in enumerate(x.shape))
    keep = jax.random.bernoulli(key, 1.0 - rate, shape)
    return jnp.where(keep, x / (1.0 - rate), 0).astype(x.dtype)


def path_drops(rate: float, depth: int) -> list[float]:
    """Returns the rate of stochastic depth of each layer: it grows linearly from 0 to `rate`."""
    return [rate * layer / max(depth - 1, 1) for layer in range(depth)]


def repeated(call: Callable[..., Any], *, remat: bool) -> Callable[..., Any]:
    """Returns a layer's method for calling several layers: those that are alike are traced once.

    With `remat` a layer is computed again in the backward pass instead of storing its activations.
    """
    return nnx.jit(nnx.remat(call) if remat else call)


def keys(key: PRNGKeyArray | None, count: int) -> list[PRNGKeyArray | None]:
    """Splits a key into `count` keys, or gives as many times None."""
    return [None] * count if key is None else list(jax.random.split(key, count))


def attend(
    query: Float[Array, "*b n d"],
    key: Float[Array, "*b n d"],
    value: Float[Array, "*b n d"],
    drop: float = 0.0,
    drop_key: PRNGKeyArray | None = None,
    scale: float | None = None,
) -> Float[Array, "*b n d"]:
    """Scaled dot-product attention over the axis `n`, with logits and softmax in float32.

    The products of queries and keys are scaled by `scale`, 1 / sqrt(d) if it is not given.
    """
    # Not the logits, which are many more.
    query *= query.shape[-1] ** -0.5 if scale is None else scale
    logits = jnp.matmul(query, jnp.swapaxes(key, -1, -2), preferred_element_type=jnp.float32)
    # The softmax divides last: `d` numbers for each row instead of `n`, and a shorter derivative.
    weights = jnp.exp(logits - jax.lax.stop_gradient(logits.max(-1, keepdims=True)))
    total = weights.sum(-1, keepdims=True)
    kept = dropout(weights.astype(value.dtype), drop, drop_key)
    # Values that lie transposed: less than half the time of their derivative on CPU.
    value = jnp.swapaxes(jax.lax.optimization_barrier(jnp.swapaxes(value, -1, -2)), -1, -2)
    mixed = jnp.matmul(kept, value, preferred_element_type=jnp.float32)
    return (mixed / total).astype(value.dtype)


# From [b, t, j, h, d] to [b, rest, h, n, d] and back: the axis that is attended over comes next to
# last, so that both products are plain batched matrix products.
_ORDERS = {
    "joints": ((0, 1, 3, 2, 4), (0, 1, 3, 2, 4)),
    "frames": ((0, 2, 3, 1, 4), (0, 3, 1, 2, 4)),
}


def attend_over(
    over: str,
    query: Float[Array, "b t j h d"],
    key: Float[Array, "b t j h d"],
    value: Float[Array, "b t j h d"],
    drop: float = 0.0,
    drop_key: PRNGKeyArray | None = None,
    scale: float | None = None,
) -> Float[Array, "b t j h d"]:
    """Attention of each of the `h` heads over the "joints" of a frame or the "frames" of a joint.

    See `attend`.
    """
    order, back = _ORDERS[over]
    with jax.named_scope(f"attention_over_{over}"):
        query, key, value = (jnp.transpose(part, order) for part in (query, key, value))
        return jnp.transpose(attend(query, key, value, drop, drop_key, scale), back)


def attend_fused(
    over: str,
    query: Float[Array, "b t j h d"],
    key: Float[Array, "b t j h d"],
    value: Float[Array, "b t j h d"],
) -> Float[Array, "b t j h d"]:
    """`attend_over` by cuDNN, for bfloat16: the weights of the softmax are never in memory.

    Raises:
        ValueError: there is no GPU.
    """
    if jax.default_backend() != "gpu":
        raise ValueError(
            "fused attention is cuDNN's, for NVIDIA GPUs from compute capability 8.0 on; found "
            f"{jax.default_backend()!r}. Leave config.model.fused_attention empty: ()."
        )
    order = {"joints": (0, 1, 2, 3, 4), "frames": (0, 2, 1, 3, 4)}[over]  # to [b, rest, n, h, d]
    *batch, tokens, heads, width = (query.shape[axis] for axis in order)
    flat = (-1, tokens, heads, width)
    # cuDNN has no derivative for odd numbers of tokens; one more that counts for nothing.
    padding = ((0, 0), (0, tokens % 2), (0, 0), (0, 0))
    lengths = jnp.full(math.prod(batch), tokens, jnp.int32)
    with jax.named_scope(f"attention_over_{over}"):
        mixed = jax.nn.dot_product_attention(
            *(jnp.pad(jnp.transpose(x, order).reshape(flat), padding) for x in (query, key, value)),
            query_seq_lengths=lengths,
            key_value_seq_lengths=lengths,
            implementation="cudnn",
        )
        return jnp.transpose(mixed[:, :tokens].reshape(*batch, tokens, heads, width), order)


class Attention(nnx.Module):
    """Multi-head self-attention along one axis of `[b, t, j, c]`: over "joints" or "frames".

    `fused` takes `attend_fused`, which knows no dropout of weights.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        over: str,
        qkv_bias: bool = True,
        drop: float = 0.0,
        fused: bool = False,
        linear: Callable[..., nnx.Linear] = linear,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        self.heads, self.over, self.drop, self.fused = heads, over, drop, fused
        self.qkv = linear(width, 3 * width, bias=qkv_bias, dtype=dtype, rngs=rngs)
        self.out = linear(width, width, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b t j c"],
        key: PRNGKeyArray | None = None,
        norm: nnx.LayerNorm | None = None,
    ) -> Float[Array, "b t j c"]:
        """Mixes the tokens along the axis, after a norm if one is given."""
        # A split before the transposition: half the time of the backward pass on CPU, where the
        # other order pads and copies all three gradients.
        heads = (*x.shape[:-1], self.heads, x.shape[-1] // self.heads)
        query, keys_, value = (
            part.reshape(heads) for part in jnp.split(mapped(self.qkv, x, norm), 3, axis=-1)
        )
        if self.fused:
            mixed = attend_fused(self.over, query, keys_, value)
        else:
            mixed = attend_over(self.over, query, keys_, value, self.drop, key)
        return mapped(self.out, mixed.reshape(x.shape))


class MLP(nnx.Module):
    """Two linear maps with an exact GELU between them."""

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        drop: float = 0.0,
        linear: Callable[..., nnx.Linear] = linear,
        dtype: jnp.dtype = FLOAT32,
        rngs: nnx.Rngs,
    ):
        self.drop = drop
        self.fc1 = linear(width, hidden, dtype=dtype, rngs=rngs)
        self.fc2 = linear(hidden, width, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "*b c"],
        key: PRNGKeyArray | None = None,
        norm: nnx.LayerNorm | None = None,
    ) -> Float[Array, "*b c"]:
        """Maps every token by itself, after a norm if one is given."""
        first, second = keys(key, 2)
        hidden = gelu(mapped(self.fc1, x, norm))
        return dropout(mapped(self.fc2, dropout(hidden, self.drop, first)), self.drop, second)


class Block(nnx.Module):
    """Pre-norm attention along one axis, then a pre-norm MLP, each with a residual connection.

    Stochastic depth drops the branches of each sequence that is attended over by itself: of a frame
    for attention over its joints, of a joint for attention over its frames. With `drop_clips` it
    drops those of whole clips.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        over: str,
        drop: float = 0.0,
        attention_drop: float = 0.0,
        path_drop: float = 0.0,
        drop_clips: bool = False,
        fused: bool = False,
        linear: Callable[..., nnx.Linear] = linear,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        self.drop, self.path_drop = drop, path_drop
        self.whole = None if drop_clips else {"joints": (2, 3), "frames": (1, 3)}[over]
        self.norm_attention = layer_norm(width, rngs=rngs)
        self.attention = Attention(
            width,
            heads,
            over=over,
            drop=attention_drop,
            fused=fused,
            linear=linear,
            dtype=dtype,
            rngs=rngs,
        )
        self.norm_mlp = layer_norm(width, rngs=rngs)
        self.mlp = MLP(width, hidden, drop=drop, linear=linear, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens after both residual branches."""
        weights, projection, path_1, hidden, path_2 = keys(key, 5)
        branch = self.attention(x, weights, self.norm_attention)
        branch = dropout(branch, self.drop, projection)
        x = x + drop_path(branch, self.path_drop, path_1, self.whole)
        branch = self.mlp(x, hidden, self.norm_mlp)
        return x + drop_path(branch, self.path_drop, path_2, self.whole)
