"""The order of depths and the cost of a predicted order: the core of the relational losses.

Of the elements of a set (the joints of a frame, the frames of a joint) every ordered pair (i, k)
with true depth d_i < d_k, strictly, costs something of the difference z_i - z_k of the predicted
depths. `pairwise_cost` and `pairwise_logistic_cost` say just this; `cost` and `logistic_cost` are
the same numbers, computed without forming the pairs. One pass over the other elements gives value
and gradient, and nothing is left to do, or to store, for the backward pass.

RePOSE's cost (equations 2 and 3 of the paper) is max(0, z_i - z_k). Its derivative with respect to
z_i counts pairs,

    g_i = #{k: d_i < d_k, z_i > z_k} - #{k: d_k < d_i, z_k > z_i},

where a predicted tie counts half, and because the cost is homogeneous (twice the depths cost twice
as much) it is the product of the two: sum_i z_i g_i (Euler).

The logistic cost is tau log(1 + exp((z_i - z_k) / tau)). In its derivative the logistic function
of (z_i - z_k) / tau replaces the count of a pair.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_BLOCK = 32  # elements that the others are compared with in one fused pass


def pairwise_cost(depth: Float[Array, "n s"], truth: Float[Array, "n s"]) -> Float[Array, ""]:
    """The definition: all pairs at once, n * n for each set. See `cost`."""
    nearer = truth[:, None] < truth[None, :]
    return jnp.sum(jnp.maximum(depth[:, None] - depth[None, :], 0), where=nearer)


@jax.custom_vjp
def cost(depth: Float[Array, "n s"], truth: Float[Array, "n s"]) -> Float[Array, ""]:
    """The cost of the pairs that are predicted in the wrong order, summed over all sets.

    Takes O(n) memory for a set and O(n * n) time. There is no gradient with respect to the truth,
    of which only the order is read.

    Args:
        depth: predicted depths of the `n` elements of each of `s` sets, in any unit.
        truth: their true depths. An element of depth NaN belongs to no pair.

    Returns:
        The sum over all sets, in the unit of `depth`; NaN if a predicted depth is.
    """
    return _forward(depth, truth)[0]


def _forward(depth, truth):
    pairs = _pairs(depth, truth)
    centred = depth - jnp.mean(depth, axis=0)  # the same sum, rounded less: a set's pairs add to 0
    return jnp.sum(centred * pairs), pairs


def _backward(pairs, cotangent):
    return cotangent * pairs, None


cost.defvjp(_forward, _backward)


def _pairs(depth, truth):
    """[n, s] to [n, s]: the derivative g of the cost, from one element after the other."""
    count = len(depth)
    blocks = math.ceil(count / _BLOCK)
    size = math.ceil(count / blocks)

    def add(doubled, others):
        for z, d in zip(*others, strict=True):
            order = jnp.where(depth > z, 1.0, jnp.where(depth < z, -1.0, 0.0))
            doubled += jnp.where(truth < d, order + 1, jnp.where(truth > d, order - 1, 0))
        return doubled, None

    def block(array):
        padding = [(0, blocks * size - count), (0, 0)]
        padded = jnp.pad(array, padding, constant_values=np.nan)  # which is in no pair
        return padded.reshape(blocks, size, -1)

    doubled = jnp.zeros_like(depth)
    if blocks == 1:
        doubled, _ = add(doubled, (depth, truth))
    else:
        doubled, _ = jax.lax.scan(add, doubled, (block(depth), block(truth)))
    return doubled / 2


def pairwise_logistic_cost(
    depth: Float[Array, "n s"], truth: Float[Array, "n s"], tau: float
) -> Float[Array, ""]:
    """The definition: all pairs at once, n * n for each set. See `logistic_cost`."""
    nearer = truth[:, None] < truth[None, :]
    costs = tau * jax.nn.softplus((depth[:, None] - depth[None, :]) / tau)
    return jnp.sum(costs, where=nearer)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def logistic_cost(
    depth: Float[Array, "n s"], truth: Float[Array, "n s"], tau: float
) -> Float[Array, ""]:
    """The logistic cost of the pairs with a true order, summed over all sets.

    Takes O(n) memory for a set and O(n * n) time. There is no gradient with respect to the truth.

    Args:
        depth: predicted depths of the `n` elements of each of `s` sets, in any unit.
        truth: their true depths. An element of depth NaN belongs to no pair.
        tau: temperature, above 0, in the unit of `depth`. A pair that is predicted further apart
            than a few times `tau` costs as in `cost`.

    Returns:
        The sum over all sets, in the unit of `depth`; NaN if a predicted depth is.
    """
    return _logistic_forward(depth, truth, tau)[0]


def _logistic_forward(depth, truth, tau):
    def add(totals, other):
        costs, pairs = totals
        z, d = other
        difference = (depth - z) / tau
        half = jnp.tanh(difference / 2) / 2  # the logistic function, less ½
        # log(1 + exp(x)) is max(x, 0) less the logarithm of the logistic function of |x|.
        cost = jnp.maximum(difference, 0) - jnp.log(0.5 + jnp.abs(half))
        costs += jnp.where(truth < d, cost, 0)
        pairs += jnp.where(truth < d, half + 0.5, jnp.where(truth > d, half - 0.5, 0))
        return (costs, pairs), None

    zero = jnp.zeros_like(depth)
    # A CPU is slower with several of them in one pass; other devices then start fewer kernels.
    unroll = 1 if jax.default_backend() == "cpu" else _BLOCK
    (costs, pairs), _ = jax.lax.scan(add, (zero, zero), (depth, truth), unroll=unroll)
    return tau * jnp.sum(costs), pairs


def _logistic_backward(tau, pairs, cotangent):
    del tau  # it is in the pairs
    return _backward(pairs, cotangent)


logistic_cost.defvjp(_logistic_forward, _logistic_backward)
