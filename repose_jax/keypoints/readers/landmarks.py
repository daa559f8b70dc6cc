"""Points as dictionaries with x and y: MediaPipe's landmarks, MoveNet, PoseNet, Roboflow.

A file is a list of frames, or a dictionary with one; a frame is one pose, a list of poses, or a
dictionary with either; a pose is a list of points, or points by the names of their joints.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import detected, match_names
from repose_jax.keypoints.readers.poses import Poses, read_number, rows, size_of

_POINTS = ("landmarks", "pose_landmarks", "poseLandmarks", "keypoints", "pose", "points")
_PEOPLE = (
    *("people", "persons", "poses", "pose", "landmarks", "pose_landmarks", "poseLandmarks"),
    "predictions",
)
_FRAMES = ("frames", "data", "results", "poses")
_CONFIDENCE = ("visibility", "score", "confidence", "likelihood", "presence", "v", "c")
_NAMES = ("name", "part", "bodyPart", "landmark", "joint", "class")
_NUMBERS = ("frame", "frame_id", "frame_idx", "frameIndex", "frame_index", "frame_number")
# Fields of time, and the seconds of their unit.
_TIMES = {"time_s": 1, "time": 1, "timestamp_ms": 1e-3, "timestampMs": 1e-3, "time_ms": 1e-3}


def is_landmarks(content: Any) -> bool:
    """Whether parsed JSON has frames of such points."""
    return any(_poses(frame) for frame in _frames(content)[:200])


def _is_point(value: Any) -> bool:
    value = _unpacked(value)
    if not isinstance(value, Mapping) or any(field in value for field in _POINTS):
        return False  # a person, whose box has x and y too
    return "x" in value and "y" in value


def _unpacked(value: Any) -> Any:
    """Returns a point; PoseNet has its coordinates in a dictionary of their own."""
    if isinstance(value, Mapping) and isinstance(value.get("position"), Mapping):
        return {**value, **value["position"]}
    return value


def _is_pose(value: Any) -> bool:
    if isinstance(value, Mapping):
        points = [point for point in value.values() if _is_point(point)]
        return len(points) >= 4 and len(points) > len(value) / 2
    return isinstance(value, list) and bool(value) and all(map(_is_point, value))


def _poses(frame: Any) -> list[Any]:
    """Returns the poses in a frame, of which each is a list or dictionary of points."""
    if _is_pose(frame):
        return [frame]
    if isinstance(frame, Mapping):
        for field in (*_POINTS, *_PEOPLE):
            if field in frame and (found := _poses(frame[field])):
                return found
    elif isinstance(frame, list) and frame:
        if all(_is_pose(pose) for pose in frame):
            return frame
        inside = [_inner(pose) for pose in frame]
        if all(pose is not None for pose in inside):
            return inside
    return []


def _inner(pose: Any) -> Any:
    """Returns the points of a person that is a dictionary with a list of them, or None."""
    if isinstance(pose, Mapping):
        for field in _POINTS:
            if _is_pose(pose.get(field)):
                return pose[field]
    return None


def _frames(content: Any) -> list[Any]:
    if isinstance(content, Mapping):
        for field in _FRAMES:
            frames = content.get(field)
            if isinstance(frames, list) and any(_poses(frame) for frame in frames):
                return frames
        if content and all(str(key).isdecimal() for key in content):
            return [
                {"frame": int(key), "pose": frame}
                for key, frame in sorted(content.items(), key=lambda item: int(item[0]))
            ]
        return [content]
    if isinstance(content, list):
        return [content] if _is_pose(content) else content
    return []


def read(content: Any) -> Poses:
    """Reads frames of points.

    Raises:
        ValueError: a field is missing or malformed.
    """
    frames = _frames(content)
    numbers = [_number(frame, place) for place, frame in enumerate(frames)]
    poses, labels, frame_of = [], [], []
    for number, frame in zip(numbers, frames, strict=True):
        for place, pose in enumerate(_poses(frame)):
            poses.append(pose)
            labels.append(f"pose {place} of frame {number}")
            frame_of.append(number)
    names = _names(poses[0])
    values = [_values(pose, names, label) for pose, label in zip(poses, labels, strict=True)]
    flat = rows(values, "the points", labels).reshape(len(poses), -1, 3)
    times = [_time(frame) for frame in frames]
    whole = content if isinstance(content, Mapping) else {}
    image = frames[0].get("image") if isinstance(frames[0], Mapping) else None
    return Poses(
        keypoints=flat[..., :2].copy(),
        confidence=flat[..., 2].copy(),
        orders=(match_names(names),) if names else detected(flat.shape[1]),
        frame=np.array(frame_of, int),
        frames=np.array(numbers, int),
        listed=True,
        time_s=np.array(times, float) if times and None not in times else None,
        fps=_first(whole, ("fps", "frame_rate", "frameRate")),
        image_size=_size(whole) or _size(image if isinstance(image, Mapping) else {}),
    )


def _names(pose: Any) -> list[str]:
    """Returns the names of the points; none if they have only numbers."""
    if isinstance(pose, Mapping):
        return [str(name) for name, point in pose.items() if _is_point(point)]
    found = [next((point[f] for f in _NAMES if f in point), None) for point in pose]
    named = all(isinstance(name, str) and not name.isdecimal() for name in found)
    return [str(name) for name in found] if named else []


def _values(pose: Any, names: Sequence[str], label: str) -> list[Any]:
    if isinstance(pose, Mapping):
        missing = [name for name in names if name not in pose]
        if missing:
            raise ValueError(f"{label} has no point {missing[0]!r}, which others have.")
        pose = [pose[name] for name in names]
    values = []
    for point in map(_unpacked, pose):
        score = next((point[field] for field in _CONFIDENCE if field in point), 1.0)
        values += [point["x"], point["y"], score]
    return values


def _number(frame: Any, place: int) -> int:
    number = _first(frame, _NUMBERS) if isinstance(frame, Mapping) else None
    return place if number is None else int(number)


def _time(frame: Any) -> float | None:
    if isinstance(frame, Mapping):
        for field, seconds in _TIMES.items():
            if (value := _first(frame, (field,))) is not None:
                return value * seconds
    return None


def _first(content: Mapping[str, Any], fields: Sequence[str]) -> float | None:
    """Returns the first of some fields that is a number."""
    for field in fields:
        value = read_number(content.get(field))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _size(content: Mapping[str, Any]) -> tuple[int, int] | None:
    size = content.get("image_size")
    if isinstance(size, list) and len(size) == 2:
        return size_of(*size)
    names = (("width", "image_width"), ("height", "image_height"))
    return size_of(*(_first(content, fields) for fields in names))
