"""The order of depths and the cost of a predicted order: the core of the relational losses.

Of the elements of a set (the joints of a frame, the frames of a joint) every ordered pair (i, k)
with true depth d_i < d_k, strictly, costs something of the difference z_i - z_k of the predicted
depths. `pairwise_cost` says just this; `cost` is the same number, computed without forming the
pairs. One pass over the other elements gives value and gradient, and nothing is left to do, or to
store, for the backward pass.

With y = z_i - z_k + min(margin, d_k - d_i) a pair costs

    hinge       max(0, y), with margin 0 RePOSE's cost (equations 2 and 3 of the paper)
    logistic    tau log(1 + exp(y / tau))
    difference  |y|

and the derivative of the sum with respect to z_i adds the slopes of its pairs, of the hinge

    g_i = #{k: d_i < d_k, y > 0} - #{k: d_k < d_i, y > 0},

where y = 0 counts half. Without a margin the cost of the hinge is homogeneous (twice the depths
cost twice as much), so it is the product of the two: sum_i z_i g_i (Euler).
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from repose_jax.config import TAU

_BLOCK = 32  # elements that the others are compared with in one fused pass


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The pairs that count, and their cost.

    Attributes:
        kind: "hinge", "logistic" or "difference"; see the module's docstring.
        margin: gap of depth that is wanted between two elements, at most the true one.
        closest: true gap, in the unit of the depths, up to which a pair does not count.
        tau: temperature of the logistic cost, above 0, in the unit of the depths. A pair that is
            predicted further apart than a few times `tau` costs as in the hinge.
    """

    kind: str = "hinge"
    margin: float = 0.0
    closest: float = 0.0
    tau: float = TAU


def pairwise_cost(
    depth: Float[Array, "n s"],
    truth: Float[Array, "n s"],
    pairs: Pairs,
    scale: Float[Array, "#n #s"] | None = None,
    either: Bool[Array, "n s"] | None = None,
) -> Float[Array, ""]:
    """The definition: all pairs at once, n * n for each set. See `cost`."""
    gap = truth[None, :] - truth[:, None]
    counted = gap > pairs.closest
    if either is not None:
        counted &= either[:, None] | either[None, :]
    y = depth[:, None] - depth[None, :]
    if pairs.margin:
        y += jnp.minimum(pairs.margin, jnp.where(counted, gap, 0))
    tau = jnp.asarray(pairs.tau)
    if scale is not None:
        tau *= jnp.sqrt((scale[:, None] ** 2 + scale[None, :] ** 2) / 2)
    costs = {
        "hinge": lambda: jnp.maximum(y, 0),
        "logistic": lambda: tau * jax.nn.softplus(y / tau),
        "difference": lambda: jnp.abs(y),
    }[pairs.kind]()
    return jnp.sum(costs, where=counted)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def cost(
    depth: Float[Array, "n s"],
    truth: Float[Array, "n s"],
    pairs: Pairs,
    scale: Float[Array, "#n #s"] | None = None,
    either: Bool[Array, "n s"] | None = None,
) -> Float[Array, ""]:
    """The cost of all pairs, summed over all sets.

    Takes O(n) memory for a set and O(n * n) time. There is a gradient with respect to the predicted
    depth alone.

    Args:
        depth: predicted depths of the `n` elements of each of `s` sets, in any unit.
        truth: their true depths. An element of depth NaN belongs to no pair.
        pairs: what counts, and what it costs.
        scale: factor on `tau` of each element; a pair has the root of the mean square of its two.
        either: pairs count of which at least one element is true here; by default all.

    Returns:
        The sum over all sets, in the unit of `depth`; NaN if a predicted depth is.
    """
    return _forward(depth, truth, pairs, scale, either)[0]


def count(
    truth: Float[Array, "n s"], pairs: Pairs, either: Bool[Array, "n s"] | None = None
) -> Float[Array, ""]:
    """Returns the number of pairs that `cost` is the sum over."""

    def add(total, other):
        return total + jnp.abs(_sign((truth, either), other, pairs.closest)), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(truth), (truth, either))
    return jnp.sum(total) / 2


def _sign(element, other, closest):
    """1 where an element is truly nearer than another, -1 where farther, 0 where neither counts."""
    (truth, either), (d, its) = element, other
    gap = d - truth
    sign = jnp.where(gap > closest, 1.0, jnp.where(gap < -closest, -1.0, 0.0))
    return sign if either is None else jnp.where(either | its, sign, 0)


def _forward(depth, truth, pairs, scale, either):
    margin = pairs.margin
    if math.isinf(margin):  # the gaps of the errors, which want no margin
        depth, margin = depth - jnp.where(jnp.isnan(truth), 0, truth), 0
    # With Euler, what is homogeneous need not be summed.
    summed = bool(margin) or pairs.kind == "logistic"

    def add(totals, other):
        slopes, costs = totals
        z, d, its_scale, its_either = other
        sign = _sign((truth, either), (d, its_either), pairs.closest)
        y, tau = sign * (depth - z), jnp.asarray(pairs.tau, depth.dtype)
        if margin:
            y += jnp.minimum(margin, jnp.where(sign == 0, 0, jnp.abs(d - truth)))
        if scale is not None:
            tau *= jnp.sqrt((scale**2 + its_scale**2) / 2)
        slope, cost = _COSTS[pairs.kind](y, tau)
        if summed:
            costs += jnp.where(sign > 0, cost, 0)
        return (slopes + sign * slope, costs), None

    count = len(depth)
    size = math.ceil(count / math.ceil(count / _BLOCK))
    # A CPU is slower with several such sums in one pass; other devices then start fewer kernels.
    unroll = 1 if summed and jax.default_backend() == "cpu" else size
    others = depth, truth, None if scale is None else jnp.broadcast_to(scale, depth.shape), either
    zero = jnp.zeros_like(depth)
    (slopes, costs), _ = jax.lax.scan(add, (zero, zero), others, unroll=unroll)
    if summed:
        return jnp.sum(costs), slopes
    # Of centred depths it is the same sum, rounded less: a set's slopes add to 0.
    return jnp.sum((depth - jnp.mean(depth, axis=0)) * slopes), slopes


def _hinge(y, tau):
    del tau
    return jnp.where(y > 0, 1.0, jnp.where(y < 0, 0.0, 0.5)), jnp.maximum(y, 0)


def _difference(y, tau):
    del tau
    return jnp.sign(y), jnp.abs(y)


def _logistic(y, tau):
    y /= tau
    half = jnp.tanh(y / 2) / 2  # the logistic function, less ½
    # log(1 + exp(y)) is max(y, 0) less the logarithm of the logistic function of |y|.
    return half + 0.5, tau * (jnp.maximum(y, 0) - jnp.log(0.5 + jnp.abs(half)))


_COSTS = {"hinge": _hinge, "logistic": _logistic, "difference": _difference}
"""For each kind the slope of a pair, and its cost."""


def _backward(pairs, slopes, cotangent):
    del pairs  # they are in the slopes
    return cotangent * slopes, None, None, None


cost.defvjp(_forward, _backward)
