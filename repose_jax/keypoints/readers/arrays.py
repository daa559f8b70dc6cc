"""Arrays: NumPy's npz and npy, nested lists, and the project's own npz and json of a person."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import Joints, match_names, unnamed, with_size
from repose_jax.keypoints.readers.poses import Poses, single, size_of

_KEYPOINTS = (
    "keypoints_px",
    "keypoints",
    "keypoints_2d",
    "kpts",
    "joints_2d",
    "pose_2d",
    "poses_2d",
    "positions_2d",
    "poses",
    "landmarks",
    "pose_landmarks",
    "reconstruction",
    "joints",
    "data",
    "arr_0",
)
_CONFIDENCE = ("confidence", "keypoint_scores", "scores", "visibility", "conf", "likelihood")
_NAMES = ("joint_names", "keypoint_names", "landmark_names", "names", "joints")


def is_arrays(content: Any) -> bool:
    """Whether parsed JSON or an npz has an array of keypoints under one of the usual names."""
    if isinstance(content, Mapping):
        field = _keypoints_field(content)
        return field is not None and _is_nested(content[field])
    return _is_nested(content)


def _keypoints_field(content: Mapping[str, Any]) -> str | None:
    return next((f for f in _KEYPOINTS if f in content and not _is_names(content[f])), None)


def _is_names(value: Any) -> bool:
    """Whether something is a list of texts: "joints" may be names or points."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "U"
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _is_nested(value: Any) -> bool:
    """Whether something is an array of points, `[t, j, 2]` or deeper."""
    if isinstance(value, np.ndarray):
        return value.ndim >= 2 and value.dtype.kind in "fiu"
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    return depth in (3, 4) and (value is None or isinstance(value, int | float))


def read(content: Any, joints: Joints | None = None) -> Poses:
    """Reads an array of points, or a dictionary with one, confidences, names, times and sizes.

    Args:
        content: of the file.
        joints: the joint order if it is known.

    Raises:
        ValueError: a field is malformed.
    """
    if not isinstance(content, Mapping):
        content = {"data": content}
    field = _keypoints_field(content)
    if field is None:
        raise ValueError(
            f"there is no array of keypoints; it has {', '.join(map(str, content)) or 'nothing'}, "
            f"and the usual names are {', '.join(_KEYPOINTS[:4])}."
        )
    points = _array(content[field], field)
    names = _list(content, _NAMES, field)
    points, confidence = _split(points, field, len(names or joints or ()))
    confidence = _confidence(content, field, points, confidence)
    frames, _, count, _ = points.shape
    present = np.isfinite(points).all(-1).any(-1) & (confidence > 0).any(-1)
    frame, person = np.nonzero(present)
    return Poses(
        keypoints=points[frame, person],
        confidence=confidence[frame, person],
        orders=_orders(names, count),
        frame=frame,
        frames=np.arange(frames),
        listed=True,
        identity=person,
        time_s=_times(content, frames),
        fps=_scalar(content, ("fps", "frame_rate")),
        image_size=_size(content),
        normalised=False if field == "keypoints_px" else None,
    )


def _array(value: Any, field: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.array(None)
    if array.dtype == object and array.ndim >= 2:  # null is NaN
        try:
            array = array.astype(float)
        except (TypeError, ValueError):
            array = np.array(None)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{field} is no array of numbers: its lists differ in length or kind.")
    return array.astype(float)


def _split(points: np.ndarray, field: str, joints: int):
    """Returns `[t, p, j, 2]` points, and `[t, p, j]` third numbers or None."""
    shape = points.shape
    if points.ndim == 2:
        points = _of_rows(points, joints)
    if points.ndim == 3:
        points = points[:, None]
    elif points.ndim == 4 and field == "reconstruction":  # demonstrations write people first
        points = points.swapaxes(0, 1)
    if points.ndim != 4 or points.shape[-1] not in (2, 3, 4, 5) or not points.size:
        raise ValueError(
            f"{field} has the shape {shape}; [frames, joints, 2 or 3] or [frames, people, joints, "
            "2 or 3] was expected, or [joints, 2 or 3] of a known order in one image."
        )
    third = None if points.shape[-1] == 2 else points[..., 2 if points.shape[-1] == 3 else 3]
    if third is not None and points.shape[-1] == 3 and np.nanmin(third, initial=0) < 0:
        if points.shape[2] != 33:
            raise ValueError(
                f"{field} has negative third coordinates: it holds 3D points, or confidences that "
                "are none. Give [frames, joints, 2], or a confidence of at least 0."
            )
        third = None  # the depth of MediaPipe's landmarks
    return points[..., :2], third


def _of_rows(points: np.ndarray, joints: int) -> np.ndarray:
    """Returns the points of a table as `[t, j, 2 or more]`: a row is a joint, or a frame.

    A table that is neither remains one.
    """
    rows, width = points.shape
    if width in (2, 3, 4) and (rows == joints or with_size(rows)):
        return points[None]
    count = joints or (17 if width == 34 else width // 3)
    if count > 1 and width in [numbers * count for numbers in (2, 3, 4, 5)]:
        return points.reshape(rows, count, -1)
    return points


def _confidence(content, field: str, points: np.ndarray, third: np.ndarray | None) -> np.ndarray:
    name = next((f for f in _CONFIDENCE if f in content and f != field), None)
    if name is not None:
        found = _array(content[name], name)
        if found.size != points[..., 0].size:
            raise ValueError(
                f"{name} has the shape {found.shape}, {field} {points.shape[0]} frames of "
                f"{points.shape[1]} people with {points.shape[2]} joints."
            )
        return found.reshape(points.shape[:-1])
    # Without confidences, a point in the corner of the image is a missing one.
    corner = (points == 0).all(-1)
    return np.where(corner, 0.0, 1.0) if third is None else third


def _orders(names: list[str] | None, joints: int) -> tuple[str | Joints, ...]:
    if names is not None:
        if len(names) != joints:
            raise ValueError(f"there are {len(names)} names of joints for {joints} joints.")
        return (match_names(names),)
    return unnamed(joints)


def _list(content: Mapping[str, Any], fields: tuple[str, ...], other: str) -> list[str] | None:
    for field in fields:
        if field in content and field != other and _is_names(content[field]):
            return [str(name) for name in np.asarray(content[field]).ravel()]
    return None


def _scalar(content: Mapping[str, Any], fields: tuple[str, ...]) -> float | None:
    for field in fields:
        if field in content:
            value = np.asarray(content[field])
            number = single(value.ravel()[0]) if value.size == 1 else np.nan
            if np.isfinite(number):
                return number
    return None


def _size(content: Mapping[str, Any]) -> tuple[int, int] | None:
    for field in ("image_size", "resolution", "image_wh"):
        value = np.asarray(content.get(field, ()))
        if value.size == 2:
            return size_of(*value.ravel())
    return size_of(*(_scalar(content, (f, f"image_{f}", f[0])) for f in ("width", "height")))


def _times(content: Mapping[str, Any], frames: int) -> np.ndarray | None:
    for field, seconds in (("time_s", 1.0), ("time_ms", 1e-3), ("timestamps_ms", 1e-3)):
        if field in content:
            found = _array(content[field], field).ravel() * seconds
            if len(found) != frames:
                raise ValueError(f"{field} has {len(found)} times for {frames} frames.")
            return found
    return None
