"""YOLO's pose models in Ultralytics: labels, a text file for each frame; and results as JSON.

A line of a label is a person: the class, the box (middle, width and height), the joints, and
perhaps the confidence in the person and the number of the track; lengths are parts of the image.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from repose_jax.keypoints.formats import detected, with_size
from repose_jax.keypoints.readers.poses import (
    LARGEST,
    Poses,
    numbers_of,
    person_number,
    rows,
    single,
)

_BOX = 5
"""Columns before the joints."""
_MARGIN = 0.25
"""By which joints may be outside of a box, as a part of its size."""


def is_labels(cells: list[list[str]]) -> bool:
    """Whether a table is the people of a frame: a class, and a box in which their joints are."""
    if _layout(len(cells[0])) is None:
        return False
    try:
        values = numbers_of(cells, 1)
    except ValueError:
        return False
    kind, middle, size = values[:, 0], values[:, None, 1:3], values[:, None, 3:_BOX]
    boxes = (kind == np.round(kind)) & (kind >= 0) & (size > 0).all((1, 2))
    if not (boxes & (np.abs(values[:, 1:_BOX] - 0.5) <= 0.5).all(1)).all():
        return False
    points = _joints(values)[..., :2]
    found = np.any(points, axis=-1)
    inside = np.all(np.abs(points - middle) <= (0.5 + _MARGIN) * size, axis=-1)
    return bool(found.any() and inside[found].mean() > 0.8)


def read_labels(cells: list[list[str]]) -> Poses:
    """Reads the label of a frame, cells that `is_labels`; a frame without people has no file."""
    values = numbers_of(cells, 1)
    joints = _joints(values)
    score, identity = _extras(values[:, _BOX + joints[0].size :])
    confidence = joints[..., 2] if joints.shape[2] == 3 else np.ones(joints.shape[:2])
    return Poses(
        keypoints=joints[..., :2],
        confidence=np.where((joints[..., :2] == 0).all(-1), 0, confidence),
        orders=detected(joints.shape[1]),
        frame=np.zeros(len(values), int),
        frames=np.zeros(1, int),
        score=score,
        identity=identity,
        normalised=True,
        visibility=bool(np.isin(confidence, (0, 1, 2)).all() and (confidence == 2).any()),
    )


def _layout(width: int) -> tuple[int, int] | None:
    """Returns how many joints, and numbers of each, a line has; None if it is no label.

    Up to two numbers may follow; so of several possible numbers of joints the 17 of COCO come
    first, which all published models have.
    """
    found = [
        (count, coordinates)
        for coordinates in (3, 2)
        for more in range(3)
        for count, rest in [divmod(width - _BOX - more, coordinates)]
        if not rest and count > 0 and with_size(count)
    ]
    return min(found, key=lambda one: one[0] != 17, default=None)


def _joints(values: Float[np.ndarray, "n w"]) -> Float[np.ndarray, "n k c"]:
    """Returns the joints of lines."""
    count, coordinates = _layout(values.shape[1]) or (0, 2)
    return values[:, _BOX : _BOX + count * coordinates].reshape(len(values), count, coordinates)


def _extras(
    values: Float[np.ndarray, "n m"],
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Returns the confidences in people, NaN if there are none, and their numbers, -1 likewise.

    Lines end with both, either or none; numbers are whole.
    """
    last = values[:, -1] if values.shape[1] else np.array([np.nan])
    numbered = bool(((last == np.round(last)) & (np.abs(last) < LARGEST)).all())
    scored = values.shape[1] > int(numbered)
    nothing = np.full(len(values), -1)
    return (
        values[:, 0] if scored else np.full(len(values), np.nan),
        last.astype(int) if numbered else nothing,
    )


def is_people(content: Any) -> bool:
    """Whether parsed JSON is the list of people of one image, as `Results.to_json` writes it."""
    return (
        isinstance(content, list)
        and bool(content)
        and isinstance(content[0], Mapping)
        and isinstance(joints := content[0].get("keypoints"), Mapping)
        and isinstance(joints.get("x"), list)
    )


def is_results(content: Any) -> bool:
    """Whether parsed JSON is such a list, or a list of them, one for each frame."""
    return is_people(content) or (
        isinstance(content, list)
        and all(isinstance(frame, list) for frame in content)
        and any(map(is_people, content))
    )


def read(content: Any) -> Poses:
    """Reads the people of an image, or of the frames of a video.

    Raises:
        ValueError: a field is missing or malformed.
    """
    frames = [content] if is_people(content) else content
    people, labels, numbers = [], [], []
    for number, found in enumerate(frames):
        for place, person in enumerate(found):
            label = f"person {place} of frame {number}"
            if not isinstance(person, Mapping) or not isinstance(person.get("keypoints"), Mapping):
                raise ValueError(f"{label} has no field 'keypoints' with 'x' and 'y'.")
            people.append(person)
            labels.append(label)
            numbers.append(number)
    joints = [person["keypoints"] for person in people]
    x, y = (rows([of.get(axis) for of in joints], axis, labels) for axis in "xy")
    given = [of.get("visible", [1.0] * x.shape[1]) for of in joints]
    visible = rows(given, "visible", labels)
    if not x.shape == y.shape == visible.shape:
        raise ValueError(
            f"there are {x.shape[1]} numbers x, {y.shape[1]} y and {visible.shape[1]} visible."
        )
    return Poses(
        keypoints=np.stack([x, y], -1),
        confidence=np.where((x == 0) & (y == 0), 0, visible),
        orders=detected(x.shape[1]),
        frame=np.array(numbers, int),
        frames=np.arange(len(frames)),
        listed=True,
        score=np.array([single(person.get("confidence")) for person in people], float),
        identity=np.array([person_number(person.get("track_id", -1)) for person in people], int),
    )
