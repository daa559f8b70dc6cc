"""Dropout and stochastic depth, and the random keys of both."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


def dropout(x: Float[Array, "..."], rate: float, key: PRNGKeyArray | None) -> Float[Array, "..."]:
    """Zeroes a share `rate` of the elements and rescales the rest; the identity without a key."""
    if key is None or rate == 0.0:
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(keep, x / (1.0 - rate), 0).astype(x.dtype)


def stochastic_depth(
    x: Float[Array, "b ..."],
    rate: float,
    key: PRNGKeyArray | None,
    shared_axes: tuple[int, ...] | None = None,
) -> Float[Array, "b ..."]:
    """Drops a residual branch and rescales those that stay (Huang et al., ECCV 2016).

    Args:
        x: the branch.
        rate: share of the branches that are dropped.
        key: random key; without it the branch stays.
        shared_axes: axes along which all elements are dropped or stay together; by default all but
            the first.
    """
    if key is None or rate == 0.0:
        return x
    shared_axes = tuple(range(1, x.ndim)) if shared_axes is None else shared_axes
    shape = tuple(1 if axis in shared_axes else size for axis, size in enumerate(x.shape))
    keep = jax.random.bernoulli(key, 1.0 - rate, shape)
    return jnp.where(keep, x / (1.0 - rate), 0).astype(x.dtype)


def stochastic_depth_rates(rate: float, depth: int) -> list[float]:
    """Returns the rate of each layer, which grows linearly from 0 at the first to `rate`."""
    return [rate * layer / max(depth - 1, 1) for layer in range(depth)]


def split_key(key: PRNGKeyArray | None, count: int) -> list[PRNGKeyArray | None]:
    """Splits a random key into `count` keys; without a key returns as many times None."""
    return [None] * count if key is None else list(jax.random.split(key, count))
