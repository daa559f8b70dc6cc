"""Speed of the input pipeline beside that of the training step.

    python -m benchmarks.input_pipeline --config=configs/quickstart.py
    python -m benchmarks.input_pipeline --config=configs/h36m.py --step_batch_size=1

Times, alternating in one process, the making of batches (gather, flip, transfer) and the training
steps that use them, as many per call as training takes (`config.train.steps_per_call`), and prints
the clips per second of both. Where a step of a whole batch takes too long, `--step_batch_size`
times one of fewer clips.
"""

import dataclasses
import pathlib
import statistics
import sys
import time

import jax

from benchmarks import runs
from repose_jax.cli import arguments
from repose_jax.runtime import terminal
from repose_jax.training import setup as run
from repose_jax.training import step


@runs.one_line
def main() -> None:
    """Measures and prints."""
    parser = arguments.Parser(description=__doc__)
    parser.add_config()
    parser.add_argument(
        "--steps", type=arguments.positive, default=20, help="how often to time steps"
    )
    parser.add_argument("--step_batch_size", type=arguments.positive, help="clips in a timed step")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = arguments.parse(parser, sys.argv[1:])
    experiment = args.experiment
    work, state = run.setup(experiment)
    batch_size = experiment.train.batch_size
    step_size = args.step_batch_size or batch_size
    fewer = dataclasses.replace(experiment.train, batch_size=step_size)
    microbatches = run.microbatches_of(dataclasses.replace(experiment, train=fewer), state)
    steps = step.jit_steps(dataclasses.replace(work, microbatches=microbatches))
    count = work.steps_per_call
    batch_s, step_s = [], []
    for i in range(args.steps + 2):
        begin = time.perf_counter()
        batches = jax.block_until_ready(step.batches(work, range(i * count, (i + 1) * count)))
        made = time.perf_counter()
        batches = {key: value[:, :step_size] for key, value in batches.items()}
        state, metrics = steps(state, batches)
        jax.block_until_ready((state, metrics))
        if i >= 2:  # the first two compile and warm up
            batch_s.append((made - begin) / count)
            step_s.append((time.perf_counter() - made) / count)
    made, eaten = batch_size / statistics.median(batch_s), step_size / statistics.median(step_s)
    if args.json:
        runs.save(
            args.json,
            config=args.config,
            clips=len(work.train),
            batch_size=batch_size,
            steps_per_call=count,
            batch_ms=statistics.median(batch_s) * 1e3,
            step_batch_size=step_size,
            step_ms=statistics.median(step_s) * 1e3,
            share=eaten / made,
        )
    print(
        f"{args.config}: batches of {batch_size} of {len(work.train):,} clips of "
        f"{experiment.data.frames} frames are made at {made:,.0f} clips/s, steps of {step_size} "
        f"take {eaten:,.2f} clips/s; making them takes {eaten / made:.3%} of the time of a step"
    )


if __name__ == "__main__":
    sys.exit(terminal.run(main))
