"""TensorFlow Lite models on LiteRT."""

import concurrent.futures
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from repose_jax.runtime import extras

Network = Callable[[Float[np.ndarray, "h w 3"]], list[np.ndarray]]
"""From a normalised image to the outputs, each without the axis of the batch."""


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Copies:
    """Copies of a network that share threads; all but the first are loaded when they are needed.

    A thread for each of several images takes less CPU time than all threads for one after another,
    and none waits for another.
    """

    def __init__(self, load: Callable[[int], Network], threads: int):
        """Loads a copy that uses all threads; `load` takes the number of them."""
        self._copy = functools.cache(lambda threads, number: load(threads))
        self._threads = threads
        self._copy(threads, 0)

    def each(
        self, work: Callable[[Network, _Item], _Result], items: Sequence[_Item]
    ) -> list[_Result]:
        """Returns the results for all items, in their order; calls that take a copy each overlap.

        An error of a call is raised after the calls beside it.
        """
        results: list[_Result] = []
        while left := len(items) - len(results):
            # A few images more than threads share the cores: the last one would leave some idle.
            count = left if left < 2 * self._threads else self._threads
            now = items[len(results) :][:count]
            threads = max(self._threads // count, 1)
            copies = [self._copy(threads, number) for number in range(count)]
            if count == 1:
                results.append(work(copies[0], now[0]))
                continue
            with concurrent.futures.ThreadPoolExecutor(count, "detecting") as pool:
                results += pool.map(work, copies, now)
        return results


def loader(
    content: bytes,
    name: str,
    sizes: Sequence[int] | None = None,
    change: Callable[[bytes], bytes] | None = None,
) -> Callable[[int], Network]:
    """Returns what loads a model of one image for a number of threads.

    Args:
        content: of the file.
        name: of the file, for messages.
        sizes: numbers of values of the outputs that are needed, so that others are not computed;
            None for all outputs.
        change: makes another model of this one.

    Raises:
        ImportError: LiteRT is missing.
        ValueError: the content is no such model; what is returned raises it, too.
    """
    try:
        if sizes is not None:
            content = with_outputs(content, sizes)
        if change is not None:
            content = change(content)
    except ValueError as error:
        raise _not_loaded(name, error) from error
    return functools.partial(_load, content, name)


def _not_loaded(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name}: not a model that LiteRT can load ({error}).")


def _load(content: bytes, name: str, threads: int) -> Network:
    interpreter_lib = extras.require("ai_edge_litert.interpreter", "video", "BlazePose")
    try:
        with _quiet():
            interpreter = interpreter_lib.Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise _not_loaded(name, error) from error
    port = interpreter.get_input_details()[0]["index"]
    outputs = [output["index"] for output in interpreter.get_output_details()]

    def run(image: Float[np.ndarray, "h w 3"]) -> list[np.ndarray]:
        interpreter.set_tensor(port, image[None])
        interpreter.invoke()
        return [interpreter.get_tensor(index)[0] for index in outputs]

    return run


def with_outputs(content: bytes, sizes: Sequence[int]) -> bytes:
    """Removes outputs of a model, and the operations that they alone need.

    LiteRT runs every operation of a file, also those whose results nobody reads.

    Args:
        content: of the file.
        sizes: numbers of values of the outputs that stay.

    Returns:
        The smaller model; the content as it is if it lacks one of the outputs.

    Raises:
        ImportError: LiteRT is missing.
        ValueError: the content is no model.
    """
    model, graph = unpacked(content)
    counts = {int(index): np.prod(graph.tensors[index].shape) for index in graph.outputs}
    kept = [index for index, count in counts.items() if count in sizes]
    if len(kept) != len(sizes):
        return content
    graph.outputs = np.array(kept, np.int32)
    return packed(model, graph)


def unpacked(content: bytes) -> tuple[Any, Any]:
    """Returns a model and its graph, as objects of the schema of TensorFlow Lite.

    Raises:
        ImportError: LiteRT is missing.
        ValueError: the content is no model of one graph.
    """
    schema = extras.require("ai_edge_litert.schema_py_generated", "video", "BlazePose")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        (graph,) = model.subgraphs
    except Exception as error:  # whatever the bytes are taken for
        raise ValueError(f"it has no graph: {error}") from error
    return model, graph


def packed(model: Any, graph: Any) -> bytes:
    """Returns the file of a model, without operations that its outputs do not need."""
    import flatbuffers  # LiteRT depends on it

    graph.operators = _needed(graph.operators, map(int, graph.outputs))
    model.signatureDefs = None  # they name the outputs
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _needed(operators: Sequence[Any], tensors: Iterable[int]) -> list[Any]:
    """Returns the operators, in their order, that tensors are computed by."""
    needed, found = set(tensors), []
    for operator in reversed(operators):  # a file has them in the order of the computation
        if not needed.isdisjoint(operator.outputs):
            needed.update(operator.inputs)
            found.append(operator)
    return found[::-1]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discards what LiteRT writes on stderr when it loads a model."""
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
