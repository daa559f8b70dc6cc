"""Error against training compute: small lifters on the data of `configs/lift.py`, on one core.

    taskset -c 0 python -m benchmarks.compute --data_dir=DIR --seconds=240
    python -m benchmarks.compute --draw=docs/images/compute.png

Every model is trained for the same time of the processor, which other work on the machine lengthens
less than that of a clock, and tested at equal parts of it, with the moving average of its weights.
The number of steps follows from the time of a few; a cosine lets the learning rate fall to 0 at the
end. Compilation, evaluation and the loading of data do not count. `--draw` draws the chart of a
result.
"""

import pathlib
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

import configs
from benchmarks import runs
from repose_jax import config
from repose_jax.cli.arguments import Parser
from repose_jax.cli.environment import start_jax
from repose_jax.config import Experiment
from repose_jax.evaluation import charts, tables
from repose_jax.runtime import terminal
from repose_jax.training.setup import Run, setup
from repose_jax.training.state import TrainState
from repose_jax.training.step import batches, jit_steps

RESULT = pathlib.Path(__file__).parent / "results" / "compute.json"
REPOSE = {"name": "repose", "frames": 27, "mlp_ratio": 2}
MODELS: dict[str, tuple[dict[str, Any], float]] = {
    "mixer 256 x 3": ({"name": "mixer", "frames": 27, "width": 256, "depth": 3}, 3e-3),
    "RePOSE 64 x 1": (
        {**REPOSE, "width": 64, "depth": 1, "heads": 2, "representation": 128},
        1e-3,
    ),
    "RePOSE 96 x 2": (
        {**REPOSE, "width": 96, "depth": 2, "heads": 3, "representation": 192},
        1e-3,
    ),
    "STCFormer 64 x 3": (
        {"name": "stcformer", "frames": 27, "width": 64, "depth": 3, "heads": 4, "dropout": 0.0},
        1e-3,
    ),
    "VideoPose3D 256": (
        {"name": "videopose3d", "filter_widths": (3, 3, 3), "width": 256, "dropout": 0.0},
        1e-3,
    ),
}
"""Name to a model of 27 frames and its learning rate."""
PARTS = 4
CALLS = 4  # times as many steps as parts, whose time gives the number of all


def experiment(name: str, steps: int, seed: int, data_dir: str | None) -> Experiment:
    """Returns the experiment of a model: the probe of the recipe with another model and length."""
    values = configs.load("lift:probe,all_pairs").to_dict()
    model, rate = MODELS[name]
    values["model"] = model
    values["data"]["data_dir"] = data_dir
    values["optim"]["lr"] = rate
    values["train"] |= {"epochs": PARTS, "epoch_steps": -(-steps // PARTS), "seed": seed}
    return config.from_mapping(values)


def curve(name: str, seconds: float, seed: int, data_dir: str | None) -> dict[str, Any]:
    """Trains a model.

    Args:
        name: of `MODELS`.
        seconds: of the processor, for the training alone.
        seed: of the training.
        data_dir: folder of the prepared datasets; TFDS's default if None.

    Returns:
        Parameters; and for each part of the training the steps and the seconds until then, and the
        test errors in mm.
    """
    trained = experiment(name, PARTS * CALLS, seed, data_dir)
    run, state = setup(trained)
    each = statistics.fmean(step_seconds for _, step_seconds in _calls(run, state))
    run, state = setup(experiment(name, round(seconds / each), seed, data_dir))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params["model"]))
    spent, points = 0.0, []
    for step, (now, step_seconds) in enumerate(_calls(run, state), 1):
        spent += step_seconds
        if step % run.steps_per_epoch == 0:
            predictor = run.evaluator.predictor(run.graphdef, now.variables)
            points.append({"steps": step, "seconds": spent, **run.evaluator.summary(predictor)})
            print(f"{name}: {spent:.0f} s, {points[-1]['mpjpe']:.1f} mm", flush=True)
    return {"parameters": parameters, "points": points}


def _calls(run: Run, state: TrainState) -> Iterator[tuple[TrainState, float]]:
    """Trains to the last step; yields the state and the seconds of each step."""
    update = jit_steps(run)
    update(jax.tree.map(jnp.copy, state), batches(run, range(1)))  # compiles
    for step in range(run.last_step):
        start = time.process_time()
        state, _ = jax.block_until_ready(update(state, batches(run, range(step, step + 1))))
        yield state, time.process_time() - start


def draw(path: pathlib.Path, results: Mapping[str, Any]) -> None:
    """Draws the curves of a result."""
    lines = {
        f"{name}, {found['parameters'] / 1e6:.2f} M": [
            (point["seconds"], point["mpjpe"]) for point in found["points"]
        ]
        for name, found in results.items()
    }
    charts.lines(path, {"Test error, MPJPE in mm": lines}, x="training, s of one core")


@runs.one_line
def main() -> None:
    """Trains all models, or draws a result."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=240, help="of training, for each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path, default=RESULT, help="the result")
    parser.add_argument("--draw", type=pathlib.Path, help="draw the result as this picture instead")
    args = parser.parse_args()
    if args.draw:
        return draw(args.draw, runs.read(args.json))
    start_jax()
    results = {}
    for name in args.models:
        results[name] = curve(name, args.seconds, args.seed, args.data_dir)
        runs.save(args.json, seed=args.seed, seconds=args.seconds, results=results)
    columns = tuple(f"{args.seconds * (i + 1) / PARTS:g} s" for i in range(PARTS))
    rows = {name: [p["mpjpe"] for p in found["points"]] for name, found in results.items()}
    print(tables.markdown(tables.Table("MPJPE, mm, after seconds of training", columns, rows)))


if __name__ == "__main__":
    sys.exit(terminal.run(main))
