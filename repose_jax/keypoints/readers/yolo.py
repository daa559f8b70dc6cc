"""YOLO's pose models in Ultralytics: labels, a text file for each frame; and results as JSON.

A line of a label is a person: the class, the box (middle, width and height), the joints, and
perhaps the confidence in the person and the number of the track; lengths are parts of the image.
"""

from collections.abc import Mapping, Sequence
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


def read_labels(frames: Sequence[tuple[int, str, list[list[str]]]]) -> Poses:
    """Reads the labels of the frames of one video; frames without people have no file.

    Args:
        frames: number, name for errors, and cells of each frame, which `is_labels`.

    Raises:
        ValueError: frames have different numbers of joints.
    """
    values = [numbers_of(cells, 1) for _, _, cells in frames]
    each = [*map(_joints, values)]
    for (_, name, _), joints in zip(frames, each, strict=True):
        if joints.shape[1:] != each[0].shape[1:]:
            raise ValueError(
                f"{name} has {joints.shape[1]} joints of {joints.shape[2]} numbers, {frames[0][1]} "
                f"{each[0].shape[1]} of {each[0].shape[2]}."
            )
    joints = np.concatenate(each)
    confidence = joints[..., 2] if joints.shape[2] == 3 else np.ones(joints.shape[:2])
    more = [_extras(of[:, _BOX + each[0][0].size :]) for of in values]
    return Poses(
        keypoints=joints[..., :2],
        confidence=np.where((joints[..., :2] == 0).all(-1), 0, confidence),
        orders=detected(joints.shape[1]),
        frame=np.repeat([number for number, _, _ in frames], [*map(len, values)]),
        frames=np.array([number for number, _, _ in frames], int),
        score=np.concatenate([score for score, _ in more]),
        identity=np.concatenate([identity for _, identity in more]),
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


def is_video(content: Any) -> bool:
    """Whether parsed JSON is a list of such lists, one for each frame."""
    return (
        isinstance(content, list)
        and all(isinstance(frame, list) for frame in content)
        and any(map(is_people, content))
    )


def read_people(frames: Sequence[tuple[int, str, Any]]) -> Poses:
    """Reads the people of frames of one video.

    Args:
        frames: number, name for errors, and list of people of each frame.

    Raises:
        ValueError: a field is missing or malformed.
    """
    people, labels, numbers = [], [], []
    for number, name, found in frames:
        for place, person in enumerate(found):
            label = f"person {place} of {name}" if name else f"person {place}"
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
        frames=np.array([number for number, _, _ in frames], int),
        listed=True,
        score=np.array([single(person.get("confidence")) for person in people], float),
        identity=np.array([person_number(person.get("track_id", -1)) for person in people], int),
    )
