"""Limits of what is read from files of strangers: sizes, times and what a person can be."""

import zipfile
from collections.abc import Iterable

import numpy as np

from tfds_builders.mocap import body
from tfds_builders.mocap.take import Take

# The table in docs/bvh_motion.md has the same numbers.
FRAME_RATES = (1.0, 1000.0)  # frames per second
STATURES = (0.3, 3.0)  # metres
BONE = 3.0  # metres, of any frame
SPEED = 20.0  # metres per second, of the pelvis, over `SPEED_TIME`
SPEED_TIME = 0.1  # seconds; the jitter of single frames does not count
DURATION = 6 * 3600.0  # seconds
TEXT_BYTES = 512 * 2**20  # of a text file, unpacked
ARCHIVE_RATIO = 100  # unpacked to packed, of all files of an archive
SMALL_ARCHIVE = 2**30  # bytes unpacked, up to which any ratio is harmless


def check_frame_rate(fps: float) -> None:
    """Refuses a frame rate that no recording has.

    Raises:
        ValueError: If it is outside of `FRAME_RATES`.
    """
    if not FRAME_RATES[0] <= fps <= FRAME_RATES[1]:
        raise ValueError(
            f"the frame rate must be {FRAME_RATES[0]:g} to {FRAME_RATES[1]:g} frames per second, "
            f"found {fps:g}"
        )


def check_take(take: Take) -> None:
    """Refuses a take that no person can have performed.

    Raises:
        ValueError: If its rate, its duration, the stature, a bone or the speed is out of the
            limits; says which and where.
    """
    check_frame_rate(take.fps)
    frames = len(take.joints)
    if frames > DURATION * take.fps:
        raise ValueError(
            f"it must take at most {DURATION / 3600:g} hours, found {frames} frames at "
            f"{take.fps:g} frames per second"
        )
    bones = body.bone_lengths(take.joints)
    frame, joint = np.unravel_index(np.argmax(bones), bones.shape)
    if bones[frame, joint] > BONE:
        raise ValueError(
            f"frame {frame}: the bone that ends at {body.JOINTS[joint]} must be at most {BONE:g} m "
            f"long, found {bones[frame, joint]:.3g} m"
        )
    stature = body.stature(take.joints)
    if not STATURES[0] <= stature <= STATURES[1]:
        raise ValueError(
            f"the person must be {STATURES[0]:g} to {STATURES[1]:g} m tall, found {stature:.3g} m; "
            "is the unit of length right?"
        )
    lag = max(1, round(SPEED_TIME * take.fps))
    steps = np.linalg.norm(take.joints[lag:, 0] - take.joints[:-lag, 0], axis=-1)
    speeds = steps * take.fps / lag
    if len(speeds) and speeds.max() > SPEED:
        raise ValueError(
            f"frame {np.argmax(speeds)}: the person must move below {SPEED:g} m/s, found "
            f"{speeds.max():.3g} m/s"
        )


def check_member(member: zipfile.ZipInfo, archive: str) -> None:
    """Refuses a file of an archive that cannot or must not be read.

    Raises:
        ValueError: If it is encrypted, or its path leads out of the archive; names both.
    """
    name = f"{archive}:{member.filename}"
    if member.flag_bits & 0x1:
        raise ValueError(f"{name}: encrypted; unpack the archive and give the folder")
    parts = member.filename.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0].endswith(":"):
        raise ValueError(f"{name}: its path leads out of the archive")


def check_sizes(members: Iterable[zipfile.ZipInfo], archive: str) -> None:
    """Refuses an archive that unpacks to much more than it can hold.

    Raises:
        ValueError: If one file or all together are too large; names the archive.
    """
    unpacked = packed = 0
    for member in members:
        check_size(member.file_size, f"{archive}:{member.filename}")
        unpacked += member.file_size
        packed += member.compress_size
    if unpacked > max(SMALL_ARCHIVE, ARCHIVE_RATIO * packed):
        raise ValueError(
            f"{archive}: it unpacks to {unpacked:,} bytes from {packed:,}, more than "
            f"{ARCHIVE_RATIO} times its size"
        )


def check_size(size: int, name: str) -> None:
    """Refuses a text file that is too large.

    Raises:
        ValueError: If it is larger than `TEXT_BYTES`; names it.
    """
    if size > TEXT_BYTES:
        raise ValueError(
            f"{name}: a text file must have at most {TEXT_BYTES:,} bytes, found {size:,}"
        )
