"""Differences of weights on a prepared split, paired by take."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.accuracy import stored
from benchmarks.accuracy.report import HEADS, Values
from repose_jax.evaluation import compare, tables
from repose_jax.evaluation.tally import Tally
from repose_jax.lifting.predictor import Predictor

Takes = Mapping[str, Mapping[str, Values]]
"""Model to take to its errors."""


def measure(
    models: Mapping[str, Predictor], split: str, *, data_dir: str | None, known: Sequence[str]
) -> Takes:
    """Evaluates models on a prepared split, take by take: all views of it together.

    Args:
        models: the models by name.
        split: `dataset/config:split`.
        data_dir: folder of the prepared datasets; TFDS's default if None.
        known: what the models are given of the cameras.

    Raises:
        ValueError: the split has no poses in mm, or a model does not take its clips.
        FileNotFoundError: the dataset is not prepared.
    """
    return {
        name: by_take(stored.tally(model, split, data_dir=data_dir, known=known))
        for name, model in models.items()
    }


def by_take(tally: Tally) -> dict[str, Values]:
    """Returns the errors of each take: of all sequences `TAKE/view0`, `TAKE/view1`, ..."""
    takes = np.array([g.sequence.rpartition("/")[0] or g.sequence for g in tally.groups])
    return {str(take): stored.summary(_part(tally, takes == take)) for take in np.unique(takes)}


def _part(tally: Tally, rows: np.ndarray) -> Tally:
    return Tally(
        groups=tuple(group for group, chosen in zip(tally.groups, rows, strict=True) if chosen),
        totals={name: values[rows] for name, values in tally.totals.items()},
        weights={name: values[rows] for name, values in tally.weights.items()},
    )


def table(title: str, found: Takes) -> tables.Table:
    """Makes a table: the first model's means over the takes, and the others' differences from it.

    Args:
        title: of the table.
        found: the errors; a take without a joint of some kind does not count in its column.
    """
    (first, reference), *others = found.items()
    columns = [column for column in HEADS if column in next(iter(reference.values()))]
    rows = {first: {column: _of(reference, column) for column in columns}}
    for name, errors in others:
        rows[name] = {
            column: {
                take: value - _of(reference, column)[take]
                for take, value in _of(errors, column).items()
            }
            for column in columns
        }
    each = {name: [[*row[column].values()] for column in columns] for name, row in rows.items()}
    return tables.Table(
        title=f"{title}, {len(reference)} takes: mm; {first}, and differences from it, ± half of "
        "the 95 % interval of their mean",
        columns=tuple(HEADS[column] + " ↓" for column in columns),
        rows={name: [float(np.mean(values)) for values in row] for name, row in each.items()},
        digits=2,
        spreads={name: [compare.half_width(v) for v in row] for name, row in each.items()},
    )


def _of(errors: Mapping[str, Values], column: str) -> dict[str, float]:
    return {take: row[column] for take, row in errors.items() if np.isfinite(row[column])}
