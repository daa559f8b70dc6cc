"""The relational losses of depth: which help, by how much, at which weight.

    python -m benchmarks.relational gradients --data_dir=DIR        # how hard each loss pulls
    python -m benchmarks.relational tune --out=runs/relational --data_dir=DIR      # as in Table 5
    python -m benchmarks.relational scratch --out=runs/relational --data_dir=DIR   # from scratch
    python -m benchmarks.relational tables --json=RESULT --factors 1       # of a result again
    python -m benchmarks.relational figure --json=RESULT --out=FILE        # error, spread by weight
    python -m benchmarks.relational figure --out=docs/images/relational_cost.png

`tune` trains a backbone on the data of `configs/lift.py` without a relational loss for 8,000 steps
of 16 clips, for each seed, and then each objective from it for 600 steps whose learning rate decays
to 0. `scratch` trains each objective for 3,000 steps. `--backbone=shipped` is the model that ships:
`tune` starts from its weights and has 1,300 steps of 32 clips. All weights of a form and all seeds
are trained at once (`population.py`), from the same batches. Differences to the training without a
relational loss are paired by seed. With `--folder` both losses of every form at weight 1 are tested
on a real recording too (see `benchmarks.accuracy`). What is in `--out` is not trained again, so the
same command resumes. `--jobs` forms are compiled at a time. Other flags go to `repose train`, such
as `--config.simulation.confidence_laws=0.0` for exact confidence.
"""

import argparse
import functools
import json
import pathlib
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import runs
from benchmarks.accuracy import stored, video
from benchmarks.profile import switch_off_command_buffers
from benchmarks.relational import expected, gradients, population, report, scores
from benchmarks.relational.forms import (
    BACKBONES,
    FORMS,
    NONE,
    WHICH,
    Backbone,
    experiment,
    members,
)
from benchmarks.relational.report import Results
from repose_jax.cli import arguments
from repose_jax.cli.environment import start_jax
from repose_jax.config import Experiment
from repose_jax.evaluation.evaluator import Evaluator, load_evaluator
from repose_jax.evaluation.predict import Variables
from repose_jax.lifting.predictor import Predictor
from repose_jax.runtime import devices, terminal
from repose_jax.runtime.whole_file import whole
from repose_jax.training.setup import Run, setup
from repose_jax.training.stored import start_from

SPLITS = "cmu_mocap/30fps:test", "bvh_motion/cmu_archives_30fps:test"
RECORDING = "recording"
TRAININGS = "tune", "scratch"
KEPT = 600
"""Steps whose batches are simulated once for all forms; those of longer trainings for each."""


def compare_forms(args: argparse.Namespace, flags: Sequence[str]) -> Results:
    """Trains and tests the forms of `tune` or `scratch`; returns the results of all settings.

    Raises:
        ValueError: `args.out` has results of another command.
    """
    backbone, seeds = BACKBONES[args.backbone], range(args.seeds)
    budget = backbone.tune if args.part == "tune" else backbone.scratch
    made = functools.partial(experiment, backbone=backbone, flags=flags)
    evaluators = {
        name: load_evaluator(
            stored.experiment(
                made(NONE, budget=budget), name, data_dir=args.data_dir, known=("fps",)
            ),
            devices.data_mesh(),
        )
        for name in SPLITS
    }
    at_a_time = 8 if backbone.together else 1
    test = functools.partial(measure, evaluators, args.folder, at_a_time=at_a_time)
    run, start = setup(made(NONE, budget=budget))[0], None
    if args.part == "tune":
        start = base(args, made(NONE, budget=backbone.base), seeds)
    pieces = functools.partial(population.batches, run, seeds, budget.steps)
    simulated = list(pieces(at_a_time=args.at_a_time)) if budget.steps <= KEPT else None
    testing = Lock()  # the first test is compiled for all

    def train(form: str) -> Results:
        settings = members(form, args.factors, args.which)
        if args.only and form != NONE:
            settings = {name: value for name, value in settings.items() if name in args.only}
        config = made(form, budget=budget)
        path = args.out / f"{args.part}_{args.backbone}" / f"{form.replace(' ', '_')}.json"
        training = {"config": config.to_dict(), "seeds": args.seeds, "settings": list(settings)}
        asked = training | {"tests": [*SPLITS, *([RECORDING] if args.folder else [])]}
        asked = json.loads(json.dumps(asked))
        if path.exists():
            done = json.loads(path.read_text("utf-8"))
            _check(path, done["asked"], asked)
            return done["results"]
        own = setup(config)[0]

        def trained() -> Variables:
            weights = np.stack([*settings.values()])
            made = simulated or pieces(at_a_time=args.at_a_time)
            return population.train(own, seeds, weights, made, start, together=_together(backbone))

        weights_file = path.with_suffix(".npz")  # if a test fails, nothing is trained again
        found = kept(weights_file, training, own, trained)
        recorded = [i for i, name in enumerate(settings) if name in (NONE, f"{form}, S + T x 1")]
        with testing:
            by_seed = [
                test(run, jax.tree.map(lambda x, i=i: x[i], found), recorded)
                for i in range(args.seeds)
            ]
        results = {
            name: report.by_column([of[i] for of in by_seed]) for i, name in enumerate(settings)
        }
        with whole(path) as part:
            runs.save(part, asked=asked, results=results)
        weights_file.unlink()
        print(f"{args.part}, {args.backbone}: {form}", flush=True)
        return results

    with ThreadPoolExecutor(args.jobs) as pool:
        found = [*pool.map(train, (NONE, *args.forms))]
    return {name: tests for results in found for name, tests in results.items()}


def base(args: argparse.Namespace, config: Experiment, seeds: Sequence[int]) -> Variables:
    """Returns what `tune` starts from, for each seed.

    These are the weights that the backbone names, or those trained here or read from `args.out`.

    Raises:
        ValueError: `args.out` has that of another command.
    """
    backbone = BACKBONES[args.backbone]
    run, first = setup(config)
    if backbone.start:
        found = start_from(backbone.start, first).variables
        return jax.tree.map(lambda x: jnp.stack([x] * len(seeds)), found)

    def train() -> Variables:
        steps = backbone.base.steps
        batches = population.batches(run, seeds, steps, at_a_time=args.at_a_time)
        weights = np.array([[1.0, 0.0, 0.0]], np.float32)
        trained = population.train(run, seeds, weights, batches, together=_together(backbone))
        return jax.tree.map(lambda x: x[:, 0], trained)

    asked = [config.to_dict(), len(seeds)]
    return kept(args.out / f"base_{args.backbone}.npz", asked, run, train)


def _together(backbone: Backbone) -> bool:
    """Returns whether all members are updated at once; one fills a CPU, and is faster alone."""
    return backbone.together and jax.default_backend() != "cpu"


def kept(path: pathlib.Path, asked: Any, run: Run, train: Callable[[], Variables]) -> Variables:
    """Returns the variables of a file, or trains them and writes it.

    Args:
        path: the file, `*.npz`.
        asked: JSON values that differ if the variables do.
        run: with a model of the same structure.
        train: makes the variables.

    Raises:
        ValueError: the file has others.
    """
    text = json.dumps(asked)
    if not path.exists():
        leaves = map(np.asarray, jax.tree.leaves(train()))
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part, part.open("wb") as file:
            np.savez(file, *leaves, asked=np.array(text))
    structure = jax.tree.structure(population.initial(run, [0]))
    with np.load(path) as found:
        _check(path, str(found["asked"]), text)
        return structure.unflatten([found[f"arr_{i}"] for i in range(structure.num_leaves)])


def _check(path: pathlib.Path, found: Any, asked: Any) -> None:
    if found != asked:
        raise ValueError(f"{path} is of another command; give another --out, or delete it.")


def measure(
    evaluators: Mapping[str, Evaluator],
    folder: pathlib.Path | None,
    run: Run,
    tested: Variables,
    recorded: Sequence[int],
    *,
    at_a_time: int,
) -> list[dict[str, dict[str, float]]]:
    """Tests members `[m, ...]` on splits, and some of them on a recording if there is one."""
    by_split = {
        name: scores.of_members(evaluator, run.graphdef, tested, at_a_time=at_a_time)
        for name, evaluator in evaluators.items()
    }
    found = [{name: rows[m] for name, rows in by_split.items()} for m in range(_size(tested))]
    if folder:
        for m in recorded:
            variables = jax.tree.map(lambda x, m=m: x[m], tested)
            model = Predictor(run.config, run.graphdef, variables)
            views = video.measure({"": model}, folder, known=("fps",), mean_pose=None)
            # Rows such as "OpenPose, nose as neck"; the others are not the model's.
            rows = [row[0] for rows in views.values() for name, row in rows.items() if ", " in name]
            values = {name: statistics.fmean(r[name] for r in rows) for name in rows[0]}
            found[m][RECORDING] = values
    return found


def _size(variables: Variables) -> int:
    return len(jax.tree.leaves(variables)[0])


def main() -> None:
    """Runs one of the parts; an error ends the program with one line and status 2."""
    parser = arguments.Parser(
        prog="python -m benchmarks.relational",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=("gradients", *TRAININGS, "tables", "figure"))
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/relational"),
        help="folder of the results, or the figure",
    )
    parser.add_argument("--folder", type=pathlib.Path, help="a real recording")
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument("--backbone", choices=BACKBONES, default="mixer")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--factors", type=float, nargs="+", default=[0.3, 1.0, 3.0])
    parser.add_argument("--which", nargs="+", choices=WHICH, default=list(WHICH))
    parser.add_argument("--only", nargs="+", metavar="SETTING", help="of these, by their names")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="forms at a time")
    parser.add_argument("--at_a_time", type=int, default=50, help="steps in a call")
    parser.add_argument("--json", type=pathlib.Path, help="the result")
    args, flags = parser.parse_known_args()
    flags += [f"--config.data.data_dir={x}" for x in [args.data_dir] if x]
    if args.part == "tables" and not args.json:
        parser.error("tables needs a result; give its file with --json=FILE.")
    try:
        run_part(args, flags)
    except (ValueError, OSError, FloatingPointError) as error:
        parser.error(str(error))


def run_part(args: argparse.Namespace, flags: Sequence[str]) -> None:
    """Runs a part: measures and writes, or shows a result."""
    if args.part == "figure" and not args.json:
        expected.draw(args.out)
        return
    if args.part in ("tables", "figure"):
        results = report.read(args.json)
        if args.part == "figure":
            report.draw(args.out, results)
        else:
            print(report.tables_of(results, args.forms, args.factors, args.which))
        return
    if args.jobs > 1:
        switch_off_command_buffers()  # CUDA refuses to launch them from several threads
    start_jax()
    if args.part == "gradients":
        found = gradients.measure(BACKBONES[args.backbone], flags)
        if args.json:
            runs.save(args.json, gradients=found)
        print(report.gradients(found))
        return
    results = compare_forms(args, flags)
    if args.json:
        runs.save(args.json, backbone=args.backbone, seeds=args.seeds, results=results)
    print(report.tables_of(results, args.forms, args.factors, args.which))


if __name__ == "__main__":
    sys.exit(terminal.run(main))
