"""Writer of GLB files (glTF 2.0, binary): animated skeletons in metres, y up, right-handed.

Each person is a skin with a simple mesh: an octahedron for each bone, blue on the person's left,
orange on the right.
"""

import json
import os
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from repose_jax.motion.rig import Rig, rest_positions
from repose_jax.runtime.whole_file import whole

FLOAT, BYTE = 5126, 5121
SIDES = ((0.02, 0.22, 0.75), (0.9, 0.24, 0.02))
"""Colours of left and right, linear RGB."""
MIDDLES = ((0.35, 0.35, 0.38), (0.1, 0.42, 0.16), (0.4, 0.12, 0.42), (0.45, 0.4, 0.08))
"""Colours of the trunk, person after person."""
SHAPES = {"Head": (0.38, 0.45), "Spine": (0.28, 0.75), "LowerBack": (0.28, 0.3)}
"""Of the bone along the body that starts at a joint: half its width, and the way to its widest
place, as shares of its length."""
SHAPE = (0.11, 0.2)


class _File:
    """The parts of a glTF file while they are collected."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.length = 0
        self.json: dict[str, list[Any]] = {
            key: [] for key in ("nodes", "meshes", "skins", "accessors", "bufferViews", "materials")
        }

    def add(self, key: str, value: dict[str, Any]) -> int:
        """Adds an object and returns its index."""
        self.json[key].append(value)
        return len(self.json[key]) - 1

    def array(
        self, values: np.ndarray, kind: str, *, vertices: bool = False, bounds: bool = False
    ) -> int:
        """Adds values and returns the index of their accessor.

        Args:
            values: `[n]` or `[n, numbers]`: bytes, or numbers that are stored as float32.
            kind: glTF's name of what a row is.
            vertices: whether they are attributes of vertices.
            bounds: whether to state the least and the greatest value.
        """
        stored = values if values.dtype == np.uint8 else values.astype("<f4")
        content = stored.tobytes()
        view: dict[str, Any] = {
            "buffer": 0,
            "byteOffset": self.length,
            "byteLength": len(content),
        }
        if vertices:
            view["target"] = 34962
        self.parts.append(content + b"\0" * (-len(content) % 4))
        self.length += len(self.parts[-1])
        accessor: dict[str, Any] = {
            "bufferView": self.add("bufferViews", view),
            "componentType": BYTE if stored.dtype == np.uint8 else FLOAT,
            "count": len(stored),
            "type": kind,
        }
        if bounds:
            flat = stored.reshape(len(stored), -1)
            accessor |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        return self.add("accessors", accessor)


def write(path: str | os.PathLike[str], rigs: Rig | Sequence[Rig]):
    """Writes the motion of one person, or of several, as a GLB file.

    The animation has the times of the video, so that people keep their times.

    Args:
        path: the file to write.
        rigs: the motions.

    Raises:
        ValueError: no motion is given.
    """
    rigs = (rigs,) if isinstance(rigs, Rig) else tuple(rigs)
    if not rigs:
        raise ValueError(f"{path}: there is no person to write.")
    file = _File()
    span = min(rig.time_s[0] for rig in rigs), max(rig.time_s[-1] for rig in rigs)
    roots: list[int] = []
    animation: dict[str, Any] = {"name": "motion", "channels": [], "samplers": []}
    sides = [_material(file, name, SIDES[i]) for i, name in enumerate(("left", "right"))]
    for i, rig in enumerate(rigs):
        middle = _material(file, f"person_{rig.number}", MIDDLES[i % len(MIDDLES)])
        person, joints = _skeleton(file, rig)
        roots += [person, _skin(file, rig, joints, (middle, *sides))]
        _animate(file, rig, joints, animation)
        _show(file, rig, person, animation, span)
    content = {
        "asset": {"version": "2.0", "generator": "repose_jax"},
        "scene": 0,
        "scenes": [{"nodes": roots}],
        **file.json,
        "animations": [animation],
        "buffers": [{"byteLength": file.length}],
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    with whole(path) as part, part.open("wb") as out:
        out.write(struct.pack("<4sII", b"glTF", 2, 28 + len(text) + file.length))
        out.write(struct.pack("<I4s", len(text), b"JSON") + text)
        out.write(struct.pack("<I4s", file.length, b"BIN\0"))
        out.writelines(file.parts)


def _material(file: _File, name: str, colour: tuple[float, float, float]) -> int:
    surface = {"baseColorFactor": [*colour, 1], "metallicFactor": 0, "roughnessFactor": 0.7}
    return file.add("materials", {"name": name, "pbrMetallicRoughness": surface})


def _skeleton(file: _File, rig: Rig) -> tuple[int, list[int]]:
    """Adds a node for the person and below it one for each joint; returns their indices."""
    first = len(file.json["nodes"]) + 1
    joints = list(range(first, first + len(rig.names)))
    person = file.add("nodes", {"name": f"person_{rig.number}", "children": [first]})
    for j, name in enumerate(rig.names):
        node: dict[str, Any] = {"name": name, "translation": (rig.offsets_mm[j] / 1000).tolist()}
        children = [joints[child] for child, parent in enumerate(rig.parents) if parent == j]
        file.add("nodes", node | ({"children": children} if children else {}))
    return person, joints


def _skin(file: _File, rig: Rig, joints: list[int], materials: Sequence[int]) -> int:
    """Adds the skin and its mesh; returns the node that shows them."""
    rest = rest_positions(rig) / 1000
    inverse = np.tile(np.eye(4), (len(rest), 1, 1))
    inverse[:, 3, :3] = -rest  # by columns, as glTF stores matrices
    name = f"person_{rig.number}"
    skin = {
        "name": name,
        "skeleton": joints[0],
        "joints": joints,
        "inverseBindMatrices": file.array(inverse.reshape(-1, 16), "MAT4"),
    }
    sides: dict[int, list[tuple[int, np.ndarray]]] = {0: [], 1: [], 2: []}
    for j, end in _bones(rig):
        along = abs(end[0]) < 1e-3
        corners = rest[j] + _octahedron(end, *(SHAPES.get(rig.names[j], SHAPE) if along else SHAPE))
        sides[_side(rig.names[j])].append((j, corners))
    mesh = {
        "name": name,
        "primitives": [
            _primitive(file, sides[side], material)
            for side, material in zip((0, 1, 2), materials, strict=True)
        ],
    }
    node = {"name": f"{name}_mesh", "mesh": file.add("meshes", mesh)}
    return file.add("nodes", node | {"skin": file.add("skins", skin)})


def _side(name: str) -> int:
    """Returns 1 for a joint of the left side, 2 for the right, 0 for the trunk."""
    return (
        1 if name.startswith(("Left", "LHip")) else 2 if name.startswith(("Right", "RHip")) else 0
    )


def _bones(rig: Rig) -> list[tuple[int, Float[np.ndarray, "3"]]]:
    """Returns the bones that have a length: the joint that turns each, and its way, m."""
    bones = [(parent, rig.offsets_mm[j]) for j, parent in enumerate(rig.parents) if parent >= 0]
    bones += rig.ends_mm.items()
    return [(j, way / 1000) for j, way in bones if np.linalg.norm(way) > 0.1]


def _octahedron(
    way: Float[np.ndarray, "3"], width: float, widest: float
) -> Float[np.ndarray, "8 3 3"]:
    """Returns the triangles of a bone from the origin to `way`, anticlockwise from outside."""
    across = np.cross(way, np.eye(3)[np.abs(way).argmin()])
    across *= width * np.linalg.norm(way) / np.linalg.norm(across)
    up = np.cross(way, across) / np.linalg.norm(way)
    waist = widest * way + np.stack([across, up, -across, -up])
    following = np.roll(waist, -1, axis=0)
    start, end = np.broadcast_to(0.0 * way, (4, 3)), np.broadcast_to(way, (4, 3))
    return np.concatenate(
        [np.stack([start, following, waist], axis=1), np.stack([end, waist, following], axis=1)]
    )


def _primitive(file: _File, bones: list[tuple[int, np.ndarray]], material: int) -> dict[str, Any]:
    """Returns the triangles of bones, each bound to its joint alone."""
    triangles = np.concatenate([corners for _, corners in bones])
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    joints = np.zeros((3 * len(triangles), 4), np.uint8)
    joints[:, 0] = np.repeat([j for j, _ in bones], [3 * len(corners) for _, corners in bones])
    weights = np.tile(np.eye(4)[0], (len(joints), 1))
    attributes = {
        "POSITION": file.array(triangles.reshape(-1, 3), "VEC3", vertices=True, bounds=True),
        "NORMAL": file.array(np.repeat(normals, 3, axis=0), "VEC3", vertices=True),
        "JOINTS_0": file.array(joints, "VEC4", vertices=True),
        "WEIGHTS_0": file.array(weights, "VEC4", vertices=True),
    }
    return {"attributes": attributes, "material": material}


def _animate(file: _File, rig: Rig, joints: list[int], animation: dict[str, Any]):
    """Adds the motion of a rig to an animation."""
    time = file.array(rig.time_s, "SCALAR", bounds=True)
    root = file.array(rig.root_mm / 1000, "VEC3")
    _channel(animation, joints[0], "translation", time, root)
    for j, node in enumerate(joints):
        _channel(animation, node, "rotation", time, file.array(rig.rotations[:, j], "VEC4"))


def _show(file: _File, rig: Rig, person: int, animation: dict[str, Any], span: tuple[float, float]):
    """Adds that a person has no size at the times of the file's span at which it was not seen."""
    first, last = rig.time_s[0], rig.time_s[-1]
    keys = [(first, 1.0)]
    if span[0] < first:
        keys.insert(0, (span[0], 0.0))
    if last < span[1]:
        keys.append((last + 5e-3, 0.0))
    if len(keys) > 1:
        time, scale = np.array(keys).T
        times = file.array(time, "SCALAR", bounds=True)
        scales = file.array(np.repeat(scale[:, None], 3, axis=1), "VEC3")
        _channel(animation, person, "scale", times, scales, "STEP")


def _channel(animation, node: int, path: str, time: int, output: int, kind: str = "LINEAR"):
    target = {"node": node, "path": path}
    animation["channels"].append({"sampler": len(animation["samplers"]), "target": target})
    animation["samplers"].append({"input": time, "output": output, "interpolation": kind})
