"""Writer of TRC files (marker trajectories) with the names of Pose2Sim: metres, y up."""

import os
import pathlib

import numpy as np

from repose_jax.motion.motion import MISSING, Person, usual_step
from repose_jax.runtime.whole_file import whole
from repose_jax.skeleton import HUMAN36M

MARKERS = {
    "pelvis": "Hip",
    "spine": "Spine",
    "thorax": "Neck",
    "neck": "Chin",
    "head": "Head",
} | {
    f"{side}_{joint}": side[0].upper() + joint.capitalize()
    for side in ("left", "right")
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
}
"""Marker of each joint: those of Pose2Sim's HALPE_26 where they are the same place.

Pose2Sim's Neck is the middle of the shoulders, our thorax. It has no marker at our spine and neck,
which is no Nose: they have names of their own, which its OpenSim models ignore.
"""


def write(path: str | os.PathLike[str], person: Person):
    """Writes the joints of a person as a TRC file; those that are `MISSING` are left blank.

    Frames keep their numbers, from 1, and their times in the video.

    Args:
        path: the file to write.
        person: the person.
    """
    count, time = len(person.frame), person.time_s
    rate = round(1 / usual_step(time), 3)
    first = int(person.frame[0]) + 1
    markers = [MARKERS[joint] for joint in HUMAN36M.joints]
    axes = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(markers) + 1))
    header = [
        f"PathFileType\t4\t(X/Y/Z)\t{pathlib.Path(path).name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\t"
        "OrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{count}\t{len(markers)}\tm\t{rate}\t{first}\t{count}",
        "Frame#\tTime\t" + "\t\t\t".join(markers) + "\t\t\t",
        "\t\t" + axes + "\t",
    ]
    values = (person.joints_mm / 1000).reshape(count, -1)
    blank = np.repeat(person.status == MISSING, 3, axis=1)
    # A tab at the end, as in Pose2Sim's header: OpenSim does not count an empty last field.
    line = "%d\t%.6f" + "\t%.6f" * values.shape[1] + "\t"
    with whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{text}\n" for text in header)
        for number, at, row, gaps in zip(person.frame + 1, time, values, blank, strict=True):
            text = line % (number, at, *row)
            if gaps.any():
                fields = text.split("\t")
                fields[2:-1] = np.where(gaps, "", fields[2:-1]).tolist()
                text = "\t".join(fields)
            file.write(text + "\n")
