"""Recordings of either format with the joints of their files."""

import dataclasses

import numpy as np

from tfds_builders.formats import amc, asf, bvh


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A recording of t frames, in units and axes of its file.

    Attributes:
        positions: By joint, `[t, 3]`. A bone of an ASF file is its end, an end site of a BVH file
            "NAME end".
        rotations: By joint, `[t, 3, 3]`, from its own axes; those of an ASF file are the world's in
            the rest pose.
        rest: By joint, `[3]`, its place in the rest pose, the root at the origin.
        fps: Frames per second; None where the file does not say.
        warnings: Sentences on what is odd in the file and how it was read.
    """

    positions: dict[str, np.ndarray]
    rotations: dict[str, np.ndarray]
    rest: dict[str, np.ndarray]
    fps: float | None
    warnings: tuple[str, ...] = ()


def _frame_rate(frame_time: float) -> float:
    """Returns the whole rate of a frame time that is rounded to a few decimals: 60 of 0.016667."""
    fps = 1 / frame_time
    return float(round(fps)) if abs(fps - round(fps)) < 1e-4 * fps else round(fps, 3)


def read_bvh(text: str, name: str) -> Recording:
    """Reads a BVH file.

    Args:
        text: Its content.
        name: Its name in errors.

    Raises:
        ValueError: If it is incomplete or malformed.
    """
    parsed = bvh.parse_bvh(text, name)
    positions, rotations = bvh.forward_kinematics(parsed)
    rest: dict[str, np.ndarray] = {}
    for joint in parsed.joints:
        parent = rest[parsed.joints[joint.parent].name] if joint.parent >= 0 else -joint.offset
        rest[joint.name] = parent + joint.offset
    fps = _frame_rate(parsed.frame_time)
    return Recording(positions, rotations, rest, fps, parsed.warnings)


def read_amc(skeleton_text: str, skeleton_name: str, text: str, name: str) -> Recording:
    """Reads an ASF file and a motion of its skeleton.

    Args:
        skeleton_text: The content of the ASF file.
        skeleton_name: Its name in errors.
        text: The content of the AMC file.
        name: Its name in errors.

    Raises:
        ValueError: If a file is incomplete or malformed, or they do not belong together.
    """
    skeleton = asf.parse_asf(skeleton_text, skeleton_name)
    motion = amc.parse_amc(text, skeleton, name)
    positions, rotations = amc.forward_kinematics(skeleton, motion)
    rest = {asf.ROOT: np.zeros(3)}
    for bone in skeleton.bones:
        rest[bone.name] = rest[bone.parent] + bone.offset
    return Recording(positions, rotations, rest, amc.frame_rate(text, name))
