"""Models with integers, on networks that the tests make."""

import numpy as np
import pytest

from repose_jax.detectors import litert
from repose_jax.detectors.integers import with_integers

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="the extra video")

CHANNELS = 3
RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(8, 8, CHANNELS)).astype(np.float32)
WEIGHTS = RNG.normal(size=(48, 1, 1, CHANNELS)).astype(np.float16).astype(np.float32)
BIAS = RNG.normal(size=48).astype(np.float16).astype(np.float32)


def convolution(weights=WEIGHTS, *, half: bool = True) -> bytes:
    """A model of one convolution, whose weights are floats of 16 or of 32 bits in the file."""
    kinds, model, graph = schema.BuiltinOperator, schema.ModelT(), schema.SubGraphT()
    model.buffers, model.operatorCodes = [schema.BufferT()], []
    graph.tensors, graph.operators = [], []

    def tensor(shape, kind=schema.TensorType.FLOAT32, values=None) -> int:
        made = schema.TensorT()
        made.shape, made.type, made.name = shape, kind, f"t{len(graph.tensors)}"
        made.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(kind, inputs, output):
        code, made = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        model.operatorCodes.append(code)
        made.opcodeIndex = len(model.operatorCodes) - 1
        made.inputs, made.outputs = inputs, [output]
        graph.operators.append(made)
        return made

    def constant(values) -> int:
        if not half:
            return tensor(values.shape, values=values)
        halves = tensor(values.shape, schema.TensorType.FLOAT16, values.astype(np.float16))
        floats = tensor(values.shape)
        operator(kinds.DEQUANTIZE, [halves], floats)
        return floats

    side = IMAGE.shape[0]
    image = tensor([1, side, side, CHANNELS])
    output = tensor([1, side, side, len(weights)])
    made = operator(kinds.CONV_2D, [image, constant(weights), constant(BIAS)], output)
    made.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    made.builtinOptions = schema.Conv2DOptionsT()
    made.builtinOptions.strideH = made.builtinOptions.strideW = 1
    graph.inputs, graph.outputs = [image], [output]
    model.version, model.subgraphs = 3, [graph]
    return litert.packed(model, graph)


def kinds_of(content: bytes) -> set[int]:
    return {tensor.type for tensor in litert.unpacked(content)[1].tensors if tensor.buffer}


def weights_of(content: bytes) -> int:
    """Bytes of the weights that the graph needs."""
    model, graph = litert.unpacked(content)
    needed = {int(index) for operator in graph.operators for index in operator.inputs}
    data = [model.buffers[graph.tensors[index].buffer].data for index in needed]
    return sum(len(one) for one in data if one is not None)


def run(content: bytes) -> np.ndarray:
    (output,) = litert.loader(content, "a")(1)(IMAGE)
    return output


@pytest.mark.parametrize("half", [True, False])
def test_results_are_those_of_floats_but_for_the_rounding(half):
    exact = run(convolution(half=half))
    np.testing.assert_allclose(exact, IMAGE @ WEIGHTS[:, 0, 0].T + BIAS, rtol=1e-3, atol=1e-3)
    rounded = run(with_integers(convolution(half=half), least=64, most=64))
    error = np.abs(rounded - exact).std() / exact.std()
    assert 1e-4 < error < 0.02


def test_weights_are_a_byte_each():
    content = convolution()
    changed = with_integers(content, least=64, most=64)
    assert weights_of(content) == 2 * (WEIGHTS.size + BIAS.size)
    assert weights_of(changed) == WEIGHTS.size + 4 * BIAS.size
    assert schema.TensorType.INT8 in kinds_of(changed)


def test_a_channel_without_weights_is_its_bias():
    weights = WEIGHTS.copy()
    weights[3] = 0
    rounded = run(with_integers(convolution(weights), least=64, most=64))
    np.testing.assert_allclose(rounded[..., 3], BIAS[3], rtol=1e-6)


@pytest.mark.parametrize("sizes", [(1, 63), (65, 1000)])
def test_maps_of_other_sizes_stay_as_they_are(sizes):
    content = convolution()
    changed = with_integers(content, least=sizes[0], most=sizes[1])
    assert schema.TensorType.INT8 not in kinds_of(changed)
    np.testing.assert_array_equal(run(changed), run(content))


def test_convolutions_of_several_pixels_stay_as_they_are():
    wide = np.repeat(WEIGHTS, 3, axis=1)
    changed = with_integers(convolution(wide), least=1, most=1000)
    assert schema.TensorType.INT8 not in kinds_of(changed)


def test_what_is_no_model_is_refused():
    with pytest.raises(ValueError, match="it has no graph"):
        with_integers(b"no model", least=1, most=10)
