"""Runs `main.py` for many settings, one after the other, and puts the results in one table."""

import json
import pathlib
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax

# Metric, group of joints, column head. Lower is better for mm, higher for %.
COLUMNS = (
    ("mpjpe", "all", "MPJPE"),
    ("mpjpe", "occluded", "occluded"),
    ("pa_mpjpe", "all", "PA-MPJPE"),
    ("pa_mpjpe", "occluded", "occluded"),
    ("mpjve", "all", "MPJVE"),
    ("mpjve", "occluded", "occluded"),
    ("spatial_depth_order", "all", "Order-S %"),
    ("spatial_depth_order", "occluded", "occluded"),
    ("temporal_depth_order", "all", "Order-T %"),
    ("temporal_depth_order", "occluded", "occluded"),
)


def train(config: str, workdir: pathlib.Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Trains one setting with `main.py`, unless its result is there, and returns its evaluation."""
    result = workdir / "evaluation.json"
    if not result.exists():
        command = [sys.executable, "main.py", f"--config={config}", f"--workdir={workdir}"]
        subprocess.run([*command, "--config.eval.pictures=0", *overrides], check=True)
    return json.loads(result.read_text())


def sweep(
    settings: Mapping[str, tuple[str, Sequence[str]]],
    *,
    seeds: int,
    out: pathlib.Path,
    extra: Sequence[str],
) -> dict[str, list[dict[str, Any]]]:
    """Trains every setting with several seeds; what is finished in `out` is not trained again.

    Args:
        settings: name to (config with variants, overrides).
        seeds: 0 to `seeds - 1`, the seed outermost, so that an interrupted sweep is balanced.
        out: folder of the workdirs.
        extra: overrides for all.

    Returns:
        For each setting the evaluations of its seeds.
    """
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in settings}
    for seed in range(seeds):
        for name, (config, overrides) in settings.items():
            workdir = out / f"{name.replace(' ', '_')}_seed{seed}"
            results[name].append(
                train(config, workdir, [*overrides, *extra, f"--config.train.seed={seed}"])
            )
    return results


def value(evaluation: Mapping[str, Any], metric: str, group: str) -> float:
    """Returns one mean of an evaluation, over all joints or those of one visibility."""
    rows = evaluation["results"]
    return (rows["all"]["all"] if group == "all" else rows["visibility"][group])[metric]


def values(
    results: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, list[dict[str, float]]]:
    """Returns the columns of every evaluation, as JSON."""
    return {
        name: [{f"{m}/{g}": value(e, m, g) for m, g, _ in COLUMNS} for e in evaluations]
        for name, evaluations in results.items()
    }


def markdown(results: Mapping[str, Sequence[Mapping[str, Any]]], against: str | None = None) -> str:
    """Formats mean and standard deviation over the seeds.

    Args:
        results: for each setting the evaluations of its seeds.
        against: a setting from which the others are told, as the change for each seed.
    """
    lines = ["| | " + " | ".join(head for *_, head in COLUMNS) + " |", "|---" * 11 + "|"]
    for name, evaluations in results.items():
        if name == against:
            continue
        cells = []
        for metric, group, _ in COLUMNS:
            values = [value(e, metric, group) for e in evaluations]
            if against:
                base = [value(e, metric, group) for e in results[against]]
                values = [new - old for new, old in zip(values, base, strict=True)]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):{'+' if against else ''}.2f} ± {spread:.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def environment() -> dict[str, Any]:
    """Returns what a figure depends on: processor, devices, versions."""
    model = platform.processor()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = f"{len(names)} x {names[0].split(':')[1].strip()}" if names else model
    return {
        "cpu": model,
        "devices": [str(device.device_kind) for device in jax.devices()],
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def save(path: pathlib.Path, **content: Any) -> None:
    """Writes a result with its environment and command."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"command": " ".join(sys.orig_argv[1:]), "environment": environment(), **content}
    path.write_text(json.dumps(content, indent=1) + "\n")
