"""The cases of `benchmarks.run`, each in a process of its own, so that its memory is its own.

    python -m benchmarks.cases training_2x243

prepares a case, runs it once, and writes a line of JSON: seconds until ready and until compiled,
floating-point operations if they are known. Then, for every line it reads, it runs the case and
writes the seconds; at the end of its input the highest memory of the process in bytes. A process
that does the same with another implementation can be measured beside it (`--beside` of
`benchmarks.run`).
"""

import functools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from configs import h36m
from repose_jax import config, models
from repose_jax.evaluation import predict
from repose_jax.models import complexity
from repose_jax.objectives import losses
from repose_jax.training import optim
from repose_jax.training import setup as run
from repose_jax.training.step import train_step


class Case(NamedTuple):
    """One thing to time.

    Attributes:
        run: does it and waits for it.
        flops: floating-point operations, two for each multiply-add of matrix products; or None.
        compile_s: seconds of tracing and compiling; or None.
        program: what was compiled; or None.
    """

    run: Callable[[], Any]
    flops: float | None = None
    compile_s: float | None = None
    program: jax.stages.Compiled | None = None


def _flops(clips: int, frames: int, passes: int) -> float:
    """Of RePOSE's matrix products. A backward pass counts as two more passes."""
    return 2.0 * complexity.of_model("repose", clip_frames=frames).macs * clips * passes


def compiled(
    function: Callable[..., Any], *args: Any, **jit: Any
) -> tuple[jax.stages.Compiled, float]:
    """Compiles a function for its arguments and returns it with the seconds that it took."""
    start = time.perf_counter()
    found = jax.jit(function, **jit).lower(*args).compile()
    return found, time.perf_counter() - start


def _poses(key: int, *batch: int) -> jax.Array:
    return jax.random.normal(jax.random.key(key), (*batch, 17, 3))


def matmul(dtype: str = "float32") -> Case:
    """A product of square matrices: the peak that the others are held against."""
    size = 2048 if jax.default_backend() == "cpu" else 8192
    a = jax.random.normal(jax.random.key(0), (size, size), dtype)
    product, seconds = compiled(lambda a: a @ a, a)
    return Case(lambda: jax.block_until_ready(product(a)), 2.0 * size**3, seconds, product)


def inference(clips: int, frames: int = 243, dtype: str = "float32") -> Case:
    """Lifts clips of RePOSE's full size, without flip."""
    model = nnx.jit(functools.partial(models.create, "repose", dtype=dtype))()
    graphdef, *variables = nnx.split(model, nnx.Param, ...)
    args = tuple(variables), _poses(0, clips, frames)
    lift, seconds = compiled(functools.partial(predict.predict, graphdef, flip=False), *args)
    return Case(lambda: jax.block_until_ready(lift(*args)), _flops(clips, frames, 1), seconds, lift)


def training(clips: int, frames: int, dtype: str = "float32", fused: tuple[str, ...] = ()) -> Case:
    """A step of the recipe of `configs/h36m.py`, of which the batch is made before."""
    recipe = h36m.get_config()
    model_config = {"dtype": dtype, "fused_attention": fused}
    recipe.update(
        {"train": {"batch_size": clips}, "data": {"frames": frames}, "model": model_config}
    )
    experiment = config.from_mapping(recipe.to_dict())
    model = nnx.jit(functools.partial(models.create, **experiment.model))()
    graphdef, state, optimizer = run.initial_state(experiment, model)
    batch = {
        "inputs": _poses(0, clips, frames),
        "targets": _poses(1, clips, frames),
        "mask": jnp.ones((clips, frames, 17), bool),
    }
    step, seconds = compiled(
        functools.partial(
            train_step,
            graphdef=graphdef,
            objective=run.objective_of(experiment),
            optimizer=optimizer,
            momentum=optim.batch_norm_momentum(experiment.optim, 1, 1),
            ema=experiment.optim.ema,
            seed=0,
            microbatches=run.microbatches_of(experiment, state),
        ),
        state,
        batch,
        donate_argnums=0,
    )

    def once():
        nonlocal state
        state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))

    return Case(once, _flops(clips, frames, 3), seconds, step)


def relational(clips: int, frames: int) -> Case:
    """Both relational losses, value and gradient."""

    def both(poses, targets):
        return losses.spatial_depth(poses, targets) + losses.temporal_depth(poses, targets)

    poses, targets = _poses(0, clips, frames), _poses(1, clips, frames)
    function, seconds = compiled(jax.value_and_grad(both), poses, targets)
    return Case(lambda: jax.block_until_ready(function(poses, targets)), None, seconds, function)


def imports(*modules: str) -> Case:
    """A fresh Python that imports modules."""
    command = [sys.executable, "-c", f"import {', '.join(modules)}"]
    return Case(lambda: subprocess.run(command, check=True))


CASES: dict[str, Callable[[], Case]] = {
    "matmul": matmul,
    "matmul_bfloat16": lambda: matmul("bfloat16"),
    "inference_1x243": lambda: inference(1),
    "inference_8x243": lambda: inference(8),
    "training_2x243": lambda: training(2, 243),
    "training_8x81": lambda: training(8, 81),
    "inference_1x243_bfloat16": lambda: inference(1, dtype="bfloat16"),
    "inference_64x243_bfloat16": lambda: inference(64, dtype="bfloat16"),
    "training_32x243": lambda: training(32, 243),
    "training_32x243_bfloat16": lambda: training(32, 243, "bfloat16"),
    "training_32x243_bfloat16_fused_frames": lambda: training(32, 243, "bfloat16", ("frames",)),
    "training_32x243_bfloat16_fused": lambda: training(32, 243, "bfloat16", ("frames", "joints")),
    "relational_32x243": lambda: relational(32, 243),
    "relational_2x2000": lambda: relational(2, 2000),
    "import_jax": lambda: imports("jax"),
    "import_repose_jax": lambda: imports(
        "jax", "repose_jax.models", "repose_jax.objectives.losses"
    ),
    "import_main": lambda: imports("jax", "repose_jax.training.loop"),
}


def serve(make: Callable[[], Case]) -> None:
    """Prepares a case and runs it for every line of the input; see the module."""
    start = time.perf_counter()
    case = make()
    case.run()
    ready = {"ready_s": time.perf_counter() - start, "compile_s": case.compile_s}
    print(json.dumps({**ready, "flops": case.flops}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        case.run()
        print(json.dumps(time.perf_counter() - start), flush=True)
    whose = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN  # the latter of imports
    peak = max(resource.getrusage(who).ru_maxrss for who in whose) * 1024
    stats = jax.local_devices()[0].memory_stats() or {}
    print(json.dumps(stats.get("peak_bytes_in_use", peak)), flush=True)


if __name__ == "__main__":
    serve(CASES[sys.argv[1]])
