"""The 2D joints of a video in a file of our own, so that lifting anew needs no detection."""

import pathlib
import zipfile
from typing import Any

import numpy as np

from repose_jax.keypoints.detections import Detections
from repose_jax.runtime import safe_pickle
from repose_jax.runtime.whole_file import whole
from repose_jax.skeleton import HUMAN36M

_ARRAYS = ("keypoints", "confidence", "frame", "score", "identity", "time_s")
_TEXTS = ("name", "format")
_LISTS = ("assumptions", "warnings")
NAME = "keypoints.npz"
"""Name of the file in the folder of a result."""
VERSION = "repose_keypoints"
"""Key that only these files have."""


def find(path: pathlib.Path) -> pathlib.Path | None:
    """Returns the file that `write` wrote: the path itself, or that in a folder; else None."""
    path = path / NAME if path.is_dir() else path
    try:
        with zipfile.ZipFile(path) as archive:
            return path if f"{VERSION}.npy" in archive.namelist() else None
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return None


def write(path: pathlib.Path, detections: Detections) -> None:
    """Writes detections to an .npz file, whole or not at all."""
    values: dict[str, Any] = {name: getattr(detections, name) for name in (*_ARRAYS, *_TEXTS)}
    values[VERSION] = np.array(1)
    values |= {name: np.array(getattr(detections, name), dtype=np.str_) for name in _LISTS}
    if detections.image_size is not None:
        values["image_size"] = np.array(detections.image_size)
    with whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **values)


def read(path: pathlib.Path) -> Detections:
    """Reads what `write` wrote.

    Raises:
        ValueError: the file is damaged, or an array is missing or does not fit the others.
    """
    file = safe_pickle.load_npz(path)
    missing = {*_ARRAYS, *_TEXTS, *_LISTS} - {*file}
    if missing:
        raise ValueError(f"{path}: damaged: {min(missing)} is missing.")
    values: dict[str, Any] = {name: file[name] for name in _ARRAYS}
    values |= {name: str(file[name]) for name in _TEXTS}
    values |= {name: tuple(file[name].tolist()) for name in _LISTS}
    size = file["image_size"].tolist() if "image_size" in file else None
    rows, frames = values["frame"].size, values["time_s"].size
    shapes = dict.fromkeys(_ARRAYS, (rows,)) | {
        "keypoints": (rows, HUMAN36M.size, 2),
        "confidence": (rows, HUMAN36M.size),
        "time_s": (frames,),
    }
    if any(values[name].shape != shapes[name] for name in _ARRAYS) or not np.all(
        (values["frame"] >= 0) & (values["frame"] < frames)
    ):
        raise ValueError(f"{path}: damaged: its arrays do not fit each other.")
    return Detections(**values, image_size=size and (size[0], size[1]))
