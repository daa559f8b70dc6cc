"""Kinds of keypoint files, recognised by their content."""

import codecs
import dataclasses
import json
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import Joints
from repose_jax.keypoints.readers import (
    alphapose,
    arrays,
    coco,
    deeplabcut,
    landmarks,
    mmpose,
    openpose,
    tables,
    trc,
    videopose3d,
    yolo,
)
from repose_jax.keypoints.readers.poses import Poses
from repose_jax.runtime import safe_pickle


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: for messages.
        families: names that a user may force it by.
        recognises: whether parsed content is of this kind.
        read: returns the videos in parsed content; takes the joint order, if it is known.
        read_frames: for files of one frame, returns the video of several of them.
    """

    name: str
    families: tuple[str, ...]
    recognises: Callable[[Any], bool]
    read: Callable[[Any, Joints | None], Poses | list[Poses]]
    read_frames: Callable[[Sequence[tuple[int, str, Any]]], Poses] | None = None


def _is_openpose_list(content: Any) -> bool:
    return isinstance(content, list) and bool(content) and openpose.is_frame(content[0])


def _openpose_list(content: list[Any]) -> Poses:
    return openpose.read([(n, f"frame {n}", frame) for n, frame in enumerate(content)])


def _by_itself(read: Callable[[Any], Poses | list[Poses]]):
    """Returns the function of `Kind.read` for files that say which joints they have."""
    return lambda content, joints: read(content)


_YOLO = "yolo", "ultralytics"
JSON_KINDS = (
    Kind(
        "OpenPose",
        ("openpose", "alphapose"),
        openpose.is_frame,
        lambda content, _: openpose.read([(0, "", content)]),
        openpose.read,
    ),
    Kind("OpenPose", ("openpose",), _is_openpose_list, _by_itself(_openpose_list)),
    Kind("COCO", ("coco",), coco.is_annotations, _by_itself(coco.read)),
    Kind("MMPose", ("mmpose",), mmpose.is_demo, _by_itself(mmpose.read_demo)),
    Kind("MMPose", ("mmpose",), mmpose.is_video, _by_itself(mmpose.read_video)),
    Kind(
        "MMPose",
        ("mmpose",),
        mmpose.is_people,
        lambda content, _: mmpose.read_people([(0, "", content)]),
        mmpose.read_people,
    ),
    Kind(
        "AlphaPose or COCO results",
        ("alphapose", "coco"),
        alphapose.is_entries,
        _by_itself(alphapose.read),
    ),
    Kind(
        "people by image",
        ("alphapose",),
        alphapose.is_by_image,
        _by_itself(alphapose.read_by_image),
    ),
    Kind("YOLO", _YOLO, yolo.is_results, _by_itself(yolo.read)),
    Kind("arrays", ("array",), arrays.is_arrays, arrays.read),
    Kind("landmarks", ("mediapipe",), landmarks.is_landmarks, _by_itself(landmarks.read)),
)
NUMPY_KINDS = (
    Kind("VideoPose3D", ("videopose3d",), videopose3d.is_archive, _by_itself(videopose3d.read)),
    Kind("arrays", ("array", "mediapipe"), lambda _: True, arrays.read),
)
TABLE_KINDS = (
    Kind("YOLO", _YOLO, yolo.is_labels, _by_itself(yolo.read_labels)),
    Kind("DeepLabCut", ("deeplabcut",), deeplabcut.is_table, _by_itself(deeplabcut.read)),
    Kind("a table", ("array", "mediapipe"), lambda _: True, tables.read),
)
TRC = Kind("TRC", ("trc", "sports2d", "pose2sim"), lambda _: True, _by_itself(trc.read))

FAMILIES = tuple(
    dict.fromkeys(
        family
        for kind in (*JSON_KINDS, *NUMPY_KINDS, *TABLE_KINDS, TRC)
        for family in kind.families
    )
)
"""Names by which a user may force a kind of file."""


_VALUE = re.compile(r"\S")  # where a value of JSON begins, after blanks
_UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE  # of `>` in PowerShell, and of Excel


def parse(path: pathlib.Path) -> tuple[Kind, Any]:
    """Returns the kind of a file and its parsed content.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is empty, damaged, or of no known kind; does not name the file.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise ValueError("the file is empty.")
    if start.startswith(b"PK"):
        return _first(NUMPY_KINDS, _npz(path))
    if start.startswith(b"\x93NUMPY"):
        return _first(NUMPY_KINDS, _npy(path))
    try:
        text = path.read_bytes().decode("utf-16" if start[:2] in _UTF_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is neither an array of NumPy nor a text in UTF-8 or UTF-16 (byte {error.start})."
        ) from None
    if not text.strip():
        raise ValueError("the file is empty.")
    if trc.is_trc(text):
        return TRC, text
    if text.lstrip()[0] in "[{":
        return _json(text)
    return _first(TABLE_KINDS, tables.rows_of(text))


def _first(kinds: Sequence[Kind], content: Any) -> tuple[Kind, Any]:
    return next(kind for kind in kinds if kind.recognises(content)), content


def _json(text: str) -> tuple[Kind, Any]:
    try:
        content = _values(text)
    except ValueError as error:
        raise ValueError(f"it is not valid JSON, or cut short: {error}.") from None
    except RecursionError:
        raise ValueError("it is not valid JSON: its lists are nested too deeply.") from None
    for kind in JSON_KINDS:
        if kind.recognises(content):
            return kind, content
    if not content:
        raise ValueError("there are no people: it is empty.")
    raise ValueError(f"it is valid JSON, but not of a known format: it has {_described(content)}.")


def _values(text: str) -> Any:
    """Returns the value of JSON, or a list of those that follow each other, as in JSON lines."""
    read, found, place = json.JSONDecoder().raw_decode, [], 0
    while (match := _VALUE.search(text, place)) is not None:
        value, place = read(text, match.start())
        found.append(value)
    return found[0] if len(found) == 1 else found


def _described(content: Any) -> str:
    where = ""
    if isinstance(content, list):
        content, where = content[0], "a list whose first entry has "
    if isinstance(content, dict):
        fields = ", ".join(repr(str(key)[:40]) for key in [*content][:6])
        return f"{where}the fields {fields}"
    return f"{where}{type(content).__name__} {str(content)[:40]!r}"


def _npz(path: pathlib.Path) -> Any:
    try:
        members = safe_pickle.names_in(path)
    except ValueError:
        raise ValueError("it is a damaged archive, perhaps cut short.") from None
    if not members or not all(name.endswith(".npy") for name in members):
        raise ValueError("it is a zip archive of something else than arrays of NumPy.")
    try:
        return safe_pickle.load_npz(path)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{path}: ")) from None


def _npy(path: pathlib.Path) -> Any:
    try:
        array = safe_pickle.load_npy(path)
    except ValueError:
        array = None
    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
        raise ValueError(
            "it is a damaged array of NumPy, or one of Python objects; save numbers only."
        )
    return {"data": array}
