"""Does the input pipeline ever starve the step?

    python -m benchmarks.input_pipeline --config=configs/quickstart.py
    python -m benchmarks.input_pipeline --config=configs/h36m.py --step_batch_size=1

Times, in one process and in turn, the making of a batch (gather, flip, transfer) and the training
step that eats it, and prints the clips per second of both. Where a step of a whole batch does not
fit into memory, `--step_batch_size` times one of fewer clips.
"""

import argparse
import importlib.util
import pathlib
import statistics
import time
from typing import Any

import jax

from benchmarks import runs
from repose_jax import clips, config, devices, run, train


def load_config(spec: str) -> Any:
    """Returns the ConfigDict of a configuration file, with its variants after the colon."""
    path, _, variant = spec.partition(":")
    module_spec = importlib.util.spec_from_file_location("experiment_config", path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module.get_config(variant)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", default="configs/quickstart.py")
    parser.add_argument("--data_dir", default=None)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--step_batch_size", type=int, help="clips in a timed step")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = parser.parse_args()
    values = load_config(args.config)
    values.data.data_dir = args.data_dir
    experiment = config.from_mapping(values.to_dict())
    work, state = run.setup(experiment, pathlib.Path("unused"))
    step = train.jit_step(work)
    batch_size = experiment.train.batch_size
    step_size = args.step_batch_size or batch_size
    batch_s, step_s = [], []
    for i in range(args.steps + 2):
        begin = time.perf_counter()
        rows = clips.train_batch(work.train, batch_size, seed=0, step=i)
        batch = jax.block_until_ready(devices.put_rows(rows, work.mesh))
        made = time.perf_counter()
        batch = {key: value[:step_size] for key, value in batch.items()}
        state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))
        if i >= 2:  # the first two compile and warm up
            batch_s.append(made - begin)
            step_s.append(time.perf_counter() - made)
    made, eaten = batch_size / statistics.median(batch_s), step_size / statistics.median(step_s)
    print(
        f"{args.config}: batches of {batch_size} of {len(work.train):,} clips of "
        f"{experiment.data.frames} frames are made at {made:,.0f} clips/s, steps of {step_size} "
        f"eat {eaten:,.2f} clips/s; making them takes {eaten / made:.3%} of the time of a step"
    )
    if args.json:
        runs.save(
            args.json,
            config=args.config,
            clips=len(work.train),
            batch_size=batch_size,
            batch_ms=statistics.median(batch_s) * 1e3,
            step_batch_size=step_size,
            step_ms=statistics.median(step_s) * 1e3,
            share=eaten / made,
        )


if __name__ == "__main__":
    main()
