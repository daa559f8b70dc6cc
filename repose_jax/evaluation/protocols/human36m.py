"""Human3.6M: the mean over 15 actions, in the two protocols of the field.

- 2.5D (MotionBERT, MotionAGFormer, RePOSE): labels in the image, converted to mm by the factor of
  each frame; clips without overlap, partial ones dropped (`data.partial_clips`); three sequences
  of subject 9 are excluded, because their 3D joints are shifted.
- Camera space (the VideoPose3D family): every frame of every sequence. SemGCN's authors subtract
  the predicted root there instead of setting it to 0.

Both average over the frames of an action, over all cameras, takes and subjects, and then over
actions without weights. Poses are relative to the root, which is one of the 17 joints averaged.
"""

import math
import statistics
from collections.abc import Callable

from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.evaluation.tables import Table
from repose_jax.evaluation.tally import Group, Tally

# In the order of the papers' tables: printed name, MotionBERT's and VideoPose3D's names.
ACTIONS = (
    ("Dir.", "Direction", "Directions"),
    ("Disc.", "Discuss", "Discussion"),
    ("Eat", "Eating", "Eating"),
    ("Greet", "Greet", "Greeting"),
    ("Phone", "Phone", "Phoning"),
    ("Photo", "Photo", "Photo"),
    ("Pose", "Pose", "Posing"),
    ("Purch.", "Purchase", "Purchases"),
    ("Sit", "Sitting", "Sitting"),
    ("SitD.", "SittingDown", "SittingDown"),
    ("Smoke", "Smoke", "Smoking"),
    ("Wait", "Wait", "Waiting"),
    ("WalkD.", "WalkDog", "WalkDog"),
    ("Walk", "Walk", "Walking"),
    ("WalkT.", "WalkTwo", "WalkTogether"),
)
# Greeting, SittingDown and Waiting of subject 9, whose 3D joints do not match the images.
EXCLUDED = ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01")

_ROWS = {
    "mpjpe": "MPJPE (P1)",
    "pa_mpjpe": "PA-MPJPE (P2)",
    "n_mpjpe": "N-MPJPE (P3)",
    "mpjve": "MPJVE",
    "acceleration_error": "Acceleration",
}


def is_included(group: Group) -> bool:
    """Returns whether a sequence of MotionBERT's file is part of the 2.5D protocol."""
    return group.sequence.rpartition("_ca_")[0] not in EXCLUDED


def action_mean(tally: Tally, metric: str, where: Callable[[Group], bool]) -> float:
    """Returns the mean of a metric over some groups, as in VideoPose3D's evaluation.

    Every frame has the same weight. The mean velocity of a sequence of n frames, of which n - 1
    have one, has the weight n, and its mean acceleration likewise.
    """
    values, counts = [], []
    # In the order of the groups, so that every process sums in the same order.
    sequences = dict.fromkeys(group.sequence for group in tally.groups if where(group))
    for here in [lambda group, name=name: group.sequence == name for name in sequences]:
        value = tally.mean(metric, where=here)
        if not math.isnan(value):
            values.append(value)
            counts.append(tally.frames(here))
    return statistics.fmean(values, counts) if values else math.nan


def _by_action(tally: Tally, included: Callable[[Group], bool]) -> dict[str, dict[str, float]]:
    """Returns the means by action and metric; actions in the papers' order, unknown ones last."""
    names = {name: short for short, *names in ACTIONS for name in names}
    order = [short for short, *_ in ACTIONS]
    present: dict[str, set[str]] = {}
    for group in filter(included, tally.groups):
        present.setdefault(names.get(group.action, group.action), set()).add(group.action)
    known = [action for action in order if action in present]
    return {
        action: {
            metric: action_mean(
                tally, metric, lambda g, a=action: included(g) and g.action in present[a]
            )
            for metric in tally.totals
        }
        for action in [*known, *sorted(present.keys() - set(order))]
    }


def _protocol(title: str, included: Callable[[Group], bool], *, zero_root: bool = True) -> Protocol:
    def summary(tally: Tally) -> dict[str, float]:
        means = [
            row for row in _by_action(tally, included).values() if not math.isnan(row["mpjpe"])
        ]
        return {
            metric: statistics.fmean(row[metric] for row in means) if means else math.nan
            for metric in tally.totals
        }

    def table(tally: Tally) -> Table:
        by_action, average = _by_action(tally, included), summary(tally)
        return Table(
            title=f"{title}, mm (MPJVE mm/frame, acceleration mm/frame²), mean of "
            f"{len(by_action)} actions",
            columns=(*by_action, "Avg"),
            rows={
                label: [*(row[metric] for row in by_action.values()), average[metric]]
                for metric, label in _ROWS.items()
                if metric in tally.totals
            },
        )

    return Protocol(summary=summary, table=table, zero_root=zero_root)


IN_IMAGE = _protocol("Human3.6M, 2.5D protocol", is_included)
CAMERA = _protocol("Human3.6M, camera space, every frame", lambda group: True)
SUBTRACTED = _protocol(
    "Human3.6M, camera space, every frame, predicted root subtracted",
    lambda group: True,
    zero_root=False,
)
