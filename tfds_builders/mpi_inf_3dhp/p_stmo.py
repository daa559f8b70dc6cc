"""Reads the archives of P-STMO, `data_train_3dhp.npz` and `data_test_3dhp.npz`.

Each contains one dictionary, `data`, with the universal ground truth:

    train: {"S1 Seq1": [{"0": {"data_2d": [t, 17, 2], "data_3d": [t, 17, 3]}, ...}, fps], ...}
    test: {"TS1": {"data_2d": [t, 17, 2], "data_3d": [t, 17, 3], "valid": [t]}, ...}
"""

import functools
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from repose_jax.runtime import safe_pickle
from tfds_builders.mpi_inf_3dhp.view import (
    CAMERAS,
    Sequence,
    View,
    check_kind,
    check_numbers,
    check_whole,
)


def sequences(path: pathlib.Path) -> list[Sequence]:
    """Returns the sequences of an archive, which is read into memory (up to 0.7 GB).

    Raises:
        OSError: If the archive is missing.
        ValueError: If it is not such an archive, or damaged; names the fault.
    """
    data = _only(safe_pickle.load_npz(path), path)
    found = []
    for key, value in data.items():
        where = f"{path}, {key!r}"
        if isinstance(key, str) and re.fullmatch(r"S[1-8] Seq[12]", key):
            cameras, fps = _train(value, where)
            frames, read = 0, functools.partial(_train_views, key, where, cameras, fps)
            for camera, arrays in cameras.items():
                frames += _frames(arrays, f"{where}, camera {camera!r}", ("data_2d", "data_3d"))
            if frames != len(cameras) * len(cameras["0"]["data_2d"]):
                lengths = {camera: len(cameras[camera]["data_2d"]) for camera in CAMERAS}
                raise ValueError(
                    f"{where}: found frames of cameras {lengths}, expected equal numbers"
                )
            found.append(Sequence("train", key.replace(" ", "/"), frames, (path,), read))
        elif isinstance(key, str) and re.fullmatch(r"TS[1-6]", key):
            frames = _frames(value, where, ("data_2d", "data_3d", "valid"))
            read = functools.partial(_test_views, key, where, value)
            found.append(Sequence("test", key, frames, (path,), read))
        else:
            raise ValueError(
                f"{where}: expected sequences 'S1 Seq1' to 'S8 Seq2' or 'TS1' to 'TS6'"
            )
    return found


def _only(arrays: dict[str, Any], path: pathlib.Path) -> dict[Any, Any]:
    """Returns the dictionary of sequences in the archive."""
    if "data" not in arrays:
        raise ValueError(f"{path}: found keys {sorted(arrays)}, expected 'data'")
    data = arrays["data"]
    if not isinstance(data, dict) or not data:
        raise ValueError(
            f"{path}, 'data': found {_described(data)}, expected a dictionary of sequences"
        )
    return data


def _described(value: Any) -> str:
    """Describes a value in short."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else repr(value)


def _train(value: Any, where: str) -> tuple[dict[str, Any], float]:
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(
            f"{where}: found {_described(value)}, expected [cameras, frames per second]"
        )
    cameras, fps = value
    if not isinstance(cameras, dict) or set(cameras) != set(CAMERAS):
        found = sorted(map(str, cameras)) if isinstance(cameras, dict) else _described(cameras)
        raise ValueError(f"{where}: found cameras {found}, expected {list(CAMERAS)}")
    if not isinstance(fps, int | float | np.integer | np.floating) or not 1 <= fps <= 1000:
        raise ValueError(f"{where}: found {_described(fps)} frames per second, expected a number")
    return cameras, float(fps)


def _frames(arrays: Any, where: str, keys: tuple[str, ...]) -> int:
    """Checks the arrays of a person; returns their number of frames."""
    if not isinstance(arrays, dict) or not set(keys) <= set(arrays):
        found = sorted(map(str, arrays)) if isinstance(arrays, dict) else _described(arrays)
        raise ValueError(f"{where}: found {found}, expected {list(keys)}")
    shapes = {"data_2d": (None, 17, 2), "data_3d": (None, 17, 3), "valid": (None,)}
    for key in keys:
        check_kind(arrays[key], f"{where}, {key!r}", shapes[key])
    lengths = {key: len(arrays[key]) for key in keys}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{where}: found {lengths} frames, expected equal numbers")
    return lengths["data_2d"]


def _joints(arrays: dict[str, np.ndarray], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the 2D and the 3D joints."""
    return (
        check_numbers(arrays["data_2d"], f"{where}, 'data_2d'", (None, 17, 2)),
        check_numbers(arrays["data_3d"], f"{where}, 'data_3d'", (None, 17, 3)),
    )


def _train_views(
    key: str, where: str, cameras: dict[str, dict[str, np.ndarray]], fps: float
) -> Iterator[View]:
    subject, sequence = key.split()
    for camera in CAMERAS:
        here = f"{where}, camera {camera!r}"
        keypoints, joints = _joints(cameras[camera], here)
        yield View(
            where=here,
            name=f"{subject}/{sequence}/camera{camera}",
            subject=subject,
            camera=camera,
            keypoints_2d=keypoints,
            joints_3d=joints,
            fps=fps,
        )


def _test_views(key: str, where: str, arrays: dict[str, np.ndarray]) -> Iterator[View]:
    keypoints, joints = _joints(arrays, where)
    yield View(
        where=where,
        name=key,
        subject=key,
        camera="0",
        keypoints_2d=keypoints,
        joints_3d=joints,
        valid=check_whole(arrays["valid"], f"{where}, 'valid'", 0, 1),
    )
