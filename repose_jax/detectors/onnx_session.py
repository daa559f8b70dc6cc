"""ONNX models on onnxruntime, with their layout checked when they are loaded."""

import dataclasses
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from repose_jax.detectors.weights import DAMAGED
from repose_jax.keypoints.formats import detected
from repose_jax.runtime import extras, folders

MOST_THREADS = 4
"""Threads of a model where the machine has more cores: others decode the video and lift."""
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_WITHOUT_SIZE = 640  # height and width of the trial image where the file leaves them open


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Session:
    """A loaded model that maps images to arrays.

    Attributes:
        path: of its file, for messages.
        size: height and width of its images, px.
        batched: it takes any number of images in a call; else one.
        outputs: shapes of its outputs for one image, as found in a trial run.
        runner: the session of onnxruntime.
    """

    path: Path
    size: tuple[int, int]
    batched: bool
    outputs: tuple[tuple[int, ...], ...]
    runner: Any

    def run(self, images: Float[np.ndarray, "n 3 h w"]) -> list[Shaped[np.ndarray, "..."]]:
        """Returns the outputs for images, floating point ones in float32."""
        if len(images) != 1 and not self.batched:
            parts = [self.run(image[None]) for image in images]
            return [np.concatenate(output) for output in zip(*parts, strict=True)]
        port = self.runner.get_inputs()[0]
        outputs = self.runner.run(None, {port.name: images.astype(_TYPES[port.type], copy=False)})
        return [
            output.astype(np.float32) if output.dtype.kind == "f" else output for output in outputs
        ]

    def format_of(self, joints: int) -> str:
        """Returns the format of a model that finds this number of joints.

        Raises:
            ValueError: there is none, or several.
        """
        (found, *others) = detected(joints)
        if others or not isinstance(found, str):
            raise ValueError(
                f"{self.path} finds {joints} joints; expected 17 (coco17), 26 (halpe26), or as "
                "many as one other format has."
            )
        return found


def load(path: str | os.PathLike[str], *, threads: int | None = None) -> Session:
    """Loads a model that takes one image, or several, and runs it once.

    Args:
        path: an ONNX file, or a zip that holds one, as OpenMMLab publishes its models.
        threads: for the model; None for one less than the cores of this process, at most
            `MOST_THREADS`.

    Raises:
        ImportError: onnxruntime is missing.
        FileNotFoundError: there is no such file.
        ValueError: the file holds no model, or one with another input.
    """
    runtime = extras.require("onnxruntime", "video", "A detector in an ONNX file")
    path = Path(path)
    source = _source(path)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or default_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    # Idle threads sleep: between two frames others have work for their cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = runtime.get_available_providers()
    providers = [
        name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available
    ]
    try:
        runner = runtime.InferenceSession(source, options, providers=providers)
    except Exception as error:  # onnxruntime has a class for each cause and no common one
        raise ValueError(
            f"{path} is not a model that onnxruntime {runtime.__version__} can load: "
            f"{_first_line(error)}"
        ) from error
    return _tried(path, runner)


def default_threads() -> int:
    """Returns the number of threads of a model: one core is left to others, if there are two."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min((cores or 1) - 1, MOST_THREADS))


def _source(path: Path) -> str | bytes:
    """Returns what onnxruntime loads: the path, or the bytes of the only model in a zip."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected an ONNX model.")
    folders.check_readable(path)
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; expected an ONNX model.")
    if not zipfile.is_zipfile(path):
        return str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            models = [name for name in archive.namelist() if name.endswith(".onnx")]
            if len(models) != 1:
                raise ValueError(f"{path} holds {len(models)} files *.onnx; expected one.")
            return archive.read(models[0])
    except DAMAGED as error:
        raise ValueError(f"{path} is damaged ({error}); download it again.") from error


def _tried(path: Path, runner: Any) -> Session:
    """Checks the input, and finds the shapes of the outputs by a trial with a black image."""
    ports = runner.get_inputs()
    found = ", ".join(f"{port.name} {_shape(port.shape)} {port.type}" for port in ports)
    expected = "expected one input of floats, [people, 3, height, width]"
    if len(ports) != 1 or len(ports[0].shape) != 4 or ports[0].shape[1] not in (3, None, "3"):
        raise ValueError(f"{path} has the input {found}; {expected}.")
    count, _, *size = ports[0].shape
    if ports[0].type not in _TYPES or (isinstance(count, int) and count != 1):
        raise ValueError(f"{path} has the input {found}; {expected}.")
    height, width = (side if isinstance(side, int) else _WITHOUT_SIZE for side in size)
    session = Session(path, (height, width), not isinstance(count, int), (), runner)
    try:
        outputs = session.run(np.zeros((1, 3, height, width), np.float32))
    except Exception as error:  # as in load
        raise ValueError(
            f"{path} cannot run on an image of {width} x {height} px: {_first_line(error)}"
        ) from error
    return dataclasses.replace(session, outputs=tuple(output.shape for output in outputs))


def _shape(shape: Sequence[int | str | None]) -> str:
    return f"[{', '.join('?' if side is None else str(side) for side in shape)}]"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
