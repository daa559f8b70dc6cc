"""The primitives of JAX that lifters consist of, each as nodes of ONNX (operator set 18)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from repose_jax.export.graph import Graph, Tensor, Value, broadcast, product

OPSET = 18

Equation = Any  # a JaxprEqn, whose types do not declare that its arrays have shapes
Handler = Callable[[Graph, Equation, Sequence[Value]], Value]
Multiple = Callable[[Graph, Equation, Sequence[Value]], Sequence[Value]]

# Of which every operand may be narrower than its array.
BROADCAST = {
    **{"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min"},
    **{"pow": "Pow", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual"},
    **{"eq": "Equal", "and": "And", "or": "Or", "neg": "Neg", "exp": "Exp", "log": "Log"},
    **{"sqrt": "Sqrt", "tanh": "Tanh", "logistic": "Sigmoid", "abs": "Abs", "sign": "Sign"},
    **{"erf": "Erf", "not": "Not", "sin": "Sin", "cos": "Cos", "floor": "Floor"},
}
SAME = ("copy", "stop_gradient", "optimization_barrier")
# Compiled functions, and those with a gradient of their own; the name of the function in it.
CALLS = {
    **dict.fromkeys(("jit", "pjit", "checkpoint", "remat2"), "jaxpr"),
    **dict.fromkeys(
        ("closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"), "call_jaxpr"
    ),
}
REDUCTIONS = {"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin"}


def convert(
    graph: Graph, jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Value]
) -> list[Value]:
    """Adds a function of JAX to a graph.

    Args:
        graph: the graph.
        jaxpr: the function.
        consts: its constants.
        args: its arguments.

    Returns:
        Its results.

    Raises:
        ValueError: it has a primitive, or one with options, that is not known here; names it.
    """
    known: dict[Any, Value] = {}

    def read(atom: Any) -> Value:
        return np.asarray(atom.val) if isinstance(atom, Literal) else known[atom]

    known.update(zip(jaxpr.constvars, map(np.asarray, consts), strict=True))
    known.update(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        results = _equation(graph, eqn, [read(atom) for atom in eqn.invars])
        known.update(zip(eqn.outvars, results, strict=True))
    outputs: list[Any] = jaxpr.outvars
    return [graph.whole(read(atom), atom.aval.shape) for atom in outputs]


def _equation(graph: Graph, eqn: Equation, values: list[Value]) -> Sequence[Value]:
    name = eqn.primitive.name
    if name in CALLS:
        inner = eqn.params[CALLS[name]]
        closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
        return convert(graph, closed.jaxpr, closed.consts, values)
    if _is_constant(eqn, values):
        found = eqn.primitive.bind(*values, **eqn.params)
        return [np.asarray(part) for part in (found if eqn.primitive.multiple_results else [found])]
    if name in SAME:
        return values
    if name in BROADCAST:
        return [_broadcast(graph, BROADCAST[name], *values)]
    if name in NARROW:
        return [NARROW[name](graph, eqn, values)]
    if name not in WHOLE:
        raise ValueError(
            f"ONNX: the model uses JAX's {name!r}, which is not known here; --to=stablehlo writes "
            "any model."
        )
    values = [
        graph.whole(value, atom.aval.shape) for value, atom in zip(values, eqn.invars, strict=True)
    ]
    result = WHOLE[name](graph, eqn, values)
    return [result] if isinstance(result, Tensor | np.ndarray) else result


def _is_constant(eqn: Equation, values: Sequence[Value]) -> bool:
    """Whether a result is computed here: of constants, which are whole, and without clips."""
    lengths = [length for var in eqn.outvars for length in var.aval.shape]
    return all(isinstance(length, int) for length in lengths) and all(
        isinstance(value, np.ndarray) and value.shape == atom.aval.shape
        for value, atom in zip(values, eqn.invars, strict=True)
    )


def _require(eqn: Equation, known: Any) -> Any:
    """Raises unless the options of a primitive are known here."""
    if not known:
        raise ValueError(
            f"ONNX: JAX's {eqn.primitive.name!r} is not known here with {eqn.params}; "
            "--to=stablehlo writes any model."
        )


def _broadcast(graph: Graph, op: str, *values: Value) -> Tensor:
    return graph.op(op, *values, shape=broadcast([tuple(value.shape) for value in values]))


# Operands may be narrower than their arrays.


def _erfc(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    return _broadcast(graph, "Sub", np.ones((), np.float32), _broadcast(graph, "Erf", *values))


def _rsqrt(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    return _broadcast(graph, "Reciprocal", _broadcast(graph, "Sqrt", *values))


def _square(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    return _broadcast(graph, "Mul", values[0], values[0])


def _integer_pow(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    _require(eqn, eqn.params["y"] == 2)
    return _square(graph, eqn, values)


def _is_finite(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    wrong = [_broadcast(graph, op, *values) for op in ("IsNaN", "IsInf")]
    return _broadcast(graph, "Not", _broadcast(graph, "Or", *wrong))


def _select_n(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    _require(eqn, len(values) == 3 and eqn.invars[0].aval.dtype == bool)
    return _broadcast(graph, "Where", values[0], values[2], values[1])


def _convert(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    kind = graph.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(eqn.params["new_dtype"]))
    return graph.op("Cast", values[0], shape=values[0].shape, to=kind)


def _iota(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    shape, axis = eqn.params["shape"], eqn.params["dimension"]
    _require(eqn, isinstance(shape[axis], int))
    narrow = [shape[axis] if place == axis else 1 for place in range(len(shape))]
    return np.arange(shape[axis], dtype=eqn.params["dtype"]).reshape(narrow)


def _broadcast_in_dim(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    value, places = values[0], eqn.params["broadcast_dimensions"]
    if not value.shape:
        return value
    shape = [1] * len(eqn.params["shape"])
    for place, length in zip(places, value.shape, strict=True):
        shape[place] = length
    return graph.reshape(value, shape)


NARROW: dict[str, Handler] = {
    "erfc": _erfc,
    "rsqrt": _rsqrt,
    "square": _square,
    "integer_pow": _integer_pow,
    "is_finite": _is_finite,
    "select_n": _select_n,
    "convert_element_type": _convert,
    "iota": _iota,
    "broadcast_in_dim": _broadcast_in_dim,
}


# Operands are whole.


def _reduction(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    op, axes = REDUCTIONS[eqn.primitive.name], graph.integers(eqn.params["axes"])
    return graph.op(op, values[0], axes, shape=eqn.outvars[0].aval.shape, keepdims=0)


def _argmax(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    (axis,) = eqn.params["axes"]
    value, shape, to = values[0], eqn.outvars[0].aval.shape, graph.onnx.TensorProto
    if eqn.invars[0].aval.dtype == bool:
        value = graph.op("Cast", value, shape=value.shape, to=to.INT32)
    index = graph.op("ArgMax", value, shape=shape, axis=axis, keepdims=0)
    return graph.op("Cast", index, shape=shape, to=to.INT32)


def _cumsum(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    axis = np.array(eqn.params["axis"], np.int64)
    reverse = int(eqn.params["reverse"])
    return graph.op("CumSum", values[0], axis, shape=values[0].shape, reverse=reverse)


def _sort(graph: Graph, eqn: Equation, values: Sequence[Value]) -> list[Value]:
    """Sorts rows by the first operand; ONNX has no sort but the k smallest, in order."""
    axis, shape = eqn.params["dimension"], values[0].shape
    _require(eqn, eqn.params["num_keys"] == 1 and isinstance(shape[axis], int))
    keys, order = graph.add(
        *("TopK", values[0], graph.integers([shape[axis]])), outputs=2, axis=axis, largest=0
    )
    rest = [
        graph.op("GatherElements", value, Tensor(order, shape), shape=shape, axis=axis)
        for value in values[1:]
    ]
    return [Tensor(keys, shape), *rest]


def _top_k(graph: Graph, eqn: Equation, values: Sequence[Value]) -> list[Value]:
    shape = eqn.outvars[0].aval.shape
    found, index = graph.add("TopK", values[0], graph.integers([eqn.params["k"]]), outputs=2)
    int32 = graph.onnx.TensorProto.INT32
    return [Tensor(found, shape), graph.op("Cast", Tensor(index, shape), shape=shape, to=int32)]


def _reshape(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    return graph.reshape(values[0], eqn.outvars[0].aval.shape)


def _transpose(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    return graph.transpose(values[0], eqn.params["permutation"])


def _slice(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    starts, ends = eqn.params["start_indices"], eqn.params["limit_indices"]
    steps = eqn.params["strides"] or (1,) * len(starts)
    cut = [
        (axis, *part)
        for axis, part in enumerate(zip(starts, ends, steps, strict=True))
        if part != (0, values[0].shape[axis], 1)
    ]
    if not cut:
        return values[0]
    axes, starts, ends, steps = (graph.integers(part) for part in zip(*cut, strict=True))
    return graph.op("Slice", values[0], starts, ends, axes, steps, shape=eqn.outvars[0].aval.shape)


def _rev(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    axes = eqn.params["dimensions"]
    least = [np.iinfo(np.int64).min]  # before the first
    cut = ([-1] * len(axes), least * len(axes), axes, [-1] * len(axes))
    return graph.op("Slice", values[0], *map(graph.integers, cut), shape=values[0].shape)


def _pad(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    low, high, interior = zip(*eqn.params["padding_config"], strict=True)
    _require(eqn, not any(interior) and min(*low, *high, 0) == 0)
    return graph.op(
        "Pad", values[0], graph.integers([*low, *high]), values[1], shape=eqn.outvars[0].aval.shape
    )


def _concatenate(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    axis, shape = eqn.params["dimension"], eqn.outvars[0].aval.shape
    return graph.op("Concat", *values, shape=shape, axis=axis)


def _stack(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    axis, shape = eqn.params["axis"], eqn.outvars[0].aval.shape
    one = [*shape[:axis], 1, *shape[axis + 1 :]]
    return graph.op("Concat", *(graph.reshape(v, one) for v in values), shape=shape, axis=axis)


def _split(graph: Graph, eqn: Equation, values: Sequence[Value]) -> list[Value]:
    sizes, axis = graph.integers(eqn.params["sizes"]), eqn.params["axis"]
    names = graph.add("Split", values[0], sizes, outputs=len(sizes), axis=axis)
    return [Tensor(n, var.aval.shape) for n, var in zip(names, eqn.outvars, strict=True)]


def _unstack(graph: Graph, eqn: Equation, values: Sequence[Value]) -> list[Value]:
    count, axis = len(eqn.outvars), eqn.params["axis"]
    sizes, shape = graph.integers([1] * count), list(values[0].shape)
    names = graph.add("Split", values[0], sizes, outputs=count, axis=axis)
    shape[axis] = 1
    return [
        graph.reshape(Tensor(name, tuple(shape)), var.aval.shape)
        for name, var in zip(names, eqn.outvars, strict=True)
    ]


def _dot_general(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    """A product of matrices: of any stack of them by one matrix, or of a stack by a stack."""
    ((over_a, over_b), (batch_a, batch_b)) = eqn.params["dimension_numbers"]
    a, b = values
    free_a = [axis for axis in range(len(a.shape)) if axis not in (*over_a, *batch_a)]
    free_b = [axis for axis in range(len(b.shape)) if axis not in (*over_b, *batch_b)]
    stack = [a.shape[axis] for axis in batch_a]
    rows, columns = [a.shape[axis] for axis in free_a], [b.shape[axis] for axis in free_b]
    inner = product([a.shape[axis] for axis in over_a])
    a = graph.transpose(a, (*batch_a, *free_a, *over_a))
    b = graph.transpose(b, (*batch_b, *over_b, *free_b))
    # Without a stack the rows may keep their axes.
    kept = [product(rows)] if stack else rows
    a = graph.reshape(a, (*stack, *kept, inner))
    b = graph.reshape(b, (*stack, inner, product(columns)))
    out = graph.op("MatMul", a, b, shape=(*stack, *kept, product(columns)))
    return graph.reshape(out, (*stack, *rows, *columns))


def _convolution(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    params, numbers = eqn.params, eqn.params["dimension_numbers"]
    plain = params["batch_group_count"] == 1 and set(params["lhs_dilation"]) <= {1}
    _require(eqn, plain)
    image = graph.transpose(values[0], numbers.lhs_spec)
    kernel = graph.transpose(values[1], numbers.rhs_spec)
    low, high = zip(*params["padding"], strict=True)
    shape = eqn.outvars[0].aval.shape
    out = graph.op(
        "Conv",
        image,
        kernel,
        shape=[shape[axis] for axis in numbers.out_spec],
        strides=list(params["window_strides"]),
        dilations=list(params["rhs_dilation"]),
        pads=[*low, *high],
        group=params["feature_group_count"],
    )
    return graph.transpose(out, np.argsort(numbers.out_spec).tolist())


def _gather(graph: Graph, eqn: Equation, values: Sequence[Value]) -> Value:
    """Indexing of one axis: by constants, or by an array of as many rows as the operand has."""
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    (value, index), shape = values, eqn.outvars[0].aval.shape
    _require(eqn, len(numbers.start_index_map) == 1)
    (axis,), rank = numbers.start_index_map, len(value.shape)
    others = [other for other in range(rank) if other != axis]
    index = graph.reshape(index, index.shape[:-1])
    if numbers.operand_batching_dims:
        along_last = axis == rank - 1 and list(numbers.operand_batching_dims) == others
        same = numbers.start_indices_batching_dims == numbers.operand_batching_dims
        _require(eqn, along_last and same and numbers.collapsed_slice_dims == (axis,))
        return graph.op("GatherElements", value, index, shape=shape, axis=axis)
    _require(eqn, all(sizes[other] == value.shape[other] for other in others))
    if not isinstance(index, np.ndarray):
        return _require(eqn, False)
    last = value.shape[axis] - sizes[axis]
    _require(eqn, 0 <= index.min(initial=last) <= index.max(initial=0) <= last)
    if not numbers.collapsed_slice_dims:
        _require(eqn, index.ndim == 0)
        cut = ([int(index)], [int(index) + sizes[axis]], [axis])
        return graph.op("Slice", value, *map(graph.integers, cut), shape=shape)
    # ONNX puts the axes of the index in place of the indexed one.
    places = [place for place in range(len(shape)) if place not in numbers.offset_dims]
    order = [*numbers.offset_dims[:axis], *places, *numbers.offset_dims[axis:]]
    out = graph.op("Gather", value, index, shape=[shape[p] for p in order], axis=axis)
    return graph.transpose(out, np.argsort(order).tolist())


WHOLE: dict[str, Handler | Multiple] = {
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshape),
    "argmax": _argmax,
    "cumsum": _cumsum,
    "sort": _sort,
    "top_k": _top_k,
    "transpose": _transpose,
    "slice": _slice,
    "rev": _rev,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "split": _split,
    "dot_general": _dot_general,
    "conv_general_dilated": _convolution,
    "gather": _gather,
}
