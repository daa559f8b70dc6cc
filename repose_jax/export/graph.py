"""An ONNX graph as it grows, of arrays whose first axis, of clips, has no known length.

A tensor may be narrower than the array of JAX that it stands for: ONNX broadcasts operands by
itself, so an array that JAX has broadcast keeps its axes of length 1 until an operation needs it
whole.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from repose_jax.runtime import extras

COUNT = "number_of_clips"
"""Name of the tensor `[1]` of the number of clips."""
Shape = tuple[Any, ...]
"""Lengths; those that depend on the number of clips are expressions of it."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor of a graph.

    Attributes:
        name: in the graph.
        shape: of the tensor, which may have axes of length 1 that the array of JAX has not.
    """

    name: str
    shape: Shape


Value = Tensor | np.ndarray


class Graph:
    """Nodes and constants of an ONNX graph.

    Attributes:
        batch: the number of clips, a symbolic dimension of JAX.
        nodes: in the order of their computation.
        initializers: constants by name.
    """

    def __init__(self, batch: Any):
        self.onnx = extras.require("onnx", "export", "Writing ONNX")
        self.batch = batch
        self.nodes: list[Any] = []
        self.initializers: dict[str, np.ndarray] = {}
        self._constants: dict[tuple[Any, ...], str] = {}

    def name(self, value: Value) -> str:
        """Returns the name of a tensor; a constant becomes one of the graph."""
        if isinstance(value, Tensor):
            return value.name
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            self.initializers[self._constants[key]] = np.asarray(value)
        return self._constants[key]

    def add(self, op: str, *inputs: Value, outputs: int = 1, **attributes: Any) -> list[str]:
        """Adds a node; returns the names of its outputs."""
        names = [f"{op.lower()}_{len(self.nodes)}{'_' * number}" for number in range(outputs)]
        named = str(len(self.nodes))  # onnxruntime before 1.22 needs different names
        node = self.onnx.helper.make_node(
            op, [*map(self.name, inputs)], names, name=named, **attributes
        )
        self.nodes.append(node)
        return names

    def op(self, op: str, *inputs: Value, shape: Sequence[Any], **attributes: Any) -> Tensor:
        """Adds a node with one output of a shape."""
        return Tensor(self.add(op, *inputs, **attributes)[0], tuple(shape))

    def whole(self, value: Value, shape: Sequence[Any]) -> Value:
        """Returns the array of JAX, broadcast to its shape."""
        shape = tuple(shape)
        if tuple(value.shape) == shape:
            return value
        if isinstance(value, np.ndarray) and all(isinstance(length, int) for length in shape):
            return np.broadcast_to(value, shape).copy()
        # Clips per axis times their number; Expand leaves an axis as it is where it finds a 1.
        clips = [0 if isinstance(length, int) else self._multiple(length) for length in shape]
        lengths = self.integers([length if isinstance(length, int) else 0 for length in shape])
        if any(clips):
            numbers = self.op("Mul", self.integers(clips), Tensor(COUNT, (1,)), shape=(len(shape),))
            lengths = self.op("Add", lengths, numbers, shape=(len(shape),))
        return self.op("Expand", value, lengths, shape=shape)

    def reshape(self, value: Value, shape: Sequence[Any]) -> Value:
        """Reshapes an array that is whole."""
        shape = tuple(shape)
        if tuple(value.shape) == shape:
            return value
        if isinstance(value, np.ndarray) and all(isinstance(length, int) for length in shape):
            return value.reshape(shape)
        lengths = [length if isinstance(length, int) else -1 for length in shape]
        return self.op("Reshape", value, self.integers(lengths), shape=shape)

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """Permutes the axes of an array that is whole."""
        if list(order) == sorted(order):
            return value
        shape = [value.shape[axis] for axis in order]
        if isinstance(value, np.ndarray):
            return value.transpose(tuple(order))
        return self.op("Transpose", value, shape=shape, perm=list(order))

    def integers(self, values: Sequence[Any]) -> np.ndarray:
        """Returns a constant of the type of shapes and axes."""
        return np.array(values, np.int64)

    def _multiple(self, length: Any) -> int:
        """Returns how many times the number of clips a length is."""
        times = length // self.batch
        if not isinstance(times, int) or times * self.batch != length:
            raise ValueError(f"ONNX: a length of {length} is no multiple of the number of clips.")
        return times


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Returns the shape of an operation on operands of one rank, or of none."""
    ranked = [shape for shape in shapes if shape]
    return tuple(
        next((length for length in lengths if not _is_one(length)), 1)
        for lengths in zip(*ranked, strict=True)
    )


def product(lengths: Sequence[Any]) -> Any:
    """Returns the product of lengths, of which one may be symbolic."""
    return math.prod(lengths)


def _is_one(length: Any) -> bool:
    return isinstance(length, int) and length == 1
