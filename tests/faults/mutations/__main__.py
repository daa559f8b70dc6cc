"""Mutated files for every reader, in one command.

python -m tests.faults.mutations --tries=10000 --seed=0
python -m tests.faults.mutations --reader=BVH --number=17 --keep=/tmp/found
"""

import collections
import multiprocessing
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))  # the helpers of the tests
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from repose_jax.cli.arguments import Parser
from tests.faults.mutations import worker
from tests.faults.mutations.readers import READERS

WALL_S = 120.0  # seconds until a process is ended: others may use the machine too
FIRST_S = 900.0  # the same of a reader's first try, for which it is imported and compiled
COLUMNS = ("read", "refused", "bare", "hang", "died", "memory", "code", "escaped")


class Process:
    """A worker, which is started anew after it hung or died."""

    def __init__(self, root: pathlib.Path, seed: int, keep: str | None):
        self.root, self.arguments, self.count = root, (seed, keep), 0
        self._start()

    def _start(self) -> None:
        self.reader = ""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.folder = self.root / f"worker{self.count}"
        self.folder.mkdir()
        self.count += 1
        arguments = (theirs, str(self.folder), *self.arguments)
        self.process = context.Process(target=worker.serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    def one(self, reader: str, number: int) -> worker.Outcome:
        wall_s, self.reader = (WALL_S if reader == self.reader else FIRST_S), reader
        self.connection.send((reader, number))
        kind = "hang"
        try:
            if self.connection.poll(wall_s):
                return self.connection.recv()
        except (EOFError, ConnectionResetError):
            kind = "died"
        self.process.kill()
        self.process.join()
        path = pathlib.Path(f"{self.folder}.log")
        log = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
        detail = f"exit code {self.process.exitcode} {log[-1] if log else ''}"
        self._start()
        return worker.Outcome(kind, "", detail)


def table(counts: dict[str, collections.Counter[str]]) -> str:
    """Returns the outcomes of all readers as a table of Markdown."""
    total = sum(counts.values(), collections.Counter())
    lines = [f"| reader | tries | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * (len(COLUMNS) + 1)]
    for name, row in (*counts.items(), ("all", total)):
        cells = [f"{row.total():,}", *(f"{row[column]:,}" for column in COLUMNS)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--tries",
        type=int,
        default=10_000,
        help="over all readers (10,000), also if only some are tried",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", help="only readers with this in their name")
    parser.add_argument("--number", type=int, help="only the try of this number")
    parser.add_argument("--verbose", action="store_true", help="print every outcome")
    parser.add_argument("--keep", help="folder for copies of the changed files")
    arguments = parser.parse_args()
    wanted = arguments.reader or [""]
    chosen = {k: v for k, v in READERS.items() if any(part in k for part in wanted)}
    shares = sum(reader.share for reader in READERS.values())
    counts = {name: collections.Counter[str]() for name in chosen}
    with tempfile.TemporaryDirectory() as folder:
        process = Process(pathlib.Path(folder), arguments.seed, arguments.keep)
        for name, reader in chosen.items():
            started, count = time.monotonic(), round(arguments.tries * reader.share / shares)
            numbers = range(count) if arguments.number is None else [arguments.number]
            for number in numbers:
                outcome = process.one(name, number)
                counts[name][outcome.kind] += 1
                fault = outcome.kind not in ("read", "refused")
                if fault or outcome.detail.startswith("RuntimeWarning") or arguments.verbose:
                    print(f"{name} {number} {outcome}", flush=True)
            print(f"# {name}: {dict(counts[name])} {time.monotonic() - started:.0f} s", flush=True)
    print(table(counts))
    faults = sum(row.total() - row["read"] - row["refused"] for row in counts.values())
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
