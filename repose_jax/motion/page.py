"""A page that plays a motion in any browser: one file of HTML, without network or library."""

import base64
import html
import importlib.resources
import json
import math
import pathlib
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any

import numpy as np

from repose_jax.motion import palette
from repose_jax.motion.motion import Camera, Motion, Person, World
from repose_jax.runtime.whole_file import whole
from repose_jax.skeleton import HUMAN36M

MAX_POSES = 60_000
"""Of all people together, with their hypotheses; of a longer motion every second frame (third, ...)
is shown."""
_ABSENT = -32768
_KINDS = {
    "bvh": "animation for Blender, MotionBuilder, Maya; centimetres",
    "glb": "animated 3D model (glTF); metres",
    "trc": "markers for OpenSim; metres",
    "npz": "arrays for NumPy; millimetres",
    "json": "JSON; millimetres",
    "csv": "table; millimetres",
    "angles.csv": "table of joint angles; degrees",
    "mp4": "video",
    "rrd": "recording for the Rerun viewer",
}


def write(path: str | pathlib.Path, motion: Motion, files: Iterable[str] = ()) -> None:
    """Writes the page of a motion.

    Args:
        path: of the file, "index.html" by custom.
        motion: the people.
        files: paths relative to the page's folder of files that it offers, such as "person_1.bvh".
    """
    with whole(path) as part:
        part.write_text(page(motion, files), encoding="utf-8")


def page(motion: Motion, files: Iterable[str] = ()) -> str:
    """Returns the page of a motion as HTML; arguments as those of `write`."""
    title = f"{motion.name}: motion in 3D"
    return assemble("index.html", "data.js", "app.js", title, _data(motion, files))


def assemble(template: str, poses: str, use: str, title: str, data: dict[str, Any]) -> str:
    """Returns a page of the viewer as one text of HTML.

    Args:
        template: name of a file in `viewer/`, which may include others of them.
        poses: name of the script that has the poses of the people.
        use: name of the script that plays them.
        title: of the page.
        data: values of JSON that the scripts read; `scene` has those of all pages.
    """
    folder = importlib.resources.files("repose_jax.motion") / "viewer"

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8").rstrip()

    scripts = ("motion.js", poses, "camera.js", "scene.js", "image.js", "look.js", use)
    values = {
        "title": html.escape(title),
        "style": read("style.css"),
        "script": '"use strict";\n' + "\n".join(map(read, scripts)),
        # Inside of a script element nothing but "<" could end it.
        "data": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    }
    text = re.sub(r"\{\{(\w+\.html)\}\}", lambda match: read(match[1]), read(template))
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], text)


def scene(name: str, camera: Camera, world: World, people: int) -> dict[str, Any]:
    """Returns what the scripts of every page read.

    Args:
        name: of the motion.
        camera: the camera.
        world: the place of the camera.
        people: number of people, for as many colours.
    """
    return {
        "name": name,
        "joints": HUMAN36M.joints,
        "bones": HUMAN36M.bones,
        "left": HUMAN36M.left,
        "right": HUMAN36M.right,
        "root": HUMAN36M.root,
        "camera": {
            "size": camera.image_size,
            "focal": float(camera.focal_px),
            "centre": camera.centre_px.tolist(),
            "rotation": world.rotation.tolist(),
            "origin": world.origin_mm.tolist(),
        },
        "colours": ["#" + bytes(colour).hex() for colour in palette.of_people(people)],
    }


def camera_facts(camera: Camera) -> list[tuple[str, str]]:
    """Returns names and values for the panel on a camera and what it sees."""
    width, height = camera.image_size
    return [
        ("Image", f"{width} × {height} px"),
        ("Focal length", f"{camera.focal_px:.4g} px, {camera.source}"),
        ("Axes", "x right, y up, z towards the camera; mm; floor grid 1 m"),
    ]


def _data(motion: Motion, files: Iterable[str]) -> dict[str, Any]:
    """Returns what the scripts read; `viewer/data.js` explains the arrays."""
    poses = sum(len(person.frame) * (1 + _count(person)) for person in motion.people)
    step = max(1, math.ceil(poses / MAX_POSES))
    longest = max(motion.camera.image_size)
    people = [_person(person, motion.world, step, longest) for person in motion.people]
    time = motion.time_s[::step] if len(motion.time_s) else np.zeros(1)
    notes = []
    if step > 1:
        notes.append(f"This page shows one frame of {step}, to stay small; the files have all.")
    return {
        **scene(motion.name, motion.camera, motion.world, len(people)),
        "lead": _lead(motion),
        "notes": notes,
        "facts": _facts(motion),
        "assumptions": motion.assumptions,
        "warnings": motion.warnings,
        "settings": [(key, _text(value)) for key, value in motion.settings.items()],
        "files": _groups(files),
        "step": step,
        "pixel": longest / 16_000,
        "times": _base64(np.round(1e4 * time).astype("<i4")),
        "people": [person for person in people if person["count"]],
    }


def _count(person: Person) -> int:
    """Returns the number of a person's hypotheses."""
    return 0 if person.hypotheses_mm is None else person.hypotheses_mm.shape[1]


def _person(person: Person, world: World, step: int, longest: int) -> dict[str, Any]:
    """Returns a person in the frames whose number is a multiple of the step."""
    rows = np.flatnonzero(person.frame % step == 0)
    joints = person.joints_mm[rows, None]  # with the hypotheses behind it
    others = world.hypotheses(person, rows)
    joints = joints if others is None else np.concatenate([joints, others], axis=1)
    low, high = (joints.min((0, 1, 2)), joints.max((0, 1, 2))) if len(rows) else (np.zeros(3),) * 2
    origin, unit = np.round((low + high) / 2, 3), max(0.1, float((high - low).max()) / 65_000)
    pixels = person.keypoints_px[rows, :, :2] * (16_000 / longest)
    missing = ~(person.keypoints_px[rows, :, 2:] > 0) | ~np.isfinite(pixels).all(-1, keepdims=True)
    pixels = np.where(missing, _ABSENT, np.clip(np.nan_to_num(pixels), -32_767, 32_767))
    status = np.zeros((len(rows), 20), np.uint8)  # four to a byte
    status[:, : HUMAN36M.size] = person.status[rows]
    placed = np.round((joints - origin) / unit).astype("<i2")
    packed = (status.reshape(-1, 5, 4) << np.array([0, 2, 4, 6], np.uint8)).sum(-1)
    return {
        "number": int(person.number),
        "first": int(person.frame[rows[0]]) // step if len(rows) else 0,
        "count": len(rows),
        "origin": origin.tolist(),
        "unit": unit,
        "joints": _base64(placed[:, 0]),
        "hypotheses": _base64(placed[:, 1:]),
        "pixels": _base64(np.round(pixels).astype("<i2")),
        "status": _base64(packed.astype(np.uint8)),
    }


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _lead(motion: Motion) -> str:
    count = len(motion.people)
    people = {0: "nobody", 1: "one person"}.get(count, f"{count} people")
    return f"{people[0].upper()}{people[1:]}, {_duration(motion)}"


def _duration(motion: Motion) -> str:
    seconds = float(np.ptp(motion.time_s)) + 1 / motion.fps if len(motion.time_s) else 0.0
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _facts(motion: Motion) -> list[tuple[str, str]]:
    """Returns names and values for the panel."""
    steps = np.diff(motion.time_s)
    rate = f"{motion.fps:.5g} per second"
    if len(steps) and np.ptp(steps) > 0.25 * np.median(steps):
        rate += ", varying"
    return [
        ("Length", _duration(motion)),
        ("Frames", f"{len(motion.time_s):,}"),
        ("Frame rate", rate),
        ("People", str(len(motion.people))),
        ("2D joints", motion.format),
        *camera_facts(motion.camera),
        ("Vertical", motion.world.source),
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _groups(files: Iterable[str]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Returns headings, each with the `(text, link, explanation)` of its files."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for file in files:
        name = pathlib.PurePath(file).as_posix()
        of_person = re.fullmatch(r"person_(\d+)[._](.+)", name)
        heading = f"Person {of_person[1]}" if of_person else "All"
        text = of_person[2] if of_person else name
        kind = _KINDS.get(text) or _KINDS.get(name.rpartition(".")[2], "")
        link = "./" + urllib.parse.quote(name)
        groups.setdefault(heading, []).append((text, link, f"{name}: {kind}" if kind else name))
    return list(groups.items())
