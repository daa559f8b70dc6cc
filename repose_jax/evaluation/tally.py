"""Sums of the metrics of an evaluation, by sequence, activity, joint and visibility."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

VISIBILITY = ("unknown", "occluded", "visible")  # of values -1, 0, 1


@dataclasses.dataclass(frozen=True)
class Group:
    """Frames that are summed together: those of one activity in a sequence.

    Attributes:
        sequence: name of the sequence.
        subject: person in it.
        action: action in it.
        activity: the dataset's number of the activity in these frames; 0 if unknown.
    """

    sequence: str
    subject: str
    action: str
    activity: int


@dataclasses.dataclass(frozen=True)
class Tally:
    """Sums of each metric by group, joint and visibility, from which every mean is computed.

    Attributes:
        groups: the labels of the first axis.
        totals: metric name to `[group, joint, visibility]` sum.
        weights: metric name to the divisors of the sums.
    """

    groups: tuple[Group, ...]
    totals: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]

    @property
    def actions(self) -> tuple[str, ...]:
        """Actions in the sequences, in alphabetical order."""
        return tuple(sorted({group.action for group in self.groups}))

    def mean(
        self,
        metric: str,
        *,
        where: Callable[[Group], bool] = lambda group: True,
        joint: int | Sequence[int] | None = None,
        visibility: str | None = None,
    ) -> float:
        """Returns the mean of a metric over a choice of frames and joints; NaN over none.

        Args:
            metric: its name in `METRICS`.
            where: selects groups.
            joint: a joint or joints; None for all.
            visibility: one of `VISIBILITY`; None for all.
        """
        rows = [where(group) for group in self.groups]
        joints = slice(None) if joint is None else np.atleast_1d(joint)
        kinds = slice(None) if visibility is None else VISIBILITY.index(visibility)

        total, weight = (
            float(sums[metric][rows][:, joints][..., kinds].sum())
            for sums in (self.totals, self.weights)
        )
        return total / weight if weight else float("nan")

    def summary(self, **choice: Any) -> dict[str, float]:
        """Returns the mean of every metric over a choice of frames and joints."""
        return {metric: self.mean(metric, **choice) for metric in self.totals}

    def frames(self, where: Callable[[Group], bool] = lambda group: True) -> int:
        """Returns the number of valid frames."""
        weights = self.weights["mpjpe"][[where(group) for group in self.groups]]
        return round(weights.sum((0, 2)).max())  # that of a joint which counts
