"""Does the input pipeline ever starve the step?

    python -m benchmarks.input_pipeline --config=configs/quickstart.py

Times, in one process and in turn, the making of a batch (gather, flip, transfer) and the training
step that eats it, and prints the share of the first in the second.
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
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = parser.parse_args()
    values = load_config(args.config)
    values.data.data_dir = args.data_dir
    experiment = config.from_mapping(values.to_dict())
    work, state = run.setup(experiment, pathlib.Path("unused"))
    step = train.jit_step(work)
    batch_size = experiment.train.batch_size
    batch_s, step_s = [], []
    for i in range(args.steps + 2):
        begin = time.perf_counter()
        rows = clips.train_batch(work.train, batch_size, seed=0, step=i)
        batch = jax.block_until_ready(devices.put_rows(rows, work.mesh))
        made = time.perf_counter()
        state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))
        if i >= 2:  # the first two compile and warm up
            batch_s.append(made - begin)
            step_s.append(time.perf_counter() - made)
    batch_ms, step_ms = statistics.median(batch_s) * 1e3, statistics.median(step_s) * 1e3
    print(
        f"{args.config}: batch of {batch_size} clips of {experiment.data.frames} frames "
        f"{batch_ms:.2f} ms ({batch_size / batch_ms * 1e3:.0f} clips/s), step {step_ms:.1f} ms; "
        f"the batch is {batch_ms / step_ms:.2%} of the step"
    )
    if args.json:
        runs.save(args.json, config=args.config, batch_ms=batch_ms, step_ms=step_ms)


if __name__ == "__main__":
    main()
