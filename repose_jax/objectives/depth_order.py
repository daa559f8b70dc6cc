"""The order of depths and the cost of a predicted order: the core of RePOSE's relational losses.

Of the elements of a set (the joints of a frame, the frames of a joint) every ordered pair (i, k)
with true depth d_i < d_k, strictly, costs max(0, z_i - z_k) of the predicted depths z (equations 2
and 3 of the paper). `pairwise_cost` says just this. `cost` is the same number, computed without
forming the pairs: its derivative with respect to z_i counts pairs,

    g_i = #{k: d_i < d_k, z_i > z_k} - #{k: d_k < d_i, z_k > z_i},

where a predicted tie counts half, and because the cost is homogeneous (twice the depths cost twice
as much) it is the product of the two: sum_i z_i g_i (Euler). So one pass that counts gives the
value and the gradient, and nothing is left to do, or to store, for the backward pass.
"""

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
