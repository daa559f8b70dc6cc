"""The common form of all layouts of the dataset, and its check."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from absl import logging

from tfds_builders.records import make_record

# The cameras of the release's chest-height set, on which the published results are trained.
CAMERAS = ("0", "1", "2", "4", "5", "6", "7", "8")

# Indices of the 17 joints of Human3.6M in the order of MPI-INF-3DHP: head top, neck, right arm,
# left arm, right leg, left leg, pelvis, spine, head. Its neck is the thorax there, its head the
# neck.
HUMAN36M = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)

# The sizes of the images of the release, px: of the studio's cameras and of the one outdoors.
STUDIO, OUTDOORS = (2048, 2048), (1920, 1080)

# Limits; a file beyond them is damaged, or in other units or coordinates.
_MAX_PX = 20_000
_MAX_MM = 20_000
_LEG_MM = (200, 700)  # the median length of a thigh or shin
_LEGS = ((1, 2), (2, 3), (4, 5), (5, 6))
# Largest distance of 2D joints from the projected 3D joints, px: for the universal ground truth
# with the best fitting camera (5 in TS5 and TS6), for the metric one with its own camera.
_MAX_RMS = 100
_FOCAL_PX = (500, 5000)  # those of the dataset are about 1500 and 1680
_MAX_REPROJECTION = 3


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A camera of the studio.

    Attributes:
        image_size: Width and height, px.
        intrinsics: `[3, 3]`, px.
        rotation: `[3, 3]`, world (Y up) to camera.
        translation: `[3]`, mm.
        distortion: `[5]`, k1 k2 p1 p2 k3; None where unknown.
    """

    image_size: tuple[int, int]
    intrinsics: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    distortion: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class View:
    """A person seen by one camera, as in a file.

    Attributes:
        where: The file and the part of it, for errors.
        name: Unique name.
        subject: Person.
        camera: Number of the camera.
        keypoints_2d: `[t, 17, 2]`, px, in the order of MPI-INF-3DHP.
        joints_3d: `[t, 17, 3]`, mm, camera space, in the same order.
        fps: Frames per second; NaN where unknown.
        valid: `[t]` of 1 where the protocol counts the frame, else 0; None for all.
        activity: `[t]`, 1 to 7; None where unknown.
        image_size: Of the images, where present.
        calibration: Of the camera, where present.
        metric: Whether the joints are in metric camera space, and not height-normalised.
    """

    where: str
    name: str
    subject: str
    camera: str
    keypoints_2d: np.ndarray
    joints_3d: np.ndarray
    fps: float = np.nan
    valid: np.ndarray | None = None
    activity: np.ndarray | None = None
    image_size: tuple[int, int] | None = None
    calibration: Calibration | None = None
    metric: bool = False


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A recording: a shard of the prepared dataset.

    Attributes:
        split: "train" or "test".
        name: "S1/Seq1" or "TS1".
        frames: Number of frames, over all cameras.
        sources: The files that it is read from.
        views: Reads it.
    """

    split: str
    name: str
    frames: int
    sources: tuple[pathlib.Path, ...]
    views: Callable[[], Iterator[View]]


def check_kind(value: Any, where: str, shape: tuple[int | None, ...]) -> None:
    """Checks that an array, or a dataset of a file, is of numbers and of a shape.

    Args:
        value: Anything with a `dtype` and a `shape`.
        where: The file and the key, for errors.
        shape: Expected shape; None stands for the number of frames, which must not be 0.

    Raises:
        ValueError: If it is not.
    """
    wanted = f"({', '.join('frames' if n is None else str(n) for n in shape)})"
    if not hasattr(value, "dtype") or value.dtype.kind not in "fiub":
        found = getattr(value, "dtype", type(value).__name__)
        raise ValueError(f"{where}: found {found}, expected numbers of shape {wanted}")
    fits = len(value.shape) == len(shape) and all(
        0 < n <= 1_000_000 if want is None else n == want
        for n, want in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{where}: found shape {value.shape}, expected {wanted}")


def check_numbers(value: np.ndarray, where: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Returns an array if it is of finite numbers and of a shape; see `check_kind`."""
    check_kind(value, where, shape)
    finite = np.isfinite(value)
    if not finite.all():
        raise ValueError(
            f"{where}: {np.sum(~finite)} numbers are not finite, the first at index "
            f"{np.argwhere(~finite)[0].tolist()}"
        )
    return value


def check_whole(value: np.ndarray, where: str, low: int, high: int) -> np.ndarray:
    """Returns the array as whole numbers, if they are such from `low` to `high`."""
    wrong = (value < low) | (value > high) | (value != np.round(value))
    if wrong.any():
        index = np.argwhere(wrong)[0]
        raise ValueError(
            f"{where}: found {value[tuple(index)]} at index {index.tolist()}, expected whole "
            f"numbers from {low} to {high}"
        )
    return value.astype(np.int64)


def record_of(view: View) -> dict[str, Any]:
    """Returns the record of a view.

    The 2D joints are the ground truth, so their confidence is 1. The record has the camera where it
    projects the joints: that of the universal ground truth does not.

    Raises:
        ValueError: If the view has impossible values; names the file and the key.
    """
    keypoints, joints = view.keypoints_2d[:, HUMAN36M], view.joints_3d[:, HUMAN36M]
    counted = slice(None) if view.valid is None else view.valid == 1
    _check_ranges(view, keypoints, joints)
    _check_body(view, joints[counted])
    centre = _check_projection(view, keypoints[counted], joints[counted])
    camera = view.calibration if view.metric else None
    return make_record(
        name=view.name,
        subject=view.subject,
        camera=view.camera,
        fps=view.fps,
        image_size=_image_size(view, centre),
        keypoints_2d=keypoints,
        confidence=np.ones(keypoints.shape[:2]),
        joints_3d=joints,
        valid=view.valid,
        activity=view.activity,
        intrinsics=camera and camera.intrinsics,
        distortion=camera and camera.distortion,
        rotation=camera and camera.rotation,
        translation=camera and camera.translation,
    )


def _check_ranges(view: View, keypoints: np.ndarray, joints: np.ndarray) -> None:
    for what, array, limit, unit in (
        ("2D", keypoints, _MAX_PX, "px"),
        ("3D", joints, _MAX_MM, "mm"),
    ):
        beyond = np.abs(array) > limit
        if beyond.any():
            index = tuple(np.argwhere(beyond)[0])
            raise ValueError(
                f"{view.where}: a {what} joint is at {array[index]:g} {unit} (frame {index[0]}), "
                f"expected at most {limit}: damaged?"
            )


def _check_body(view: View, joints: np.ndarray) -> None:
    """Checks the valid frames; other frames of the test set may be without a person."""
    if not len(joints):
        raise ValueError(f"{view.where}: no frame is valid, expected some")
    if joints[..., 2].min() <= 0:
        frame, joint = np.argwhere(joints[..., 2] <= 0)[0]
        raise ValueError(
            f"{view.where}: a joint is not in front of the camera (z = {joints[frame, joint, 2]:g} "
            f"mm in valid frame {frame}), expected camera space, not relative to the root"
        )
    for start, end in _LEGS:
        length = np.median(np.linalg.norm(joints[:, end] - joints[:, start], axis=-1))
        if not _LEG_MM[0] <= length <= _LEG_MM[1]:
            raise ValueError(
                f"{view.where}: half a leg has a median length of {length:g}, expected "
                f"{_LEG_MM[0]} to {_LEG_MM[1]} mm: other units, or another order of joints?"
            )


def _check_projection(view: View, keypoints: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Checks that 2D and 3D joints belong together; returns the principal point that fits, px."""
    directions = (joints[..., :2] / joints[..., 2:]).astype(np.float64)
    frames = (0, 1)  # and joints: least squares over all of them, for x and y
    middle, seen = directions.mean(frames), keypoints.mean(frames, dtype=np.float64)
    variance = np.maximum(directions.var(frames), 1e-12)
    focal = np.mean((directions - middle) * (keypoints - seen), frames) / variance
    centre = seen - focal * middle
    rms = np.sqrt(np.mean((directions * focal + centre - keypoints) ** 2))
    if not rms <= _MAX_RMS or not _FOCAL_PX[0] <= focal.min() <= focal.max() <= _FOCAL_PX[1]:
        raise ValueError(
            f"{view.where}: no camera of the dataset projects the 3D joints to the 2D joints; the "
            f"best has focal lengths of {focal[0]:.0f} and {focal[1]:.0f} px and is off by "
            f"{rms:.0f} px, expected {_FOCAL_PX[0]} to {_FOCAL_PX[1]} px and at most {_MAX_RMS} "
            "px: are they of different frames or cameras?"
        )
    if view.metric and view.calibration:
        matrix = view.calibration.intrinsics
        seen = directions @ matrix[:2, :2].T + matrix[:2, 2]
        error = np.median(np.linalg.norm(seen - keypoints, axis=-1))
        if not error <= _MAX_REPROJECTION:
            raise ValueError(
                f"{view.where}: with camera.calibration, 3D joints are seen {error:.0f} px "
                f"(median) from the 2D joints, expected at most {_MAX_REPROJECTION}: is it the "
                "file of this sequence?"
            )
    return centre


def _image_size(view: View, centre: np.ndarray) -> tuple[int, int]:
    """Returns the size of the images: known, else from the principal point, else by name."""
    known = view.image_size or (view.calibration and view.calibration.image_size)
    sizes = [known] if known else [STUDIO, OUTDOORS]
    distances = [np.linalg.norm(np.array(size) / 2 - centre) / size[0] for size in sizes]
    best = int(np.argmin(distances))
    if distances[best] < 0.15:
        return sizes[best]
    where = f"the camera that fits best has its principal point at {centre.round()} px"
    if known:
        raise ValueError(
            f"{view.where}: {where}, which does not belong to images of {known} px; were they "
            "resized? The joints belong to the images of the release"
        )
    size = OUTDOORS if view.subject in ("TS5", "TS6") else STUDIO
    logging.warning("%s: %s; taking the size of the release, %s px", view.where, where, size)
    return size
