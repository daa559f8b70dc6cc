"""Acclaim motions (.amc): the joint angles of one recording of an Acclaim skeleton."""

import math
import re

import numpy as np

from tfds_builders.formats.asf import COMMENT, ROOT, Line, Skeleton, euler, floats
from tfds_builders.formats.rotations import MAX_DEGREES
from tfds_builders.formats.text import number

# Keywords of an .amc file before its frames; "_" and "-" are the same.
_RATES = (":samples-per-second", ":frames-per-second", ":fps")


def _keywords(text: str, name: str) -> dict[str, Line]:
    """Returns the words after each keyword before the first frame of an .amc file."""
    keywords: dict[str, Line] = {}
    for at, line in enumerate(text.split("\n"), 1):
        words = COMMENT.sub("", line).split()
        if words and not words[0].startswith(":"):
            break
        if words:
            keywords[words[0].lower().replace("_", "-").rstrip(":")] = at, words[1:]
    if ":degrees" in keywords and ":radians" in keywords:
        raise ValueError(
            f"{name}, line {max(keywords[key][0] for key in (':degrees', ':radians'))}: angles are "
            "either :DEGREES or :RADIANS, found both"
        )
    return keywords


def frame_rate(text: str, name: str = "amc") -> float | None:
    """Returns the frames per second in the header of an .amc file; None where it has none.

    Raises:
        ValueError: If it is no positive number, or there are two that differ; names the line.
    """
    rates = {}
    for key, (at, words) in _keywords(text, name).items():
        if key in _RATES:
            value = number(words[-1]) if len(words) == 1 else math.nan
            if not value > 0:
                raise ValueError(
                    f"{name}, line {at}: expected {key.upper()} and a positive number, found "
                    f"{' '.join(words)!r}"
                )
            rates[value] = at
    if len(rates) > 1:
        raise ValueError(f"{name}, line {max(rates.values())}: another frame rate than before")
    return next(iter(rates), None)


def _by_lines(text: str, skeleton: Skeleton, name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Reads a motion line by line, whatever the order of the bones in each frame.

    Returns:
        The numbers of the frames, and the values by bone.

    Raises:
        ValueError: At the first fault.
    """
    values: dict[str, list[np.ndarray]] = {bone: [] for bone in skeleton.channels}
    numbers: list[int] = []
    seen: set[str] = set()

    def check_whole(line: int) -> None:
        missing = [bone for bone in skeleton.channels if bone not in seen]
        if numbers and missing:
            raise ValueError(
                f"{name}, frame {numbers[-1]} ends before line {line}: no values for bone "
                f"{missing[0]!r}; is the file complete?"
            )

    lines = text.rstrip().split("\n")
    for at, line in enumerate(lines, 1):
        words = COMMENT.sub("", line).split()
        if not words or words[0].startswith(":"):
            continue
        if len(words) == 1 and words[0].isdecimal():
            check_whole(at)
            if numbers and int(words[0]) != numbers[-1] + 1:
                raise ValueError(
                    f"{name}, line {at}: expected frame {numbers[-1] + 1}, found frame {words[0]}"
                )
            numbers.append(int(words[0]))
            seen = set()
            continue
        if not numbers:
            raise ValueError(f"{name}, line {at}: expected a frame number, found {words[0]!r}")
        bone, *rest = words
        where = f"{name}, line {at}, frame {numbers[-1]}, bone {bone!r}"
        if bone not in skeleton.channels:
            raise ValueError(
                f"{where}: no such bone moves in the skeleton, only {', '.join(skeleton.channels)}"
            )
        if bone in seen:
            raise ValueError(f"{where}: a second time in this frame")
        values[bone].append(floats(rest, len(skeleton.channels[bone]), where))
        seen.add(bone)
    check_whole(len(lines) + 1)
    if not numbers:
        raise ValueError(f"{name}: no motion was found; is it an .amc file?")
    return np.array(numbers), {bone: np.stack(rows) for bone, rows in values.items()}


def _by_columns(body: str, skeleton: Skeleton) -> dict[str, np.ndarray] | None:
    """Reads a motion whose frames all have the bones in the same order, as recordings do.

    Whole columns are read at once instead of frames one by one.

    Returns:
        The values by bone; None for a motion that is not so, or that has a fault.
    """
    words = body.split()
    # The first frame gives the positions of a bone's name and values in every frame.
    positions: dict[str, int] = {}
    period = 1
    while period < len(words) and words[period] in skeleton.channels:
        bone = words[period]
        positions.setdefault(bone, period + 1)
        period += 1 + len(skeleton.channels[bone])
    frames, rest = divmod(len(words), period)
    if rest or not frames or positions.keys() != skeleton.channels.keys():
        return None
    if any(words[at - 1 :: period].count(bone) != frames for bone, at in positions.items()):
        return None
    columns = {
        bone: [words[at + i :: period] for i in range(len(skeleton.channels[bone]))]
        for bone, at in positions.items()
    }
    # Python reads "1_0" as 10.
    if any("_" in word for column in columns.values() for each in column for word in each):
        return None
    try:
        numbers = np.array([int(word) for word in words[::period] if word.isdecimal()])
        motion = {
            bone: np.array([[float(word) for word in each] for each in column]).T
            for bone, column in columns.items()
        }
    except (ValueError, OverflowError):
        return None
    if len(numbers) != frames or (np.diff(numbers) != 1).any():
        return None
    return motion if all(np.isfinite(values).all() for values in motion.values()) else None


def parse_amc(text: str, skeleton: Skeleton, name: str = "amc") -> dict[str, np.ndarray]:
    """Reads a motion.

    The bones of a frame may be in any order.

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
    keywords = _keywords(text, name)
    degrees = ":degrees" in keywords or (skeleton.degrees and ":radians" not in keywords)
    for bone in skeleton.channels:
        if "_" in bone:  # its words may be separate, as in the skeleton
            spaced = re.escape(bone).replace("_", "[ \t]+")
            text = re.sub(rf"^[ \t]*{spaced}(?=\s)", bone, text, flags=re.MULTILINE)
    body = COMMENT.sub("", text)
    header = re.match(r"(?:\s*:[^\n]*)*", body)
    assert header is not None
    motion = _by_columns(body[header.end() :], skeleton)
    if motion is None:
        motion = _by_lines(text, skeleton, name)[1]

    for bone, values in motion.items():
        turns = np.char.startswith(skeleton.channels[bone], "r")
        angles = values[:, turns] if degrees else np.rad2deg(values[:, turns])
        if len(bad := np.argwhere(~(np.abs(angles) <= MAX_DEGREES))):
            raise ValueError(
                f"{name}, frame {bad[0][0] + 1} of the file, bone {bone!r}: an angle of "
                f"{angles[tuple(bad[0])]:g} degrees"
            )
        if degrees:
            values[:, turns] = np.deg2rad(angles)
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
    rotations = {ROOT: euler(skeleton.root_order, turns)}
    positions = {
        ROOT: skeleton.root_position + np.stack([root["tx"], root["ty"], root["tz"]], axis=-1)
    }
    for bone in skeleton.bones:
        rotation = rotations[bone.parent]
        if bone.channels:
            angles = zip(bone.channels, motion[bone.name].T, strict=True)
            local = euler(bone.order, {channel[1]: angle for channel, angle in angles})
            rotation = rotation @ bone.frame @ local @ bone.frame.T
        rotations[bone.name] = rotation
        positions[bone.name] = positions[bone.parent] + rotation @ bone.offset
    return positions, rotations
