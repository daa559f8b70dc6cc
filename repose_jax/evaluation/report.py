"""Results of an evaluation, on the screen and in files."""

import csv
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

import repose_jax
from repose_jax.config import Experiment
from repose_jax.evaluation import tables
from repose_jax.evaluation.evaluator import Evaluator
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.predictions import Lift, Predictions
from repose_jax.evaluation.protocols import protocol as protocol_lib
from repose_jax.evaluation.tally import Group, Tally
from repose_jax.runtime.whole_file import whole, writing
from repose_jax.skeleton import HUMAN36M


def groups(tally: Tally) -> dict[str, dict[str, dict[str, float]]]:
    """Returns the means of every metric: over all, by visibility, by action and by joint.

    Over all joints and frames that count, each with the same weight.
    """

    def does(action: str):
        def where(group: Group) -> bool:
            return group.action == action

        return where

    visibility = {v: tally.summary(visibility=v) for v in ("visible", "occluded")}
    known = {v: row for v, row in visibility.items() if not math.isnan(row["mpjpe"])}
    return {
        "all": {"all": tally.summary()},
        "visibility": known,
        "action": {a or "(none)": tally.summary(where=does(a)) for a in tally.actions},
        "joint": {name: tally.summary(joint=i) for i, name in enumerate(HUMAN36M.joints)},
    }


def table(rows: Mapping[str, Mapping[str, float]], corner: str = "") -> str:
    """Formats named rows of metrics as text."""
    heads = tuple(metric.head for metric in METRICS.values())
    digits = tuple(metric.digits for metric in METRICS.values())
    cells = {name: [row.get(m, math.nan) for m in METRICS] for name, row in rows.items()}
    return tables.text(tables.Table("", heads, cells, digits=digits, corner=corner))


def units() -> str:
    """Returns one line with the unit of every column."""
    heads: dict[str, list[str]] = {}
    for metric in METRICS.values():
        heads.setdefault(metric.unit, []).append(metric.head)
    return "; ".join(f"{', '.join(names)} in {unit}" for unit, names in heads.items()) + "."


def full_table(tally: Tally, protocol: protocol_lib.Protocol) -> str:
    """Formats every group of a result and the protocol's table as text."""
    parts = [table(rows, name) for name, rows in groups(tally).items() if rows]
    return "\n\n".join([*parts, units(), tables.text(protocol.table(tally))])


def write(
    directory: pathlib.Path,
    tally: Tally,
    protocol: protocol_lib.Protocol,
    info: Mapping[str, Any],
) -> list[pathlib.Path]:
    """Writes `evaluation.json`, `evaluation.csv`, and the protocol's table.

    The table goes to `protocol.txt`, `.md`, `.tex` and `.csv`. What does not exist is null or
    empty.
    """
    result, protocol_table = groups(tally), protocol.table(tally)

    def finite(values: Mapping[str, float]) -> dict[str, float | None]:
        return {key: value if math.isfinite(value) else None for key, value in values.items()}

    json_path, csv_path = directory / "evaluation.json", directory / "evaluation.csv"
    clean = {
        group: {name: finite(row) for name, row in rows.items()} for group, rows in result.items()
    }
    content = {
        **info,
        "summary": finite(protocol.summary(tally)),
        "table": {
            name: finite(dict(zip(protocol_table.columns, row, strict=True)))
            for name, row in protocol_table.rows.items()
        },
        "results": clean,
    }
    with whole(json_path) as part:  # `repose compare` reads it, whenever
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with csv_path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "name", *METRICS])
        for group, rows in clean.items():
            for name, row in rows.items():
                writer.writerow([group, name, *(row[metric] for metric in METRICS)])
    written = [json_path, csv_path]
    for suffix, as_text in tables.FORMATS.items():
        path = directory / f"protocol.{suffix}"
        path.write_text(as_text(protocol_table).rstrip("\n") + "\n", encoding="utf-8")
        written.append(path)
    return written


def conclude(
    config: Experiment,
    evaluator: Evaluator,
    predictions: Predictions,
    tally: Tally,
    directory: pathlib.Path | None,
    *,
    step: int,
    checkpoint: str,
    baselines: Mapping[str, Mapping[str, float]],
    shipped: Lift | None = None,
) -> tuple[list[pathlib.Path], str]:
    """Writes the tables and the pictures; on the first process alone.

    Args:
        config: the experiment.
        evaluator: its test set.
        predictions: the model's predictions, to draw.
        tally: their scores.
        directory: folder of the files; pictures go to `pictures` in it. None to print alone.
        step: step of the model; at step 0 it is a converted one.
        checkpoint: its kind, "best" or "latest".
        baselines: results to compare with, by name.
        shipped: the shipped weights, to draw beside the model; None to draw the model alone.

    Returns:
        The files that were written, and the tables to print when all is written.

    Raises:
        OSError: the files cannot be written; the tables are printed first.
    """
    if jax.process_index() > 0:
        return [], ""
    name = "trained" if step else "converted"
    compared = {**baselines, name: evaluator.protocol.summary(tally)}
    info = {
        "version": repose_jax.__version__,
        "step": step,
        "checkpoint": checkpoint,
        "test": list(config.data.test),
        "protocol": config.eval.protocol,
        "eval": config.to_dict()["eval"],
        "baselines": baselines,
    }
    parts = (
        table(compared, f"for comparison (protocol {config.eval.protocol})"),
        "Means over joints and frames, each counted once:",
        full_table(tally, evaluator.protocol),
    )
    text, written = "\n\n".join(parts), []
    try:
        if directory:
            with writing(directory):
                directory.mkdir(parents=True, exist_ok=True)
                written += write(directory, tally, evaluator.protocol, info)
                written += _draw(config, predictions, tally, directory, info, shipped)
    except OSError:
        show([], text)
        raise
    return written, text


def show(written: list[pathlib.Path], text: str) -> None:
    """Prints tables and the files that were written; on the first process alone."""
    if jax.process_index() == 0:
        files = f"\n\nWritten: {', '.join(map(str, written))}" if written else ""
        print(f"\n{text}{files}", flush=True)


def _draw(
    config: Experiment,
    predictions: Predictions,
    tally: Tally,
    directory: pathlib.Path,
    info: Mapping[str, Any],
    shipped: Lift | None,
) -> list[pathlib.Path]:
    """Draws the errors and some predictions to the folder `pictures`; returns the files."""
    from repose_jax.evaluation import charts, pictures  # matplotlib is slow to import

    folder = directory / "pictures"
    folder.mkdir(exist_ok=True)
    found = {
        kind: {row: values["mpjpe"] for row, values in rows.items()}
        for kind, rows in groups(tally).items()
    }
    charts.error_bars(
        folder / "errors.png",
        found["joint"],
        found["action"],
        mean=found["all"]["all"],
        title=f"Test errors of {directory.absolute().name}, {info['checkpoint']} checkpoint (step "
        f"{info['step']})",
    )
    drawn = pictures.draw_sequences(predictions, folder, config.eval.pictures, shipped=shipped)
    return [folder / "errors.png", *drawn]
