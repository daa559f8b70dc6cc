"""Biovision motion files (.bvh): a skeleton and the joint angles of one recording."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from tfds_builders.formats.rotations import about_axis

_CHANNELS = tuple(axis + kind for kind in ("position", "rotation") for axis in "xyz")


@dataclasses.dataclass(frozen=True, eq=False)
class Joint:
    """A joint.

    Attributes:
        name: Its name; an end site is named after its joint: "Head end".
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
    """

    joints: tuple[Joint, ...]
    motion: np.ndarray
    frame_time: float


class _Tokens:
    """Words of the hierarchy, read one by one, with the line of the last one."""

    def __init__(self, text: str, name: str):
        self._name = name
        self._words = self._split(text)
        self.line = 0

    def _split(self, text: str) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(text.splitlines(), 1):
            for word in line.split():
                yield number, word

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
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"{what}: expected a number, found {word!r}")
        return value


def _offset(tokens: _Tokens, joint: str) -> np.ndarray:
    tokens.next("OFFSET")
    return np.array([tokens.number(f"offset of {joint!r}") for _ in range(3)])


def _joints(tokens: _Tokens) -> tuple[tuple[Joint, ...], int]:
    """Returns the joints, and the line of the word MOTION after them."""
    joints: list[Joint] = []
    open_joints: list[int] = []  # from the root to the joint with the current braces
    tokens.next("HIERARCHY")
    while True:
        if open_joints:
            word = tokens.next("JOINT", "END", "}")
        else:
            word = tokens.next("ROOT", "MOTION") if joints else tokens.next("ROOT")
        if word == "MOTION":
            return tuple(joints), tokens.line
        if word == "}":
            open_joints.pop()
            continue
        parent = open_joints[-1] if open_joints else -1
        if word == "END":
            tokens.next("SITE")
            name = f"{joints[parent].name} end"
            tokens.next("{")
            joints.append(Joint(name, parent, _offset(tokens, name), ()))
            tokens.next("}")
            continue
        name = tokens.name()
        if any(joint.name == name for joint in joints):
            raise tokens.error(f"a second joint named {name!r}")
        offset = _offset(tokens, name)
        tokens.next("CHANNELS")
        count = tokens.number(f"number of channels of {name!r}")
        channels = tuple(tokens.next().lower() for _ in range(int(count)))
        if not set(channels) <= set(_CHANNELS) or len(set(channels)) != len(channels):
            raise tokens.error(
                f"channels of {name!r}: expected Xposition ... Zrotation, each at most once, found "
                f"{' '.join(channels)}"
            )
        joints.append(Joint(name, parent, offset, channels))
        open_joints.append(len(joints) - 1)


def parse_bvh(text: str, name: str = "bvh") -> Recording:
    """Reads a recording.

    Args:
        text: The content of a .bvh file.
        name: Name of the file in errors.

    Returns:
        The recording.

    Raises:
        ValueError: If the file is incomplete or malformed; names the line, and the frame and joint
            of a fault in the motion.
    """
    joints, start = _joints(_Tokens(text, name))
    lines = [
        (number, words)
        for number, line in enumerate(text.splitlines()[start:], start + 1)
        if (words := line.split())
    ]

    def header(keywords: list[str]) -> float:
        line, words = lines.pop(0) if lines else (start, [])
        try:
            value = float(words[-1]) if words[:-1] == keywords else math.nan
        except ValueError:
            value = math.nan
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(
                f"{name}, line {line}: expected '{' '.join(keywords)}' and a positive number, "
                f"found {' '.join(words)!r}"
            )
        return value

    frames = header(["Frames:"])
    frame_time = header(["Frame", "Time:"])
    if len(lines) != frames:
        raise ValueError(
            f"{name}: 'Frames:' promises {frames:g} frames, the file has {len(lines)}; "
            "is it complete?"
        )

    columns = [(joint.name, channel) for joint in joints for channel in joint.channels]
    motion = np.empty((len(lines), len(columns)))
    for frame, (line, words) in enumerate(lines):
        if len(words) != len(columns):
            raise ValueError(
                f"{name}, line {line}, frame {frame}: expected {len(columns)} values, one for each "
                f"channel, found {len(words)}"
            )
        try:
            motion[frame] = [float(word) for word in words]
        except ValueError as error:
            raise ValueError(f"{name}, line {line}, frame {frame}: {error}") from None
    bad = np.argwhere(~np.isfinite(motion))
    if len(bad):
        frame, column = bad[0]
        joint, channel = columns[column]
        raise ValueError(
            f"{name}, line {lines[frame][0]}, frame {frame}, joint {joint!r}: {channel} is "
            f"{motion[frame, column]}"
        )
    return Recording(joints, motion, frame_time)


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
