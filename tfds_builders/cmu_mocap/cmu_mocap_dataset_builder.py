"""The CMU Graphics Lab Motion Capture Database, from its ASF/AMC files."""

import functools
import pathlib
import re
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tfds_builders.cmu_mocap import trials
from tfds_builders.formats import amc, archive, asf
from tfds_builders.mocap.face import place_face
from tfds_builders.mocap.take import Take, TakeFile

URL = "http://mocap.cs.cmu.edu/allasfamc.zip"

# The bones whose ends (their mean, where there are two) are the joints of Human3.6M. The root of
# the files is not the pelvis: it lies about 11 cm above and behind the line of the hips.
BONES = (
    ("lhipjoint", "rhipjoint"),
    ("rhipjoint",),
    ("rfemur",),
    ("rtibia",),
    ("lhipjoint",),
    ("lfemur",),
    ("ltibia",),
    ("lowerback",),
    ("thorax",),
    ("lowerneck", "upperneck"),
    ("head",),
    ("lclavicle",),
    ("lhumerus",),
    ("lradius", "lwrist"),
    ("rclavicle",),
    ("rhumerus",),
    ("rradius", "rwrist"),
)
METRES_PER_INCH = 0.0254
_UNKNOWN_RATE = (
    f"the frame rate is unknown and assumed to be {trials.UNLISTED.fps:g}; list it in trials.csv "
    "(see the README)"
)


def points_of(
    skeleton: asf.Skeleton, motion: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the 17 joints of Human3.6M and the face.

    Args:
        skeleton: The skeleton of a subject of the database.
        motion: A motion of t frames.

    Returns:
        `[t, 17, 3]` joints and `[t, 3, 3]` nose and ears, metres, Y up. Lengths are in inches once
        divided by the skeleton's unit of length.

    Raises:
        ValueError: If the skeleton lacks a bone.
    """
    positions, rotations = amc.forward_kinematics(skeleton, motion)
    missing = sorted({bone for bones in BONES for bone in bones} - positions.keys())
    if missing:
        raise ValueError(f"the skeleton has no bone {missing[0]!r}")
    joints = [np.mean([positions[bone] for bone in bones], axis=0) for bones in BONES]
    joints = np.stack(joints, axis=1) * (METRES_PER_INCH / skeleton.length_unit)
    # The rest pose faces +Z with its left on +X: its axes are those of an upright head.
    return joints, place_face(joints, rotations["head"])


def _trials_file(source: pathlib.Path | None) -> pathlib.Path | None:
    """Returns the user's own list of trials, beside the data, if there is one."""
    if source is None:
        return None
    path = (source if source.is_dir() else source.parent) / "trials.csv"
    return path if path.exists() else None


class Builder(archive.ArchiveBuilder):
    """The CMU database; subjects 02, 07, 12, ... are the test split."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.0.0": "First version.",
        "1.1.0": "Records have valid frames, activities and the distortion of the lens.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Download {URL} (or take any part of it) and give the archive, or the folder that it is "
        "extracted to, as the source. It must contain files such as subjects/02/02.asf and "
        "subjects/02/02_01.amc."
    )
    PATTERN = re.compile(
        r"(.*/)?(?P<subject>\d+)/(?P=subject)(\.asf|_(?P<trial>\d+)\.amc)", re.IGNORECASE
    )

    def source_files(self) -> Iterable[pathlib.Path]:
        """Returns the files of the source, with the user's list of trials."""
        path = _trials_file(self._source)
        return [*super().source_files(), *([path] if path else [])]

    def _takes(self, dl_manager: tfds.download.DownloadManager) -> dict[str, list[TakeFile]]:
        folder = self._folder(dl_manager)
        files = self._find(folder)
        if not files and self._source is None:
            logging.info("cmu_mocap: not in the manual directory, downloading %s", URL)
            try:
                files = self._find(pathlib.Path(dl_manager.download(URL)))
            except Exception as error:
                # Of any kind: the message explains how to do without the download.
                missing = self._missing(dl_manager)
                raise FileNotFoundError(f"{missing} Downloading it failed: {error}") from error

        skeletons = {file.match["subject"]: file for file in files if not file.match["trial"]}
        motions: dict[str, dict[str, list[archive.TextFile]]] = {}
        for file in files:
            subject = file.match["subject"]
            if file.match["trial"] and subject not in skeletons:
                raise ValueError(f"{file.name}: its skeleton {subject}.asf is not in the source")
            if file.match["trial"]:
                split = "test" if int(subject) % 5 == 2 else "train"
                motions.setdefault(split, {}).setdefault(subject, []).append(file)
        if not motions:
            raise self._missing(dl_manager)

        path = _trials_file(folder)
        own = trials.read_trials(path) if path else {}
        return {
            split: [
                TakeFile(file.name, functools.partial(_take, file, skeletons[subject], own))
                for subject in sorted(subjects, key=int)
                for file in subjects[subject]
            ]
            for split, subjects in motions.items()
        }


@functools.lru_cache(maxsize=1)  # files of one skeleton follow each other
def _skeleton(file: archive.TextFile) -> asf.Skeleton:
    return asf.parse_asf(file.read(), file.name)


def _take(
    file: archive.TextFile, skeleton_file: archive.TextFile, own: dict[str, trials.Trial]
) -> Take:
    skeleton = _skeleton(skeleton_file)
    content = file.read()
    motion = amc.parse_amc(content, skeleton, file.name)
    try:
        joints, face = points_of(skeleton, motion)
    except ValueError as error:
        raise ValueError(f"{skeleton_file.name}: {error}") from None
    subject, number = file.match["subject"], file.match["trial"]
    listed = trials.key(subject, number)
    trial = (trials.LISTED | own).get(listed, trials.UNLISTED)
    # The user's list, else the file, else the list of the known.
    fps = None if listed in own else amc.frame_rate(content, file.name)
    unknown = fps is None and trial is trials.UNLISTED
    return Take(
        f"{subject}_{number}",
        subject,
        trial.action,
        fps or trial.fps,
        joints,
        face,
        warnings=(_UNKNOWN_RATE,) if unknown else (),
    )
