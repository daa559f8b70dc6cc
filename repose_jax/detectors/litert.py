"""TensorFlow Lite models on LiteRT."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from repose_jax.runtime import extras

Network = Callable[[Float[np.ndarray, "h w 3"]], list[np.ndarray]]
"""From a normalised image to the outputs, each without the axis of the batch."""


def load(content: bytes, name: str, *, threads: int) -> Network:
    """Loads a model of one image.

    Args:
        content: of the file.
        name: of the file, for messages.
        threads: of the model.

    Raises:
        ImportError: LiteRT is missing.
        ValueError: the content is no such model.
    """
    interpreter_lib = extras.require("ai_edge_litert.interpreter", "video", "BlazePose")
    try:
        with _quiet():
            interpreter = interpreter_lib.Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: not a model that LiteRT can load ({error}).") from error
    port = interpreter.get_input_details()[0]["index"]
    outputs = [output["index"] for output in interpreter.get_output_details()]

    def run(image: Float[np.ndarray, "h w 3"]) -> list[np.ndarray]:
        interpreter.set_tensor(port, image[None])
        interpreter.invoke()
        return [interpreter.get_tensor(index)[0] for index in outputs]

    return run


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
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
