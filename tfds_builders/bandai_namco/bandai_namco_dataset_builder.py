"""The Bandai-Namco-Research-Motiondataset-2, from its BVH files."""

import functools
import re
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from tfds_builders.formats import archive, bvh
from tfds_builders.mocap.face import place_face
from tfds_builders.mocap.take import Take, TakeFile

# Joints of the files whose position (their mean, where there are two) is a joint of Human3.6M.
# The top of the head is not among them and is extrapolated from the head.
JOINTS = (
    ("UpperLeg_L", "UpperLeg_R"),
    ("UpperLeg_R",),
    ("LowerLeg_R",),
    ("Foot_R",),
    ("UpperLeg_L",),
    ("LowerLeg_L",),
    ("Foot_L",),
    ("Spine", "Chest"),
    ("Neck",),
    ("Head",),
    ("Head",),
    ("UpperArm_L",),
    ("LowerArm_L",),
    ("Hand_L",),
    ("UpperArm_R",),
    ("LowerArm_R",),
    ("Hand_R",),
)
HEAD_TOP = 10
HEAD_LENGTH = 18.0  # cm, beyond the joint "Head" on the line from the neck; not in the files
METRES_PER_UNIT = 0.01
# The left, the top and the front of the head, as columns in the axes of the joint "Head".
HEAD_AXES = np.array([(0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)])


def points_of(recording: bvh.Recording) -> tuple[np.ndarray, np.ndarray]:
    """Computes the 17 joints of Human3.6M and the face.

    Args:
        recording: A recording of the dataset, of t frames.

    Returns:
        `[t, 17, 3]` joints and `[t, 3, 3]` nose and ears, metres, Y up.

    Raises:
        ValueError: If a joint is missing.
    """
    positions, rotations = bvh.forward_kinematics(recording)
    missing = sorted({joint for joints in JOINTS for joint in joints} - positions.keys())
    if missing:
        raise ValueError(f"the skeleton has no joint {missing[0]!r}")
    joints = np.stack(
        [np.mean([positions[joint] for joint in joints], axis=0) for joints in JOINTS], axis=1
    )
    neck = positions["Head"] - positions["Neck"]
    joints[:, HEAD_TOP] += HEAD_LENGTH * neck / np.linalg.norm(neck, axis=-1, keepdims=True)
    joints = joints * METRES_PER_UNIT
    return joints, place_face(joints, rotations["Head"] @ HEAD_AXES)


class Builder(archive.ArchiveBuilder):
    """The second Bandai Namco dataset; takes 3, 13, 23, ... are the test split."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.0.0": "First version.",
        "1.1.0": "Records have valid frames, activities and the distortion of the lens.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Download dataset/Bandai-Namco-Research-Motiondataset-2 of "
        "https://github.com/BandaiNamcoResearchInc/Bandai-Namco-Research-Motiondataset (or take "
        "any part of it) and give its data.zip, or the folder that it is extracted to, as the "
        "source. It must contain files such as dataset-2_walk_normal_003.bvh."
    )
    PATTERN = re.compile(
        r"(.*/)?(?P<name>dataset-2_(?P<motion>[^_/]+)_(?P<style>[^_/]+)_(?P<take>\d+))\.bvh"
    )

    def _takes(self, dl_manager: tfds.download.DownloadManager) -> dict[str, list[TakeFile]]:
        folder = self._folder(dl_manager)
        files = self._find(folder)
        if not files:
            raise self._missing(dl_manager)
        splits: dict[str, list[archive.TextFile]] = {}
        for file in files:
            split = "test" if int(file.match["take"]) % 10 == 3 else "train"
            splits.setdefault(split, []).append(file)
        return {
            split: [TakeFile(file.name, functools.partial(_take, file)) for file in files]
            for split, files in splits.items()
        }


def _take(file: archive.TextFile) -> Take:
    recording = bvh.parse_bvh(file.read(), file.name)
    try:
        joints, face = points_of(recording)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    # The files say 0.0333333 s: six decimals of 1/30.
    fps = round(1 / recording.frame_time, 3)
    return Take(
        file.match["name"],
        "",
        file.match["motion"],
        fps,
        joints,
        face,
        warnings=recording.warnings,
    )
