"""Detectors by their names."""

import os
from pathlib import Path
from typing import Literal

from repose_jax.detectors import weights
from repose_jax.detectors.detector import Detector
from repose_jax.runtime import folders, names

BLAZEPOSE = ("blazepose", "blazepose-int8", "blazepose-full", "blazepose-lite")
ONNX = {
    "rtmpose": (weights.YOLOX_TINY, weights.RTMPOSE_M),
    "rtmpose-yolox-m": (weights.YOLOX_M, weights.RTMPOSE_M),
    "rtmo": (weights.RTMO_S,),
}
DETECTORS = (*BLAZEPOSE, *ONNX)


def create(
    name_or_path: str | os.PathLike[str],
    weights_dir: str | os.PathLike[str] | None = None,
    *,
    people: Literal["all", "one"] = "all",
) -> Detector:
    """Makes a detector for one video; its weights are found, or fetched on the first use.

    Args:
        name_or_path: one of `DETECTORS`; or an ONNX file, or a zip that holds one: an RTMO, a YOLO
            for poses, or a SimCC model of poses, with a comma and a YOLOX or with that of the
            weights.
        weights_dir: folder with the files of the weights.
        people: "one" if the video shows one person, who is looked for in whole frames alone.

    Raises:
        ValueError: the name is unknown, or a file of the weights is damaged.
        OSError: the weights are neither found nor fetched; says where to get them.
        ImportError: a package that the detector needs is missing.
    """
    name = os.fspath(name_or_path)
    weights_dir = None if weights_dir is None else folders.expand(weights_dir)
    if name in BLAZEPOSE:
        from repose_jax.detectors import blazepose

        return blazepose.create(name, weights_dir, people=people)
    paths = [part.strip() for part in name.split(",")]
    if name in ONNX or all(Path(path).suffix in (".onnx", ".zip") for path in paths):
        from repose_jax.detectors import onnx_files

        if name in ONNX:
            paths = [weights.locate(file, weights_dir) for file in ONNX[name]]
        else:
            paths = [folders.expand(path) for path in paths]
        return onnx_files.from_files(
            paths, yolox=lambda: weights.locate(weights.YOLOX_TINY, weights_dir)
        )
    if Path(name).suffix in (".pt", ".pth"):
        raise ValueError(
            f"{name} is of PyTorch; give an ONNX file. Of YOLO, this makes one: yolo export "
            f"model={name} format=onnx"
        )
    raise ValueError(names.unknown("detector", name, DETECTORS))
