"""Charts of a run: training curves, and errors by joint and by action."""

import itertools
import math
import pathlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from repose_jax.evaluation.panels import FAINT, GRID, LEFT, MIDDLE, PANEL, RIGHT, TEXT, TRUTH
from repose_jax.skeleton import HUMAN36M

# Okabe and Ito's, with the blue and the vermilion of the pictures first.
COLORS = (LEFT, RIGHT, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", MIDDLE, FAINT)
_NOT_PARTS = ("loss", "lr", "grad_norm", "clips_per_s")
_OF_THE_MODEL = ("untrained", "initial", "converted", "test")
_SMOOTHED = 60  # records from which on a running mean is drawn over the values

Record = Mapping[str, Any]  # a line of metrics.jsonl


def curves(path: pathlib.Path, records: Sequence[Record], *, title: str = "") -> None:
    """Draws the training curves of a run over its steps.

    The loss, its parts without their weights, the learning rate, and the test errors, in mm, beside
    that of the mean pose; their first value is of the model before training.

    Args:
        path: picture to write; the suffix chooses the format.
        records: lines of `metrics.jsonl`; what they lack is left out.
        title: heading; may be empty.
    """
    train = [record for record in records if record["split"] == "train"]
    test = [record for record in records if record["split"] in _OF_THE_MODEL]
    parts = [key for key in _keys(train) if key not in _NOT_PARTS and "/" not in key]
    panels = [
        ("Training loss", train, {"loss": ""}),
        ("Parts of the loss, unweighted", train, {part: _words(part) for part in parts}),
        ("Test error, mm", test, {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE"}),
        ("Test error, half widths of the image", test, {"error": "2D distance"}),
        ("Learning rate", train, {"lr": ""}),
    ]
    panels = [
        (head, rows, {k: v for k, v in lines.items() if k in _keys(rows)})
        for head, rows, lines in panels
    ]
    panels = [panel for panel in panels if panel[2]]
    if not panels:
        return
    columns = 2 if len(panels) > 1 else 1
    figure, axes = _figure(math.ceil(len(panels) / columns), columns, title)
    last = max(record["step"] for record in records)
    for ax, (head, rows, lines) in zip(axes, panels, strict=False):
        _axes(ax, head)
        for color, (key, label) in zip(itertools.cycle(COLORS), lines.items(), strict=False):
            _line(ax, rows, key, label, color)
        for record in records:
            if record["split"] == "mean_pose" and "mpjpe" in lines and rows is test:
                label = "MPJPE of the mean pose"
                ax.axhline(record["mpjpe"], color=TRUTH, lw=1.6, ls="--", label=label, zorder=1)
        ax.set_xlabel("step", color=FAINT, fontsize=9)
        ax.set_xlim(-0.02 * last, 1.02 * last)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _limits(ax, logarithmic=rows is train and "lr" not in lines)
        if any(lines.values()):
            ax.legend(
                fontsize=8, labelcolor=TEXT, handlelength=1.4, facecolor=PANEL, edgecolor="none"
            )
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    figure.savefig(path, dpi=120)


def error_bars(
    path: pathlib.Path,
    joints: Mapping[str, float],
    actions: Mapping[str, float],
    *,
    mean: float,
    title: str = "",
) -> None:
    """Draws test errors by joint and by action as bars.

    Joints of the left side of the person are blue, of the right orange, as in the pictures.

    Args:
        path: picture to write; the suffix chooses the format.
        joints: joint to its MPJPE, mm.
        actions: action to its MPJPE, mm.
        mean: MPJPE over all joints and frames, mm.
        title: heading; may be empty.
    """
    side = {HUMAN36M.joints[i]: LEFT for i in HUMAN36M.left}
    side |= {HUMAN36M.joints[i]: RIGHT for i in HUMAN36M.right}
    longest = max(len(joints), len(actions))
    figure, axes = _figure(1, 2, title, height=1.1 + 0.22 * longest)
    for ax, head, bars in (
        (axes[0], "MPJPE by joint, mm", joints),
        (axes[1], "MPJPE by action, mm", actions),
    ):
        bars = {name: value for name, value in bars.items() if math.isfinite(value)}
        _axes(ax, head)
        ax.grid(visible=False, axis="y")
        places = range(len(bars))
        values = list(bars.values())
        colors = [side.get(name, MIDDLE) for name in bars]
        ax.barh(places, values, height=0.68, color=colors, zorder=2)
        widest = max([*values, mean, 1e-9])
        for place, value in zip(places, values, strict=True):
            ax.text(
                value + 0.012 * widest, place, f"{value:.1f}", va="center", fontsize=8, color=TEXT,
                bbox={"facecolor": PANEL, "edgecolor": "none", "pad": 0.8}, zorder=4,
            )  # fmt: skip
        ax.axvline(mean, color=FAINT, lw=1, ls=(0, (4, 3)), zorder=3)
        ax.set_yticks(places, [_words(name) for name in bars])
        ax.set(xlim=(0, 1.12 * widest), ylim=(longest - 0.4, -0.6))
        ax.set_xlabel(f"mean of all joints and frames {mean:.1f}", color=FAINT, fontsize=9)
    figure.savefig(path, dpi=120)


def lines(
    path: pathlib.Path,
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    *,
    x: str,
) -> None:
    """Draws lines through points, such as an error over the time of training for some models.

    Args:
        path: picture to write; the suffix chooses the format.
        panels: what y is, with its unit, to the lines of a panel: label to points (x, y). All
            panels have lines of the same labels.
        x: what x is, with its unit.
    """
    figure, axes = _figure(1, len(panels), "", height=3.8)
    for ax, (head, points) in zip(axes, panels.items(), strict=True):
        _axes(ax, head)
        for color, (label, line) in zip(itertools.cycle(COLORS), points.items(), strict=False):
            marker = "o" if len(line) <= _SMOOTHED else ""
            ax.plot(
                *zip(*line, strict=True), lw=1.8, marker=marker, ms=3.5, color=color, label=label
            )
        if min(xs for line in points.values() for xs, _ in line) >= 0:
            ax.set_xlim(left=0)
        ax.set_xlabel(x, color=FAINT, fontsize=9)
    _legend_below(figure, axes[0], columns=2 * len(panels))
    figure.savefig(path, dpi=120)


def intervals(
    path: pathlib.Path,
    panels: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]],
    *,
    rows: Sequence[str],
    x: str,
) -> None:
    """Draws values with their intervals, such as differences from a baseline, about a line at 0.

    Args:
        path: picture to write; the suffix chooses the format.
        panels: heading of a panel to its values: label of a colour to row to (value, half of the
            interval). A row without a value is left empty.
        rows: of all panels, from above; those without a value in any are left out.
        x: what the values are, with their unit.
    """
    filled = {row for panel in panels.values() for of in panel.values() for row in of}
    rows = [row for row in rows if row in filled]
    labels = [*dict.fromkeys(label for panel in panels.values() for label in panel)]
    colors = dict(zip(labels, itertools.cycle(COLORS), strict=False))
    beside = 0.065 * max(map(len, rows)) / len(panels)  # inches, for the names of the rows
    figure, axes = _figure(1, len(panels), "", height=1.3 + 0.34 * len(rows), width=2.2 + beside)
    for ax in axes[1:]:
        ax.sharex(axes[0])  # before anything is drawn, or it has the limits of the first alone
    for ax, (head, values) in zip(axes, panels.items(), strict=True):
        _axes(ax, textwrap.fill(head, 30))
        ax.grid(visible=False, axis="y")
        ax.axvline(0, color=FAINT, lw=1)
        for label, of in values.items():
            apart = 0.3 * (labels.index(label) / max(len(labels) - 1, 1) - 0.5)
            places = [rows.index(row) + apart for row in of]
            centre, half = zip(*of.values(), strict=True)
            ax.errorbar(
                centre, places, xerr=half, fmt="o", ms=4, lw=1.6, color=colors[label], label=label
            )
        ax.set_yticks(range(len(rows)), rows if ax is axes[0] else [""] * len(rows))
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlabel(x, color=FAINT, fontsize=9)
    _legend_below(figure, axes[0], columns=len(labels))
    figure.savefig(path, dpi=120)


def _legend_below(figure: Figure, ax: Axes, *, columns: int) -> None:
    """Puts the legend below the axes, where it hides nothing."""
    figure.legend(
        *ax.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        labelcolor=TEXT,
        handlelength=1.4,
        frameon=False,
    )


def _figure(
    rows: int, columns: int, title: str, height: float | None = None, width: float = 4.6
) -> tuple[Figure, list[Axes]]:
    size = width * columns, (height or 2.9 * rows) + (0.3 if title else 0)
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    if title:
        figure.suptitle(title, color=TEXT, fontsize=12, weight="bold")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _axes(ax: Axes, head: str) -> None:
    ax.set_title(head, color=TEXT, fontsize=10, loc="left")
    ax.set_facecolor(PANEL)
    ax.spines[:].set_visible(False)
    ax.tick_params(color=GRID, labelcolor=TEXT, labelsize=8, length=0)
    ax.grid(color=GRID, lw=0.8)
    ax.set_axisbelow(True)


def _line(ax: Axes, rows: Sequence[Record], key: str, label: str, color: str) -> None:
    points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    steps, values = (np.array(column, float) for column in zip(*points, strict=True))
    if key != "lr" and len(values) >= _SMOOTHED:
        ax.plot(steps, values, color=color, lw=0.6, alpha=0.35)
        width = len(values) // 30
        values = np.convolve(values, np.ones(width) / width, "valid")
        steps = steps[width // 2 :][: len(values)]
    marker = "o" if len(values) <= 15 else ""
    ax.plot(steps, values, lw=1.8, marker=marker, ms=3.5, color=color, label=label)


def _limits(ax: Axes, *, logarithmic: bool) -> None:
    """Takes a logarithmic scale where values differ widely, and otherwise begins at zero."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.get_lines()])
    values = values[np.isfinite(values)]
    if logarithmic and values.min() > 0 and values.max() > 30 * values.min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(min(0.0, 1.08 * values.min()), 1.08 * values.max() or 1)


def _keys(rows: Sequence[Record]) -> list[str]:
    """Returns the names of the numbers that records hold."""
    present = {key: None for row in rows for key, value in row.items() if value is not None}
    return [key for key in present if key not in ("step", "split")]


def _words(name: str) -> str:
    return name.replace("_", " ")
