"""Layers that the lifters share: linear maps, norms, attention along one axis, MLP, blocks."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import kernels
from repose_jax.models.dropout import dropout, split_key, stochastic_depth

# The authors' initialisation truncates at +-2, which is 100 standard deviations.
INIT = nnx.initializers.normal(0.02)
FLOAT32 = jnp.dtype(jnp.float32)


class KeySequence(nnx.Rngs):
    """The keys of `nnx.Rngs(seed)`, counted in Python: a deep model is traced in 1/9 of the time.

    In a trace, each update of a Variable, such as the counter of `nnx.Rngs`, searches all of it.
    """

    def __init__(self, seed: int):
        self.seed, self.count = seed, 0

    def params(self) -> PRNGKeyArray:
        """Returns the next key."""
        key = jax.random.fold_in(jax.random.key(self.seed), self.count)
        self.count += 1
        return key


def uniform(inputs: int) -> Callable[..., Array]:
    """Returns PyTorch's initialiser of linear maps, uniform within +-1 / sqrt(inputs)."""

    def init(key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -(inputs**-0.5), inputs**-0.5)

    return init


def initialise_by_fan_in(model: nnx.Module, *, rngs: nnx.Rngs) -> None:
    """Initialises the kernels of all linear maps as LeCun does: outputs vary as much as inputs."""
    modules = _modules_with_kernels(model)
    for module, key in zip(modules, jax.random.split(rngs.params(), len(modules)), strict=True):
        module.kernel.set_value(nnx.initializers.lecun_normal()(key, module.kernel.shape))


def initialise_uniformly(model: nnx.Module, *, rngs: nnx.Rngs) -> None:
    """Initialises all linear maps and convolutions, with their biases, as PyTorch does."""
    modules = _modules_with_kernels(model)
    module_keys = jax.random.split(rngs.params(), (len(modules), 2))
    for module, keys in zip(modules, module_keys, strict=True):
        init = uniform(math.prod(module.kernel.shape[:-1]))
        for param, key in zip((module.kernel, getattr(module, "bias", None)), keys, strict=True):
            if param is not None:  # in a trace `set_value` is faster than `param[...] =`
                param.set_value(init(key, param.shape, param.dtype))


def _modules_with_kernels(model: nnx.Module) -> list[Any]:
    return [module for _, module in nnx.iter_modules(model) if hasattr(module, "kernel")]


def layer_norm(width: int, *, epsilon: float = 1e-6, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Returns a LayerNorm in float32, with the variance in two passes as in PyTorch."""
    return nnx.LayerNorm(
        width, epsilon=epsilon, dtype=jnp.float32, use_fast_variance=False, rngs=rngs
    )


class Linear(nnx.Module):
    """A linear map that computes in `dtype`; its parameters are float32.

    The kernel is normal with deviation 0.02 and the bias 0 at first; with `torch_init` both are
    uniform as in PyTorch.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        torch_init: bool = False,
        dtype: jnp.dtype = FLOAT32,
        rngs: nnx.Rngs,
    ):
        self.dtype = dtype
        kernel_init = uniform(inputs) if torch_init else INIT
        bias_init = uniform(inputs) if torch_init else nnx.initializers.zeros
        self.kernel = nnx.Param(kernel_init(rngs.params(), (inputs, outputs)))
        self.bias = nnx.Param(bias_init(rngs.params(), (outputs,))) if bias else None

    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        """Maps every token."""
        bias = None if self.bias is None else self.bias[...]
        return kernels.linear(x, self.kernel[...], bias, dtype=self.dtype)


class NormLinear(Linear):
    """A LayerNorm of its own, then a linear map; options are those of `Linear`."""

    def __init__(
        self, inputs: int, outputs: int, *, epsilon: float = 1e-6, rngs: nnx.Rngs, **options: Any
    ):
        self.norm = layer_norm(inputs, epsilon=epsilon, rngs=rngs)
        super().__init__(inputs, outputs, rngs=rngs, **options)

    def __call__(self, x: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        """Normalises and maps every token."""
        scale, shift = self.norm.scale, self.norm.bias
        assert scale is not None  # as `layer_norm` makes them
        assert shift is not None
        return kernels.norm_linear(
            x,
            scale[...],
            shift[...],
            self.kernel[...],
            None if self.bias is None else self.bias[...],
            epsilon=self.norm.epsilon,
            dtype=self.dtype,
        )


class BatchNorm(nnx.Module):
    """Batch norm over all axes but one, in float32, as PyTorch computes it.

    `axis` is the one with statistics of its own, counted from the end; by default the last.

    In training, `mean` and the unbiased `var` become those of the batch; the train step
    (`repose_jax.training.step`) mixes them into the running statistics.
    """

    def __init__(self, width: int, *, axis: int = -1, epsilon: float = 1e-5):
        self.axis, self.epsilon = axis, epsilon
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))
        self.mean = nnx.BatchStat(jnp.zeros(width))
        self.var = nnx.BatchStat(jnp.ones(width))

    def __call__(self, x: Float[Array, "*b c"], training: bool) -> Float[Array, "*b c"]:
        """Normalises by the statistics of the batch in training, else by the running ones."""
        dtype, x = x.dtype, x.astype(jnp.float32)
        mean, var = self.mean[...], self.var[...]
        if training:
            axes = tuple(axis for axis in range(x.ndim) if axis != x.ndim + self.axis)
            count = x.size // x.shape[self.axis]
            mean, var = x.mean(axes), x.var(axes)
            # In a trace `set_value` is faster than `[...] =`.
            self.mean.set_value(jax.lax.stop_gradient(mean))
            self.var.set_value(jax.lax.stop_gradient(var) * (count / max(count - 1, 1)))
        scale = self.scale[...] * jax.lax.rsqrt(var + self.epsilon)
        mean, scale, bias = (
            jnp.expand_dims(vector, tuple(range(1, -self.axis)))
            for vector in (mean, scale, self.bias[...])
        )
        return ((x - mean) * scale + bias).astype(dtype)


class Fusion(nnx.Module):
    """A weighted sum of two streams by softmax weights learned per token, equal at first."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(nnx.initializers.zeros(rngs.params(), (2 * width, 2)))
        self.bias = nnx.Param(nnx.initializers.constant(0.5)(rngs.params(), (2,)))

    @jax.named_scope("fusion")
    def __call__(self, a: Float[Array, "*b c"], b: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        """Returns the sum, computed in float32."""
        logits = jnp.concatenate([a, b], axis=-1) @ self.kernel[...] + self.bias[...]
        weight = jax.nn.softmax(logits, axis=-1)
        return (a * weight[..., :1] + b * weight[..., 1:]).astype(a.dtype)


# From [b, t, j, h, d] to [b, rest, h, n, d] and back, where `n` is the axis that is attended over.
_ORDERS = {
    "joints": ((0, 1, 3, 2, 4), (0, 1, 3, 2, 4)),
    "frames": ((0, 2, 3, 1, 4), (0, 3, 1, 2, 4)),
}


def attend_over(
    over: str,
    query: Float[Array, "b t j h d"],
    key: Float[Array, "b t j h d"],
    value: Float[Array, "b t j h d"],
    dropout_rate: float = 0.0,
    dropout_key: PRNGKeyArray | None = None,
    scale: float | None = None,
) -> Float[Array, "b t j h d"]:
    """Attention of each of the `h` heads over the "joints" of a frame or the "frames" of a joint.

    See `kernels.plain_attention` for the other arguments.
    """
    order, back = _ORDERS[over]
    with jax.named_scope(f"attention_over_{over}"):
        query, key, value = (jnp.transpose(part, order) for part in (query, key, value))
        mixed = kernels.attention(query, key, value, dropout_rate, dropout_key, scale)
        return jnp.transpose(mixed, back)


def attend_over_by_cudnn(
    over: str,
    query: Float[Array, "b t j h d"],
    key: Float[Array, "b t j h d"],
    value: Float[Array, "b t j h d"],
) -> Float[Array, "b t j h d"]:
    """`attend_over` by `kernels.cudnn_attention`, without dropout."""
    order = {"joints": (0, 1, 2, 3, 4), "frames": (0, 2, 1, 3, 4)}[over]  # to [b, rest, n, h, d]
    with jax.named_scope(f"attention_over_{over}"):
        parts = [jnp.transpose(part, order) for part in (query, key, value)]
        shape = parts[0].shape
        mixed = kernels.cudnn_attention(*(part.reshape(-1, *shape[2:]) for part in parts))
        return jnp.transpose(mixed.reshape(shape), order)


class Attention(nnx.Module):
    """Multi-head self-attention along one axis of `[b, t, j, c]`: over "joints" or "frames".

    With `norm_epsilon` a LayerNorm comes first. `fused` uses cuDNN, without dropout of weights.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        over: str,
        norm_epsilon: float | None = None,
        qkv_bias: bool = True,
        dropout: float = 0.0,
        fused: bool = False,
        torch_init: bool = False,
        dtype: jnp.dtype = FLOAT32,
        rngs: nnx.Rngs,
    ):
        self.heads, self.over, self.dropout, self.fused = heads, over, dropout, fused
        options: dict[str, Any] = dict(torch_init=torch_init, dtype=dtype, rngs=rngs)
        self.qkv = _first_linear(norm_epsilon)(width, 3 * width, bias=qkv_bias, **options)
        self.out = Linear(width, width, **options)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Mixes the tokens along the axis."""
        heads = (*x.shape[:-1], self.heads, x.shape[-1] // self.heads)
        query, key_, value = (part.reshape(heads) for part in jnp.split(self.qkv(x), 3, axis=-1))
        if self.fused:
            mixed = attend_over_by_cudnn(self.over, query, key_, value)
        else:
            mixed = attend_over(self.over, query, key_, value, self.dropout, key)
        return self.out(mixed.reshape(x.shape))


class MLP(nnx.Module):
    """Two linear maps with a GELU between them; with `norm_epsilon` a LayerNorm comes first."""

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        norm_epsilon: float | None = None,
        dropout: float = 0.0,
        torch_init: bool = False,
        bias: bool = True,
        dtype: jnp.dtype = FLOAT32,
        rngs: nnx.Rngs,
    ):
        self.dropout = dropout
        options: dict[str, Any] = dict(torch_init=torch_init, bias=bias, dtype=dtype, rngs=rngs)
        self.fc1 = _first_linear(norm_epsilon)(width, hidden, **options)
        self.fc2 = Linear(hidden, width, **options)

    def __call__(
        self, x: Float[Array, "*b c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "*b c"]:
        """Maps every token."""
        key_1, key_2 = split_key(key, 2)
        hidden = dropout(kernels.gelu(self.fc1(x)), self.dropout, key_1)
        return dropout(self.fc2(hidden), self.dropout, key_2)


def _first_linear(norm_epsilon: float | None) -> Callable[..., Linear]:
    return Linear if norm_epsilon is None else functools.partial(NormLinear, epsilon=norm_epsilon)


class Block(nnx.Module):
    """Pre-norm attention along one axis, then a pre-norm MLP, each with a residual connection.

    Stochastic depth drops the branches of single sequences: of a frame in attention over its
    joints, of a joint in attention over its frames. With `drop_clips` it drops those of whole
    clips.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        over: str,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        drop_clips: bool = False,
        fused: bool = False,
        torch_init: bool = False,
        dtype: jnp.dtype = FLOAT32,
        rngs: nnx.Rngs,
    ):
        self.dropout, self.stochastic_depth = dropout, stochastic_depth
        self.shared_axes = None if drop_clips else {"joints": (2, 3), "frames": (1, 3)}[over]
        options: dict[str, Any] = dict(torch_init=torch_init, dtype=dtype, rngs=rngs)
        self.attention = Attention(
            width,
            heads,
            over=over,
            norm_epsilon=1e-6,
            dropout=attention_dropout,
            fused=fused,
            **options,
        )
        self.mlp = MLP(width, hidden, norm_epsilon=1e-6, dropout=dropout, **options)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens after both residual branches."""
        weights_key, out_key, depth_key_1, mlp_key, depth_key_2 = split_key(key, 5)
        branch = dropout(self.attention(x, weights_key), self.dropout, out_key)
        x = x + stochastic_depth(branch, self.stochastic_depth, depth_key_1, self.shared_axes)
        branch = self.mlp(x, mlp_key)
        return x + stochastic_depth(branch, self.stochastic_depth, depth_key_2, self.shared_axes)


def jit_layer(call: Callable[..., Any], *, remat: bool) -> Callable[..., Any]:
    """Returns a layer's method compiled, so that layers that are alike are traced once.

    With `remat` the backward pass computes a layer again instead of storing its activations.
    """
    return nnx.jit(nnx.remat(call) if remat else call)
