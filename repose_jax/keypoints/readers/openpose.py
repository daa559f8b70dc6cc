"""OpenPose: a JSON file for each frame, with "people"; also AlphaPose's files in this form."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import detected
from repose_jax.keypoints.readers.poses import Poses, person_number, triples

# Lists of numbers: OpenPose, OpenPose before 1.2, AlphaPose's form "cmu".
_FIELDS = ("pose_keypoints_2d", "pose_keypoints", "joints")


def is_frame(content: Any) -> bool:
    """Whether parsed JSON is a frame of OpenPose."""
    return isinstance(content, Mapping) and any(
        isinstance(content.get(field), list) for field in ("people", "bodies")
    )


def read(frames: Sequence[tuple[int, str, Any]]) -> Poses:
    """Reads frames of one video.

    Args:
        frames: number, name for errors, and parsed JSON of each frame.

    Raises:
        ValueError: a field is missing or malformed.
    """
    values, labels, numbers, identity = [], [], [], []
    for number, name, content in frames:
        for place, (field, person) in enumerate(_people(content, name)):
            found = person[field]
            if not found and isinstance(found, list):
                continue  # a person of whom only the face or a hand was found
            values.append(found)
            labels.append(f"person {place} of {name}" if name else f"person {place}")
            numbers.append(number)
            identity.append(person_number(person.get("person_id", -1)))
    keypoints, confidence = (
        triples(values, "pose_keypoints_2d", labels)
        if values
        else (np.zeros((0, 25, 2)), np.zeros((0, 25)))
    )
    return Poses(
        keypoints=keypoints,
        confidence=confidence,
        orders=detected(keypoints.shape[1]),
        frame=np.array(numbers, int),
        frames=np.array([number for number, _, _ in frames], int),
        listed=True,
        identity=np.array(identity, int),
    )


def _people(content: Any, name: str):
    """Yields the name of the field of numbers, and the dictionary, of every person of a frame."""
    at = f" of {name}" if name else ""
    if not is_frame(content):
        raise ValueError(f"there is no list 'people'{at}.")
    people = content["people" if isinstance(content.get("people"), list) else "bodies"]
    for place, person in enumerate(people):
        fields = [field for field in _FIELDS if isinstance(person, Mapping) and field in person]
        if not fields:
            raise ValueError(f"person {place}{at} has no field 'pose_keypoints_2d'.")
        yield fields[0], person
