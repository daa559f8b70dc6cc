"""TensorFlow Lite models whose products of matrices are of integers of 8 bits.

Processors multiply these several times as fast as floats. LiteRT rounds the inputs of such a
convolution itself, by the largest of each pixel, and multiplies its sums by the steps of both.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from repose_jax.detectors import litert
from repose_jax.runtime import extras

_MOST = 127
_VERSION = 5  # of the operation: the first with a step of its own for each channel of the weights


def with_integers(content: bytes, *, least: int, most: int) -> bytes:
    """Rounds the weights of convolutions of single pixels on maps of some sizes to 8 bits.

    Args:
        content: of the file; its weights are floats of 16 or 32 bits.
        least: pixels of the smallest map.
        most: pixels of the largest map.

    Returns:
        The model with such weights; other operations stay as they are.

    Raises:
        ImportError: LiteRT is missing.
        ValueError: the content is no model.
    """
    schema = extras.require("ai_edge_litert.schema_py_generated", "video", "BlazePose")
    model, graph = litert.unpacked(content)
    makers = {int(operator.outputs[0]): operator for operator in graph.operators}
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = _VERSION
    model.operatorCodes.append(code)

    def add(values: np.ndarray, kind: int, name: bytes) -> int:
        buffer, tensor = schema.BufferT(), schema.TensorT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        model.buffers.append(buffer)
        tensor.shape, tensor.type, tensor.name = values.shape, kind, name
        tensor.buffer = len(model.buffers) - 1
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    for operator in graph.operators:
        if _kind(model, operator) != schema.BuiltinOperator.CONV_2D:
            continue
        image, kernel, bias = map(int, operator.inputs)
        _, height, width, _ = graph.tensors[int(operator.outputs[0])].shape
        if not least <= height * width <= most or tuple(graph.tensors[kernel].shape[1:3]) != (1, 1):
            continue
        weights, offset = (_constant(schema, model, graph, makers, i) for i in (kernel, bias))
        step = np.abs(weights).max(axis=(1, 2, 3)) / _MOST
        step = np.where(step > 0, step, 1).astype(np.float32)
        rounded = np.round(weights / step[:, None, None, None]).astype(np.int8)
        of_weights = add(rounded, schema.TensorType.INT8, graph.tensors[kernel].name)
        quantization = schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = step, np.zeros(len(step), np.int64)
        quantization.quantizedDimension = 0
        graph.tensors[of_weights].quantization = quantization
        of_bias = add(offset, schema.TensorType.FLOAT32, graph.tensors[bias].name)
        operator.inputs = np.array([image, of_weights, of_bias], np.int32)
        operator.opcodeIndex = len(model.operatorCodes) - 1
    return litert.packed(model, graph)


def _kind(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)  # small ones may be in the latter


def _constant(
    schema: Any, model: Any, graph: Any, makers: Mapping[int, Any], index: int
) -> Float[np.ndarray, "..."]:
    """Returns the values of a tensor of weights, which may be floats of 16 bits in the file."""
    maker = makers.get(index)
    if maker is not None and _kind(model, maker) == schema.BuiltinOperator.DEQUANTIZE:
        index = int(maker.inputs[0])
    tensor = graph.tensors[index]
    kinds = {schema.TensorType.FLOAT16: np.float16, schema.TensorType.FLOAT32: np.float32}
    data = model.buffers[tensor.buffer].data
    if tensor.type not in kinds or data is None:
        raise ValueError(f"its weights {tensor.name} are no floats")
    values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), kinds[tensor.type])
    return values.astype(np.float32).reshape(tensor.shape)
