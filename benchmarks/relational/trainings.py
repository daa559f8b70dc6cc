"""Trains and tests the forms of the relational losses, and keeps what is done."""

import argparse
import functools
import json
import math
import pathlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from benchmarks import runs
from benchmarks.accuracy import stored, video
from benchmarks.relational import population, report, scores
from benchmarks.relational.forms import (
    BACKBONES,
    NONE,
    Backbone,
    experiment,
    members,
)
from benchmarks.relational.report import Results
from repose_jax.config import Experiment
from repose_jax.evaluation.evaluator import Evaluator, load_evaluator
from repose_jax.evaluation.predict import Variables
from repose_jax.lifting.predictor import Predictor
from repose_jax.runtime import devices
from repose_jax.runtime.names import unknown
from repose_jax.runtime.progress import track
from repose_jax.runtime.whole_file import whole
from repose_jax.training.setup import Run, setup
from repose_jax.training.stored import start_from

SPLITS = "cmu_mocap/30fps:test", "bvh_motion/cmu_archives_30fps:test"
RECORDING = "recording"
KEPT = 600
"""Steps whose batches are simulated once for all forms; those of longer trainings for each."""


def compare(args: argparse.Namespace, flags: Sequence[str]) -> Results:
    """Trains and tests the forms of `tune` or `scratch`; returns the results of all settings.

    Raises:
        ValueError: `args.out` has results of another command, or `args.only` names no setting.
    """
    wanted = chosen(args)
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
        settings = wanted[form]
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
        found = [*pool.map(train, wanted)]
    return {name: tests for results in found for name, tests in results.items()}


def chosen(args: argparse.Namespace) -> dict[str, dict[str, Float[np.ndarray, "3"]]]:
    """Returns the settings of `NONE` and of each form of which any are wanted.

    Raises:
        ValueError: `args.only` has a name that no form has.
    """
    settings = {form: members(form, args.factors, args.which) for form in args.forms}
    names = [name for of in settings.values() for name in of]
    for name in args.only or ():
        if name not in names:
            raise ValueError(unknown("setting", name, names))
    kept = {
        form: {name: value for name, value in of.items() if not args.only or name in args.only}
        for form, of in settings.items()
    }
    return {NONE: members(NONE, args.factors)} | {form: of for form, of in kept.items() if of}


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
        batches = track(batches, total=math.ceil(steps / args.at_a_time), label="base")
        weights = np.array([[1.0, 0.0, 0.0]], np.float32)
        trained = population.train(run, seeds, weights, batches, together=_together(backbone))
        return jax.tree.map(lambda x: x[:, 0], trained)

    asked = [config.to_dict(), len(seeds)]
    return kept(args.out / f"base_{args.backbone}.npz", asked, run, train)


def _together(backbone: Backbone) -> bool:
    """Returns whether all members are updated at once; one fills a CPU, and is faster alone."""
    return backbone.together and jax.default_backend() != "cpu"


def start(args: argparse.Namespace, flags: Sequence[str]) -> list[Predictor]:
    """Returns what `tune` starts from, for each seed; one where those are weights.

    Raises:
        ValueError: `args.out` has that of another command.
    """
    backbone = BACKBONES[args.backbone]
    seeds = range(1 if backbone.start else args.seeds)
    config = experiment(NONE, backbone, backbone.base, flags)
    graphdef = setup(config)[0].graphdef
    found = base(args, config, seeds)
    return [Predictor(config, graphdef, jax.tree.map(lambda x, i=i: x[i], found)) for i in seeds]


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
