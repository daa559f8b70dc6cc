"""Trains a small model for an hour and looks at what the process holds.

    python -m tests.faults.endurance --minutes=60 --out=endurance.jsonl

Every few seconds a thread writes the memory, open files, threads, child processes, compiled
programs and arrays of the process. At the end what it holds at least in the second and in the last
quarter is compared: between two saves. That has to be the same; the memory to 3 %, and the threads
to 10 %, because the pools of the libraries start theirs when they are first busy.
"""

import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from repose_jax.cli.arguments import Parser

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # the modules of the tests

MAY_GROW = {"memory_mb": 0.03, "threads": 0.1}  # by this share; nothing else may


def sample() -> dict[str, float]:
    """Memory, files, threads and programs of this process."""
    import jax

    status = dict(
        line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines()
    )
    children = pathlib.Path("/proc/self/task").glob("*/children")
    return {
        "memory_mb": int(status["VmRSS"].split()[0]) / 1024,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": int(status["Threads"]),
        "processes": sum(len(path.read_text().split()) for path in children),
        "programs": len(jax.local_devices()[0].client.live_executables()),
        "arrays": len(jax.live_arrays()),
    }


def watch(minutes: float, every: float, out: pathlib.Path) -> list[dict[str, float]]:
    """Samples until the time is over; then stops the main thread by SIGTERM."""
    begun, samples = time.monotonic(), []
    with out.open("w") as file:
        while time.monotonic() - begun < 60 * minutes:
            time.sleep(every)
            samples.append({"seconds": round(time.monotonic() - begun)} | sample())
            print(json.dumps(samples[-1]), file=file, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    return samples


def least(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    """The minimum of each number."""
    return {key: min(sample[key] for sample in samples) for key in samples[0]}


def main(argv: Sequence[str] | None = None) -> int:
    """Trains, and returns 1 if anything grew."""
    parser = Parser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=10, help="seconds between two samples")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("endurance.jsonl"))
    args = parser.parse_args(argv)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import small_data

    from repose_jax.runtime.signals import Interrupted
    from repose_jax.training import loop

    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="endurance_") as name:
        folder = pathlib.Path(name)
        small_data.prepare(folder)
        config = small_data.experiment(
            folder, train={"epochs": 10_000_000, "eval_every": 50, "log_every": 10}
        )
        arguments = (args.minutes, args.every, args.out)
        watching = threading.Thread(target=lambda: samples.extend(watch(*arguments)))
        watching.start()
        steps = 0
        try:
            loop.train_and_evaluate(config, folder / "run")
        except Interrupted as stop:
            print(stop)
            steps = max(int(p.name) for p in folder.glob("run/checkpoints/latest/*"))
        watching.join()
    quarter = len(samples) // 4
    before, after = least(samples[quarter : 2 * quarter]), least(samples[-quarter:])
    grown = [
        key
        for key in before
        if key != "seconds" and after[key] > before[key] * (1 + MAY_GROW.get(key, 0.0))
    ]
    print(f"{steps} steps, {steps // 100} evaluations and saves in {args.minutes:g} minutes")
    for key in before:
        print(f"{key:<10} {before[key]:10.1f} {after[key]:10.1f}")
    print(f"grown: {', '.join(grown) or 'nothing'}")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
