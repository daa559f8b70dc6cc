"""Acclaim skeletons (.asf)."""

import dataclasses
import functools
import math
import re

import numpy as np

from tfds_builders.formats.rotations import about_axis
from tfds_builders.formats.text import number

ROOT = "root"
_BONE_KEYS = ("name", "direction", "length", "axis", "dof")
_IGNORED_BONE_KEYS = ("id", "bodymass", "cofmass", "limits")  # not needed for the positions
_ROOT_CHANNELS = ("tx", "ty", "tz", "rx", "ry", "rz")
_ROTATIONS = ("rx", "ry", "rz")
# Only whole lines are comments: some programs write numbers that are not, such as -1.#IND.
COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True, eq=False)
class Bone:
    """A rigid bone. It starts where its parent ends and turns with its parent.

    Attributes:
        name: Its name, of several words joined by "_"; it also stands for the joint at its END.
        parent: The name of the bone it is attached to, or "root".
        offset: `[3]`, from its start to its end in the rest pose, world axes, in units of the file.
        frame: `[3, 3]`, the rotation from world axes to the local axes in which its angles are
            measured.
        order: The axes in the order in which its rotations are applied, e.g. "xyz".
        channels: Its angles in a motion file, in the order of the file, e.g. `("rx", "rz")`.
    """

    name: str
    parent: str
    offset: np.ndarray
    frame: np.ndarray
    order: str
    channels: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Skeleton:
    """The skeleton of an .asf file.

    Attributes:
        bones: The bones, each after its parent.
        length_unit: The number after `length` under `:units`.
        degrees: Whether angles are in degrees rather than radians.
        root_channels: Channels of the root in a motion file, in the order of the file.
        root_order: The axes in the order in which the root's rotations are applied.
        root_position: `[3]`, added to every position of the root, in units of the file.
    """

    bones: tuple[Bone, ...]
    length_unit: float
    degrees: bool
    root_channels: tuple[str, ...]
    root_order: str
    root_position: np.ndarray

    @functools.cached_property
    def channels(self) -> dict[str, tuple[str, ...]]:
        """Channels of a motion file by bone, without bones that do not move."""
        moving = {bone.name: bone.channels for bone in self.bones if bone.channels}
        return {ROOT: self.root_channels, **moving}


# A line with content: its number from 1 and its words.
Line = tuple[int, list[str]]


def floats(words: list[str], count: int, where: str) -> np.ndarray:
    """Converts `words` to `count` numbers."""
    values = np.array([number(word) for word in words])
    if len(words) != count or not np.isfinite(values).all():
        raise ValueError(f"{where}: expected {count} numbers, found {' '.join(words)!r}")
    return values


def _order(word: str, where: str) -> str:
    if sorted(word.lower()) != ["x", "y", "z"]:
        raise ValueError(f"{where}: expected an order of axes such as XYZ, found {word!r}")
    return word.lower()


def euler(order: str, angles: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the matrices of successive rotations; absent axes do not rotate."""
    matrix = np.eye(3)
    for axis in order:
        if axis in angles:
            matrix = about_axis(axis, angles[axis]) @ matrix
    return matrix


def _sections(text: str, name: str) -> dict[str, list[Line]]:
    """Returns the lines of each `:section`, the words after the keyword first."""
    sections: dict[str, list[Line]] = {}
    lines: list[Line] | None = None
    for at, line in enumerate(text.split("\n"), 1):
        words = COMMENT.sub("", line).split()
        if words and words[0].startswith(":"):
            section = words[0].lower()
            if section in sections:
                raise ValueError(f"{name}, line {at}: a second {section} section")
            lines = sections[section] = []
            words = words[1:]
        if words and lines is None:
            raise ValueError(f"{name}, line {at}: expected a section such as :units")
        if words and lines is not None:
            lines.append((at, words))
    for section in (":units", ":root", ":bonedata", ":hierarchy"):
        if section not in sections:
            raise ValueError(f"{name}: no section {section}; is it a complete .asf file?")
    return sections


def _fields(lines: list[Line], name: str) -> dict[str, Line]:
    """Returns the lines by their first word, in lower case."""
    fields: dict[str, Line] = {}
    for at, (key, *words) in lines:
        if key.lower() in fields:
            raise ValueError(f"{name}, line {at}: a second {key.lower()}")
        fields[key.lower()] = at, words
    return fields


def _block(lines: list[Line], where: str) -> tuple[list[Line], list[Line]]:
    """Splits the lines after `begin` into those before `end` and those after it."""
    if [word.lower() for word in lines[0][1]] != ["begin"]:
        raise ValueError(f"{where}, line {lines[0][0]}: expected begin, found {lines[0][1][0]!r}")
    for i, (_, words) in enumerate(lines):
        if [word.lower() for word in words] == ["end"]:
            return lines[1:i], lines[i + 1 :]
    raise ValueError(f"{where}, line {lines[0][0]}: no end for this begin; is the file complete?")


def _bone(lines: list[Line], start: int, degrees: bool, name: str) -> Bone:
    """Returns the bone of the lines between `begin` and `end`, without its parent."""
    # The limits of a bone continue on lines of their own: "(a b)".
    fields = _fields([line for line in lines if not line[1][0].startswith("(")], name)
    for key, (at, _) in fields.items():
        if key not in (*_BONE_KEYS, *_IGNORED_BONE_KEYS):
            raise ValueError(f"{name}, line {at}: unknown field {key!r} of a bone")
    missing = [key for key in _BONE_KEYS if key not in fields and key != "dof"]
    if missing:
        raise ValueError(f"{name}, line {start}: the bone that begins here has no {missing[0]}")
    bone = "_".join(fields["name"][1])

    def where(key: str) -> str:
        return f"{name}, line {fields[key][0]}, bone {bone!r}, {key}"

    *angles, order = fields["axis"][1] or [""]
    turn = floats(angles, 3, where("axis"))
    turn = np.deg2rad(turn) if degrees else turn
    order = _order(order, where("axis"))
    direction = floats(fields["direction"][1], 3, where("direction"))
    norm = np.linalg.norm(direction)
    if not math.isclose(norm, 1, abs_tol=1e-2):
        raise ValueError(f"{where('direction')}: expected a unit vector, found length {norm:.4g}")
    [length] = floats(fields["length"][1], 1, where("length"))
    if length <= 0:
        raise ValueError(f"{where('length')}: expected a positive number, found {length:g}")
    channels = tuple(word.lower() for word in fields.get("dof", (0, []))[1])
    if not set(channels) <= set(_ROTATIONS) or len(set(channels)) != len(channels):
        raise ValueError(f"{where('dof')}: expected rx, ry and rz at most once, found {channels}")
    return Bone(
        name=bone,
        parent="",
        offset=direction / norm * length,
        frame=euler(order, dict(zip("xyz", turn, strict=True))),
        order=order,
        channels=channels,
    )


def _units(lines: list[Line], name: str) -> tuple[float, bool]:
    """Returns the number after `length`, and whether angles are in degrees."""
    units = _fields(lines, name)
    for key in ("length", "angle"):
        if key not in units:
            raise ValueError(f"{name}: no {key} under :units")
    at, words = units["angle"]
    angle = " ".join(words).lower()
    if angle not in ("deg", "degree", "degrees", "rad", "radian", "radians"):
        raise ValueError(f"{name}, line {at}: expected angle deg or rad, found {words}")
    at, words = units["length"]
    [length] = floats(words, 1, f"{name}, line {at}, length")
    if length <= 0:
        raise ValueError(f"{name}, line {at}, length: expected a positive number, found {length:g}")
    return float(length), angle.startswith("deg")


def _root(lines: list[Line], name: str) -> tuple[tuple[str, ...], str, np.ndarray]:
    """Returns channels, order of the axes and position of the root."""
    root = _fields(lines, name)
    for key in ("order", "axis", "position", "orientation"):
        if key not in root:
            raise ValueError(f"{name}: no {key} under :root")
    at, words = root["order"]
    channels = tuple(word.lower() for word in words)
    if sorted(channels) != sorted(_ROOT_CHANNELS):
        raise ValueError(
            f"{name}, line {at}: the root's order must name TX TY TZ RX RY RZ once each, found "
            f"{' '.join(words)}"
        )
    at, words = root["orientation"]
    if floats(words, 3, f"{name}, line {at}, orientation").any():
        # Programs disagree on whether it turns the skeleton or only the axes of its angles.
        raise ValueError(f"{name}, line {at}: a root orientation other than 0 is not supported")
    at, words = root["axis"]
    order = _order("".join(words), f"{name}, line {at}")
    at, words = root["position"]
    return channels, order, floats(words, 3, f"{name}, line {at}, position")


def _bone_names(words: list[str], bones: dict[str, Bone]) -> list[str]:
    """Joins the words of bones of several words: `upper arm hand` are `upper_arm` and `hand`."""
    names = []
    while words:
        counts = range(len(words), 1, -1)
        count = next((n for n in counts if "_".join(words[:n]) in bones), 1)
        names.append("_".join(words[:count]))
        words = words[count:]
    return names


def _attached(lines: list[Line], bones: dict[str, Bone], name: str) -> tuple[Bone, ...]:
    """Returns the bones with their parents, each after its parent."""
    children: dict[str, dict[str, int]] = {}
    parents: dict[str, str] = {}
    for at, words in lines:
        parent, *below = _bone_names(words, bones)
        if parent != ROOT and parent not in bones:
            raise ValueError(f"{name}, line {at}: bone {parent!r} is not under :bonedata")
        for child in below:
            if child not in bones or child in parents:
                problem = (
                    "is attached to two bones" if child in parents else "is not under :bonedata"
                )
                raise ValueError(f"{name}, line {at}: bone {child!r} {problem}")
            parents[child] = parent
            children.setdefault(parent, {})[child] = at
    if len(parents) != len(bones):
        raise ValueError(f"{name}: :hierarchy lacks {sorted(bones.keys() - parents.keys())}")
    # Lines may be in any order: by generation, from the root on.
    ordered: dict[str, Bone] = {}
    generation = [ROOT]
    while generation:
        generation = [child for parent in generation for child in children.get(parent, {})]
        for child in generation:
            ordered[child] = dataclasses.replace(bones[child], parent=parents[child])
    if loose := sorted(bones.keys() - ordered.keys()):
        at = min(children[parents[bone]][bone] for bone in loose)
        raise ValueError(f"{name}, line {at}: {loose[0]!r} is not attached to the root")
    return tuple(ordered.values())


def parse_asf(text: str, name: str = "asf") -> Skeleton:
    """Reads a skeleton.

    Keywords may be in any case, and the lines of a section in any order.

    Args:
        text: The content of an .asf file.
        name: Name of the file in errors.

    Returns:
        The skeleton.

    Raises:
        ValueError: If the file is incomplete or malformed; names the line and the bone.
    """
    sections = _sections(text, name)
    length_unit, degrees = _units(sections[":units"], name)
    channels, order, position = _root(sections[":root"], name)
    bones: dict[str, Bone] = {}
    rest = sections[":bonedata"]
    while rest:
        start = rest[0][0]
        lines, rest = _block(rest, name)
        bone = _bone(lines, start, degrees, name)
        if bone.name in bones or bone.name == ROOT:
            # The lines of a motion name the bone that they move: the name would have two meanings.
            raise ValueError(f"{name}, line {start}: a second bone named {bone.name!r}")
        bones[bone.name] = bone
    if not sections[":hierarchy"]:
        raise ValueError(f"{name}: nothing under :hierarchy; is the file complete?")
    return Skeleton(
        bones=_attached(_block(sections[":hierarchy"], name)[0], bones, name),
        length_unit=length_unit,
        degrees=degrees,
        root_channels=channels,
        root_order=order,
        root_position=position,
    )
