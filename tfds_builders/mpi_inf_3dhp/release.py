"""Reads the original release: `S1/Seq1/annot.mat`, ..., and `TS1/annot_data.mat`, ...."""

import functools
import pathlib
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import PIL.Image
import scipy.io

from tfds_builders.formats import text
from tfds_builders.mpi_inf_3dhp.view import (
    CAMERAS,
    Calibration,
    Sequence,
    View,
    check_kind,
    check_numbers,
    check_whole,
)

# The 17 joints of the test set among the 28 of the training set.
JOINTS = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
# The ground truths by the name of the config.
GROUND_TRUTH = {"universal": "univ_annot3", "metric": "annot3"}

_STUDIO_CAMERAS = 14
_SEQUENCE_SECONDS = (200, 300)  # "each sequence is roughly 4 minutes", at 25 or 50 per second
_MAX_APART = 20  # median distance in the world of the joints seen by two cameras, mm
_CALIBRATION = "Skeletool Camera Calibration File"
# Numbers of each field of a camera in camera.calibration; None: any.
_FIELDS = {"sensor": 2, "size": 2, "animated": 1, "intrinsic": 16, "extrinsic": 16, "radial": None}


def sequences(source: pathlib.Path, config: str) -> list[Sequence]:
    """Finds the sequences in a folder, or in folders directly in it.

    Args:
        source: The folder.
        config: "universal" or "metric".

    Raises:
        OSError: If a file cannot be opened.
        ValueError: If a file is missing, duplicate, or damaged; names it.
    """
    found = []
    for pattern, name, read in (
        ("S[1-8]/Seq[12]", "annot.mat", _train),
        ("TS[1-6]", "annot_data.mat", _test),
    ):
        folders: dict[str, pathlib.Path] = {}
        for folder in sorted({*source.glob(pattern), *source.glob(f"*/{pattern}")}):
            path = folder / name
            key = "/".join(folder.parts[-len(pathlib.PurePath(pattern).parts) :])
            if not folder.is_dir():
                continue
            if not path.is_file():
                raise ValueError(f"{folder}: found no {name}, expected it there")
            if key in folders:
                raise ValueError(f"{path}: {folders[key] / name} is the same sequence, keep one")
            folders[key] = folder
        found += [read(folder, key, config) for key, folder in folders.items()]
    return found


def _train(folder: pathlib.Path, name: str, config: str) -> Sequence:
    path = folder / "annot.mat"
    arrays = read_mat(path, ("cameras", "frames"))
    cameras = [str(n) for n in _vector(arrays["cameras"], f"{path}, 'cameras'", _STUDIO_CAMERAS)]
    if not set(CAMERAS) <= set(cameras) or len(set(cameras)) < len(cameras):
        raise ValueError(f"{path}, 'cameras': found {cameras}, expected {list(CAMERAS)} among them")
    numbers = _vector(arrays["frames"], f"{path}, 'frames'", 1_000_000)
    if np.any(np.diff(numbers) != 1):
        at = int(np.argmax(np.diff(numbers) != 1)) + 1
        raise ValueError(
            f"{path}, 'frames': found {numbers[at]} after {numbers[at - 1]}, expected every frame"
        )
    rows = len(numbers)

    videos = sorted(folder.glob("imageSequence/video_*.avi"))
    clocks = {video: read_avi(video) for video in videos if video.stem[6:] in CAMERAS}
    rates = {video: fps for video, (fps, _) in clocks.items()}
    if len(set(rates.values())) > 1:
        found = ", ".join(f"{video.name} {fps:g}" for video, fps in rates.items())
        raise ValueError(f"{folder}: found frames per second {found}, expected one rate")
    # "It is possible that some sequences have a few frames missing at the end but annotations still
    # available." The longest video counts, as a camera may have stopped early.
    longest = max((frames for _, frames in clocks.values()), default=0) or rows
    if longest < 0.95 * rows:
        raise ValueError(
            f"{path}: found {rows} annotated frames, but at most {longest} in the videos of "
            f"{folder / 'imageSequence'}, expected a few less at most: are they cut short?"
        )
    frames = min(rows, longest)
    fps = next(iter(rates.values())) if rates else _rate_of(rows)
    calibration = folder / "camera.calibration"
    sources = (path, *clocks, *((calibration,) if calibration.exists() else ()))
    read = functools.partial(_train_views, folder, name, config, cameras, rows, frames, fps)
    return Sequence("train", name, frames * len(CAMERAS), sources, read)


def _train_views(
    folder: pathlib.Path,
    name: str,
    config: str,
    cameras: list[str],
    rows: int,
    frames: int,
    fps: float,
) -> Iterator[View]:
    path, key = folder / "annot.mat", GROUND_TRUTH[config]
    calibration = folder / "camera.calibration"
    calibrated = read_calibration(calibration) if calibration.exists() else {}
    arrays = read_mat(path, ("annot2", key))
    for field, value in arrays.items():
        if value.dtype != object or value.size != len(cameras):
            raise ValueError(
                f"{path}, {field!r}: found {value.dtype} of shape {value.shape}, expected a cell "
                f"for each of {len(cameras)} cameras"
            )
    first = None
    for camera in CAMERAS:
        joints = {}
        for field, size in (("annot2", 2), (key, 3)):
            where = f"{path}, {field!r}, camera {camera}"
            cell = arrays[field].ravel()[cameras.index(camera)]
            check_kind(cell, where, (None, 28 * size))
            if len(cell) != rows:
                raise ValueError(f"{where}: found {len(cell)} frames, expected {rows} ('frames')")
            joints[size] = cell[:frames].reshape(frames, 28, size)[:, JOINTS]
            check_numbers(joints[size], where, (None, 17, size))
        if config == "metric" and calibrated:
            world = _in_world(joints[3], calibrated[camera])
            first = world if first is None else first
            apart = np.median(np.linalg.norm(world - first, axis=-1))
            if not apart <= _MAX_APART:
                raise ValueError(
                    f"{calibration}: cameras {CAMERAS[0]} and {camera} see the joints of {path} "
                    f"{apart:.0f} mm apart, expected at most {_MAX_APART}: is it the file of this "
                    "sequence?"
                )
        yield View(
            where=f"{path}, camera {camera}",
            name=f"{name}/camera{camera}",
            subject=name.split("/")[0],
            camera=camera,
            keypoints_2d=joints[2],
            joints_3d=joints[3],
            fps=fps,
            calibration=calibrated.get(camera),
            metric=config == "metric",
        )


def _in_world(joints: np.ndarray, camera: Calibration) -> np.ndarray:
    """Transforms joints `[t, j, 3]`, mm, from the camera to the world."""
    return (joints - camera.translation) @ camera.rotation


def _test(folder: pathlib.Path, name: str, config: str) -> Sequence:
    path = folder / "annot_data.mat"
    frames = len(read_hdf5(path, {"valid_frame": (None, 1)})["valid_frame"])
    image = min(folder.glob("imageSequence/*.jpg"), default=None)
    sources = (path, *((image,) if image else ()))
    read = functools.partial(_test_views, path, image, name, config)
    return Sequence("test", name, frames, sources, read)


def _test_views(
    path: pathlib.Path, image: pathlib.Path | None, name: str, config: str
) -> Iterator[View]:
    key = GROUND_TRUTH[config]
    arrays = read_hdf5(
        path,
        {
            "annot2": (None, 1, 17, 2),
            key: (None, 1, 17, 3),
            "valid_frame": (None, 1),
            "activity_annotation": (None, 1),
        },
    )
    lengths = {field: len(array) for field, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{path}: found {lengths} frames, expected equal numbers")
    valid, activity = arrays["valid_frame"][:, 0], arrays["activity_annotation"][:, 0]
    yield View(
        where=str(path),
        name=name,
        subject=name,
        camera="0",
        keypoints_2d=arrays["annot2"][:, 0],
        joints_3d=arrays[key][:, 0],
        valid=check_whole(valid, f"{path}, 'valid_frame'", 0, 1),
        activity=check_whole(activity, f"{path}, 'activity_annotation'", 1, 7),
        image_size=image and _jpeg_size(image),
        metric=config == "metric",
    )


def _vector(value: np.ndarray, where: str, most: int) -> np.ndarray:
    """Returns a row or column of whole numbers below `most`."""
    check_numbers(value.reshape(-1), where, (None,))
    return check_whole(value.reshape(-1), where, 0, most - 1)


def _rate_of(frames: int) -> float:
    """Returns the rate at which so many frames last about four minutes; NaN where none does."""
    shortest, longest = _SEQUENCE_SECONDS
    return next((fps for fps in (25.0, 50.0) if shortest <= frames / fps <= longest), np.nan)


def read_mat(path: pathlib.Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Reads variables of a MATLAB file of version 5 or 7.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is of another kind, damaged, or lacks a variable.
    """
    _check_mat(path)
    try:
        arrays = scipy.io.loadmat(path, variable_names=keys)
    except Exception as error:  # of many classes, from reading damaged bytes
        raise ValueError(
            f"{path}: damaged, or cut short, while reading {', '.join(map(repr, keys))}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if missing := [key for key in keys if key not in arrays]:
        raise ValueError(f"{path}: found no {missing[0]!r}, expected {', '.join(map(repr, keys))}")
    if wrong := [key for key in keys if not isinstance(arrays[key], np.ndarray)]:
        found = type(arrays[wrong[0]]).__name__
        raise ValueError(f"{path}, {wrong[0]!r}: found {found}, expected an array")
    return {key: arrays[key] for key in keys}


def _check_mat(path: pathlib.Path) -> None:
    """Checks the kind of a file, and that it ends with its last variable."""
    with path.open("rb") as file:
        header = file.read(128)
        if header[:19] != b"MATLAB 5.0 MAT-file":
            raise ValueError(
                f"{path}: begins with {header[:19]!r}, expected a MATLAB file of version 5 or 7 "
                "(in MATLAB: save -v7), as it is released"
            )
        order = ">" if header[126:] == b"MI" else "<"
        end, size = len(header), path.stat().st_size
        while len(tag := file.read(8)) == 8:
            end += 8 + struct.unpack(f"{order}4xI", tag)[0]
            file.seek(end)
    if end != size:
        raise ValueError(f"{path}: found {size} bytes, expected {end}: cut short, or damaged")


def read_hdf5(
    path: pathlib.Path, shapes: Mapping[str, tuple[int | None, ...]]
) -> dict[str, np.ndarray]:
    """Reads arrays of finite numbers of a MATLAB file of version 7.3, which is HDF5.

    Args:
        path: The file.
        shapes: What to read, and of which shape; see `check_kind`.

    Raises:
        ImportError: If h5py is not installed.
        OSError: If the file cannot be opened.
        ValueError: If it is no such file, damaged, or lacks an array.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{path} is an HDF5 file, which needs h5py: pip install h5py") from error
    path.open("rb").close()  # the system's error is clearer than HDF5's
    try:
        file = h5py.File(path, "r")
    except Exception as error:
        raise ValueError(
            f"{path}: not HDF5 (a MATLAB file of version 7.3), damaged or cut short: {error}"
        ) from error
    arrays = {}
    with file:
        for key, shape in shapes.items():
            where = f"{path}, {key!r}"
            try:
                # Links to other files are not followed, nor data read from there.
                hard = isinstance(file.get(key, getlink=True), h5py.HardLink)
                data = file[key] if hard else None
                if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
                    raise ValueError(f"found {sorted(file)}, expected it as an array among them")
                check_kind(data, where, shape)
                arrays[key] = data[()]
            except Exception as error:  # of many classes, from damaged bytes in HDF5
                fault = str(error)
                named = fault.startswith(where)
                raise ValueError(
                    fault if named else f"{where}: missing or damaged: {fault}"
                ) from error
            check_numbers(arrays[key], where, shape)
    return arrays


def read_avi(path: pathlib.Path) -> tuple[float, int]:
    """Returns the frames per second and the number of frames of a video; 0 where unknown.

    Raises:
        OSError: If it cannot be opened.
        ValueError: If it is not an AVI file with a video.
    """
    with path.open("rb") as file:
        header = file.read(4096)
    # The header of the stream: its size, kind, codec, flags, priority and language, initial frames,
    # scale, rate, start and length.
    stream = re.search(rb"strh.{4}vids.{16}(.{16})", header, re.DOTALL)
    if header[:4] != b"RIFF" or header[8:12] != b"AVI " or not stream:
        raise ValueError(f"{path}: found no header of a video, expected AVI: damaged?")
    scale, rate, _, frames = struct.unpack("<4I", stream[1])
    if not scale or not 1 <= rate / scale <= 1000:
        raise ValueError(f"{path}: found {rate}/{scale} frames per second, expected 25 or 50")
    return rate / scale, frames


def _jpeg_size(path: pathlib.Path) -> tuple[int, int]:
    try:
        with PIL.Image.open(path) as image:
            return image.size
    except Exception as error:
        raise ValueError(f"{path}: found no readable image, expected JPEG: {error}") from error


def read_calibration(path: pathlib.Path) -> dict[str, Calibration]:
    """Reads `camera.calibration`.

    Returns:
        The cameras of the studio by their number.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is not such a file, or a camera is incomplete; names the line.
    """
    lines = text.read(path).splitlines()
    if not lines or not lines[0].startswith(_CALIBRATION):
        found = repr(lines[0][:80]) if lines else "nothing"
        raise ValueError(f"{path}, line 1: found {found}, expected {_CALIBRATION!r}")
    cameras: dict[str, dict[str, np.ndarray]] = {}
    name = ""
    for number, line in enumerate(lines[1:], 2):
        key, *values = line.split() or [""]
        where = f"{path}, line {number}"
        if not key:
            continue
        if key == "name":
            name = " ".join(values)
            if name not in map(str, range(_STUDIO_CAMERAS)) or name in cameras:
                raise ValueError(f"{where}: found camera {name!r}, expected each of 0 to 13 once")
            cameras[name] = {}
        elif not name or key not in _FIELDS or key in cameras[name]:
            raise ValueError(f"{where}: found {key!r}, expected one of {', '.join(_FIELDS)} once")
        else:
            cameras[name][key] = _floats(values, _FIELDS[key], f"{where}, {key!r}")
    if missing := [camera for camera in CAMERAS if camera not in cameras]:
        raise ValueError(f"{path}: found no camera {missing[0]!r}, expected it: cut short?")
    calibrated = {name: _calibration(fields, path, name) for name, fields in cameras.items()}
    sizes = {name: camera.image_size for name, camera in calibrated.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"{path}, 'size': found {sizes} by camera, expected one size")
    return calibrated


def _floats(values: list[str], count: int | None, where: str) -> np.ndarray:
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError as error:
        raise ValueError(f"{where}: {error}, expected numbers") from error
    if not np.isfinite(numbers).all() or count not in (None, len(numbers)):
        wanted = "finite numbers" if count is None else f"{count} finite numbers"
        raise ValueError(f"{where}: found {' '.join(values)!r}, expected {wanted}")
    return numbers


def _calibration(fields: dict[str, Any], path: pathlib.Path, name: str) -> Calibration:
    if missing := [key for key in _FIELDS if key not in fields]:
        raise ValueError(f"{path}, camera {name}: found no {missing[0]!r}, expected it")
    intrinsic, extrinsic = fields["intrinsic"].reshape(4, 4), fields["extrinsic"].reshape(4, 4)
    rotation, last = extrinsic[:3, :3], (0, 0, 0, 1)
    width, height = fields["size"]
    for key, value, good, wanted in (
        (
            "size",
            fields["size"],
            all(1 <= n <= 10_000 and n % 1 == 0 for n in (width, height)),
            "px",
        ),
        (
            "intrinsic",
            intrinsic.tolist(),
            np.array_equal(intrinsic[2:], ((0, 0, 1, 0), last))
            and np.array_equal(intrinsic[(0, 1, 1), (3, 0, 3)], (0, 0, 0))
            and intrinsic[0, 0] > 0
            and intrinsic[1, 1] > 0,
            "a pinhole camera",
        ),
        (
            "extrinsic",
            extrinsic.tolist(),
            np.array_equal(extrinsic[3], last)
            and np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
            and np.linalg.det(rotation) > 0,
            "a rotation and a translation",
        ),
    ):
        if not good:
            raise ValueError(f"{path}, camera {name}, {key!r}: found {value}, expected {wanted}")
    return Calibration(
        image_size=(int(width), int(height)),
        intrinsics=intrinsic[:3, :3],
        rotation=rotation,
        translation=extrinsic[:3, 3],
        distortion=None if fields["radial"].any() else np.zeros(5),
    )
