"""Layers that the lifters share: linear maps, norms, attention along one axis, MLP, drops."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

# The published initialisation draws weights with standard deviation 0.02, cut only at +-2 (100
# deviations).
INIT = nnx.initializers.normal(0.02)


def linear(inputs: int, outputs: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> nnx.Linear:
    """Returns a linear map with float32 parameters that computes in `dtype`; zero bias."""
    return nnx.Linear(inputs, outputs, dtype=dtype, kernel_init=INIT, rngs=rngs)


def layer_norm(width: int, *, rngs: nnx.Rngs, epsilon: float = 1e-6) -> nnx.LayerNorm:
    """Returns a LayerNorm in float32 with the two-pass variance of the published models."""
    return nnx.LayerNorm(
        width, epsilon=epsilon, dtype=jnp.float32, use_fast_variance=False, rngs=rngs
    )


class BatchNorm(nnx.Module):
    """Batch norm over all axes but the last, in float32, as PyTorch computes it.

    In training it leaves the mean and the unbiased variance of the batch in `mean` and `var`; who
    trains mixes them into the running ones (`repose_jax.train`), with whatever momentum.
    """

    def __init__(self, width: int, *, epsilon: float = 1e-5):
        self.epsilon = epsilon
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))
        self.mean = nnx.BatchStat(jnp.zeros(width))
        self.var = nnx.BatchStat(jnp.ones(width))

    def __call__(self, x: Float[Array, "*b c"], training: bool) -> Float[Array, "*b c"]:
        """Normalises each channel: by the batch in training, else by the running statistics."""
        dtype, x = x.dtype, x.astype(jnp.float32)
        mean, var = self.mean[...], self.var[...]
        if training:
            axes = tuple(range(x.ndim - 1))
            count = x.size // x.shape[-1]
            mean, var = x.mean(axes), x.var(axes)
            self.mean[...] = jax.lax.stop_gradient(mean)
            self.var[...] = jax.lax.stop_gradient(var) * (count / max(count - 1, 1))
        scale = self.scale[...] * jax.lax.rsqrt(var + self.epsilon)
        return ((x - mean) * scale + self.bias[...]).astype(dtype)


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
    x: Float[Array, "b ..."], rate: float, key: PRNGKeyArray | None
) -> Float[Array, "b ..."]:
    """Stochastic depth: drops a residual branch for whole clips (Huang et al., ECCV 2016)."""
    if key is None or rate == 0.0:
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, (x.shape[0],) + (1,) * (x.ndim - 1))
    return jnp.where(keep, x / (1.0 - rate), 0).astype(x.dtype)


def keys(key: PRNGKeyArray | None, count: int) -> list[PRNGKeyArray | None]:
    """Splits a key into `count` keys, or gives as many times None."""
    return [None] * count if key is None else list(jax.random.split(key, count))


def attend(
    query: Float[Array, "*b n d"],
    key: Float[Array, "*b n d"],
    value: Float[Array, "*b n d"],
    drop: float = 0.0,
    drop_key: PRNGKeyArray | None = None,
) -> Float[Array, "*b n d"]:
    """Scaled dot-product attention over the axis `n`, with logits and softmax in float32."""
    logits = jnp.matmul(query, jnp.swapaxes(key, -1, -2), preferred_element_type=jnp.float32)
    weights = jax.nn.softmax(logits * query.shape[-1] ** -0.5, axis=-1)
    return jnp.matmul(dropout(weights.astype(value.dtype), drop, drop_key), value)


class Attention(nnx.Module):
    """Multi-head self-attention along one axis of `[b, t, j, c]`: over "joints" or "frames"."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        over: str,
        drop: float = 0.0,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        self.heads, self.drop = heads, drop
        # From [b, t, j, h, d] to [b, rest, h, n, d]: the axis that is attended over comes next to
        # last, so that both products are plain batched matrix products.
        self.order = {"joints": (0, 1, 3, 2, 4), "frames": (0, 2, 3, 1, 4)}[over]
        self.back = {"joints": (0, 1, 3, 2, 4), "frames": (0, 3, 1, 2, 4)}[over]
        self.qkv = linear(width, 3 * width, dtype=dtype, rngs=rngs)
        self.out = linear(width, width, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Mixes the tokens along the axis."""
        # Linear maps on flat tokens and a split before the transposition: half the time of the
        # backward pass on CPU, where the other order pads and copies all three gradients.
        width = x.shape[-1]
        heads = (*x.shape[:-1], self.heads, width // self.heads)
        query, keys_, value = (
            jnp.transpose(part.reshape(heads), self.order)
            for part in jnp.split(self.qkv(x.reshape(-1, width)), 3, axis=-1)
        )
        mixed = jnp.transpose(attend(query, keys_, value, self.drop, key), self.back)
        return self.out(mixed.reshape(-1, width)).reshape(x.shape)


class MLP(nnx.Module):
    """Two linear maps with an exact GELU between them."""

    def __init__(
        self, width: int, hidden: int, *, drop: float = 0.0, dtype: jnp.dtype, rngs: nnx.Rngs
    ):
        self.drop = drop
        self.fc1 = linear(width, hidden, dtype=dtype, rngs=rngs)
        self.fc2 = linear(hidden, width, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "*b c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "*b c"]:
        """Maps every token by itself."""
        first, second = keys(key, 2)
        hidden = gelu(self.fc1(x.reshape(-1, x.shape[-1])))
        out = self.fc2(dropout(hidden, self.drop, first)).reshape(x.shape)
        return dropout(out, self.drop, second)


class Block(nnx.Module):
    """Pre-norm attention along one axis, then a pre-norm MLP, each with a residual connection."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        over: str,
        path_drop: float = 0.0,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        self.path_drop, self.dtype = path_drop, dtype
        self.norm_attention = layer_norm(width, rngs=rngs)
        self.attention = Attention(width, heads, over=over, dtype=dtype, rngs=rngs)
        self.norm_mlp = layer_norm(width, rngs=rngs)
        self.mlp = MLP(width, hidden, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens after both residual branches."""
        first, second = keys(key, 2)
        branch = self.attention(self.norm_attention(x).astype(self.dtype))
        x = x + drop_path(branch, self.path_drop, first)
        branch = self.mlp(self.norm_mlp(x).astype(self.dtype))
        return x + drop_path(branch, self.path_drop, second)
