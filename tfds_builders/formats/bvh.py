"""Biovision motion files (.bvh): a skeleton and the joint angles of one recording."""

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator

import numpy as np

from tfds_builders.formats.rotations import MAX_DEGREES, about_axis
from tfds_builders.formats.text import number

_CHANNELS = tuple(axis + kind for kind in ("position", "rotation") for axis in "xyz")
# The two lines between the hierarchy and the motion, as programs spell and space them.
_HEADER = {
    "Frames:": re.compile(r"frames\s*:?\s*(\S+)", re.IGNORECASE),
    "Frame Time:": re.compile(r"frame[\s_]*time\s*:?\s*(\S+)", re.IGNORECASE),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Joint:
    """A joint.

    Attributes:
        name: Its name, unique in the file; an end site is named after its joint: "Head end". The
            second joint of a name "Hand" is "Hand#2".
        parent: The index of its parent, which comes before it; -1 for a root.
        offset: `[3]`, from its parent in the rest pose, in units of the file.
        channels: Its channels of the motion, in the order of the file, lower case: "xposition",
            ...
    """

    name: str
    parent: int
    offset: np.ndarray
    channels: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """The content of a .bvh file.

    Attributes:
        joints: The joints, each after its parent.
        motion: `[t, channels]`, concatenated over the joints: degrees and units of the file.
        frame_time: Seconds from frame to frame.
        warnings: Sentences on what is odd in the file and how it was read.
    """

    joints: tuple[Joint, ...]
    motion: np.ndarray
    frame_time: float
    warnings: tuple[str, ...] = ()


class _Tokens:
    """Words of the hierarchy, read one by one, with the line of the last one."""

    def __init__(self, text: str, name: str):
        self._name = name
        self._words = self._split(text)
        self.line = 0

    def _split(self, text: str) -> Iterator[tuple[int, str]]:
        for at, line in enumerate(text.split("\n"), 1):
            for word in line.split():
                yield at, word

    def error(self, problem: str) -> ValueError:
        return ValueError(f"{self._name}, line {self.line}: {problem}")

    def next(self, *expected: str) -> str:
        """Returns the next word, which must be one of `expected` where any are given."""
        self.line, word = next(self._words, (self.line, ""))
        if not word:
            raise self.error("the file ends here within its hierarchy; is it complete?")
        if expected and word.upper() not in expected:
            raise self.error(f"expected {' or '.join(expected)}, found {word!r}")
        return word.upper() if expected else word

    def name(self) -> str:
        """Returns the words up to the next brace, on one line: some names have spaces."""
        words = [self.next()]
        line = self.line
        while (word := self.next()) != "{":
            if self.line != line:
                raise self.error(f"expected {{, found {word!r}")
            words.append(word)
        return " ".join(words)

    def number(self, what: str) -> float:
        word = self.next()
        value = number(word)
        if math.isnan(value):
            raise self.error(f"{what}: expected a number, found {word!r}")
        return value


def _offset(tokens: _Tokens, joint: str) -> np.ndarray:
    return np.array([tokens.number(f"offset of {joint!r}") for _ in range(3)])


def _channels(tokens: _Tokens, joint: str) -> tuple[str, ...]:
    count = tokens.number(f"number of channels of {joint!r}")
    if count not in range(len(_CHANNELS) + 1):
        raise tokens.error(f"number of channels of {joint!r}: expected 0 to 6, found {count:g}")
    channels = tuple(tokens.next().lower() for _ in range(int(count)))
    if not set(channels) <= set(_CHANNELS) or len(set(channels)) != len(channels):
        raise tokens.error(
            f"channels of {joint!r}: expected Xposition ... Zrotation, each at most once, found "
            f"{' '.join(channels)}"
        )
    return channels


def _unique(name: str, taken: Iterable[str]) -> str:
    """Returns the name, or "NAME#2" where it is taken."""
    # "#" distinguishes it from the names of programs that number their joints: "Spine", "Spine2".
    count = 1
    while (unique := name if count == 1 else f"{name}#{count}") in taken:
        count += 1
    return unique


def _body(tokens: _Tokens, joint: str) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Returns offset and channels of a joint, in either order, and the word after them."""
    offset, channels = None, None
    while True:
        expected = ["OFFSET"] * (offset is None) + ["CHANNELS"] * (channels is None)
        word = tokens.next(*expected, *(("JOINT", "END", "}") if offset is not None else ()))
        if word == "OFFSET":
            offset = _offset(tokens, joint)
        elif word == "CHANNELS":
            channels = _channels(tokens, joint)
        else:
            assert offset is not None
            return offset, channels or (), word


def _joints(tokens: _Tokens) -> tuple[tuple[Joint, ...], list[str]]:
    """Returns the joints and warnings, after reading up to the word MOTION."""
    joints: dict[str, Joint] = {}
    places: list[str] = []  # names by index
    renamed: list[str] = []
    open_joints: list[int] = []  # from the root to the joint with the current braces

    def add(name: str, offset: np.ndarray, channels: tuple[str, ...]) -> None:
        joints[name] = Joint(name, open_joints[-1] if open_joints else -1, offset, channels)
        places.append(name)

    tokens.next("HIERARCHY")
    word = tokens.next("ROOT")
    while word != "MOTION":
        if word == "}":
            open_joints.pop()
        elif word == "END":
            tokens.next("SITE")
            name = _unique(f"{places[open_joints[-1]]} end", joints)
            tokens.next("{")
            tokens.next("OFFSET")
            add(name, _offset(tokens, name), ())
            tokens.next("}")
        else:
            given = tokens.name()
            name = _unique(given, joints)
            if name != given:
                renamed.append(given)
            offset, channels, word = _body(tokens, name)
            add(name, offset, channels)
            open_joints.append(len(places) - 1)
            continue  # with the word after them
        word = tokens.next(*(("JOINT", "END", "}") if open_joints else ("ROOT", "MOTION")))
    warnings = [
        f"several joints are named {name!r}; the first keeps the name, the others are numbered"
        for name in dict.fromkeys(renamed)
    ]
    return tuple(joints.values()), warnings


def _header(lines: list[tuple[int, str]], name: str) -> dict[str, float]:
    """Returns the values of the lines `Frames:` and `Frame Time:`, which are first, in any order.

    Args:
        lines: The lines after MOTION with their numbers; the header is removed.
        name: Name of the file in errors.
    """
    values: dict[str, float] = {}
    while missing := [keyword for keyword in _HEADER if keyword not in values]:
        line, text = lines.pop(0) if lines else (0, "")
        found = {key: match for key in missing if (match := _HEADER[key].fullmatch(text))}
        keyword, match = next(iter(found.items()), (missing[0], None))
        value = number(match[1]) if match else math.nan
        if not value > 0 or (keyword == "Frames:" and value != int(value)):
            where = f"{name}, line {line}" if line else f"{name}, at its end"
            whole = " whole" if keyword == "Frames:" else ""
            raise ValueError(
                f"{where}: expected '{keyword}' and a positive{whole} number, found {text[:80]!r}"
            )
        values[keyword] = value
    return values


def _motion(lines: list[tuple[int, str]], joints: tuple[Joint, ...], name: str) -> np.ndarray:
    """Returns the numbers of the rows, `[t, channels]`."""
    columns = [(joint.name, channel) for joint in joints for channel in joint.channels]
    motion = np.empty((len(lines), len(columns)))
    for frame, (line, text) in enumerate(lines):
        words = text.split()
        if len(words) != len(columns):
            raise ValueError(
                f"{name}, line {line}, frame {frame}: expected {len(columns)} values, one for each "
                f"channel, found {len(words)}"
            )
        try:
            if "_" in text:  # Python reads "1_0" as 10
                raise ValueError(f"expected numbers, found {text[:80]!r}")
            motion[frame] = [float(word) for word in words]
        except ValueError as error:
            raise ValueError(f"{name}, line {line}, frame {frame}: {error}") from None
    turns = np.array([channel.endswith("rotation") for _, channel in columns], bool)
    bad = np.argwhere(~np.isfinite(motion) | (turns & (np.abs(motion) > MAX_DEGREES)))
    if len(bad):
        frame, column = bad[0]
        joint, channel = columns[column]
        raise ValueError(
            f"{name}, line {lines[frame][0]}, frame {frame}, joint {joint!r}: {channel} is "
            f"{motion[frame, column]}"
        )
    return motion


def parse_bvh(text: str, name: str = "bvh") -> Recording:
    """Reads a recording.

    Read is whatever has one meaning: keywords in any case and spacing, joints without channels,
    names of several words. Joints of one name are made unique, and one row more than promised,
    which some programs write, is left out; both with a warning.

    Args:
        text: The content of a .bvh file.
        name: Name of the file in errors.

    Returns:
        The recording.

    Raises:
        ValueError: If the file is incomplete or malformed; names the line, and the frame and joint
            of a fault in the motion.
    """
    tokens = _Tokens(text, name)
    joints, warnings = _joints(tokens)
    rows = text.split("\n")
    # Anything on the line of the word MOTION belongs to the header.
    rows[tokens.line - 1] = re.sub(r".*\bmotion\b", "", rows[tokens.line - 1], flags=re.IGNORECASE)
    numbered = enumerate(rows[tokens.line - 1 :], tokens.line)
    lines = [(line, stripped) for line, row in numbered if (stripped := row.strip())]
    header = _header(lines, name)
    frames = int(header["Frames:"])
    if len(lines) == frames + 1:
        warnings.append("there is one row more than 'Frames:' promises; it is left out")
        del lines[-1]
    if len(lines) != frames:
        raise ValueError(
            f"{name}: 'Frames:' promises {frames} frames, the file has {len(lines)}; "
            "is it complete?"
        )
    motion = _motion(lines, joints, name)
    return Recording(joints, motion, header["Frame Time:"], tuple(warnings))


def forward_kinematics(
    recording: Recording,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Computes the positions and rotations of the joints.

    Rotations multiply from the left to the right in the order of the channels: Z X Y turns about Y
    first. A position channel replaces its part of the joint's offset.

    Args:
        recording: A recording of t frames.

    Returns:
        By joint, `[t, 3]` world positions in units of the file, and `[t, 3, 3]` rotations from
        the joint's own axes to those of the world.
    """
    positions: list[np.ndarray] = []
    rotations: list[np.ndarray] = []
    column = 0
    for joint in recording.joints:
        offset = np.tile(joint.offset, (len(recording.motion), 1))
        rotation = np.tile(np.eye(3), (len(recording.motion), 1, 1))
        for channel in joint.channels:
            values = recording.motion[:, column]
            column += 1
            if channel.endswith("position"):
                offset[:, "xyz".index(channel[0])] = values
            else:
                rotation = rotation @ about_axis(channel[0], np.deg2rad(values))
        if joint.parent >= 0:
            offset = positions[joint.parent] + (rotations[joint.parent] @ offset[..., None])[..., 0]
            rotation = rotations[joint.parent] @ rotation
        positions.append(offset)
        rotations.append(rotation)
    names = [joint.name for joint in recording.joints]
    return dict(zip(names, positions, strict=True)), dict(zip(names, rotations, strict=True))
