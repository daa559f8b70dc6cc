"""Tables and figures of compared forms."""

import json
import math
import pathlib
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.relational import scores
from benchmarks.relational.forms import NONE, members
from repose_jax.evaluation import charts, compare, tables
from repose_jax.evaluation.metrics import METRICS

Results = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""Setting to test to column to the values of the seeds."""
FACTORS = 0.3, 1.0, 3.0
DRAWN = (
    *("hinge", "hinge, occluded pairs", "logistic, tau 5 cm"),
    *("logistic, tau 10 cm", "logistic, learned tau", "difference"),
)
"""Forms of the figure."""
OVERVIEW = (
    *("hinge, S x 1", "hinge, T x 1", "hinge, S + T x 1"),
    *("difference, S + T x 1", "logistic, tau 5 cm, S + T x 1"),
    *("logistic, occluded pairs, S + T x 1", "logistic, occluded pairs, T x 3"),
    *("difference, occluded pairs, S + T x 1", "MPJPE of occluded joints x 2"),
)
"""Settings of the overview, where a result has them."""


def read(path: pathlib.Path) -> Results:
    """Reads a result.

    Raises:
        ValueError: the file is none of `tune` or `scratch`.
        OSError: it cannot be read.
    """
    return _whole(path)["results"]


def _whole(path: pathlib.Path) -> dict[str, Any]:
    """Reads a result with its command; see `read`."""
    try:
        found = json.loads(path.read_text("utf-8"))
        found["results"][NONE]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is no result of `tune` or `scratch`.") from None
    return found


def by_column(
    runs: Sequence[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, list[float]]]:
    """Returns test to column to the values of the seeds, of the tests of each seed."""
    return {
        test: {column: [round(run[test][column], 3) for run in runs] for column in columns}
        for test, columns in runs[0].items()
    }


def table(results: Results, test: str) -> tables.Table:
    """Makes the table of a test: `NONE`, and the differences from it, paired by seed."""
    none = results[NONE][test]
    rows = {NONE: [*map(statistics.fmean, none.values())]}
    spreads = {
        NONE: [statistics.stdev(x) if len(x) > 1 else math.nan for x in none.values()],
    }
    for setting, tests in results.items():
        if setting != NONE and test in tests:
            each = [_differences(tests[test][column], none[column]) for column in none]
            rows[setting] = [*map(statistics.fmean, each)]
            spreads[setting] = [*map(compare.half_width, each)]
    return tables.Table(
        title=f"{test}: {NONE}, mean ± standard deviation over the seeds; others, difference from "
        "it, paired by seed, ± half of the 95 % interval",
        columns=tuple(map(_head, none)),
        rows=rows,
        digits=2,
        spreads=spreads,
    )


def tables_of(
    results: Results, forms: Sequence[str], factors: Sequence[float], which: Sequence[str]
) -> str:
    """Formats the tables of all tests as Markdown, with some of the settings; see `members`."""
    wanted = [NONE, *(name for form in forms for name in members(form, factors, which))]
    chosen = {name: results[name] for name in wanted if name in results}
    parts = [tables.markdown(table(chosen, test)) for test in chosen[NONE]]
    return "\n".join(parts).rstrip("\n")


def gradients(found: Mapping[str, Mapping[str, float]]) -> str:
    """Formats the result of `gradients.measure` as Markdown."""
    return tables.markdown(
        tables.Table(
            title="Gradient at weight 1, as a share of MPJPE's",
            columns=("by depth", "by parameters"),
            rows={name: list(values.values()) for name, values in found.items()},
            digits=3,
        )
    )


def temperatures(title: str, models: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """Formats the results of `temperature.measure` as Markdown: the mean of several models.

    Args:
        title: of the table.
        models: what it found for each.
    """
    each = {
        kind: [[of[kind][column] for of in models] for column in columns]
        for kind, columns in models[0].items()
    }
    return tables.markdown(
        tables.Table(
            title=title,
            columns=("Temperature, cm", "Width of gaps, %", "Order, %"),
            rows={kind: [*map(statistics.fmean, values)] for kind, values in each.items()},
            digits=1,
            spreads={
                kind: [statistics.stdev(x) if len(x) > 1 else math.nan for x in values]
                for kind, values in each.items()
            },
        )
    )


def draw(path: pathlib.Path, results: Results) -> None:
    """Draws the spread of depth and the occluded error of the first test, by spatial weight."""
    test = next(iter(results[NONE]))
    none = results[NONE][test]
    panels = {
        "Spread of depth, % of the true one": scores.key("depth_spread", None),
        "MPJPE of occluded joints, mm": scores.key("mpjpe", "occluded"),
    }

    def line(form: str, column: str) -> list[tuple[float, float]]:
        at_zero = statistics.fmean(none[column])
        points = [(0.0, at_zero)]
        for factor in FACTORS:
            values = results.get(f"{form}, S x {factor:g}", {}).get(test)
            if values:
                points.append((factor, statistics.fmean(values[column])))
        return points

    drawn = {
        head: {form: line(form, column) for form in DRAWN if f"{form}, S x 1" in results}
        for head, column in panels.items()
    }
    charts.lines(path, drawn, x="spatial weight (1: a third of the pull of MPJPE)")


def overview(
    path: pathlib.Path, files: Sequence[pathlib.Path], rows: Sequence[str] | None = None
) -> None:
    """Draws what settings do to occluded joints in several results, on each test.

    Args:
        path: picture to write.
        files: the results; each has a panel.
        rows: the settings; by default `OVERVIEW`.

    Raises:
        ValueError: a file is none of `tune` or `scratch`, has none of these settings, or is of the
            same backbone, training, number of seeds and changes of the configuration as another.
        OSError: it cannot be read.
    """
    column, rows = scores.key("mpjpe", "occluded"), rows or OVERVIEW

    def differences(of: Results, test: str) -> dict[str, tuple[float, float]]:
        each = {
            name: _differences(of[name][test][column], of[NONE][test][column])
            for name in rows
            if name in of
        }
        return {name: (statistics.fmean(x), compare.half_width(x)) for name, x in each.items()}

    panels = {}
    for file in files:
        found = _whole(file)
        of = found["results"]
        training = "from scratch" if " scratch " in found["command"] else "tuned"
        changes = re.findall(
            r"--(?:config\.(?:\w+\.)*|(?=steps|labels))(\w+=\S+)", found["command"]
        )
        head = ", ".join([found["backbone"], training, f"{found['seeds']} seeds", *changes])
        if head in panels:
            raise ValueError(f"{file} is of the same as a file before it: {head}; leave one out.")
        if not any(name in of for name in rows):
            raise ValueError(f"{file} has none of the settings that are drawn: {', '.join(rows)}.")
        panels[head] = {
            test: differences(of, test) for test in of[NONE] if column in of[NONE][test]
        }
    charts.intervals(path, panels, rows=rows, x="occluded joints, mm from none")


def _differences(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(values, others, strict=True)]


def _head(column: str) -> str:
    name, _, visibility = column.partition("/")
    known = name == scores.SPREAD.name or name in METRICS
    head = scores.metric(name).head if known else name
    return head if visibility in ("", "all") else f"{head} {visibility}"
