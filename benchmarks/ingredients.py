"""The effect of each ingredient of `configs/lift.py`, by leaving it out.

    python -m benchmarks.ingredients --out=runs/ingredients --folder=DIR --data_dir=DIR

Trains the probe for 2,000 steps of 16 clips, three to four minutes on one core: the whole recipe,
and the recipe without each ingredient. Runs of the same seed have the same windows into the
motions, so the differences are paired. The models are tested on prepared splits, with their
simulated detector, and on a real recording (see `benchmarks.accuracy`), mean over its views, its
detectors and the ways to make Human3.6M's joints of theirs. Finished runs and their tests are kept,
so the same command resumes. Other flags go to `repose train`.
"""

import json
import math
import pathlib
import statistics
import sys
from collections.abc import Mapping, Sequence

from scipy import special

from benchmarks import runs
from benchmarks.accuracy import stored, video
from benchmarks.accuracy.report import HEADS, Values
from repose_jax.cli.arguments import Parser, positive
from repose_jax.cli.environment import start_jax
from repose_jax.evaluation import compare, tables
from repose_jax.lifting import predictor
from repose_jax.runtime import terminal

CONFIG = "lift:probe,all_pairs"
BUDGET = (
    "--config.train.epochs=4",
    "--config.train.epoch_steps=500",
    "--config.train.eval_every=4",
)
SPLITS = "cmu_mocap/30fps:test", "bvh_motion/cmu_archives_30fps:test"
RECORDING = "recording"
COLUMNS = {
    **dict.fromkeys(SPLITS, ("mpjpe", "mpjpe_occluded", "pa_mpjpe", "mpjve")),
    RECORDING: ("mpjpe", "pa_mpjpe", "pa_mpjpe_12", "mpjve"),
}
"""Columns and rows of the tables of each test."""

WHOLE = "whole recipe"
CMU = "cmu_mocap/60fps_motion:train"
ARCHIVES = "bvh_motion/cmu_archives_60fps_motion:train"
SYNTHETIC = "synthetic_motion/60fps_motion:train"


def _without(*shares: str) -> tuple[str, ...]:
    return tuple(f"--config.simulation.{share}=0.0" for share in shares)


def _losses(**weights: float) -> tuple[str, ...]:
    weights = {"spatial_order": 0.0, "temporal_order": 0.0, **weights}
    return tuple(f"--config.objective.weights.{loss}={x}" for loss, x in weights.items())


SETTINGS: dict[str, tuple[str, ...]] = {
    WHOLE: (),
    "inputs in the frame of the image": ("--config.data.normalise=image",),
    "no upper bodies of other takes": _without("upper_body"),
    "no arms of other takes": _without("arms"),
    "neither": _without("upper_body", "arms"),
    "cameras of a room alone": _without("handheld"),
    "exact confidence alone": _without("confidence_laws"),
    "no formats of other detectors": _without("formats"),
    "no bodies cut off by the image": _without("truncated"),
    "no loss of the order": _losses(),
    "hinge losses of the order": _losses(spatial_depth=1.0, temporal_depth=1.0),
    "no synthetic motion": (f"--config.data.train=('{CMU}','{ARCHIVES}')",),
    "no archives of dance and sports": (f"--config.data.train=('{CMU}','{SYNTHETIC}')",),
}
"""Name to overrides; "neither" is without arms and upper bodies of other takes."""
POOLED = "± by the variance of all settings"

Tests = Mapping[str, Values]
"""Split, or `RECORDING`, to the columns of a run."""


def test(workdir: pathlib.Path, folder: pathlib.Path, data_dir: str | None) -> dict[str, Values]:
    """Tests a run, or reads its tests from `ingredients.json` in its workdir."""
    path = workdir / "ingredients.json"
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    models = {workdir.name: predictor.load(workdir, "latest")}
    found = {}
    for split in SPLITS:
        rows = stored.measure(models, split, data_dir=data_dir, known=("fps",))
        found[split] = dict(rows[workdir.name][0])
    views = video.measure(models, folder, known=("fps",), mean_pose=None)
    # Rows such as "OpenPose, nose as neck"; the others are not the model's.
    each = [row[0] for rows in views.values() for name, row in rows.items() if ", " in name]
    found[RECORDING] = {key: statistics.fmean(row[key] for row in each) for key in each[0]}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def table(results: Mapping[str, Sequence[Tests]], name: str) -> tables.Table:
    """Makes the table of a test: the mean of the whole recipe, and the differences from it.

    With few seeds the interval of one difference is wide; the last row has that with the variance
    of the differences of all settings.

    Args:
        results: for each setting the tests of its runs, in the order of their seeds.
        name: a split, or `RECORDING`.
    """
    columns, whole = COLUMNS[name], results[WHOLE]
    rows = {WHOLE: [statistics.fmean(run[name][c] for run in whole) for c in columns]}
    spreads = {WHOLE: [_deviation([run[name][c] for run in whole]) for c in columns]}
    pairs = {s: [*zip(r, whole, strict=False)] for s, r in results.items() if s != WHOLE}
    each = {
        setting: [[a[name][c] - b[name][c] for a, b in paired] for c in columns]
        for setting, paired in pairs.items()
    }
    for setting, differences in each.items():
        rows[setting] = [*map(statistics.fmean, differences)]
        spreads[setting] = [*map(compare.half_width, differences)]
    rows[POOLED] = [*map(_pooled, zip(*each.values(), strict=True))]
    return tables.Table(
        title=f"{name}: {WHOLE}, mean ± standard deviation over the seeds; others, difference from "
        "it, paired by seed, ± half of the 95 % interval of each; mm, mm per frame",
        columns=tuple(f"{HEADS[column]} ↓" for column in columns),
        rows=rows,
        digits=tuple("{:.1f}" for _ in columns),
        spreads=spreads,
    )


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan


def _pooled(several: Sequence[Sequence[float]]) -> float:
    """Returns half of the 95 % interval of a mean, with the variance of all settings; or NaN."""
    several = [values for values in several if len(values) > 1]
    if not several:
        return math.nan
    degrees = sum(len(values) - 1 for values in several)
    squares = sum((len(values) - 1) * statistics.variance(values) for values in several)
    quantile = float(special.stdtrit(degrees, 0.975))
    return quantile * math.sqrt(squares / degrees / max(map(len, several)))


@runs.one_line
def main() -> None:
    """Trains, tests and prints a table for each test."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="the recording")
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args, extra = parser.parse_known_args()
    settings = {name: (CONFIG, overrides) for name, overrides in SETTINGS.items()}
    extra = [*BUDGET, *(f"--config.data.data_dir={x}" for x in [args.data_dir] if x), *extra]
    found = runs.sweep(settings, seeds=args.seeds, out=args.out, extra=extra)
    start_jax()
    results = {
        name: [test(run.workdir, args.folder, args.data_dir) for run in several]
        for name, several in found.items()
    }
    if args.json:
        runs.save(args.json, seeds=args.seeds, results=results)
    for name in COLUMNS:
        print("\n" + tables.markdown(table(results, name)).rstrip("\n"))


if __name__ == "__main__":
    sys.exit(terminal.run(main))
