"""Evaluation results as a table on the screen, JSON and CSV."""

import csv
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from repose_jax.evaluate import Tally
from repose_jax.skeleton import HUMAN36M

# Metric, column head. Errors in mm (per frame for velocity, per frame squared for acceleration),
# shares in %.
COLUMNS = {
    "mpjpe": "MPJPE",
    "pa_mpjpe": "PA-MPJPE",
    "n_mpjpe": "N-MPJPE",
    "mpjve": "MPJVE",
    "acceleration_error": "Accel",
    "pck": "PCK",
    "auc": "AUC",
    "spatial_depth_order": "Order-S",
    "temporal_depth_order": "Order-T",
}
UNITS = (
    "MPJPE, PA-MPJPE, N-MPJPE in mm; MPJVE in mm/frame; Accel in mm/frame^2; PCK at 150 mm, AUC "
    "and depth order of joints (S) and of frames (T) in %."
)


def groups(tally: Tally) -> dict[str, dict[str, dict[str, float]]]:
    """Returns the means of every metric: over all, by visibility, by action and by joint."""
    visibility = {v: tally.summary(visibility=v) for v in ("visible", "occluded")}
    known = {v: row for v, row in visibility.items() if not math.isnan(row["mpjpe"])}
    return {
        "all": {"all": tally.summary()},
        "visibility": known,
        "action": {a or "(none)": tally.summary(action=a) for a in tally.actions},
        "joint": {name: tally.summary(joint=i) for i, name in enumerate(HUMAN36M.joints)},
    }


def table(rows: Mapping[str, Mapping[str, float]], head: str = "") -> str:
    """Formats named rows of metrics as text."""
    width = max(len(head), *(len(name) for name in rows))
    lines = [head.ljust(width) + "".join(f"{title:>10}" for title in COLUMNS.values())]
    lines.append("-" * len(lines[0]))
    for name, row in rows.items():
        cells = (row.get(metric, math.nan) for metric in COLUMNS)
        text = "".join(f"{'-':>10}" if math.isnan(x) else f"{x:>10.2f}" for x in cells)
        lines.append(name.ljust(width) + text)
    return "\n".join(lines)


def full_table(tally: Tally) -> str:
    """Formats every group of a result as text."""
    parts = [table(rows, head=name) for name, rows in groups(tally).items() if rows]
    return "\n\n".join([*parts, UNITS])


def write(directory: pathlib.Path, tally: Tally, info: Mapping[str, Any]) -> list[pathlib.Path]:
    """Writes `evaluation.json` and `evaluation.csv`; what does not exist is null or empty."""
    result = groups(tally)

    def finite(row: Mapping[str, float]) -> dict[str, float | None]:
        return {key: value if math.isfinite(value) else None for key, value in row.items()}

    json_path, csv_path = directory / "evaluation.json", directory / "evaluation.csv"
    clean = {
        group: {name: finite(row) for name, row in rows.items()} for group, rows in result.items()
    }
    json_path.write_text(json.dumps({**info, "results": clean}, indent=2) + "\n")
    with csv_path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "name", *COLUMNS])
        for group, rows in clean.items():
            for name, row in rows.items():
                writer.writerow([group, name, *(row[metric] for metric in COLUMNS)])
    return [json_path, csv_path]
