"""The 2D joints of a video in a file of our own, so that lifting anew needs no detection."""

import pathlib
from typing import Any

import numpy as np

from repose_jax.keypoints.detections import Detections
from repose_jax.keypoints.finish import FARTHEST
from repose_jax.keypoints.readers.poses import size_of
from repose_jax.runtime import safe_pickle
from repose_jax.runtime.whole_file import whole
from repose_jax.skeleton import HUMAN36M

_ARRAYS = ("keypoints", "confidence", "frame", "score", "identity", "time_s")
_TEXTS = ("name", "format")
_LISTS = ("assumptions", "warnings")
_EXAMINED = "examined"  # where it is not all frames
_FOCAL = "focal_px"  # where the source states it
NAME = "keypoints.npz"
"""Name of the file in the folder of a result."""
PARTIAL = "keypoints_partial.npz"
"""Name of a file of joints of a part of a video, beside those of an earlier result."""
NAMES = (NAME, PARTIAL)
VERSION = "repose_keypoints"
"""Key that only these files have."""


def find(path: pathlib.Path) -> pathlib.Path | None:
    """Returns the file that `write` wrote: the path itself, or that in a folder; else None."""
    path = path / NAME if path.is_dir() else path
    try:
        return path if f"{VERSION}.npy" in safe_pickle.names_in(path) else None
    except (OSError, ValueError):
        return None


def name_in(folder: pathlib.Path) -> str | None:
    """Returns the name of the video whose result is in a folder; None if there is none."""
    path = find(folder)
    try:
        return None if path is None else read(path).name
    except ValueError:  # damaged
        return None


def write(path: pathlib.Path, detections: Detections) -> None:
    """Writes detections to an .npz file, whole or not at all."""
    values: dict[str, Any] = {name: getattr(detections, name) for name in (*_ARRAYS, *_TEXTS)}
    values[VERSION] = np.array(1)
    values |= {name: np.array(getattr(detections, name), dtype=np.str_) for name in _LISTS}
    if detections.examined is not None:
        values[_EXAMINED] = detections.examined
    if detections.focal_px is not None:
        values[_FOCAL] = np.array(detections.focal_px)
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
    values: dict[str, Any] = {name: np.asarray(file[name]) for name in _ARRAYS}
    if any(array.dtype.kind not in "fiu" for array in values.values()):
        raise ValueError(f"{path}: damaged: its arrays are not all of numbers.")
    for name in ("frame", "identity"):
        if values[name].dtype.kind not in "iu":
            raise ValueError(f"{path}: damaged: {name} is {values[name].dtype}, not whole numbers.")
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
    confidence, places = values["confidence"], values["keypoints"]
    found = places[confidence > 0]
    plausible = (
        ((confidence >= 0) & (confidence <= 1)).all()
        and (np.abs(found) <= FARTHEST).all()
        and np.isfinite(values["time_s"]).all()
        and (np.diff(values["time_s"]) > 0).all()
        and (np.diff(values["frame"]) >= 0).all()
    )
    examined = file.get(_EXAMINED)
    if examined is not None:
        examined = np.asarray(examined)
        plausible &= examined.dtype == bool and examined.shape == (frames,)
        plausible = plausible and bool(examined[values["frame"]].all())
    focal = np.ravel(file.get(_FOCAL, ()))
    plausible &= len(focal) == 0 or (
        len(focal) == 1 and focal.dtype.kind in "fiu" and 0 < focal[0] < np.inf
    )
    size = np.ravel(file.get("image_size", ()))
    known = size_of(*size.tolist()) if len(size) == 2 else None
    if not plausible or (len(size) and known is None):
        raise ValueError(f"{path}: damaged: it has values that no detections have.")
    values |= {name: str(file[name]) for name in _TEXTS}
    values |= {name: tuple(map(str, np.ravel(file[name]))) for name in _LISTS}
    return Detections(
        **values,
        image_size=known,
        examined=examined,
        focal_px=float(focal[0]) if len(focal) else None,
    )
