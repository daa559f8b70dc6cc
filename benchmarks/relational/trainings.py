"""Trains and tests the forms of the relational losses, and keeps what is done."""

import argparse
import dataclasses
import functools
import json
import math
import pathlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
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
Settings = Mapping[str, Float[np.ndarray, " l"]]
"""Weights of the losses of one form, by the name of the setting."""
SET_HERE = "train.seed", "init_from"
"""Keys of the configuration, beside those of `experiment`."""
KEPT = 600
"""Steps whose batches are simulated once for all forms; those of longer trainings for each."""


def compare(args: argparse.Namespace, flags: Sequence[str]) -> Results:
    """Trains and tests the forms of `tune` or `scratch`; returns the results of all settings.

    Raises:
        ValueError: `args.out` has results of another command, `args.only` names no setting, or a
            flag is of what is set here.
    """
    runs.refuse(flags, SET_HERE)
    wanted, seeds = chosen(args), seeds_of(args)
    backbone = BACKBONES[args.backbone]
    budget = backbone.tune if args.part == "tune" else backbone.scratch
    budget = dataclasses.replace(budget, steps=args.steps or budget.steps)
    made = functools.partial(experiment, backbone=backbone, flags=flags, labels=args.labels)
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
        start = base(args, made(NONE, budget=backbone.base))
    simulating, testing = Lock(), Lock()  # what is first is compiled for all
    together = _together(backbone)

    def pieces(own: tuple[int, ...]) -> Iterator[population.Batches]:
        return population.batches(run, own, budget.steps, at_a_time=args.at_a_time)

    simulated = functools.cache(lambda own: list(pieces(own)))

    def train(form: str) -> Results:
        settings, config = wanted[form], made(form, budget=budget)
        folder = args.out / f"{args.part}_{args.backbone}" / form.replace(" ", "_")
        tests = [*SPLITS, *([RECORDING] if args.folder else [])]
        asked = json.loads(json.dumps({"config": config.to_dict(), "tests": tests}))
        paths = {seed: folder / f"{seed}.json" for seed in seeds}
        own = setup(config)[0]

        def trained(missing: Settings, group: tuple[int, ...]) -> Variables:
            with simulating:
                batches = simulated(group) if budget.steps <= KEPT else pieces(group)
            weights = np.stack([*missing.values()])
            first = start and jax.tree.map(lambda x: x[np.searchsorted(seeds, group)], start)
            return population.train(own, group, weights, batches, first, together=together)

        for missing, group in _missing(paths, asked, settings):
            # If a test fails, nothing is trained again.
            training = {"config": config.to_dict(), "settings": _lists(missing)}
            of_group = functools.partial(trained, missing)
            found = kept(folder, group, training, own, of_group, together=together)
            recorded = [i for i, name in enumerate(missing) if name in (NONE, f"{form}, S + T x 1")]
            for i, seed in enumerate(group):
                with testing:
                    tested = test(run, jax.tree.map(lambda x, i=i: x[i], found), recorded)
                _add(paths[seed], asked, missing, tested)
                (folder / f"{seed}.npz").unlink()
                print(f"{args.part}, {args.backbone}: {form}, seed {seed}", flush=True)
        by_seed = [_done(path, asked, settings)["results"] for path in paths.values()]
        return {name: report.by_column([of[name] for of in by_seed]) for name in settings}

    with ThreadPoolExecutor(args.jobs) as pool:
        found = [*pool.map(train, wanted)]
    return {name: tests for results in found for name, tests in results.items()}


def seeds_of(args: argparse.Namespace) -> range:
    """Returns the seeds that the command line asks for."""
    return range(args.first_seed, args.first_seed + args.seeds)


def chosen(args: argparse.Namespace) -> Mapping[str, Settings]:
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


def base(args: argparse.Namespace, config: Experiment) -> Variables:
    """Returns what `tune` starts from, for each seed.

    These are the weights that the backbone names, or those trained here or read from `args.out`.

    Raises:
        ValueError: `args.out` has that of another command.
    """
    backbone, seeds = BACKBONES[args.backbone], seeds_of(args)
    run, first = setup(config)
    if backbone.start:
        found = start_from(backbone.start, first).variables
        return jax.tree.map(lambda x: jnp.stack([x] * len(seeds)), found)

    def train(group: Sequence[int]) -> Variables:
        steps = backbone.base.steps
        batches = population.batches(run, group, steps, at_a_time=args.at_a_time)
        label = f"base of seed {', '.join(map(str, group))}"
        batches = track(batches, total=math.ceil(steps / args.at_a_time), label=label)
        weights = np.array([[1.0, 0.0, 0.0]], np.float32)
        trained = population.train(run, group, weights, batches, together=_together(backbone))
        return jax.tree.map(lambda x: x[:, 0], trained)

    folder = args.out / f"base_{args.backbone}"
    return kept(folder, seeds, config.to_dict(), run, train, together=_together(backbone))


def _together(backbone: Backbone) -> bool:
    """Returns whether all members are updated at once; one fills a CPU, and is faster alone."""
    return backbone.together and jax.default_backend() != "cpu"


def start(args: argparse.Namespace, flags: Sequence[str]) -> list[Predictor]:
    """Returns what `tune` starts from, for each seed; one where those are weights.

    Raises:
        ValueError: `args.out` has that of another command, or a flag is of what is set here.
    """
    runs.refuse(flags, SET_HERE)
    backbone = BACKBONES[args.backbone]
    config = experiment(NONE, backbone, backbone.base, flags)
    graphdef = setup(config)[0].graphdef
    found = base(args, config)
    number = 1 if backbone.start else args.seeds
    members = [jax.tree.map(lambda x, i=i: x[i], found) for i in range(number)]
    return [Predictor(config, graphdef, variables) for variables in members]


def kept(
    folder: pathlib.Path,
    seeds: Sequence[int],
    asked: Any,
    run: Run,
    train: Callable[[tuple[int, ...]], Variables],
    *,
    together: bool,
) -> Variables:
    """Returns the variables of seeds, `[seeds, ...]`; trains those that have no file in a folder.

    Args:
        folder: of the files, `SEED.npz`.
        seeds: of the variables.
        asked: JSON values that differ if the variables do.
        run: with a model of the same structure.
        train: makes the variables of some seeds.
        together: of all seeds at once, otherwise of one after the other.

    Raises:
        ValueError: a file has others.
    """
    text = json.dumps(asked)
    paths = {seed: folder / f"{seed}.npz" for seed in seeds}
    missing = tuple(seed for seed, path in paths.items() if not path.exists())
    for group in [missing] if together and missing else [(seed,) for seed in missing]:
        leaves = [np.asarray(x) for x in jax.tree.leaves(train(group))]
        folder.mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate(group):
            with whole(paths[seed]) as part, part.open("wb") as file:
                np.savez(file, *(x[i] for x in leaves), asked=np.array(text))
    structure = jax.tree.structure(population.initial(run, [0]))
    members = []
    for path in paths.values():
        with np.load(path) as found:
            _check(path, str(found["asked"]), text)
            members.append([found[f"arr_{i}"] for i in range(structure.num_leaves)])
    return structure.unflatten([np.stack(leaves) for leaves in zip(*members, strict=True)])


def _missing(
    paths: Mapping[int, pathlib.Path], asked: Any, settings: Settings
) -> list[tuple[Settings, list[int]]]:
    """Returns the settings that are not in the files of seeds, and the seeds that miss the same."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for seed, path in paths.items():
        done = _done(path, asked, settings)["results"]
        groups.setdefault(tuple(name for name in settings if name not in done), []).append(seed)
    return [({s: settings[s] for s in names}, seeds) for names, seeds in groups.items() if names]


def _add(
    path: pathlib.Path, asked: Any, settings: Settings, tested: Sequence[Mapping[str, Any]]
) -> None:
    """Adds the results of settings to the file of a seed."""
    done = _done(path, asked, settings)
    weights = done["settings"] | _lists(settings)
    results = done["results"] | dict(zip(settings, tested, strict=True))
    with whole(path) as part:
        runs.save(part, asked=asked, settings=weights, results=results)


def _done(path: pathlib.Path, asked: Any, settings: Settings) -> dict[str, Any]:
    """Reads the weights and the results of settings of one seed.

    Raises:
        ValueError: they are of another command, or some have other weights than in `settings`.
    """
    if not path.exists():
        return {"settings": {}, "results": {}}
    done = json.loads(path.read_text("utf-8"))
    _check(path, done["asked"], asked)
    wanted, found = _lists(settings), done["settings"]
    _check(path, found, found | {name: wanted[name] for name in wanted if name in found})
    return done


def _lists(settings: Settings) -> dict[str, list[float]]:
    return {name: weights.tolist() for name, weights in settings.items()}


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
