"""Parameters and multiply-accumulate operations (MACs) of a configuration's model.

The columns are those of the paper's Table 2. MACs are counted from the computation itself, the
jaxpr of the forward pass of one clip: nothing is estimated from layer types, nothing runs.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from repose_jax import models


@dataclasses.dataclass(frozen=True)
class Complexity:
    """Costs of a model.

    Attributes:
        parameters: trainable parameters.
        frames: frames of the clip that poses are given for.
        linear_macs: MACs of a clip in products of activations with parameters.
        attention_macs: MACs of a clip in products of activations with each other.
    """

    parameters: int
    frames: int
    linear_macs: int
    attention_macs: int

    @property
    def macs(self) -> int:
        """MACs of a clip."""
        return self.linear_macs + self.attention_macs

    @property
    def macs_per_frame(self) -> float:
        """MACs of a clip, for each of its frames."""
        return self.macs / self.frames


def of_model(name: str, *, clip_frames: int, **config: Any) -> Complexity:
    """Counts the costs of a model for a clip.

    Args:
        name: the model's name in `repose_jax.models`.
        clip_frames: frames of the clip that poses are given for.
        **config: sizes, as for `repose_jax.models.create`.

    Returns:
        The counts.

    Raises:
        ValueError: an unknown model or size, or a clip that is longer than what the model takes.
    """
    model: Any = nnx.eval_shape(functools.partial(models.create, name, **config))
    graphdef, variables = nnx.split(model)
    frames = clip_frames + sum(model.context)
    shape = (1, frames, model.config.joints, model.config.in_channels)
    inputs = jax.ShapeDtypeStruct(shape, jnp.float32)
    linear, attention = product_macs(lambda v, x: nnx.merge(graphdef, v)(x), variables, inputs)
    return Complexity(models.parameter_count(model), clip_frames, linear, attention)


def product_macs(function: Callable[[Any, Any], Any], params: Any, inputs: Any) -> tuple[int, int]:
    """Counts the MACs of `function(params, inputs)` from its jaxpr; nothing is computed.

    Args:
        function: any JAX function.
        params: a pytree of arrays or their shapes.
        inputs: another.

    Returns:
        (MACs of products of which one side depends on the inputs, MACs of those of which both do).

    Raises:
        ValueError: products inside of a loop of unknown length, a branch or a kernel of its own.
    """
    jaxpr = jax.make_jaxpr(function)(params, inputs)
    leaves = [len(jax.tree.leaves(tree)) for tree in (params, inputs)]
    macs, _ = _count(jaxpr.jaxpr, [False] * leaves[0] + [True] * leaves[1])
    return int(macs[0]), int(macs[1])


def _count(jaxpr: Jaxpr, depends: Sequence[bool]) -> tuple[np.ndarray, list[bool]]:
    """Returns [linear MACs, attention MACs], and which results depend on the inputs.

    Args:
        jaxpr: a computation.
        depends: which of its arguments depend on the inputs.
    """
    known = dict(zip(jaxpr.invars, depends, strict=True))

    def reads(atoms: Sequence[Any]) -> list[bool]:
        return [not isinstance(atom, Literal) and known.get(atom, False) for atom in atoms]

    total = np.zeros(2, np.int64)
    for eqn in jaxpr.eqns:
        given = reads(eqn.invars)
        results = [any(given)] * len(eqn.outvars)
        inner = [p for p in jax.tree.leaves(eqn.params, is_leaf=_is_jaxpr) if _is_jaxpr(p)]
        bodies = [p.jaxpr if isinstance(p, ClosedJaxpr) else p for p in inner]
        if eqn.primitive.name in _PRODUCTS and any(given):
            macs = _PRODUCTS[eqn.primitive.name](eqn)
            total += np.where(all(given), [0, macs], [macs, 0])
        elif eqn.primitive.name == "scan":
            macs, results = _count_scan(eqn, bodies[0], given)
            total += macs
        elif len(bodies) == 1 and len(bodies[0].invars) == len(given):  # a call: jit, remat, ...
            macs, results = _count(bodies[0], given)
            total += macs
        elif any(_count(body, [True] * len(body.invars))[0].any() for body in bodies):
            raise ValueError(f"The products inside of {eqn.primitive.name!r} cannot be counted.")
        known |= zip(eqn.outvars, results, strict=True)
    return total, reads(jaxpr.outvars)


def _count_scan(eqn: Any, body: Jaxpr, given: list[bool]) -> tuple[np.ndarray, list[bool]]:
    # What is carried keeps its shape, what is scanned loses an axis in the body: the names of the
    # parameters that count them differ between versions of JAX.
    carried = _same_shapes(eqn.outvars, body.outvars)
    first = _same_shapes(eqn.invars, body.invars) - carried
    carry = slice(first, first + carried)
    while True:
        macs, results = _count(body, given)
        after = [a or b for a, b in zip(given[carry], results, strict=False)]
        if after == given[carry]:
            return eqn.params["length"] * macs, results
        given[carry] = after  # dependencies made by one iteration hold for the next


def _same_shapes(outside: Sequence[Any], inside: Sequence[Any]) -> int:
    pairs = zip(outside, inside, strict=True)
    return sum(a.aval.shape == b.aval.shape for a, b in pairs)


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, Jaxpr | ClosedJaxpr)


def _dot_macs(eqn: Any) -> int:
    (contracted, _), _ = eqn.params["dimension_numbers"]
    left, result = eqn.invars[0].aval, eqn.outvars[0].aval
    return result.size * math.prod(left.shape[axis] for axis in contracted)


def _conv_macs(eqn: Any) -> int:
    kernel, result = eqn.invars[1].aval, eqn.outvars[0].aval
    features = kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
    return result.size * (kernel.size // features)


_PRODUCTS = {"dot_general": _dot_macs, "conv_general_dilated": _conv_macs}
