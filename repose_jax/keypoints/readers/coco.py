"""COCO annotations: images, people and names of joints in one dictionary."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import detected, match_names
from repose_jax.keypoints.readers.poses import Poses, numbered, person_number, size_of, triples


def is_annotations(content: Any) -> bool:
    """Whether parsed JSON is a file of annotations."""
    return isinstance(content, Mapping) and isinstance(content.get("annotations"), list)


def read(content: Mapping[str, Any]) -> Poses:
    """Reads the people that have keypoints; the confidence is COCO's visibility.

    Raises:
        ValueError: a field is missing or malformed.
    """
    people = []
    for place, person in enumerate(content["annotations"]):
        if not isinstance(person, Mapping) or not isinstance(person.get("image_id"), int | str):
            raise ValueError(f"annotation {place} has no number or name in 'image_id'.")
        if person.get("keypoints"):
            people.append((f"annotation {place}", person))
    if not people:
        raise ValueError("no annotation has keypoints.")
    labels = [label for label, _ in people]
    keypoints, confidence = triples([p["keypoints"] for _, p in people], "keypoints", labels)
    images = {
        image["id"]: image
        for image in _list(content, "images")
        if isinstance(image, Mapping) and isinstance(image.get("id"), int | str)
    }
    names = {key: str(image.get("file_name", key)) for key, image in images.items()}
    named = [names.get(person["image_id"], str(person["image_id"])) for _, person in people]
    every = numbered([*named, *names.values()])
    listed = every[len(named) :].tolist()
    sizes = [size_of(image.get("width"), image.get("height")) for image in images.values()]
    return Poses(
        keypoints=keypoints,
        confidence=confidence,
        orders=_orders(content, keypoints.shape[1]),
        frame=every[: len(named)],
        frames=np.unique(every),
        identity=np.array([person_number(person.get("track_id", -1)) for _, person in people], int),
        images=dict(zip(every.tolist(), [*named, *names.values()], strict=True)),
        sizes=dict(zip(listed, sizes, strict=True)),
        visibility=bool(np.isin(confidence, (0, 1, 2)).all()),
    )


def _list(content: Mapping[str, Any], field: str) -> list[Any]:
    found = content.get(field)
    return found if isinstance(found, list) else []


def _orders(content: Mapping[str, Any], count: int):
    for category in _list(content, "categories"):
        names = category.get("keypoints") if isinstance(category, Mapping) else None
        if isinstance(names, list) and len(names) == count:
            return (match_names(list(map(str, names))),)
    return detected(count)
