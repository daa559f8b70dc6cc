"""Kills a training run everywhere, resumes it, and compares it with one that was not killed.

    python -m tests.faults.kills --tries=50 --seed=0

Of each try the latest and the best state (parameters, optimiser, moving average), the metrics and
the results have to be those of the uninterrupted run, bit by bit, with nothing else beside them.
The kills are

- `--tries` at random times;
- with `--events` one before every commit (a rename in the workdir) and a sample of the other
  changes of files, before and after every save, at every evaluation, at the first step, before and
  after a resume;
- `--terms` of SIGTERM at random times, of which the time to save and to end is measured.

Each process is forked from one that has imported everything; it draws no pictures. A try is a new
run, and up to eight kills until a process ends unkilled.
"""

import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from repose_jax.cli.arguments import Parser

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # the modules of the tests

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open")
EPOCHS = 3  # of two steps; each is evaluated
TIMEOUT = 600  # seconds
MOST = 8  # kills of a run
RANDOM, TERM = "at random times", "of SIGTERM"

Point = tuple[str, int] | float | None
"""The place where a process is killed: before the n-th event of a name, at a time, or nowhere."""


def experiment(data_dir: pathlib.Path) -> Any:
    """The experiment that is killed."""
    import small_data

    return small_data.experiment(data_dir, train={"epochs": EPOCHS, "eval_every": 1})


def run(workdir: pathlib.Path, data_dir: pathlib.Path, point: Point, seen: Any) -> None:
    """Trains; in a process of its own, with its output in a file beside the workdir."""
    log = os.open(workdir.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from repose_jax.evaluation import report
    from repose_jax.evaluation.evaluator import Evaluator
    from repose_jax.runtime.checkpoint import Checkpoints
    from repose_jax.runtime.signals import Interrupted
    from repose_jax.training import loop

    counts: dict[str, int] = collections.Counter()

    def happens(name: str) -> None:
        counts[name] += 1
        if point == (name, counts[name]):
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        reads = event == "open" and "r" in str(arguments[1] or "w")
        if event in CHANGES and not reads and str(arguments[0]).startswith(f"{workdir}/"):
            happens("commit" if event == "os.rename" else "change")

    def around(owner: Any, name: str, label: str) -> None:
        function = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            happens(f"before {label}")
            result = function(*args, **kwargs)
            happens(f"after {label}")
            return result

        setattr(owner, name, wrapped)

    report._draw = lambda *_: []
    loop.draw = lambda workdir, *_: workdir
    sys.addaudithook(watch)
    around(Checkpoints, "save", "a save")
    around(Evaluator, "predict", "an evaluation")
    around(loop, "batches", "a step")
    around(loop, "resume", "a resume")
    try:
        with contextlib.suppress(Interrupted):
            loop.train_and_evaluate(experiment(data_dir), workdir)
    finally:
        seen.put(dict(counts))


class Harness:
    """Runs of one experiment in a temporary folder, compared with an uninterrupted one."""

    def __init__(self, folder: pathlib.Path):
        import small_data

        self.folder, self.data = folder, folder / "data"
        small_data.prepare(self.data)
        self.processes = multiprocessing.get_context("forkserver")
        self.processes.set_forkserver_preload(["small_data", "repose_jax.training.loop"])
        self.kills: dict[str, int] = collections.Counter()
        self.wrong: list[str] = []
        self.term_seconds: list[float] = []
        self.arrays = self.runs = 0
        self.process(folder / "warm", None)  # fills the cache of compiled programs
        begun = time.monotonic()
        self.counts = self.process(folder / "whole", None)
        self.seconds = time.monotonic() - begun
        from repose_jax.training.setup import setup

        _, self.like = setup(experiment(self.data))
        self.whole = self.contents(folder / "whole")

    def process(self, workdir: pathlib.Path, point: Point, signum: int = signal.SIGKILL) -> Any:
        """Runs a process; returns the events of one that ended unkilled, None for a killed one."""
        seen = self.processes.SimpleQueue()
        process = self.processes.Process(target=run, args=(workdir, self.data, point, seen))
        process.start()
        process.join(point if isinstance(point, float) else TIMEOUT)
        killed = isinstance(point, float) and process.exitcode is None
        if killed:
            os.kill(process.pid or 0, signum)
            sent = time.monotonic()
            process.join(TIMEOUT)
            if signum == signal.SIGTERM:
                self.term_seconds.append(time.monotonic() - sent)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{workdir} hangs; see {workdir.with_suffix('.log')}")
        if process.exitcode == -signal.SIGKILL or killed:
            return None
        if process.exitcode:
            raise RuntimeError(f"A process failed; see {workdir.with_suffix('.log')}")
        return seen.get()

    def attempt(self, points: list[Point], signum: int = signal.SIGKILL) -> None:
        """Kills a new run at some points, which it takes from a list, until it ends; compares."""
        self.runs += 1
        workdir, done, ended = self.folder / f"run{self.runs}", [], False
        while points and not ended and len(done) < MOST:
            point = points.pop(0 if done else -1)  # the last events first, which a resume lacks
            if self.process(workdir, point, signum) is None:
                done.append(point)
                label = point[0] if isinstance(point, tuple) else RANDOM
                self.kills[label if signum == signal.SIGKILL else TERM] += 1
            else:
                ended = True
                if done:
                    points.append(point)
        if not ended:
            self.process(workdir, None)
        found = self.contents(workdir)
        differing = [key for key in self.whole.keys() | found if not self.same(key, found)]
        self.wrong += [f"killed at {done}: {key} differs" for key in differing]
        if "names" in differing:
            names = set(found["names"]) ^ set(self.whole["names"])
            self.wrong.append(f"  found in one of both alone: {sorted(names)}")
        if not differing:
            shutil.rmtree(workdir)
        print(f"{done}: {'lost ' + str(differing) if differing else 'the same'}", flush=True)

    def same(self, key: str, found: dict[str, Any]) -> bool:
        import numpy as np

        return key in found and np.array_equal(self.whole.get(key), found[key])

    def contents(self, workdir: pathlib.Path) -> dict[str, Any]:
        """Returns everything that a run has to leave, by name."""
        import jax
        from small_run import records, restore

        names = {p.relative_to(workdir).as_posix() for p in workdir.glob("checkpoints/*/*")}
        names |= {path.name for path in workdir.iterdir()}
        found: dict[str, Any] = {"names": sorted(names), "metrics": records(workdir)}
        found["results"] = json.loads((workdir / "evaluation.json").read_text())
        for kind in ("latest", "best"):
            state = restore(workdir, self.like, kind)
            for keys, leaf in jax.tree.leaves_with_path(state):
                found[kind + jax.tree_util.keystr(keys)] = leaf
                self.arrays += 1
        return found


def events(counts: dict[str, int], choose: random.Random) -> list[Point]:
    """Returns the points of a run that was not killed, the latest last."""
    found: list[tuple[float, Point]] = []
    for event, count in counts.items():
        numbers = list(range(1, count + 1))
        if event == "change":
            numbers = choose.sample(numbers, min(8, count))
        if event.endswith(("a step", "a resume")):
            numbers = [1]
            count = 1000  # early: in a resumed process
        found += [(number / count, (event, number)) for number in numbers]
    return [point for _, point in sorted(found, key=lambda pair: pair[0])]


def main(argv: Sequence[str] | None = None) -> int:
    """Kills, compares and prints the numbers; returns 1 if anything was lost."""
    parser = Parser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tries", type=int, default=50, help="random kills")
    parser.add_argument("--terms", type=int, default=10, help="random SIGTERMs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--events", action="store_true", help="kill at every event too")
    args = parser.parse_args(argv)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with tempfile.TemporaryDirectory(prefix="kills_") as name:
        folder = pathlib.Path(name)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder / "compiled"))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        harness, choose = Harness(folder), random.Random(args.seed)
        print(f"a run takes {harness.seconds:.1f} s; its events: {harness.counts}", flush=True)
        kinds = (signal.SIGKILL, args.tries, RANDOM), (signal.SIGTERM, args.terms, TERM)
        for signum, tries, label in kinds:
            while (left := tries - harness.kills[label]) > 0:
                times = [choose.random() * harness.seconds for _ in range(left)]
                harness.attempt([*times], signum)
        pending = events(harness.counts, choose) if args.events else []
        while pending:
            harness.attempt(pending)
        for label, count in harness.kills.items():
            print(f"{count:4} kills {label}")
        if harness.term_seconds:
            print(f"SIGTERM to the end: at most {max(harness.term_seconds):.1f} s")
        print(f"{harness.runs} runs, {harness.arrays} arrays compared, {len(harness.wrong)} lost")
        print("\n".join(harness.wrong))
        return 1 if harness.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
