"""Images that are frames of a video, and images that have nothing to do with each other."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from repose_jax.keypoints.readers.poses import Poses, split_number

_APART = 10  # median difference of the numbers of unrelated images, in steps that all share
_TWO_APART = 30  # the same of two images


def apart(poses: Poses) -> list[Poses]:
    """Splits people by the videos and the images that they were found in.

    Images are frames of one video if their names differ only in a number, they have one size, and
    the numbers follow each other; gaps, and every n-th frame alone, are usual. Others, such as
    those of a dataset of photographs, are unrelated: each is one part.

    Args:
        poses: of one file, or of one group of files.

    Returns:
        The poses as they are if they are of one video; else those of each video and each image with
        people. Their names are those of the images.
    """
    if poses.time_s is not None:
        return [poses]
    groups: dict[tuple, list[int]] = {}
    for number in np.unique(np.concatenate([poses.frames, poses.frame])).tolist():
        name = poses.images.get(number)
        before, _, after = split_number(name) if isinstance(name, str) else ("", 0, "")
        groups.setdefault((before, after), []).append(number)
    parts: list[tuple[str, list[int], list[int]]] = []  # name, frames, their numbers in the video
    for (before, _), frames in groups.items():
        numbers = [_number(poses, frame) for frame in frames]
        if len(frames) > 1 and _one_video(numbers, {poses.sizes.get(frame) for frame in frames}):
            parts.append((before.strip("._- /\\") or poses.name, frames, numbers))
        else:
            names = [poses.images.get(frame, f"{poses.name}_{frame}") for frame in frames]
            parts += [(str(name), [frame], [0]) for name, frame in zip(names, frames, strict=True)]
    if len(parts) == 1:
        size = next(iter(poses.sizes.values()), None)
        return [dataclasses.replace(poses, image_size=poses.image_size or size)]
    found = set(poses.frame.tolist())
    parts = [part for part in parts if found & {*part[1]}]
    said = f"The images are of {len(parts)} videos or unrelated images; each was taken separately."
    return [_part(poses, *part, said) for part in parts] or [poses]


def are_one_video(names: Sequence[str]) -> bool:
    """Returns whether images of these names are frames of one video; see `apart`."""
    splits = [split_number(name) for name in names]
    if len({(before, after) for before, _, after in splits}) > 1:
        return False
    numbers = [-1 if number is None else number for _, number, _ in splits]
    return len(names) < 2 or _one_video(numbers, {None})


def is_one_image(poses: Poses) -> bool:
    """Returns whether poses are of one frame."""
    return len(np.unique(np.concatenate([poses.frames, poses.frame]))) == 1


def together(parts: Sequence[Poses], numbers: Sequence[int]) -> Poses:
    """Returns the poses of images of one video as those of its frames.

    Args:
        parts: of one frame each, with the same joint orders.
        numbers: of these frames.
    """

    def joined(column: str) -> np.ndarray | None:
        values = [getattr(part, column) for part in parts]
        return None if any(value is None for value in values) else np.concatenate(values)

    first, columns = parts[0], ("score", "identity", "time_s")
    confidence = np.concatenate([part.confidence for part in parts])
    sizes = [part.image_size or next(iter(part.sizes.values()), None) for part in parts]
    return dataclasses.replace(
        first,
        keypoints=np.concatenate([part.keypoints for part in parts]),
        confidence=confidence,
        frame=np.repeat(numbers, [len(part.frame) for part in parts]),
        frames=np.array(numbers, int),
        listed=all(part.listed for part in parts),
        visibility=any(part.visibility for part in parts)
        and bool(np.isin(confidence, (0, 1, 2)).all()),
        sizes=dict(zip(numbers, sizes, strict=True)),
        warnings=tuple(dict.fromkeys(said for part in parts for said in part.warnings)),
        assumptions=tuple(dict.fromkeys(said for part in parts for said in part.assumptions)),
        **{column: joined(column) for column in columns},
    )


def _number(poses: Poses, frame: int) -> int:
    name = poses.images.get(frame)
    number = split_number(name)[1] if isinstance(name, str) else frame
    return -1 if number is None else number


def _one_video(numbers: Sequence[int], sizes: set[tuple[int, int] | None]) -> bool:
    steps = np.diff(np.sort(numbers))
    if len(sizes) > 1 or min(numbers) < 0 or not steps.all():
        return False
    if len(steps) == 1:
        return bool(steps[0] <= _TWO_APART)
    return bool(np.median(steps) < _APART * np.gcd.reduce(steps))


def _part(poses: Poses, name: str, frames: list[int], numbers: list[int], said: str) -> Poses:
    """Returns the poses of some frames, with these as their numbers."""
    order = np.argsort(frames)
    known, new = np.array(frames)[order], np.array(numbers)[order]

    def renumbered(values: np.ndarray) -> np.ndarray:
        return new[np.searchsorted(known, values)]

    rows = np.isin(poses.frame, known)
    columns = ("keypoints", "confidence", "score", "identity")
    values = {column: getattr(poses, column) for column in columns}
    return dataclasses.replace(
        poses,
        **{column: None if value is None else value[rows] for column, value in values.items()},
        frame=renumbered(poses.frame[rows]),
        frames=np.unique(renumbered(poses.frames[np.isin(poses.frames, known)])),
        image_size=poses.sizes.get(frames[0]) or poses.image_size,
        name=name,
        warnings=(*poses.warnings, said),
    )
