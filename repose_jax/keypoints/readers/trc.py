"""TRC files of 2D markers in px, as Sports2D and Pose2Sim write them, one for each person."""

import re

import numpy as np

from repose_jax.keypoints.formats import match_names
from repose_jax.keypoints.readers.poses import LARGEST, Poses, numbers_of


def is_trc(text: str) -> bool:
    """Whether a text is a TRC file."""
    return text.startswith("PathFileType")


def read(text: str) -> Poses:
    """Reads the markers of one person.

    Sports2D states metres in the header of files in px too, so the unit is inferred from the data:
    px have no third coordinate and spread over more than 10. A marker at (0, 0) is missing.

    Raises:
        ValueError: the file is malformed, or has 3D markers.
    """
    lines = text.splitlines()
    if len(lines) < 6 or not lines[3].lower().startswith("frame#"):
        raise ValueError(
            "the TRC file has no line 'Frame#  Time  marker ...', or no data below it."
        )
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    names = [name.strip() for name in lines[3].split("\t")[2:] if name.strip()]
    numbers, times, points = _table(lines[5:], len(names))
    flat = points[np.isfinite(points)]
    if np.nanmax(np.abs(points[..., 2]), initial=0) > 0:
        raise ValueError(
            "the TRC file has 3D markers (third coordinates); give the one in px, such as "
            "NAME_px_person00.trc."
        )
    if flat.size and np.abs(flat).max() < 10:
        raise ValueError(
            "the TRC file is in metres; give the one in px, such as NAME_px_person00.trc."
        )
    missing = (points[..., :2] == 0).all(-1) | ~np.isfinite(points[..., :2]).all(-1)
    present = ~missing.all(1)
    rate = header.get("DataRate", "")
    return Poses(
        keypoints=points[present, :, :2],
        confidence=1.0 - missing[present],
        orders=(match_names(names),),
        frame=numbers[present],
        frames=numbers,
        listed=True,
        identity=np.zeros(int(present.sum()), int),
        time_s=times,
        fps=float(rate) if re.fullmatch(r"\d+(\.\d+)?", rate.strip()) and float(rate) else None,
        normalised=False,
    )


def _table(lines: list[str], markers: int):
    """Returns the numbers of frames, their times and `[t, markers, 3]` coordinates."""
    width = 2 + 3 * markers
    values: list[list[str]] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        cells = cells[:width] if not any(cells[width:]) else cells
        if len(cells) > width:
            raise ValueError(
                f"line {number + 6} of the TRC file has {len(cells)} cells, its {markers} markers "
                f"need {width}."
            )
        values.append(cells + [""] * (width - len(cells)))
    if not values:
        raise ValueError("the TRC file has no frames.")
    table = numbers_of(values, first_line=6)
    frames = table[:, 0]
    if not (np.abs(frames) < LARGEST).all() or (np.diff(frames) <= 0).any():
        frames = np.arange(len(table))
    return frames.astype(int), table[:, 1], table[:, 2:].reshape(len(table), markers, 3)
