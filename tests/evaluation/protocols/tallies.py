"""Tallies in which every metric of a group has one value at every joint."""

from collections.abc import Mapping

import numpy as np

from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.tally import VISIBILITY, Group, Tally


def tally(groups: Mapping[Group, tuple[int, float]]) -> Tally:
    """Group to (number of frames, value of every metric)."""
    frames, value = np.array(list(groups.values())).T
    shape = (len(groups), 17, len(VISIBILITY))
    weights = {name: np.zeros(shape) for name in METRICS}
    for name in METRICS:
        lost = {"mpjve": 1, "acceleration_error": 2}.get(name, 0)
        weights[name][:, :, 0] = np.maximum(frames - lost, 0)[:, None]
    totals = {name: weight * value[:, None, None] for name, weight in weights.items()}
    return Tally(groups=tuple(groups), totals=totals, weights=weights)
