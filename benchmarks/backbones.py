"""The backbones side by side: their costs, and the effect of the relational losses on each.

    python -m benchmarks.backbones cost --json=benchmarks/results/backbones_cost.json
    python -m benchmarks.backbones ablation --out=runs/backbones

`cost` counts parameters and multiply-adds of the authors' sizes, and times the lifting of one test
clip of each recipe on this machine. `ablation` trains small models (`:mocap,tiny,budget` of the
zoo) with and without the relational losses, with the same clips and steps for all; finished runs
in `--out` are not trained again. Other flags go to `repose train`.
"""

import argparse
import functools
import pathlib
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import configs
from benchmarks import runs
from repose_jax import config, models
from repose_jax.evaluation import tables
from repose_jax.models import complexity
from repose_jax.torch_import import TENSOR_NAMES

LOSSES = {"none": "", "spatial": "spatial", "temporal": "temporal", "both": "relational"}
KINDS = "stcformer", "mixste", "videopose3d", "motionagformer"  # 2 transformers, convolution, graph
STEPS = 500  # of 8 clips of 27 frames, in the 10 epochs of the schedule


def cost(name: str, repeats: int) -> dict[str, Any]:
    """Counts and times a model of its authors' sizes.

    Returns:
        Parameters; frames that it sees; multiply-adds for a training clip of its authors (one
        frame out, of lifters of the centre); seconds to lift a test clip, and its poses.
    """
    values = configs.load("h36m" if name == "repose" else name)
    experiment = config.from_mapping(values.to_dict())
    counted = complexity.of_model(**experiment.model, clip_frames=experiment.data.frames)
    model: Any = nnx.jit(functools.partial(models.create, **experiment.model))()
    poses = experiment.test_frames if any(model.context) else experiment.data.frames
    shape = (1, poses + sum(model.context), model.config.joints, model.config.in_channels)
    x = jax.random.normal(jax.random.key(0), shape, jnp.float32)
    lift = nnx.jit(lambda model, x: model(x))
    jax.block_until_ready(lift(model, x))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(lift(model, x))
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": counted.parameters,
        "frames": model.config.frames,
        "macs": counted.macs,
        "poses": poses,
        "seconds": seconds,
        "poses_per_s": poses / statistics.median(seconds),
    }


def main() -> None:
    """Runs one part and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("part", choices=["cost", "ablation"])
    parser.add_argument("--models", nargs="+", choices=TENSOR_NAMES, help="default: all that apply")
    parser.add_argument("--repeats", type=int, default=5, help="of a timing")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/backbones"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args, extra = parser.parse_known_args()
    if args.part == "cost":
        results: dict[str, Any] = {}
        for name in args.models or TENSOR_NAMES:
            results[name] = cost(name, args.repeats)
        columns = ("parameters", "frames", "MACs", "poses/s")
        keys = ("parameters", "frames", "macs", "poses_per_s")
        rows = {name: [found[key] for key in keys] for name, found in results.items()}
        print(tables.text(tables.Table("", columns, rows, ("{:,}", 0, "{:,}", 1))))
    else:
        results = {}
        for name in args.models or KINDS:
            settings = {
                loss: (f"{name}:{','.join(filter(None, ['mocap,tiny,budget', variant]))}", ())
                for loss, variant in LOSSES.items()
            }
            budget = [f"--config.train.epoch_steps={STEPS // 10}", *extra]
            found = runs.sweep(settings, seeds=args.seeds, out=args.out / name, extra=budget)
            print(f"\n{name}\n\n{runs.report(found, against='none')}")
            results[name] = runs.values(found)
    if args.json:
        runs.save(args.json, seeds=args.seeds, results=results)


if __name__ == "__main__":
    main()
