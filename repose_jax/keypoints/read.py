"""Keypoint files and arrays, to `Detections`.

`read` recognises a file by its content; docs/keypoints.md has the formats.
"""

import contextlib
import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from repose_jax.keypoints import masked, store
from repose_jax.keypoints.detections import Detections
from repose_jax.keypoints.finish import finish
from repose_jax.keypoints.formats import FORMATS, Joints, find_format, joints_of
from repose_jax.keypoints.geometry import estimate_image_size
from repose_jax.keypoints.images import apart, is_one_image, together
from repose_jax.keypoints.kinds import FAMILIES, TRC, Kind, parse
from repose_jax.keypoints.readers.poses import LARGEST, Poses, natural, split_number
from repose_jax.runtime import folders
from repose_jax.runtime.names import counted

__all__ = ["estimate_image_size", "from_arrays", "read"]

_ASSUMED_RATE = re.compile(r"frames(/s| per second) were assumed")
"""Occurs in assumptions, of files and of folders of images, that a frame rate takes back."""
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".npz", ".npy", ".csv", ".tsv", ".txt", ".trc")


@dataclasses.dataclass(frozen=True)
class _Options:
    """Arguments of `read`, checked.

    Attributes:
        family: of files, as in `FAMILIES`; None for any.
        order: of the joints; None for that of the file.
        fps: frames per second; None for that of the file.
        image_size: width and height, px; None for that of the file.
    """

    family: str | None
    order: str | Joints | None
    fps: int | float | None
    image_size: tuple[int, int] | None

    def finish(self, poses: Poses) -> Detections:
        return finish(poses, fps=self.fps, image_size=self.image_size, order=self.order)

    def finish_each(self, poses: Poses) -> list[Detections]:
        """Returns the videos and the unrelated images in poses; those without joints are left out.

        The order of the joints is that of all together.
        """
        parts = apart(poses)
        if len(parts) == 1:
            return [self.finish(parts[0])]
        orders = poses.orders
        if self.order is None and len(orders) > 1:
            orders = (self.finish(dataclasses.replace(poses, images={}, sizes={})).format,)
        found, problems = [], []
        for part in parts:
            try:
                found.append(self.finish(dataclasses.replace(part, orders=orders)))
            except ValueError as error:
                problems.append(error)
        if not found:
            raise problems[0]
        return found


def read(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    fps: int | float | None = None,
    image_size: tuple[int, int] | None = None,
    joints: str | Sequence[str] | None = None,
) -> list[Detections]:
    """Reads a keypoint file, or a folder of them, recognised by their content.

    In a folder, files of one frame make a video, with the numbers in their names as those of the
    frames, and TRC files that differ only in the number of the person are one video; other files
    are videos of their own, as are those in folders inside. The folder of a result of
    `repose lift`, and the file of joints in it, are the joints that were detected for it; beside
    other files in a folder, results are left out.

    Args:
        path: a file or a folder.
        format: the kind of file (`repose_jax.keypoints.kinds.FAMILIES`) or the joint order
            (`repose_jax.keypoints.formats.FORMATS`), where it is not recognised or several look
            alike.
        fps: frames per second of the video, instead of those of the file, or where it has none.
        image_size: width and height of the video, px, instead of those of the file.
        joints: the joint order: a name as for `format`, or the names of the joints in order.

    Returns:
        The people of each video.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, of no known format, or has no people; or a folder has no
            file that can be read. One line that names the file and the field.
    """
    options = _options(format, fps, image_size, joints)
    path = folders.expand(path)
    if (stored := store.find(path)) is not None:
        return [_stored(stored, options)]
    if path.is_dir():
        return _folder(path, options)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    try:
        kind, content = parse(path)
        _check_family(kind, options)
        found = _poses(path, kind, content, options)
        return [detections for poses in found for detections in options.finish_each(poses)]
    except ValueError as error:
        raise ValueError(f"{path}: {_line(error)}") from error


def from_arrays(
    keypoints: Float[np.ndarray, "t j 2"] | Float[np.ndarray, "t p j 2"],
    confidence: Float[np.ndarray, "t j"] | Float[np.ndarray, "t p j"] | None = None,
    *,
    format: str | None = None,
    joints: str | Sequence[str] | None = None,
    fps: int | float | None = None,
    image_size: tuple[int, int] | None = None,
    name: str = "keypoints",
    time_s: Float[np.ndarray, " t"] | None = None,
) -> Detections:
    """Returns the people in arrays of joints.

    Args:
        keypoints: joints of one person or several, px or parts of the image's size; NaN or masked
            if missing.
        confidence: of the joints; None for 1. Several people keep their places as ids.
        format: the joint order, a name of `repose_jax.keypoints.formats.FORMATS`.
        joints: the joint order: a name as for `format`, or the names of the joints in order.
        fps: frames per second; None for `time_s`, else 30.
        image_size: width and height, px.
        name: of the video.
        time_s: time of each frame, s.

    Raises:
        ValueError: the shapes do not fit, there are no people, or the joint order is not known.
    """
    keypoints = masked.filled(keypoints, np.nan)
    confidence = None if confidence is None else masked.filled(confidence, 0)
    options = _options(format, fps, image_size, joints)
    if options.order is None or options.family not in (None, "array"):
        raise ValueError(
            f"{name}: of arrays the joint order is needed, not the format {format!r} of files; "
            f"there are {', '.join(FORMATS)}."
        )
    points = keypoints[:, None] if keypoints.ndim == 3 else keypoints
    if confidence is None:
        scores = np.ones(points.shape[:3])
    elif confidence.shape != keypoints.shape[:-1]:
        raise ValueError(
            f"{name}: confidence has the shape {confidence.shape}, keypoints {keypoints.shape}."
        )
    else:
        scores = confidence.reshape(points.shape[:3])
    if time_s is not None and len(time_s) != len(points):
        raise ValueError(f"{name}: time_s has {len(time_s)} times for {len(points)} frames.")
    present = np.isfinite(points).all(-1).any(-1) & (scores > 0).any(-1)
    frame, person = np.nonzero(present)
    poses = Poses(
        keypoints=points[frame, person].astype(float),
        confidence=scores[frame, person].astype(float),
        orders=(),
        frame=frame,
        frames=np.arange(len(points)),
        listed=True,
        identity=person,
        time_s=None if time_s is None else np.asarray(time_s, float),
        name=name,
    )
    try:
        return options.finish(poses)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _line(error: Exception) -> str:
    """Returns a message in one line: names in files may have several."""
    return " ".join(str(error).splitlines())


def _options(format, fps, image_size, joints) -> _Options:
    family, order = None, joints
    if format is not None:
        if format.lower() in FAMILIES:
            family = format.lower()
        elif (name := find_format(format)) is None:
            raise ValueError(
                f"There is no format {format!r}; there are the files {', '.join(FAMILIES)} and the "
                f"joint orders {', '.join(FORMATS)}."
            )
        elif order is not None and joints_of(order) != FORMATS[name]:
            raise ValueError(
                f"The format {format!r} and the joints are different orders; give one."
            )
        else:
            order = name
    if isinstance(order, str):
        joints_of(order)
        order = find_format(order)
    elif order is not None:
        order = joints_of(order)
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"The frame rate must be above 0, not {fps}.")
    if image_size is not None and (len(image_size) != 2 or min(image_size) < 1):
        raise ValueError(f"The image size must be two lengths in px, not {image_size}.")
    return _Options(family, order, fps, image_size)


def _stored(path: pathlib.Path, options: _Options) -> Detections:
    """Returns the joints of a file of our own, whose order is known."""
    if options.family is not None or options.order is not None:
        raise ValueError(
            f"{path}: the format and the joints of a file of repose lift are known; give none."
        )
    found = store.read(path)
    if options.fps is not None:
        times = np.arange(len(found.time_s)) / options.fps
        said = tuple(
            sentence for sentence in found.assumptions if not _ASSUMED_RATE.search(sentence)
        )
        found = dataclasses.replace(found, time_s=times, assumptions=said)
    size = options.image_size
    return found if size is None else dataclasses.replace(found, image_size=size)


def _check_family(kind: Kind, options: _Options):
    if options.family is not None and options.family not in kind.families:
        raise ValueError(
            f"it is not of the format {options.family!r}; by its content it is of {kind.name} "
            f"({', '.join(kind.families)})."
        )


def _poses(path: pathlib.Path, kind: Kind, content: Any, options: _Options) -> list[Poses]:
    """Returns the videos in a file, as it holds them."""
    joints = None if options.order is None else joints_of(options.order)
    with _bounded():
        found = kind.read(content, joints)
    found = found if isinstance(found, list) else [found]
    return [p if p.name else dataclasses.replace(p, name=path.stem) for p in found]


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Makes numbers of any length in JSON and in text an error of the file."""
    try:
        yield
    except OverflowError:
        raise ValueError(f"a number in it is beyond {LARGEST}, or infinite.") from None


@dataclasses.dataclass(frozen=True)
class _File:
    """A file of a folder.

    Attributes:
        path: of the file.
        kind: of the file.
        content: parsed.
        poses: the videos in it, unless it is read with others.
    """

    path: pathlib.Path
    kind: Kind
    content: Any
    poses: list[Poses]


def _folder(folder: pathlib.Path, options: _Options) -> list[Detections]:
    """Reads a folder; files that cannot be read are skipped with a warning if others can."""
    files = sorted(
        (path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder)),
        key=lambda path: natural(path.as_posix()),
    )
    if not files:
        raise ValueError(f"{folder}: the folder is empty.")
    results = {path.parent: path for path in files if path.name == store.NAME and store.find(path)}
    inputs = [path for path in files if not results.keys() & {*path.parents}]
    if not inputs:
        return _named_apart([_stored(path, options) for path in results.values()])
    skipped: list[str] = []
    groups: dict[tuple, list[_File]] = {}
    others = 0
    for path in inputs:
        if path.suffix.lower() not in _SUFFIXES:
            others += 1
            continue
        try:
            kind, content = parse(path)
            _check_family(kind, options)
            of_many = kind.read_frames is not None or kind is TRC
            poses = [] if of_many else _poses(path, kind, content, options)
        except (ValueError, OSError) as error:
            skipped.append(f"{path.relative_to(folder)}: {_line(error)}")
            continue
        file = _File(path, kind, content if of_many else None, poses)
        groups.setdefault(_group(file), []).append(file)
    found: list[Detections] = []
    for group in groups.values():
        try:
            found += _video_of(group, folder, options)
        except ValueError as error:
            skipped.append(f"{group[0].path.relative_to(folder)}: {_line(error)}")
    if not found and not skipped:
        raise ValueError(
            f"{folder}: none of its {len(files)} files is a keypoint file ({', '.join(_SUFFIXES)})."
        )
    if not found and len(groups) == 1 and len(skipped) == 1:  # one video, of all files
        raise ValueError(f"{folder}: {skipped[0].split(': ', 1)[1]}")
    if not found:
        raise ValueError(f"{folder}: none of its files can be read; {skipped[0]}")
    warnings = []
    if skipped:
        more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        warnings.append(f"Skipped {skipped[0].removesuffix('.')}{more}.")
    if others:
        warnings.append(f"Skipped {counted(others, 'file')} of other kinds in {folder.name}.")
    return [dataclasses.replace(d, warnings=(*d.warnings, *warnings)) for d in _named_apart(found)]


def _hidden(path: pathlib.Path, folder: pathlib.Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)


def _group(file: _File) -> tuple:
    """Returns a key that is equal for files of one video."""
    path = file.path
    if file.kind is TRC:
        return path.parent, "people", *_person(path)[::2]
    before, _, after = split_number(path.name)
    if file.kind.read_frames is not None:
        return path.parent, "frames", before, after
    if len(file.poses) == 1 and is_one_image(file.poses[0]):
        return path.parent, "images", file.kind.name, file.poses[0].orders, before, after
    return path.parent, path.name


def _person(path: pathlib.Path) -> tuple[str, int, str]:
    """Splits "clip_px_person01.trc" into "clip_px", 1 and ""."""
    match = re.fullmatch(r"(.*?)[_-]?person(\d+)(.*)", path.stem, flags=re.IGNORECASE)
    return (match[1], int(match[2]), match[3]) if match else (path.stem, 0, "")


def _video_of(group: list[_File], folder: pathlib.Path, options: _Options) -> list[Detections]:
    """Returns the video that files of a folder are, or the videos of one."""
    first = group[0]
    if first.kind is TRC and len(group) > 1:
        return [options.finish(_joined(group))]
    name = _name(first.path, folder) if len(group) > 1 else first.path.stem
    if first.kind.read_frames is None:
        poses = first.poses if len(group) == 1 else [_of_images(group, name)]
        return [detections for one in poses for detections in options.finish_each(one)]
    kinds = {file.kind.name for file in group}
    if len(kinds) > 1:
        other = next(file for file in group if file.kind is not first.kind)
        raise ValueError(
            f"it is of {first.kind.name}, but {other.path.name}, of the same video, of "
            f"{other.kind.name}."
        )
    frames = [(split_number(f.path.name)[1] or 0, f.path.name, f.content) for f in group]
    frames.sort(key=lambda frame: frame[0])
    with _bounded():
        poses = first.kind.read_frames(frames)
    images = {number: file for number, file, _ in frames}
    return options.finish_each(dataclasses.replace(poses, name=name, images=images))


def _of_images(group: list[_File], name: str) -> Poses:
    """Returns the poses of a video of which each frame has a file."""
    numbers = [split_number(file.path.name)[1] or 0 for file in group]
    images = dict(zip(numbers, (file.path.name for file in group), strict=True))
    found = together([file.poses[0] for file in group], numbers)
    return dataclasses.replace(found, name=name, images=images)


def _name(path: pathlib.Path, folder: pathlib.Path) -> str:
    """Returns the name of a video of which each frame has a file: "cam02" of "cam02.0000.json"."""
    before, number, after = split_number(path.name)
    name = before.strip("._- ") or after.strip("._- ")
    if number is None or not name or name == "keypoints":
        return path.parent.name or path.parent.resolve().name or folder.name
    return name


def _joined(group: list[_File]) -> Poses:
    """Returns the people of a video that has a TRC file for each."""
    people = [(_person(file.path)[1], file.kind.read(file.content, None)) for file in group]
    found = [(number, poses) for number, poses in people if isinstance(poses, Poses)]
    _, first = found[0]
    for file, (_, poses) in zip(group, found, strict=True):
        if poses.orders != first.orders:
            raise ValueError(f"{file.path.name}, of the same video, has other markers.")
    longest = max((poses for _, poses in found), key=lambda poses: len(poses.frames))
    return dataclasses.replace(
        longest,
        keypoints=np.concatenate([poses.keypoints for _, poses in found]),
        confidence=np.concatenate([poses.confidence for _, poses in found]),
        frame=np.concatenate([poses.frame for _, poses in found]),
        identity=np.concatenate([np.full(len(poses.frame), n) for n, poses in found]),
        name=_person(group[0].path)[0],
    )


def _named_apart(found: list[Detections]) -> list[Detections]:
    """Numbers videos of one name."""
    names = [detections.name for detections in found]
    result = []
    for place, detections in enumerate(found):
        if names.count(detections.name) > 1:
            number = names[: place + 1].count(detections.name)
            detections = dataclasses.replace(detections, name=f"{detections.name} {number}")
        result.append(detections)
    return result
