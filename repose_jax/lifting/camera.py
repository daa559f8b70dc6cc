"""The camera of a video: from a focal length, a field of view, a file, or an assumption."""

import dataclasses
import math
import os
import pathlib
import re
import tomllib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from repose_jax.motion.motion import Camera
from repose_jax.runtime import folders

FIELDS_OF_VIEW = (1.0, 170.0)
"""Least and greatest field of view of the longer side, degrees; others are taken for mistakes."""
MOST_DISTORTION = 1000.0
"""Coefficients of distortion beyond are taken for mistakes."""
CROP = 0.01
"""How much of a side the image of a file and that of the video may differ by: encoders pad to
multiples of 16 px, and players cut that off again."""


def camera(
    image_size: tuple[int, int],
    *,
    focal: int | float | None = None,
    fov: int | float | None = None,
    file: str | os.PathLike[str] | None = None,
    video: str | None = None,
    stated: float | None = None,
) -> Camera:
    """Returns the camera of a video.

    Without any argument the focal length is assumed to be as long as the longer side of the image,
    a field of view of 53 degrees.

    Args:
        image_size: width and height of the upright image, px.
        focal: focal length, px.
        fov: field of view of the longer side of the image, degrees.
        file: a calibration of Pose2Sim, TOML with a table for each camera; `FILE.toml:NAME` for
            one of several. It may be of the same video in another size.
        video: name of the video, which chooses among the cameras of a file if it contains the name
            of one: "cam02_walk" is of "cam_02".
        stated: focal length that the file of the video states, px, where nothing else is given.

    Raises:
        ValueError: contradicting or impossible values, a file of another format or with no camera
            of such an image, or several that fit.
        FileNotFoundError: there is no such file.
    """
    given = {"focal": focal, "fov": fov, "file": file}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ValueError(f"The camera is given by {' and '.join(named)}; give one of them.")
    longest = max(image_size)
    if file is not None:
        return _of_file(os.fspath(file), image_size, video)
    if focal is not None:
        _check_focal(focal, image_size, f"A focal length of {focal:g} px")
        source = f"given: {focal:g} px"
    elif fov is not None:
        least, most = FIELDS_OF_VIEW
        if not least <= fov <= most:
            raise ValueError(
                f"A field of view of {fov:g} degrees is impossible; give the angle that the longer "
                f"side of the image spans, {least:g} to {most:g}."
            )
        focal = _focal_of(fov, longest)
        source = f"given: a field of view of {fov:g} degrees"
    elif stated is not None:
        focal, source = stated, "as the file of the video states for its lens"
    else:
        focal = longest
        source = "assumed: as long as the longer side of the image, a field of view of 53 degrees"
    return Camera(float(focal), np.array(image_size) / 2, image_size, source)


def undistorted(keypoints: Float[np.ndarray, "*b 2"], camera: Camera) -> Float[np.ndarray, "*b 2"]:
    """Removes the distortion of the lens from points of the image, px; NaN stays NaN."""
    if camera.distortion is None or not camera.distortion.any():
        return keypoints
    k1, k2, p1, p2, k3 = camera.distortion
    seen = (keypoints - camera.centre_px) / camera.focal_px
    points = seen.copy()
    for _ in range(20):  # the fixed point of Brown's model, as in OpenCV
        x, y = points[..., 0], points[..., 1]
        r2 = x**2 + y**2
        radial = np.maximum(1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 0.1)
        x_moved = 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
        y_moved = p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
        points = (seen - np.stack([x_moved, y_moved], axis=-1)) / radial[..., None]
    return points * camera.focal_px + camera.centre_px


@dataclasses.dataclass(frozen=True, eq=False)
class _Calibration:
    """A camera of a file; see `Camera`."""

    name: str
    size: Sequence[int | float]
    focal: float
    centre: np.ndarray
    distortion: np.ndarray | None
    up: np.ndarray | None

    def scale_to(self, image_size: tuple[int, int]) -> float | None:
        """Returns the factor from the camera's image to one of another size; None if none fits."""
        factors = np.array(image_size) / self.size
        return float(factors.max()) if np.ptp(factors) <= CROP * factors.max() else None


def _of_file(file: str, image_size: tuple[int, int], video: str | None) -> Camera:
    path, name = _split(file)
    cameras = _read(path)
    if name is not None:
        cameras = [found for found in cameras if found.name == name] or _no_name(
            path, name, cameras
        )
    fitting = [found for found in cameras if found.scale_to(image_size)]
    if not fitting:
        width, height = image_size
        listed = ", ".join(f"{c.name} ({c.size[0]:g}x{c.size[1]:g})" for c in cameras)
        raise ValueError(
            f"{path} has no camera whose image has the shape of {width}x{height}; found {listed}."
        )
    if len(fitting) > 1 and video:
        matching = [found for found in fitting if _letters(found.name) in _letters(video)]
        longest = max((len(_letters(found.name)) for found in matching), default=0)
        fitting = [c for c in matching if len(_letters(c.name)) == longest] or fitting
    if len(fitting) > 1:
        listed = ", ".join(found.name for found in fitting)
        raise ValueError(f"{path} has several cameras ({listed}); give one as {path}:NAME.")
    found = fitting[0]
    scale = found.scale_to(image_size) or 1.0
    return Camera(
        focal_px=scale * found.focal,
        centre_px=scale * found.centre,
        image_size=image_size,
        source=f"from {path.name}, {found.name}",
        distortion=found.distortion,
        up=found.up,
    )


def _split(file: str) -> tuple[pathlib.Path, str | None]:
    """Returns path and name of `FILE:NAME`; a file whose own name has a colon is found first."""
    path, colon, name = file.rpartition(":")
    if colon and not folders.expand(file).is_file() and path.lower().endswith(".toml"):
        return folders.expand(path), name
    return folders.expand(file), None


def _read(path: pathlib.Path) -> list[_Calibration]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no camera file {path}.")
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no TOML file: {error}.") from error
    cameras = [
        _calibration(f"{path}, [{key}]", str(table.get("name", key)), table)
        for key, table in tables.items()
        if isinstance(table, dict) and "matrix" in table
    ]
    if not cameras:
        raise ValueError(
            f"{path} has no camera: expected tables with 'matrix' and 'size', as Pose2Sim writes."
        )
    return cameras


def _calibration(place: str, name: str, table: dict[str, Any]) -> _Calibration:
    def numbers(key: str, *shapes: tuple[int, ...]) -> np.ndarray:
        try:
            value = np.array(table[key], float)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{place}: {key} is missing, or no list of numbers.") from error
        if value.shape not in shapes:
            raise ValueError(f"{place}: {key} has the shape {value.shape}; expected {shapes[0]}.")
        if not np.isfinite(value).all():
            wrong = value[~np.isfinite(value)][0]
            raise ValueError(f"{place}: {key} has {wrong:g}; give numbers that are finite.")
        return value

    matrix, size = numbers("matrix", (3, 3)), numbers("size", (2,))
    if (size <= 0).any():
        raise ValueError(f"{place}: an image of {size[0]:g}x{size[1]:g} px is impossible.")
    if (matrix[:2, 2] < -size).any() or (matrix[:2, 2] > 2 * size).any():
        raise ValueError(f"{place}: the centre is far outside of the image.")
    if table.get("fisheye"):
        raise ValueError(f"{place} has a fisheye lens; undistort the video first.")
    across, down = matrix[0, 0], matrix[1, 1]
    for focal in (across, down):
        _check_focal(focal, (size[0], size[1]), f"{place}: a focal length of {focal:g} px")
    if abs(across / down - 1) > 0.01:
        raise ValueError(
            f"{place}: the pixels are not square (focal lengths {across:g} and {down:g} px); "
            "resize the video to square pixels first."
        )
    distortion = None
    if "distortions" in table:
        found = numbers("distortions", (4,), (5,))
        if (np.abs(found) > MOST_DISTORTION).any():
            raise ValueError(f"{place}: distortions beyond {MOST_DISTORTION:g} are no lens's.")
        distortion = np.pad(found, (0, 5 - len(found)))
    pose = [numbers(key, (3,)) for key in ("rotation", "translation") if key in table]
    # Zeros are a calibration of the lens alone. The world's z points up.
    known = len(pose) == 2 and np.any(pose)
    up = Rotation.from_rotvec(pose[0]).as_matrix()[:, 2] if known else None
    focal = float(across + down) / 2
    return _Calibration(name, (size[0], size[1]), focal, matrix[:2, 2], distortion, up)


def focal_range(longest: int | float) -> tuple[float, float]:
    """Returns the shortest and the longest focal length that is no mistake, px.

    Args:
        longest: side of the image, px.
    """
    narrowest, widest = (_focal_of(angle, longest) for angle in FIELDS_OF_VIEW)
    return widest, narrowest


def _focal_of(fov: int | float, longest: int | float) -> float:
    return longest / 2 / math.tan(math.radians(fov) / 2)


def _check_focal(focal: int | float, size: Sequence[int | float], what: str) -> None:
    shortest, longest = focal_range(max(size))
    if not shortest <= focal <= longest:
        raise ValueError(
            f"{what} is impossible for an image of {size[0]:g}x{size[1]:g} px (F mm for 35 mm film "
            f"are F x {max(size) / 36:.1f} px); "
            f"usual are {0.5 * max(size):.0f} to {3 * max(size):.0f}."
        )


def _no_name(path: pathlib.Path, name: str, cameras: list[_Calibration]) -> list[_Calibration]:
    listed = ", ".join(found.name for found in cameras)
    raise ValueError(f"{path} has no camera {name!r}; it has {listed}.")


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
