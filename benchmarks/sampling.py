"""The speed of D3DP's sampling beside that of as many plain passes of its network.

    python -m benchmarks.sampling --frames=27 --hypotheses=5 --steps=5

Hypotheses of one clip, with test-time flips: hypotheses x steps x 2 passes. Plain passes lift as
many copies of the clip at a time. Seconds are those of the processor on a CPU, which other work on
the machine lengthens less, and of the clock on a GPU. The network has the authors' sizes, but for
`--frames`, and random weights.
"""

import functools
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks import runs
from repose_jax import models
from repose_jax.cli.arguments import Parser, positive
from repose_jax.evaluation import hypotheses


def measure(
    sizes: dict[str, Any], count: int, steps: int, repeats: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Times the sampling of one clip and as many plain passes, by turns.

    Args:
        sizes: of the model.
        count: hypotheses.
        steps: of the sampling.
        repeats: of each timing.
        clock: returns seconds.

    Returns:
        Seconds of every sampling, and of every plain pass of `count` clips; the median seconds of a
        pass of one clip in either; and the speed of the sampling in shares of that of plain passes.
    """
    model: Any = nnx.jit(functools.partial(models.create, "d3dp", **sizes))()
    graphdef, variables = nnx.split(model)
    clip = jax.random.normal(jax.random.key(0), (1, sizes["frames"], 17, 2))
    copies = jnp.repeat(clip, count, axis=0)
    lift = nnx.cached_partial(nnx.jit(lambda model, x: model(x)), model)

    def sample() -> jax.Array:
        chosen = {"hypotheses": count, "steps": steps, "flip": True}
        index, seed = jnp.zeros(1, jnp.int32), jnp.asarray(0)
        return hypotheses.sample(graphdef, (variables,), clip, index, seed, **chosen)

    seconds: dict[str, list[float]] = {"sampling": [], "plain": []}
    for repeat in range(repeats + 1):
        for name, run in (("sampling", sample), ("plain", functools.partial(lift, copies))):
            start = clock()
            jax.block_until_ready(run())
            if repeat:  # the first compiles
                seconds[name].append(clock() - start)
    passes = {"sampling": 2 * steps * count, "plain": count}
    of_pass = {name: statistics.median(taken) / passes[name] for name, taken in seconds.items()}
    return {
        "hypotheses": count,
        "steps": steps,
        "sizes": sizes,
        "seconds": seconds,
        "seconds_of_a_pass": of_pass,
        "relative_speed": of_pass["plain"] / of_pass["sampling"],
    }


@runs.one_line
def main() -> None:
    """Measures and prints one line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--frames", type=positive, default=243)
    parser.add_argument("--hypotheses", type=positive, default=20)
    parser.add_argument("--steps", type=positive, default=10)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = parser.parse_args()
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    sizes = {"frames": args.frames, "dtype": args.dtype}
    found = measure(sizes, args.hypotheses, args.steps, args.repeats, clock)
    of_pass = found["seconds_of_a_pass"]
    print(
        f"{args.hypotheses} hypotheses in {args.steps} steps with flips: "
        f"{statistics.median(found['seconds']['sampling']):.2f} s, {of_pass['sampling']:.4f} s a "
        f"pass; plain {of_pass['plain']:.4f} s a pass; {found['relative_speed']:.0%} of its speed"
    )
    if args.json:
        runs.save(args.json, results=found)


if __name__ == "__main__":
    main()
