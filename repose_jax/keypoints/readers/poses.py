"""Poses as a file holds them: its joints, its numbers of frames."""

import dataclasses
import numbers
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from repose_jax.keypoints.formats import Joints

LARGEST = 2**53
"""Bound of whole numbers in files: a float has those below it exactly."""


@dataclasses.dataclass(frozen=True, eq=False)
class Poses:
    """People in the frames of one video, one row a pose, as read.

    Attributes:
        keypoints: `[n, k, 2]` joints; NaN if missing.
        confidence: `[n, k]` as the file has it; 1 where it has none, NaN or 0 if missing.
        orders: the joint order, or those between which the geometry has to decide.
        frame: `[n]` number of the frame of each pose, as in the file.
        frames: `[t]` numbers of the frames that are known, with people or without.
        listed: whether the file lists frames without people too, so that absent ones are missing.
        score: `[n]` confidence in the person; NaN if the file has none.
        identity: `[n]` number of the person; -1 if the file has none.
        time_s: `[t]` times of `frames`, s.
        fps: frames per second.
        image_size: width and height, px.
        images: names of the images that the frames are, by number of the frame; empty if unknown.
        sizes: width and height of these images, px, where they are known.
        name: of the video.
        visibility: whether `confidence` is COCO's visibility, 0 to 2.
        normalised: whether x is a part of the image's width and y of its height; None: not known.
        warnings: sentences on what was skipped.
        assumptions: sentences on what the file does not say.
    """

    keypoints: Float[np.ndarray, "n k 2"]
    confidence: Float[np.ndarray, "n k"]
    orders: tuple[str | Joints, ...]
    frame: Int[np.ndarray, " n"]
    frames: Int[np.ndarray, " t"]
    listed: bool = False
    score: Float[np.ndarray, " n"] | None = None
    identity: Int[np.ndarray, " n"] | None = None
    time_s: Float[np.ndarray, " t"] | None = None
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    images: Mapping[int, str | int] = dataclasses.field(default_factory=dict)
    sizes: Mapping[int, tuple[int, int] | None] = dataclasses.field(default_factory=dict)
    name: str = ""
    visibility: bool = False
    normalised: bool | None = None
    warnings: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def rows(values: Sequence[Any], field: str, labels: Sequence[str]) -> Float[np.ndarray, "n w"]:
    """Returns lists of numbers of one length as an array.

    Args:
        values: the lists.
        field: name of the field, for errors.
        labels: names of the entries that the lists are from, for errors.

    Raises:
        ValueError: they differ in length, or something is not a number.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        array = None
    if array is None or array.ndim != 2 or array.dtype.kind not in "fiu":
        _check_rows(values, field, labels)
        array = np.asarray(values, float)  # None is NaN
    return array.astype(float, copy=False)


def _check_rows(values: Sequence[Any], field: str, labels: Sequence[str]):
    """Raises an error that names the first bad entry."""
    for value, label in zip(values, labels, strict=True):
        if not isinstance(value, list):
            found = f"is a {_kind(value)}, not a list of numbers"
            raise ValueError(f"{field} of {label} {found}.")
        for number in value:
            if number is not None and (
                isinstance(number, bool) or not isinstance(number, int | float)
            ):
                raise ValueError(
                    f"{field} of {label} has a {_kind(number)} ({str(number)[:40]!r}) in place of "
                    "a number."
                )
    ((usual, _),) = Counter(map(len, values)).most_common(1)
    for value, label in zip(values, labels, strict=True):
        if len(value) != usual:
            raise ValueError(f"{field} of {label} has {len(value)} numbers, others {usual}.")


def _kind(value: Any) -> str:
    names = {str: "text", dict: "dictionary", list: "list", bool: "truth value", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def triples(
    values: Sequence[Any], field: str, labels: Sequence[str]
) -> tuple[Float[np.ndarray, "n k 2"], Float[np.ndarray, "n k"]]:
    """Returns points and confidences of lists x, y, confidence, x, y, confidence, ...

    Raises:
        ValueError: as `rows`, or the length is not a multiple of 3.
    """
    flat = rows(values, field, labels)
    if flat.shape[1] % 3 or not flat.shape[1]:
        raise ValueError(
            f"{field} of {labels[0]} has {flat.shape[1]} numbers; three for each joint (x, y, "
            "confidence) were expected."
        )
    points = flat.reshape(len(flat), -1, 3)
    return points[..., :2].copy(), points[..., 2].copy()


def numbered(names: Sequence[str | int]) -> Int[np.ndarray, " n"]:
    """Returns the numbers of frames in the names of images.

    Where names that are alike but for their number are not, the frames are numbered in natural
    order, "10.jpg" after "2.jpg".
    """
    unique = sorted(set(names), key=natural)
    parts = [split_number(name) for name in unique]
    if len({(before, after) for before, _, after in parts}) == 1 and all(
        number is not None for _, number, _ in parts
    ):
        of = {name: number for name, (_, number, _) in zip(unique, parts, strict=True)}
        if len(set(of.values())) == len(of):
            return np.array([of[name] for name in names], int)
    of = {name: number for number, name in enumerate(unique)}
    return np.array([of[name] for name in names], int)


def split_number(name: str | int) -> tuple[str, int | None, str]:
    """Splits "video_0012_keypoints.json" into "video_", 12 and "_keypoints"."""
    stem = os.path.splitext(str(name).replace("\\", "/"))[0]
    match = re.fullmatch(r"(.*?)(\d{1,15})(\D*)", stem, flags=re.DOTALL)
    return (match[1], int(match[2]), match[3]) if match else (stem, None, "")


def natural(name: str | int) -> list[tuple[int, int, str]]:
    """Returns a key that sorts the numbers in names by value."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d{1,18})", str(name).lower())
    ]


def single(value: Any) -> float:
    """Returns a number that may be in a list (of lists); NaN if it is none, or beyond `LARGEST`."""
    while isinstance(value, list):
        value = value[0] if value else None
    value = read_number(value)
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return np.nan
    small = -LARGEST < value < LARGEST  # pyright: ignore[reportOperatorIssue]
    return float(value) if small else np.nan


def read_number(value: Any) -> Any:
    """Returns the finite number that a text is, and anything else as it is."""
    try:
        number = float(value) if isinstance(value, str) else np.nan
    except ValueError:
        return value
    return number if np.isfinite(number) else value


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """Returns the size of an image, px; None if the two are not lengths in px."""
    sides = single(width), single(height)
    return (round(sides[0]), round(sides[1])) if all(1 <= side < 1e6 for side in sides) else None


def begins_with(content: Any, *fields: str) -> bool:
    """Whether parsed JSON is a list whose first entry is a dictionary with these fields."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, Mapping) and all(field in first for field in fields)


def person_number(value: Any) -> int:
    """Returns the id of a person, a number that may be in a list (of lists); -1 if it is none."""
    number = single(value)
    return max(int(number), -1) if np.isfinite(number) else -1


def numbers_of(cells: list[list[str]], first_line: int) -> Float[np.ndarray, "n w"]:
    """Returns cells of text as numbers; empty ones are NaN.

    Raises:
        ValueError: one is not a number; names its line.
    """
    try:
        return np.array([[cell or "nan" for cell in row] for row in cells], dtype=float)
    except ValueError:
        for line, row in enumerate(cells):
            for column, cell in enumerate(row):
                try:
                    float(cell or "nan")
                except ValueError:
                    raise ValueError(
                        f"line {line + first_line}, column {column + 1} is {cell[:40]!r}, not a "
                        "number."
                    ) from None
        raise
