"""MPI-INF-3DHP: PCK, AUC and MPJPE of the valid frames, as the dataset's MATLAB evaluation does.

Errors are distances of root-relative poses in mm. MPJPE averages over all 17 joints, the root among
them; PCK (errors strictly below 150 mm) and AUC (mean over the thresholds 0, 5, ..., 150 mm) over
14: without the pelvis, the spine and the dataset's 17th joint, the head below its top. The config
of the dataset chooses the ground truth, "universal" (scaled to one height) or "metric".

Papers average in several ways, so the table has all: by sequence, over all frames (P-STMO), over
sequences, by activity.
"""

import statistics

import numpy as np
from jaxtyping import Float, Int

from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.evaluation.tables import Table
from repose_jax.evaluation.tally import Tally
from repose_jax.skeleton import HUMAN36M

ACTIVITIES = (
    "Stand/Walk",
    "Exercise",
    "Sit on Chair",
    "Crouch/Reach",
    "On the Floor",
    "Sports",
    "Misc.",
)
"""Activities 1 to 7 of the test sequences, as the dataset's paper names them."""

# The dataset's 1-based groups are Head 1, Neck 2, Shoulders 3 6, Elbows 4 7, Wrists 5 8, Hips 9 12,
# Knees 10 13, Ankles 11 14; here in the names of Human3.6M, of which "neck" is its "head".
EXCLUDED = ("pelvis", "spine", "neck")
JOINTS = tuple(i for i, joint in enumerate(HUMAN36M.joints) if joint not in EXCLUDED)


def row(tally: Tally, **choice) -> dict[str, float]:
    """Returns every metric over a choice of frames; PCK and AUC over the 14 joints."""
    values = tally.summary(**choice)
    return values | {m: tally.mean(m, joint=JOINTS, **choice) for m in ("pck", "auc")}


def _table(tally: Tally) -> Table:
    def cells(values: dict[str, float], frames: int) -> list[float]:
        return [values["pck"], values["auc"], values["mpjpe"], values["pa_mpjpe"], float(frames)]

    sequences = {
        name: cells(row(tally, where=where), tally.frames(where))
        for name in dict.fromkeys(group.sequence for group in tally.groups)
        for where in [lambda group, name=name: group.sequence == name]
    }
    activities = {
        name: cells(row(tally, where=where), tally.frames(where))
        for number, name in enumerate(ACTIVITIES, start=1)
        for where in [lambda group, number=number: group.activity == number]
        if tally.frames(where)
    }
    scored = zip(*(values[:-1] for values in sequences.values() if values[-1]), strict=True)
    return Table(
        title="MPI-INF-3DHP, valid frames: PCK at 150 mm and AUC of 14 joints in %, errors in mm",
        columns=("PCK ↑", "AUC ↑", "MPJPE ↓", "PA-MPJPE ↓", "frames"),
        rows={
            **sequences,
            "mean of frames": cells(row(tally), tally.frames()),
            "mean of sequences": [*map(statistics.fmean, scored), tally.frames()],
            **activities,
        },
        digits=(1, 1, 1, 1, 0),
    )


def _slip(image_size: Int[np.ndarray, "s 2"]) -> Float[np.ndarray, " s"]:
    return image_size[:, 0] / 2048


PROTOCOL = Protocol(summary=row, table=_table, zero_root=True)

SCALE_SLIP = Protocol(summary=row, table=_table, zero_root=True, scale=_slip)
"""Repeats a mistake of earlier code: targets were divided by half the width of the training images
(2048) and predictions multiplied by half that of the test images, so that those of TS5 and TS6
(1920) are too small by a sixteenth. Only to compare with numbers of that code."""
