"""Sequences, subjects and checks that the readers of Human3.6M's files share."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

FPS = 50.0
SPLITS = {"S1": "train", "S5": "train", "S6": "train", "S7": "train", "S8": "train"} | {
    "S9": "test",
    "S11": "test",
}


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A sequence, from which a record can be made.

    Attributes:
        subject: One of `SPLITS`.
        frames: Number of frames.
        record: Returns the record; raises ValueError with the file and its fault.
    """

    subject: str
    frames: int
    record: Callable[[], dict[str, Any]]


def split_of(subject: str, where: str) -> str:
    """Returns the split of a subject; raises ValueError for an unknown one."""
    if subject not in SPLITS:
        raise ValueError(
            f"{where}: unknown subject {subject!r}; Human3.6M has 3D joints of {', '.join(SPLITS)}"
        )
    return SPLITS[subject]


def check_range(values: np.ndarray, where: str, low: float, high: float, unit: str) -> None:
    """Raises ValueError unless all numbers are finite and within these bounds."""
    if values.size and (values.min() >= low) & (values.max() <= high):  # false for NaN
        return
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        index = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"{where}: {values[tuple(index)]} at index {index} of the sequence (frame, joint, "
            f"axis); expected a number from {low:g} to {high:g} {unit}"
        )


def check_in_image(points: np.ndarray, where: str) -> None:
    """Raises ValueError unless `[t, 17, 2 or 3]` may be a person in a video, px.

    A point may lie outside of the image, but not ten images away; the person must be larger than
    10 px, unlike normalised numbers, and must not jump in every frame, unlike numbers in a wrong
    order.
    """
    check_range(points, where, -1e4, 1e4, "px")
    size = float(np.median(np.ptp(points[::10, :, :2], axis=1)))
    if size < 10:
        raise ValueError(
            f"{where}: the person is {size:.3g} px large; expected px, not normalised numbers"
        )
    step = float(np.median(np.abs(np.diff(points, axis=0)))) if len(points) > 1 else 0
    if step > 50:
        raise ValueError(
            f"{where}: joints move by {step:.3g} px from frame to frame; expected one video, frame "
            "by frame"
        )


def name_of(path: pathlib.Path, *keys: object) -> str:
    """Returns a place in a file for errors: "file.npz, positions_3d, S1, Walking"."""
    return ", ".join([str(path), *(str(key) for key in keys)])
