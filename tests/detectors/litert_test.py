"""LiteRT on models that the tests make."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest

from repose_jax.detectors import litert

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="the extra video")
flatbuffers = pytest.importorskip("flatbuffers")


def doubling_model() -> bytes:
    """A model with outputs of 96, 192 and 384 values: 2, 4 and 8 copies of an image in a row.

    The second is computed from the first, and the third from the second.
    """
    kinds = schema.BuiltinOperator
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kinds.CONCATENATION
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    for number, width in enumerate((4, 8, 16, 32)):
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = [1, 4, width, 3], schema.TensorType.FLOAT32, 0
        tensor.name = f"copies_{width}"
        graph.tensors.append(tensor)
        if number:
            operator = schema.OperatorT()
            operator.inputs, operator.outputs = [number - 1] * 2, [number]
            operator.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
            operator.builtinOptions = schema.ConcatenationOptionsT()
            operator.builtinOptions.axis = 2
            graph.operators.append(operator)
    graph.inputs, graph.outputs = [0], [1, 2, 3]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


IMAGE = np.random.default_rng(0).random((4, 4, 3)).astype(np.float32)


def operators(content: bytes) -> int:
    return len(schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0].operators)


def test_a_model_maps_an_image_to_its_outputs():
    outputs = litert.loader(doubling_model(), "doubling")(1)(IMAGE)
    assert [output.shape for output in outputs] == [(4, 8, 3), (4, 16, 3), (4, 32, 3)]
    for output in outputs:
        np.testing.assert_array_equal(output[:, 4:8], IMAGE)


@pytest.mark.parametrize(("sizes", "left"), [((96,), 1), ((192,), 2), ((96, 384), 3)])
def test_outputs_that_are_not_needed_are_not_computed(sizes, left):
    content = litert.with_outputs(doubling_model(), sizes)
    assert operators(content) == left
    outputs = litert.loader(doubling_model(), "doubling", sizes)(1)(IMAGE)
    assert [output.size for output in outputs] == list(sizes)
    for output in outputs:
        np.testing.assert_array_equal(output, np.tile(IMAGE, (1, output.shape[1] // 4, 1)))


def test_a_model_without_one_of_the_outputs_stays_as_it_is():
    content = doubling_model()
    assert litert.with_outputs(content, (96, 5)) is content


@pytest.mark.parametrize("sizes", [None, (96,)])
@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000), doubling_model()[:200]])
def test_what_is_no_model_is_one_clear_error(content, sizes):
    with pytest.raises(ValueError, match="not a model that LiteRT can load"):
        litert.loader(content, "broken.tflite", sizes)(1)


def test_copies_share_the_threads_and_are_loaded_once():
    loaded = []

    def load(threads):
        loaded.append(threads)
        return lambda image: [np.array(threads)]

    copies = litert.Copies(load, 4)
    assert loaded == [4]
    for count, threads in ((1, [4]), (2, [2, 2]), (3, [1] * 3), (9, [1] * 9), (0, [])):
        assert copies.each(lambda copy, item: int(copy(item)[0]), [IMAGE] * count) == threads
    assert sorted(loaded) == [1, 1, 1, 1, 1, 2, 2, 4]


@pytest.mark.parametrize(
    ("threads", "count", "together"),
    [
        (2, 3, [3]),
        (2, 4, [2, 2]),
        (2, 9, [2, 2, 2, 3]),
        (4, 7, [7]),
        (4, 8, [4, 4]),
        (1, 2, [1, 1]),
    ],
)
def test_no_image_is_left_alone_with_idle_threads(threads, count, together, monkeypatch):
    made = []

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def __init__(self, workers, name):
            made.append(workers)
            super().__init__(workers, name)

    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Pool)
    copies = litert.Copies(lambda threads: lambda image: [], threads)
    items = list(range(count))
    assert copies.each(lambda copy, item: item, items) == items
    assert made == [one for one in together if one > 1]


def test_calls_of_copies_overlap_and_results_are_in_order():
    together = threading.Barrier(2, timeout=20)

    def work(copy, item):
        together.wait()
        time.sleep(0.01 * (1 - item))
        return item

    copies = litert.Copies(lambda threads: lambda image: [], 2)
    assert copies.each(work, [0, 1, 0, 1]) == [0, 1, 0, 1]


def test_an_error_of_a_copy_leaves_no_thread():
    def work(copy, item):
        raise ValueError(f"item {item}")

    before = threading.active_count()
    with pytest.raises(ValueError, match="item 1"):
        litert.Copies(lambda threads: lambda image: [], 2).each(work, [1, 2, 3])
    assert threading.active_count() == before
