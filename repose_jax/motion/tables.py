"""A person's motion as arrays and tables: .npz, .json and .csv."""

import csv
import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from repose_jax.motion import angles
from repose_jax.motion.motion import STATUS, Motion, Person
from repose_jax.runtime.whole_file import whole
from repose_jax.skeleton import HUMAN36M

UNITS = {
    "joints_mm": "mm, world: x right, y up, z towards the camera",
    "joints_camera_mm": "mm, relative to the pelvis, camera axes: x right, y down, z away",
    "root_mm": "mm, the pelvis from the camera's centre, camera axes",
    "raw_camera_mm": "as joints_camera_mm, before smoothing and bones of constant length",
    "confidence": "of the 2D joints, 0 to 1",
    "status": "0 seen, 1 filled, 2 missing",
    "time_s": "s",
    "keypoints_px": "x and y in px, confidence of the detector; NaN and 0 where not detected",
}
"""Units and axes of the arrays of a person."""
BLOCK = 4096
"""Frames that are text in memory at a time: as Python's numbers they take 20 times the space."""
HYPOTHESES = {
    "spread_mm": "mm, root mean square distance of the hypotheses from raw_camera_mm",
    "hypotheses_mm": "as raw_camera_mm, their mean; the first of them",
}
"""The same of the arrays that people with hypotheses have, too."""


def units(person: Person) -> dict[str, str]:
    """Returns units and axes of the arrays that a person has."""
    has = {name: unit for name, unit in HYPOTHESES.items() if getattr(person, name) is not None}
    return UNITS | has


def arrays(motion: Motion, person: Person) -> dict[str, np.ndarray]:
    """Returns the arrays of a person's .npz, with what is needed to read them alone.

    Beside the fields of `Person`: names of the joints, `bones` `[16, 2]` (parent, child), the
    camera and the world.
    """
    return {
        **{name: getattr(person, name) for name in ("frame", *units(person))},
        "joint_names": np.array(HUMAN36M.joints),
        "bones": np.array(HUMAN36M.bones),
        "fps": np.array(motion.fps),
        "image_size": np.array(motion.camera.image_size),
        "focal_px": np.array(motion.camera.focal_px),
        "centre_px": np.asarray(motion.camera.centre_px),
        "world_rotation": np.asarray(motion.world.rotation),
        "world_origin_mm": np.asarray(motion.world.origin_mm),
    }


def write_npz(path: pathlib.Path, motion: Motion, person: Person) -> None:
    """Writes the arrays of a person; `numpy.load` reads them without pickles."""
    values: dict[str, Any] = arrays(motion, person)
    with whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **values)


def write_json(path: pathlib.Path, motion: Motion, person: Person) -> None:
    """Writes the arrays of a person as lists, with their units; null where not finite.

    All but the hypotheses, which would be large.
    """
    text = dataclasses.replace(person, hypotheses_mm=None)
    head = {"name": motion.name, "person": person.number, "units": units(text)}
    with whole(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, allow_nan=False)[:-1])
        for name, values in arrays(motion, text).items():
            digits = 6 if name in ("time_s", "world_rotation") else 2
            file.write(f", {json.dumps(name)}: ")
            if not values.shape:
                file.write(json.dumps(_listed(values, digits), allow_nan=False))
                continue
            for start in range(0, len(values), BLOCK):
                listed = json.dumps(_listed(values[start : start + BLOCK], digits), allow_nan=False)
                file.write((", " if start else "[") + listed[1:-1])
            file.write("]")
        file.write("}")


def write_csv(path: pathlib.Path, person: Person) -> None:
    """Writes a row for each frame: position in the world, mm, confidence and status of joints."""
    header = ["frame", "time_s"]
    for joint in HUMAN36M.joints:
        header += [f"{joint}_{axis}_mm" for axis in "xyz"]
        header += [f"{joint}_confidence", f"{joint}_status"]
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for start in range(0, len(person.frame), BLOCK):
            _write_rows(writer, person, slice(start, start + BLOCK))


def _write_rows(writer: Any, person: Person, rows: slice) -> None:
    for frame, time, joints, confidence, state in zip(
        person.frame[rows].tolist(),
        person.time_s[rows].tolist(),
        person.joints_mm[rows].round(2).tolist(),
        person.confidence[rows].round(3).tolist(),
        np.array(STATUS)[person.status[rows]].tolist(),
        strict=True,
    ):
        row: list[Any] = [frame, f"{time:.6f}"]
        for position, share, name in zip(joints, confidence, state, strict=True):
            row += [*(f"{value:.2f}" for value in position), f"{share:.3f}", name]
        writer.writerow(row)


def write_angles(path: pathlib.Path, person: Person) -> None:
    """Writes a row for each frame: the angles of the joints, degrees; see `docs/angles.md`."""
    columns = angles.angles(person.joints_mm.astype(np.float64))
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "time_s", *(f"{name}_deg" for name in columns)])
        for frame, time, *values in zip(
            person.frame.tolist(), person.time_s.tolist(), *columns.values(), strict=True
        ):
            writer.writerow([frame, f"{time:.6f}", *(f"{value:.2f}" for value in values)])


def _listed(values: np.ndarray, digits: int) -> Any:
    if values.dtype.kind != "f":
        return values.tolist()
    rounded = np.round(values.astype(np.float64), digits)
    listed = np.array(rounded, dtype=object)  # also of a single number
    listed[~np.isfinite(rounded)] = None
    return listed.tolist()
