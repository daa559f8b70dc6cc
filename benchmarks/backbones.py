"""The backbones side by side: their costs, and the effect of the relational losses on each.

    python -m benchmarks.backbones cost --json=benchmarks/results/backbones_cost.json
    taskset -c 1 python -m benchmarks.backbones sizes --repeats=300
    python -m benchmarks.backbones ablation --out=runs/backbones

`cost` counts parameters and multiply-adds of the authors' sizes, and times the lifting of one test
clip of each recipe on this machine. `sizes` does so for small models that run in real time, in
seconds of the processor, which other work on the machine lengthens less. `ablation` trains small
models (`:mocap,tiny,budget` of the zoo) with and without the relational losses, with the same clips
and steps for all; finished runs in `--out` are not trained again. Other flags go to `repose train`.
"""

import functools
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import configs
from benchmarks import runs
from repose_jax import config, models
from repose_jax.cli.arguments import Parser, positive
from repose_jax.evaluation import tables
from repose_jax.models import complexity
from repose_jax.runtime import terminal
from repose_jax.torch_import import TENSOR_NAMES

LOSSES = {"none": "", "spatial": "spatial", "temporal": "temporal", "both": "relational"}
# Two transformers, convolutions, a transformer beside a graph, a graph.
KINDS = "stcformer", "mixste", "videopose3d", "motionagformer", "semgcn"
SIZES = {  # for data in the person's frame
    "mixer 256 x 3": {"name": "mixer", "frames": 27, "width": 256, "depth": 3},
    "mixer 384 x 4": {"name": "mixer", "frames": 81, "width": 384, "depth": 4},
    "mixer 512 x 6": {"name": "mixer", "frames": 81, "width": 512, "depth": 6},
    "repose 96 x 2": {"name": "repose", "frames": 81, "width": 96, "depth": 2, "heads": 3},
    "repose 160 x 5": {
        "name": "repose",
        "frames": 81,
        "width": 160,
        "depth": 5,
        "heads": 5,
        "mlp_ratio": 3,
    },
}
STEPS = 500  # of 8 clips of 27 frames, in the 10 epochs of the schedule


def cost(
    sizes: dict[str, Any],
    clip_frames: int,
    test_frames: int,
    repeats: int,
    clock: Callable[[], float],
) -> dict[str, Any]:
    """Counts and times a model.

    Args:
        sizes: its name and sizes.
        clip_frames: frames of a training clip that poses are given for.
        test_frames: the same of a test clip, of a lifter of single frames or of the centre of a
            window.
        repeats: of the timing.
        clock: returns seconds.

    Returns:
        Parameters; frames that it sees; multiply-adds for a training clip; seconds to lift a test
        clip, and its poses.
    """
    counted = complexity.of_model(**sizes, clip_frames=clip_frames)
    model: Any = nnx.jit(functools.partial(models.create, **sizes))()
    poses = test_frames if any(model.context) or clip_frames == 1 else clip_frames
    shape = (1, poses + sum(model.context), model.config.joints, model.config.in_channels)
    x = jax.random.normal(jax.random.key(0), shape, jnp.float32)
    lift = nnx.cached_partial(nnx.jit(lambda model, x: model(x)), model)
    jax.block_until_ready(lift(x))
    seconds = []
    for _ in range(repeats):
        start = clock()
        jax.block_until_ready(lift(x))
        seconds.append(clock() - start)
    return {
        "parameters": counted.parameters,
        "frames": model.config.frames,
        "macs": counted.macs,
        "macs_per_frame": counted.macs_per_frame,
        "poses": poses,
        "seconds": seconds,
        "poses_per_s": poses / statistics.median(seconds),
    }


def recipe_cost(name: str, repeats: int) -> dict[str, Any]:
    """Counts and times a model of its authors' sizes; see `cost`."""
    values = configs.load("h36m" if name == "repose" else name)
    experiment = config.from_mapping(values.to_dict())
    sizes = dict(experiment.model)
    frames = experiment.data.frames, experiment.test_frames
    return cost(sizes, *frames, repeats, time.perf_counter)


def size_cost(sizes: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Counts and times a small model, without the time that other processes take; see `cost`."""
    sizes = sizes | {"in_channels": 11}
    return cost(sizes, sizes["frames"], sizes["frames"], repeats, time.process_time)


def print_costs(results: dict[str, Any], **columns: str) -> None:
    """Prints a table of columns, by their keys in a result."""
    rows = {name: [found[key] for key in columns] for name, found in results.items()}
    formats = ("{:,}", 0, "{:,.0f}", "{:,.0f}")
    print(tables.text(tables.Table("", tuple(columns.values()), rows, formats)))


@runs.one_line
def main() -> None:
    """Runs one part and prints its table."""
    parser = Parser(description=__doc__)
    parser.add_argument("part", choices=["cost", "sizes", "ablation"])
    parser.add_argument("--models", nargs="+", choices=TENSOR_NAMES, help="default: all that apply")
    parser.add_argument("--repeats", type=positive, default=5, help="of a timing")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/backbones"))
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args, extra = parser.parse_known_args()
    results: dict[str, Any] = {}
    columns = {"parameters": "parameters", "frames": "frames"}
    reports = []
    if args.part == "cost":
        for name in args.models or TENSOR_NAMES:
            results[name] = recipe_cost(name, args.repeats)
        columns |= {"macs": "MACs", "poses_per_s": "poses/s"}
    elif args.part == "sizes":
        results |= {name: size_cost(sizes, args.repeats) for name, sizes in SIZES.items()}
        columns |= {"macs_per_frame": "MACs/frame", "poses_per_s": "poses/s"}
    else:
        for name in args.models or KINDS:
            settings = {
                loss: (f"{name}:{','.join(filter(None, ['mocap,tiny,budget', variant]))}", ())
                for loss, variant in LOSSES.items()
            }
            budget = [f"--config.train.epoch_steps={STEPS // 10}", *extra]
            found = runs.sweep(settings, seeds=args.seeds, out=args.out / name, extra=budget)
            reports.append(f"\n{name}\n\n{runs.report(found, against='none')}")
            results[name] = runs.values(found)
    if args.json:
        runs.save(args.json, seeds=args.seeds, results=results)
    if reports:
        print("\n".join(reports))
    else:
        print_costs(results, **columns)


if __name__ == "__main__":
    sys.exit(terminal.run(main))
