"""Reads VideoPose3D's files of Human3.6M: world positions, and 2D joints of some detector."""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from repose_jax.runtime import safe_pickle
from tfds_builders.human36m import cameras
from tfds_builders.human36m.sequences import (
    FPS,
    Sequence,
    check_in_image,
    check_range,
    name_of,
    split_of,
)
from tfds_builders.records import JOINTS, make_record

FILE_3D = "data_3d_h36m.npz"
PREFIX_2D = "data_2d_h36m_"

# The joints of the 32 that are not copies of others, nor tips of fingers and toes.
JOINTS_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
# Metadata of files whose 2D joints are Human3.6M's, and their number: COCO's are 17 too. SemGCN's
# files of Stacked Hourglass have no neck.
SYMMETRY = {
    17: ([4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]),
    16: ([4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]),
}
NECK = JOINTS.index("neck")
# Excluded in all published results: the video of this take is damaged.
DROPPED = ("S11", "Directions")


def read(path_3d: pathlib.Path, path_2d: pathlib.Path) -> dict[str, list[Sequence]]:
    """Reads the two files into memory; the records are made one by one.

    Args:
        path_3d: An archive with `positions_3d`: subject -> action -> `[t, 32, 3]`, metres, Z up.
        path_2d: An archive with `positions_2d`: subject -> action -> for each of the four cameras
            `[t, 17, 2]`, px, or `[t, 16, 2]` without the neck; and `metadata`.

    Returns:
        The sequences of each split that has any: for each take the four cameras.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is damaged or has unexpected content, or the two do not fit; names the
            fault.
    """
    positions = _dict(_member(path_3d, "positions_3d"), name_of(path_3d, "positions_3d"))
    archive_2d = safe_pickle.load_npz(path_2d)
    keypoints = _dict(
        _member(path_2d, "positions_2d", archive_2d), name_of(path_2d, "positions_2d")
    )
    joints = _joints(path_2d, _member(path_2d, "metadata", archive_2d))
    splits: dict[str, list[Sequence]] = {"train": [], "test": []}
    for subject, actions in positions.items():
        split = split_of(subject, name_of(path_3d, "positions_3d"))
        where = name_of(path_3d, "positions_3d", subject)
        for action, world in _dict(actions, where).items():
            if (subject, action) == DROPPED:
                continue
            if not isinstance(action, str) or not action.strip():
                raise ValueError(f"{where}: found {action!r}, expected the name of an action")
            views = _views(path_2d, keypoints, subject, action)
            splits[split] += _take(path_3d, path_2d, subject, action, world, views, joints)
    if not splits["test"]:
        raise ValueError(f"{path_3d}, positions_3d: there are no subjects of split 'test'")
    return {split: sequences for split, sequences in splits.items() if sequences}


def _take(
    path_3d: pathlib.Path,
    path_2d: pathlib.Path,
    subject: str,
    action: str,
    world: Any,
    views: Any,
    joints: int,
) -> Iterator[Sequence]:
    """Checks the shapes of a take and yields the sequence of each camera."""
    place_3d = name_of(path_3d, "positions_3d", subject, action)
    _check_array(world, (32, 3), place_3d)
    for name, keypoints in zip(cameras.NAMES, views, strict=True):
        place_2d = name_of(path_2d, "positions_2d", subject, action, name)
        _check_array(keypoints, (joints, 2), place_2d)
        if len(keypoints) < len(world):
            raise ValueError(
                f"{place_2d}: found {len(keypoints)} frames, expected at least the {len(world)} of "
                f"{path_3d.name}"
            )
        yield Sequence(
            subject,
            len(world),
            functools.partial(_record, subject, action, name, world, keypoints, place_3d, place_2d),
        )


def _record(
    subject: str,
    action: str,
    name: str,
    world: np.ndarray,
    keypoints: np.ndarray,
    place_3d: str,
    place_2d: str,
) -> dict[str, Any]:
    """Transforms a take to a camera and makes the record."""
    # Some videos are longer than the capture; the surplus is at their end.
    keypoints = keypoints[: len(world)]
    check_in_image(keypoints, place_2d)
    confidence = np.ones((len(keypoints), len(JOINTS)))
    if keypoints.shape[1] < len(JOINTS):
        # A missing joint, which has a place in the middle of its neighbours for lifters without
        # confidence.
        middle = keypoints[:, NECK - 1 : NECK + 1].mean(1, keepdims=True)
        keypoints = np.concatenate([keypoints[:, :NECK], middle, keypoints[:, NECK:]], axis=1)
        confidence[:, NECK] = 0
    positions = world[:, JOINTS_OF_32].astype(np.float64)
    check_range(positions, place_3d, -20, 20, "m")
    height = float(np.median(np.ptp(positions, axis=1).max(-1)))
    if not 0.3 <= height <= 3:
        raise ValueError(f"{place_3d}: the person is {height:.3g} m large; expected metres")
    camera = cameras.camera(subject, name)
    try:
        return make_record(
            name=f"{subject}/{action}/{name}",
            subject=subject,
            action=action.split()[0],
            camera=name,
            fps=FPS,
            image_size=camera.image_size,
            keypoints_2d=keypoints,
            confidence=confidence,
            joints_3d=camera.to_camera(positions * 1000),
            intrinsics=camera.intrinsics,
            distortion=camera.distortion,
            rotation=camera.rotation_y_up,
            translation=camera.translation,
        )
    except ValueError as error:
        raise ValueError(f"{place_3d}: {error}") from error


def _views(path: pathlib.Path, keypoints: dict[Any, Any], subject: str, action: str) -> Any:
    """Returns the 2D joints of a take in each camera."""
    place = name_of(path, "positions_2d", subject)
    if subject not in keypoints:
        raise ValueError(f"{place}: missing, though {FILE_3D} has this subject")
    views = _dict(keypoints[subject], place).get(action)
    if views is None:
        raise ValueError(f"{place}, {action}: missing, though {FILE_3D} has this action")
    # An array of four where all have equally many frames.
    array = isinstance(views, np.ndarray) and views.ndim > 0
    listed = list(views) if array or isinstance(views, list | tuple) else None
    if listed is None or len(listed) != len(cameras.NAMES):
        found = type(views).__name__ if listed is None else len(listed)
        raise ValueError(
            f"{place}, {action}: found {found}, expected a list of {len(cameras.NAMES)} cameras"
        )
    return listed


def _joints(path: pathlib.Path, metadata: Any) -> int:
    """Checks that the 2D joints are those of Human3.6M, and returns their number."""
    where = name_of(path, "metadata")
    symmetry: Any = _dict(metadata, where).get("keypoints_symmetry")
    try:
        found = tuple(sorted(int(joint) for joint in side) for side in symmetry)
    except (TypeError, ValueError):
        found = None
    for joints, known in SYMMETRY.items():
        if found == known:
            return joints
    layout = metadata.get("layout_name")
    raise ValueError(
        f"{where}: keypoints_symmetry is not that of Human3.6M, {list(SYMMETRY[17])}; found the "
        f"layout {layout[:50] if isinstance(layout, str) else None!r}"
    )


def _check_array(values: Any, tail: tuple[int, int], where: str) -> None:
    """Checks that the values are an array `[t, *tail]` of numbers."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        found = getattr(values, "dtype", type(values).__name__)
        raise ValueError(f"{where}: found {found}, expected an array of numbers")
    if values.ndim != 3 or values.shape[1:] != tail or not len(values):
        raise ValueError(
            f"{where}: found shape {values.shape}, expected (frames, {tail[0]}, {tail[1]})"
        )


def _member(path: pathlib.Path, key: str, archive: dict[str, Any] | None = None) -> Any:
    archive = safe_pickle.load_npz(path) if archive is None else archive
    if key not in archive:
        raise ValueError(f"{path}: there is no {key!r}; found {', '.join(archive) or 'nothing'}")
    return archive[key]


def _dict(value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: found a {type(value).__name__}, expected a dict")
    return value
