"""AlphaPose and COCO results: a list with an entry for each person; and lists by image."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import detected
from repose_jax.keypoints.readers import openpose
from repose_jax.keypoints.readers.poses import (
    Poses,
    begins_with,
    numbered,
    person_number,
    single,
    triples,
)


def is_entries(content: Any) -> bool:
    """Whether parsed JSON is a list of people with images and keypoints."""
    return begins_with(content, "keypoints", "image_id")


def is_by_image(content: Any) -> bool:
    """Whether parsed JSON has the people of each image under its name."""
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(_is_image(value) for value in content.values())
        and any(content.values())
    )


def _is_image(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(person, Mapping) and "keypoints" in person for person in value)
    return openpose.is_frame(value)


def read(entries: Sequence[Any]) -> Poses:
    """Reads a list of people: AlphaPose's results, or COCO's, whose images have numbers.

    Raises:
        ValueError: a field is missing or malformed.
    """
    labels = []
    for place, entry in enumerate(entries):
        for field in ("image_id", "keypoints"):
            if not isinstance(entry, Mapping) or field not in entry:
                raise ValueError(f"entry {place} has no field {field!r}.")
        image = entry["image_id"]
        if isinstance(image, bool) or not isinstance(image, str | int):
            raise ValueError(f"image_id of entry {place} is neither a text nor a whole number.")
        labels.append(f"entry {place} (image {image!r})")
    images = [entry["image_id"] for entry in entries]
    frame = numbered(images)
    keypoints, confidence = triples([e["keypoints"] for e in entries], "keypoints", labels)
    return Poses(
        keypoints=keypoints,
        confidence=confidence,
        orders=detected(keypoints.shape[1]),
        frame=frame,
        frames=_frames(images, frame),
        score=np.array([single(entry.get("score")) for entry in entries], float),
        identity=np.array(
            [person_number(e.get("idx", e.get("track_id", -1))) for e in entries], int
        ),
        visibility=bool(np.isin(confidence, (0, 1, 2)).all() and (confidence == 2).any()),
        images=dict(zip(frame.tolist(), images, strict=True)),
    )


def _frames(images: Sequence[str | int], frame: np.ndarray) -> np.ndarray:
    """Returns the frames with people, and the first of a video that is numbered from 0 or 1.

    AlphaPose names the frames of a video 0.jpg, 1.jpg, ...; other numbers are of a camera's images,
    or of a part of a video, and start where they start.
    """
    from_start = all(isinstance(image, str) and image[:-4].isdigit() for image in images)
    padded = any(str(image).startswith("0") and str(image)[:-4] != "0" for image in images)
    first = [min(int(frame.min()), 0)] if from_start and not padded and frame.min() != 1 else []
    return np.unique(np.concatenate([np.array(first, int), frame]))


def read_by_image(content: Mapping[str, Any]) -> Poses | list[Poses]:
    """Reads people by image, in AlphaPose's forms "open" and "cmu" or as lists of entries.

    Lists of entries that are of several images are those of videos, under the names of these.

    Raises:
        ValueError: a field is missing or malformed.
    """
    if not all(isinstance(value, list) for value in content.values()):
        frame = numbered([*content])
        frames = [
            (int(number), f"image {name!r}", value)
            for number, (name, value) in zip(frame, content.items(), strict=True)
        ]
        poses = openpose.read(sorted(frames, key=lambda frame: frame[0]))
        images = dict(zip(frame.tolist(), content, strict=True))
        return dataclasses.replace(poses, listed=False, images=images)
    if any(map(_has_several_images, content.values())):
        videos = {name: entries for name, entries in content.items() if entries}
        if len(videos) == 1:
            return read(*videos.values())
        return [dataclasses.replace(read(videos[name]), name=name) for name in videos]
    return read(
        [{**person, "image_id": image} for image, people in content.items() for person in people]
    )


def _has_several_images(entries: Sequence[Mapping[str, Any]]) -> bool:
    return len({str(entry["image_id"]) for entry in entries if "image_id" in entry}) > 1
