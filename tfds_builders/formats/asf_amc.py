"""Acclaim motion files: a skeleton (.asf) and the joint angles of one recording (.amc)."""

import dataclasses
import functools
import math
import re
from typing import NoReturn

import numpy as np

from tfds_builders.formats.rotations import about_axis

ROOT = "root"
_BONE_KEYS = ("name", "direction", "length", "axis", "dof")
_IGNORED_BONE_KEYS = ("id", "bodymass", "cofmass", "limits")  # not needed for the positions
_ROOT_CHANNELS = ("tx", "ty", "tz", "rx", "ry", "rz")
_ROTATIONS = ("rx", "ry", "rz")
# Only whole lines are comments: some programs write numbers that are not, such as -1.#IND.
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True, eq=False)
class Bone:
    """A rigid bone. It starts where its parent ends and turns with its parent.

    Attributes:
        name: Its name; it also stands for the joint at its END.
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
_Line = tuple[int, list[str]]


def _floats(words: list[str], count: int, where: str) -> np.ndarray:
    """Converts `words` to `count` numbers."""
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        values = np.array([math.nan])
    if len(words) != count or not np.isfinite(values).all():
        raise ValueError(f"{where}: expected {count} numbers, found {' '.join(words)!r}")
    return values


def _order(word: str, where: str) -> str:
    if sorted(word.lower()) != ["x", "y", "z"]:
        raise ValueError(f"{where}: expected an order of axes such as XYZ, found {word!r}")
    return word.lower()


def _euler(order: str, angles: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the matrices of successive rotations; absent axes do not rotate."""
    matrix = np.eye(3)
    for axis in order:
        if axis in angles:
            matrix = about_axis(axis, angles[axis]) @ matrix
    return matrix


def _sections(text: str, name: str) -> dict[str, list[_Line]]:
    """Returns the lines of each `:section`, the words after the keyword first."""
    sections: dict[str, list[_Line]] = {}
    lines: list[_Line] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = _COMMENT.sub("", line).split()
        if words and words[0].startswith(":"):
            section = words[0].lower()
            if section in sections:
                raise ValueError(f"{name}, line {number}: a second {section} section")
            lines = sections[section] = []
            words = words[1:]
        if words and lines is None:
            raise ValueError(f"{name}, line {number}: expected a section such as :units")
        if words and lines is not None:
            lines.append((number, words))
    for section in (":units", ":root", ":bonedata", ":hierarchy"):
        if section not in sections:
            raise ValueError(f"{name}: no section {section}; is it a complete .asf file?")
    return sections


def _block(lines: list[_Line], where: str) -> tuple[list[_Line], list[_Line]]:
    """Splits the lines after `begin` into those before `end` and those after it."""
    if lines[0][1] != ["begin"]:
        raise ValueError(f"{where}, line {lines[0][0]}: expected begin, found {lines[0][1][0]!r}")
    for i, (_, words) in enumerate(lines):
        if words == ["end"]:
            return lines[1:i], lines[i + 1 :]
    raise ValueError(f"{where}, line {lines[0][0]}: no end for this begin; is the file complete?")


def _bone(lines: list[_Line], start: int, degrees: bool, name: str) -> Bone:
    """Returns the bone of the lines between `begin` and `end`, without its parent."""
    fields: dict[str, _Line] = {}
    for number, (key, *words) in lines:
        if key in _BONE_KEYS:
            fields[key] = number, words
        elif key not in _IGNORED_BONE_KEYS and not key.startswith(
            "("
        ):  # limits continue with "(a b)"
            raise ValueError(f"{name}, line {number}: unknown field {key!r} of a bone")
    missing = [key for key in _BONE_KEYS if key not in fields and key != "dof"]
    if missing:
        raise ValueError(f"{name}, line {start}: the bone that begins here has no {missing[0]}")
    bone = " ".join(fields["name"][1])

    def where(key: str) -> str:
        return f"{name}, line {fields[key][0]}, bone {bone!r}, {key}"

    *angles, order = fields["axis"][1] or [""]
    turn = _floats(angles, 3, where("axis"))
    turn = np.deg2rad(turn) if degrees else turn
    order = _order(order, where("axis"))
    direction = _floats(fields["direction"][1], 3, where("direction"))
    norm = np.linalg.norm(direction)
    if not math.isclose(norm, 1, abs_tol=1e-2):
        raise ValueError(f"{where('direction')}: expected a unit vector, found length {norm:.4g}")
    channels = tuple(word.lower() for word in fields.get("dof", (0, []))[1])
    if not set(channels) <= set(_ROTATIONS) or len(set(channels)) != len(channels):
        raise ValueError(f"{where('dof')}: expected rx, ry and rz at most once, found {channels}")
    return Bone(
        name=bone,
        parent="",
        offset=direction / norm * _floats(fields["length"][1], 1, where("length")),
        frame=_euler(order, dict(zip("xyz", turn, strict=True))),
        order=order,
        channels=channels,
    )


def parse_asf(text: str, name: str = "asf") -> Skeleton:
    """Reads a skeleton.

    Args:
        text: The content of an .asf file.
        name: Name of the file in errors.

    Returns:
        The skeleton.

    Raises:
        ValueError: If the file is incomplete or malformed; names the line and the bone.
    """
    sections = _sections(text, name)

    units = {words[0]: (number, words[1:]) for number, words in sections[":units"]}
    for key in ("length", "angle"):
        if key not in units:
            raise ValueError(f"{name}: no {key} under :units")
    number, words = units["angle"]
    if words not in (["deg"], ["rad"]):
        raise ValueError(f"{name}, line {number}: expected angle deg or rad, found {words}")
    degrees = words == ["deg"]
    number, words = units["length"]
    length_unit = _floats(words, 1, f"{name}, line {number}, length")[0]

    root = {words[0]: (number, words[1:]) for number, words in sections[":root"]}
    for key in ("order", "axis", "position", "orientation"):
        if key not in root:
            raise ValueError(f"{name}: no {key} under :root")
    channels = tuple(word.lower() for word in root["order"][1])
    if sorted(channels) != sorted(_ROOT_CHANNELS):
        raise ValueError(
            f"{name}, line {root['order'][0]}: the root's order must name TX TY TZ RX RY RZ once "
            f"each, found {' '.join(root['order'][1])}"
        )
    number, words = root["orientation"]
    if _floats(words, 3, f"{name}, line {number}, orientation").any():
        # Programs disagree on whether it turns the skeleton or only the axes of its angles.
        raise ValueError(f"{name}, line {number}: a root orientation other than 0 is not supported")

    bones: dict[str, Bone] = {}
    rest = sections[":bonedata"]
    while rest:
        start = rest[0][0]
        lines, rest = _block(rest, name)
        bone = _bone(lines, start, degrees, name)
        if bone.name in bones or bone.name == ROOT:
            raise ValueError(f"{name}, line {start}: a second bone named {bone.name!r}")
        bones[bone.name] = bone

    if not sections[":hierarchy"]:
        raise ValueError(f"{name}: nothing under :hierarchy; is the file complete?")
    ordered: dict[str, Bone] = {}
    for number, (parent, *children) in _block(sections[":hierarchy"], name)[0]:
        if parent != ROOT and parent not in ordered:
            raise ValueError(f"{name}, line {number}: {parent!r} is not attached to the root yet")
        for child in children:
            if child not in bones or child in ordered:
                problem = (
                    "is attached to two bones" if child in ordered else "is not under :bonedata"
                )
                raise ValueError(f"{name}, line {number}: bone {child!r} {problem}")
            ordered[child] = dataclasses.replace(bones[child], parent=parent)
    if len(ordered) != len(bones):
        raise ValueError(f"{name}: :hierarchy lacks {sorted(bones.keys() - ordered.keys())}")

    return Skeleton(
        bones=tuple(ordered.values()),
        length_unit=float(length_unit),
        degrees=degrees,
        root_channels=channels,
        root_order=_order("".join(root["axis"][1]), f"{name}, line {root['axis'][0]}"),
        root_position=_floats(
            root["position"][1], 3, f"{name}, line {root['position'][0]}, position"
        ),
    )


def _raise_fault(text: str, skeleton: Skeleton, name: str) -> NoReturn:
    """Reads a faulty motion line by line and raises the error of its first fault."""
    layout: list[str] = []  # the bones of the first frame, in their order
    frame, seen = None, []

    def check_whole(line: int) -> None:
        missing = [bone for bone in layout or skeleton.channels if bone not in seen]
        if frame is not None and missing:
            raise ValueError(
                f"{name}, frame {frame} ends before line {line}: no values for bone "
                f"{missing[0]!r}; is the file complete?"
            )

    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        words = _COMMENT.sub("", line).split()
        if not words or words[0].startswith(":"):
            continue
        if len(words) == 1 and words[0].isdecimal():
            check_whole(number)
            if frame is not None and int(words[0]) != frame + 1:
                raise ValueError(
                    f"{name}, line {number}: expected frame {frame + 1}, found frame {words[0]}"
                )
            layout, frame, seen = layout or seen, int(words[0]), []
            continue
        if frame is None:
            raise ValueError(f"{name}, line {number}: expected a frame number, found {words[0]!r}")
        bone, *values = words
        where = f"{name}, line {number}, frame {frame}, bone {bone!r}"
        if bone not in skeleton.channels:
            raise ValueError(
                f"{where}: no such bone moves in the skeleton, only {', '.join(skeleton.channels)}"
            )
        if bone in seen:
            raise ValueError(f"{where}: a second time in this frame")
        if layout and bone != layout[len(seen)]:
            raise ValueError(f"{where}: expected {layout[len(seen)]!r}, as in the first frame")
        _floats(values, len(skeleton.channels[bone]), where)
        seen.append(bone)
    check_whole(len(lines) + 1)
    raise ValueError(f"{name}: no motion was found; is it an .amc file?")


def parse_amc(text: str, skeleton: Skeleton, name: str = "amc") -> dict[str, np.ndarray]:
    """Reads a motion.

    Every frame must have the same bones in the same order, as the files of recordings do. So whole
    columns are read at once instead of frames one by one.

    Args:
        text: The content of an .amc file.
        skeleton: The skeleton that it moves.
        name: Name of the file in errors.

    Returns:
        By bone, and for "root", `[t, channels]` values in the order of the skeleton's channels:
        angles in radians, the root's position in units of the file.

    Raises:
        ValueError: If the file is incomplete or does not fit the skeleton; names the line, frame
            and bone.
    """
    body = _COMMENT.sub("", text)
    header = re.match(r"(?:\s*:[^\n]*)*", body)
    assert header is not None
    keywords = header.group().lower().split()
    degrees = ":degrees" in keywords or (skeleton.degrees and ":radians" not in keywords)
    words = body[header.end() :].split()

    # The first frame gives the positions of a bone's name and values in every frame.
    positions: dict[str, int] = {}
    period = 1
    while period < len(words) and words[period] in skeleton.channels:
        bone = words[period]
        positions.setdefault(bone, period + 1)
        period += 1 + len(skeleton.channels[bone])
    frames, rest = divmod(len(words), period)
    if rest or not frames or positions.keys() != skeleton.channels.keys():
        _raise_fault(text, skeleton, name)
    for bone, position in positions.items():
        if words[position - 1 :: period].count(bone) != frames:
            _raise_fault(text, skeleton, name)
    try:
        numbers = np.array([int(word) for word in words[::period]])
        motion = {
            bone: np.array(
                [
                    [float(word) for word in words[position + i :: period]]
                    for i in range(len(skeleton.channels[bone]))
                ]
            ).T
            for bone, position in positions.items()
        }
    except ValueError:
        _raise_fault(text, skeleton, name)
    if (np.diff(numbers) != 1).any() or not all(np.isfinite(v).all() for v in motion.values()):
        _raise_fault(text, skeleton, name)

    if degrees:
        for bone, values in motion.items():
            turns = np.char.startswith(skeleton.channels[bone], "r")
            values[:, turns] = np.deg2rad(values[:, turns])
    return motion


def forward_kinematics(
    skeleton: Skeleton, motion: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Computes the positions of the joints and the rotations of the bones.

    A bone with local axes C and rotation M in them turns by C M C^-1 relative to its parent.
    Rotations are applied in the order of `axis` (X first for XYZ), whatever the order of the
    channels in the file.

    Args:
        skeleton: The skeleton.
        motion: The result of `parse_amc`, of t frames.

    Returns:
        `[t, 3]` world positions in units of the file: of the root and, by bone, of the bone's END;
        and their `[t, 3, 3]` rotations from the rest pose, in axes of the world.
    """
    root = dict(zip(skeleton.root_channels, motion[ROOT].T, strict=True))
    turns = {axis: root["r" + axis] for axis in "xyz"}
    rotations = {ROOT: _euler(skeleton.root_order, turns)}
    positions = {
        ROOT: skeleton.root_position + np.stack([root["tx"], root["ty"], root["tz"]], axis=-1)
    }
    for bone in skeleton.bones:
        rotation = rotations[bone.parent]
        if bone.channels:
            angles = zip(bone.channels, motion[bone.name].T, strict=True)
            local = _euler(bone.order, {channel[1]: angle for channel, angle in angles})
            rotation = rotation @ bone.frame @ local @ bone.frame.T
        rotations[bone.name] = rotation
        positions[bone.name] = positions[bone.parent] + rotation @ bone.offset
    return positions, rotations
