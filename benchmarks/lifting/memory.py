"""Peak memory and time of lifting long 2D joints, and of each file that is written."""

import contextlib
import dataclasses
import pathlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax.numpy as jnp
import numpy as np

from benchmarks.lifting.speed import repeated
from repose_jax.evaluation import predict
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import lift
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion import files
from repose_jax.tracking import tracks

KINDS = ("npz", "json", "csv", "angles", "bvh", "glb", "trc", "html")
_PERIOD_S = 0.01


def measure(
    detections: Detections, model: Predictor, frames: int, people: int, *, network: bool = True
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields names, and CPU s, peak MB of the process and MB written, of the lift and each file.

    Args:
        detections: of one person, which are repeated.
        model: the model.
        frames: of the long input.
        people: copies side by side.
        network: run it; else poses are made of its inputs, and all else is measured.
    """
    long = side_by_side(repeated(detections, frames), people)
    with contextlib.ExitStack() as stack:
        if not network:
            stack.enter_context(mock.patch.object(predict, "model_predictor", _no_network))
        motion, row = _cost(lambda: lift.motion_of(long, model, Options(lock_feet=True)))
    yield "detections to people", row
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            where = pathlib.Path(folder) / kind
            written, row = _cost(lambda where=where, kind=kind: files.write(where, motion, [kind]))
            size = sum(path.stat().st_size for path in written) / 2**20
            yield kind, {**row, "MB written": size}


def largest(detections: Detections) -> Detections:
    """Returns the detections of the largest person alone."""
    person = tracks.largest(tracks.track(detections))
    rows = np.arange(len(person.frame))
    return dataclasses.replace(
        detections,
        keypoints=person.detected[..., :2].copy(),
        confidence=person.detected[..., 2].copy(),
        frame=rows,
        score=np.ones(len(rows)),
        identity=np.zeros(len(rows), int),
        time_s=person.time_s,
    )


def side_by_side(detections: Detections, people: int) -> Detections:
    """Returns detections of one person as those of several, an image apart."""
    assert detections.image_size is not None
    width, height = detections.image_size
    rows = np.repeat(np.arange(len(detections.frame)), people)
    offset = width * (np.arange(len(rows)) % people)
    columns = ("keypoints", "confidence", "frame", "score")
    values = {name: getattr(detections, name)[rows] for name in columns}
    values["keypoints"] = values["keypoints"] + np.stack([offset, 0 * offset], -1)[:, None]
    return dataclasses.replace(
        detections,
        **values,
        identity=np.arange(len(rows)) % people,
        image_size=(people * width, height),
    )


def _no_network(*_: object, **__: object) -> predict.Predictor:
    def poses(inputs):
        x = np.asarray(inputs)[..., :2]
        return jnp.asarray(np.concatenate([0.4 * x, 0.2 * np.sin(3 * x[..., :1])], axis=-1))

    return poses


def _cost(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Runs a function and returns what it returns, its CPU time and the peak of the memory."""
    peak, done = [_resident()], threading.Event()

    def watch() -> None:
        while not done.wait(_PERIOD_S):
            peak[0] = max(peak[0], _resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.process_time()
    try:
        result = run()
    finally:
        done.set()
        watcher.join()
    return result, {"CPU s": time.process_time() - start, "peak MB": peak[0]}


def _resident() -> float:
    """Returns the resident memory of this process, MB."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) / 1024
