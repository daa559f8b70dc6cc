"""MMPose: results of its inferencer and of its top-down demonstration, for videos and images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import Joints, detected, match_names
from repose_jax.keypoints.readers.poses import Poses, begins_with, person_number, rows, single


def is_people(content: Any) -> bool:
    """Whether parsed JSON is the list of people of one image."""
    return begins_with(content, "keypoints", "keypoint_scores")


def is_video(content: Any) -> bool:
    """Whether parsed JSON is the list of frames of a video."""
    return begins_with(content, "instances")


def is_demo(content: Any) -> bool:
    """Whether parsed JSON is a file of the top-down demonstration."""
    return isinstance(content, Mapping) and isinstance(content.get("instance_info"), list)


def read_people(frames: Sequence[tuple[int, str, Any]], meta: Any = None) -> Poses:
    """Reads the people of frames of one video.

    Args:
        frames: number, name for errors, and list of people of each frame.
        meta: the field "meta_info" of the file, which may have the names of the joints.

    Raises:
        ValueError: a field is missing or malformed.
    """
    people, labels, numbers = [], [], []
    for number, name, instances in frames:
        for place, person in enumerate(instances):
            label = f"person {place} of {name}" if name else f"person {place}"
            for field in ("keypoints", "keypoint_scores"):
                found = person.get(field) if isinstance(person, Mapping) else None
                if not found or not isinstance(found, list):
                    raise ValueError(f"{label} has no list {field!r}.")
            people.append(person)
            labels.append(label)
            numbers.append(number)
    keypoints, confidence = _joints(people, labels)
    return Poses(
        keypoints=keypoints,
        confidence=confidence,
        orders=_orders(meta, keypoints.shape[1]),
        frame=np.array(numbers, int),
        frames=np.array([number for number, _, _ in frames], int),
        listed=True,
        score=np.array([single(person.get("bbox_score")) for person in people], float),
        identity=np.array(
            [person_number(p.get("track_id", p.get("instance_id", -1))) for p in people], int
        ),
    )


def read_video(content: Sequence[Any], meta: Any = None) -> Poses:
    """Reads a list of frames with the people in each.

    Raises:
        ValueError: a field is missing or malformed.
    """
    frames = []
    for place, frame in enumerate(content):
        if not isinstance(frame, Mapping) or not isinstance(frame.get("instances"), list):
            raise ValueError(f"frame {place} has no list 'instances'.")
        number = frame.get("frame_id", place)
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(f"frame_id of frame {place} is not a whole number: {number!r}.")
        frames.append((number, f"frame {number}", frame["instances"]))
    # The inferencer numbers frames from 0, the demonstration from 1.
    return read_people(frames, meta)


def read_demo(content: Mapping[str, Any]) -> Poses:
    """Reads a file of the top-down demonstration, of a video or an image.

    Raises:
        ValueError: a field is missing or malformed.
    """
    info, meta = content["instance_info"], content.get("meta_info")
    if not info or is_video(info):
        return read_video(info, meta)
    return read_people([(0, "", info)], meta)


def _joints(people: Sequence[Any], labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    if not people:
        return np.zeros((0, 17, 2)), np.zeros((0, 17))
    confidence = rows([person["keypoint_scores"] for person in people], "keypoint_scores", labels)
    try:
        keypoints = np.asarray([person["keypoints"] for person in people])
    except ValueError:
        keypoints = np.array(None)
    if keypoints.dtype.kind not in "fiu" or keypoints.ndim != 3:
        for person, label in zip(people, labels, strict=True):
            rows(person["keypoints"], f"keypoints of {label}, of", _points(person))
        try:
            keypoints = np.asarray([person["keypoints"] for person in people], float)
        except ValueError:
            counts = sorted({len(person["keypoints"]) for person in people})
            raise ValueError(f"people have different numbers of keypoints: {counts}.") from None
    _, count, coordinates = keypoints.shape
    if coordinates == 3:
        raise ValueError(
            "keypoints have three coordinates: this is the result of a 3D model; give that of a "
            "2D model."
        )
    if (count, coordinates) != (confidence.shape[1], 2):
        raise ValueError(
            f"keypoints has {count} points of {coordinates} numbers, keypoint_scores "
            f"{confidence.shape[1]}."
        )
    return keypoints.astype(float), confidence


def _points(person: Any) -> list[str]:
    return [f"point {number}" for number in range(len(person["keypoints"]))]


def _orders(meta: Any, count: int) -> tuple[str | Joints, ...]:
    names = meta.get("keypoint_id2name") if isinstance(meta, Mapping) else None
    if isinstance(names, Mapping) and len(names) == count:
        ordered = [str(names[key]) for key in sorted(names, key=int)]
        return (match_names(ordered),)
    return detected(count)
