"""Reads MotionBERT's file of Human3.6M: Stacked Hourglass 2D joints and 2.5D labels."""

import functools
import itertools
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import logging

from repose_jax.runtime import safe_pickle
from tfds_builders.human36m.cameras import IMAGE_SIZES
from tfds_builders.human36m.sequences import (
    FPS,
    Sequence,
    check_in_image,
    check_range,
    name_of,
    split_of,
)
from tfds_builders.records import JOINTS, make_record

FILE = "h36m_sh_conf_cam_source_final.pkl"

_SOURCE = re.compile(r"s_(\d+)_act_\d+_subact_\d+_ca_\d+")
_NUMBERS = ("joint_2d", "joint3d_image", "confidence", "2.5d_factor", "joints_2.5d_image")
_TEXTS = ("camera_name", "source", "action")
_NEEDED = {
    "train": ("joint_2d", "joint3d_image", "camera_name", "source"),
    "test": (*_NUMBERS[:2], *_NUMBERS[3:], *_TEXTS),
}


def read(path: pathlib.Path) -> dict[str, list[Sequence]]:
    """Reads the file into memory; the records are made one by one.

    Args:
        path: A pickle of {"train": ..., "test": ...} or of {"test": ...}, each of arrays and lists
            with an entry for each frame.

    Returns:
        The sequences of each split in the file, in its order, one for each run of equal `source`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is damaged or has unexpected content, which is named.
    """
    content = safe_pickle.load(path)
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: found a {type(content).__name__}, expected a dict of 'train' and 'test'"
        )
    splits = ("test",) if list(content) == ["test"] else ("train", "test")
    return {split: list(_sequences(path, split, content)) for split in splits}


def _sequences(path: pathlib.Path, split: str, content: dict[Any, Any]) -> Iterator[Sequence]:
    data = content.get(split)
    if not isinstance(data, dict):
        raise ValueError(
            f"{path}: there is no dict {split!r}; found {_listed(content)}, expected 'train' and "
            "'test', or 'test' alone"
        )
    where = name_of(path, split)
    missing = [key for key in _NEEDED[split] if key not in data]
    if missing:
        raise ValueError(f"{where}: there is no {missing[0]!r}; found {_listed(data)}")
    unknown = [key for key in data if key not in _NUMBERS + _TEXTS]
    if unknown:
        logging.warning("%s: %s is not read", where, _listed(unknown))
    if "confidence" not in data:
        logging.warning("%s: there is no 'confidence'; all are taken to be 1", where)
    texts = {key: _texts(data[key], key, where) for key in _TEXTS if key in data}
    frames = len(texts["source"])
    for key, values in texts.items():
        if len(values) != frames:
            raise ValueError(
                f"{where}, {key}: found {len(values)} entries, expected {frames} as 'source' has"
            )
    numbers = {key: _numbers(data[key], key, frames, where) for key in _NUMBERS if key in data}
    if not frames:
        raise ValueError(f"{where}: there are no frames")

    first, seen = 0, set[str]()
    for source, run in itertools.groupby(texts["source"]):
        rows = slice(first, first + sum(1 for _ in run))
        first = rows.stop
        place = name_of(path, split, source)
        match = _SOURCE.fullmatch(source)
        if not match:
            raise ValueError(
                f"{where}, source: found {str(source)!r} in frame {rows.start}, expected such as "
                "'s_09_act_02_subact_01_ca_01'"
            )
        if source in seen:
            raise ValueError(f"{place}: it comes again in frame {rows.start}, after others")
        seen.add(source)
        subject = f"S{int(match[1])}"
        if split_of(subject, place) != split:
            raise ValueError(f"{place}: subject {subject} belongs to the other split")
        sequence = {key: values[rows] for key, values in (numbers | texts).items()}
        yield Sequence(
            subject,
            rows.stop - rows.start,
            functools.partial(_record, place, str(source), subject, sequence),
        )


def _record(place: str, name: str, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    """Checks a sequence and makes its record."""
    camera = _constant(data["camera_name"], f"{place}, camera_name")
    if camera not in IMAGE_SIZES:
        raise ValueError(
            f"{place}, camera_name: unknown camera {camera!r}; expected {', '.join(IMAGE_SIZES)}"
        )
    frames = len(data["joint_2d"])
    keypoints, joints = data["joint_2d"], data["joint3d_image"]
    check_in_image(keypoints, f"{place}, joint_2d")
    check_in_image(joints, f"{place}, joint3d_image")
    root = np.abs(joints[:, 0, 2]).max()
    if root > 1e-3:
        # Evaluation subtracts the root anyway; the temporal loss would have another meaning.
        logging.warning(
            "%s, joint3d_image: the root has depth %.6g px; MotionBERT's labels are relative to "
            "the root of each frame, so 0",
            place,
            root,
        )
    confidence = data.get("confidence")
    if confidence is None:
        confidence = np.ones((frames, len(JOINTS)))
    # Heat maps overshoot: the confidences of the detector may exceed 1.
    check_range(confidence, f"{place}, confidence", -0.25, 1.25, "")
    if confidence.max() < 1e-3:
        raise ValueError(f"{place}, confidence: all are 0")
    factor = data.get("2.5d_factor")
    if factor is None:
        factor = np.full(frames, np.nan)
    else:
        check_range(factor, f"{place}, 2.5d_factor", 0.5, 20, "mm/px")
    if "joints_2.5d_image" in data:
        off = np.abs(data["joints_2.5d_image"] - joints * factor[:, None, None]).max()
        if not off <= 1e-3:
            raise ValueError(
                f"{place}, joints_2.5d_image: differs by {off:.3g} mm from joint3d_image times "
                "2.5d_factor, expected the same"
            )
    try:
        return make_record(
            name=name,
            subject=subject,
            action=_constant(data["action"], f"{place}, action") if "action" in data else "",
            camera=camera,
            fps=FPS,
            image_size=IMAGE_SIZES[camera],
            keypoints_2d=keypoints,
            confidence=confidence.reshape(frames, len(JOINTS)),
            joints_3d=joints,
            mm_per_px=factor,
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _numbers(values: Any, key: str, frames: int, where: str) -> np.ndarray:
    """Returns an array of numbers, checked for its shape."""
    joints = len(JOINTS)
    shapes = {
        "joint_2d": ((frames, joints, 2),),
        "joint3d_image": ((frames, joints, 3),),
        "joints_2.5d_image": ((frames, joints, 3),),
        "confidence": ((frames, joints), (frames, joints, 1)),
        "2.5d_factor": ((frames,),),
    }[key]
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        found = getattr(values, "dtype", type(values).__name__)
        raise ValueError(f"{where}, {key}: found {found}, expected an array of numbers")
    if values.shape not in shapes:
        raise ValueError(
            f"{where}, {key}: found shape {values.shape}, expected {shapes[0]}; 'source' has "
            f"{frames} frames"
        )
    if not values.flags.c_contiguous:
        # A single wrong bit changes one order to the other, with plausible numbers.
        raise ValueError(f"{where}, {key}: found an array in Fortran's order, expected C's")
    return values


def _texts(values: Any, key: str, where: str) -> Any:
    """Returns a list or array of texts, checked."""
    if not isinstance(values, list | np.ndarray) or getattr(values, "ndim", 1) != 1:
        raise ValueError(
            f"{where}, {key}: found a {type(values).__name__}, expected a list of texts"
        )
    if not (isinstance(values, np.ndarray) and values.dtype.kind == "U"):
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise ValueError(
                    f"{where}, {key}: found a {type(value).__name__} in frame {index}, expected a "
                    "text"
                )
    return values


def _constant(values: Any, where: str) -> str:
    """Returns the one text of a sequence."""
    first = str(values[0])
    for index, value in enumerate(map(str, values)):
        if value != first:
            raise ValueError(
                f"{where}: found {first!r} and, in frame {index} of the sequence, {value!r}; "
                "expected one for the whole sequence"
            )
    return first


def _listed(keys: Any) -> str:
    """Returns the keys that were found, shortened."""
    return ", ".join(repr(key)[:40] for key in itertools.islice(keys, 12)) or "nothing"
