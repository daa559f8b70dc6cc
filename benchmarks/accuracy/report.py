"""The columns of the tests, and their tables."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.tables import Table

Values = Mapping[str, float]
"""Column to value."""
Rows = Mapping[str, Sequence[Values]]
"""Row of a table to the values of each model; the table has their mean."""

HEADS = {
    "mpjpe": "MPJPE",
    "mpjpe_occluded": "occluded",
    "pa_mpjpe": "PA-MPJPE",
    "pa_mpjpe_12": "PA, 12 joints",
    "pa_mpjpe_occluded": "PA occluded",
    "ra_mpjpe": "RA-MPJPE",
    "n_mpjpe": "N-MPJPE",
    "mpjve": "MPJVE",
    "bone_variation": "bones",
    "mpjpe_hands": "hands",
}
"""Every column: in files, and in tables. The name in files begins with the metric."""


def table(title: str, rows: Rows) -> Table:
    """Makes a table: mean over the models, and standard deviation of several.

    Args:
        title: of the table; the units are added.
        rows: the values of every row.
    """
    columns = [c for c in HEADS if any(c in values for row in rows.values() for values in row)]
    heads = [HEADS[column] + " ↓" for column in columns]
    each = {
        name: [[values.get(column, math.nan) for values in row] for column in columns]
        for name, row in rows.items()
    }
    several = any(len(row) > 1 for row in rows.values())
    return Table(
        title=f"{title}: mm, MPJVE in {METRICS['mpjve'].unit}"
        + several * "; mean ± standard deviation of the models",
        columns=tuple(heads),
        rows={name: [float(np.mean(values)) for values in row] for name, row in each.items()},
        digits=1,
        spreads={
            name: [float(np.std(v, ddof=1)) if len(v) > 1 else math.nan for v in row]
            for name, row in each.items()
        },
    )
