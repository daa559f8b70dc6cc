"""How fast it is: every case several times, in turn with the others, on this machine.

    python -m benchmarks.run                                  # everything that a CPU can do
    python -m benchmarks.run training relational --repeats=7  # some of it
    python -m benchmarks.run accelerator                      # bfloat16 and whole batches
    python -m benchmarks.run inference --beside "other=python other.py"

Each case is a process of its own (`benchmarks.cases`), which compiles, warms up, and waits. Beside
it wait other implementations of the case and a plain matrix product of its type. They run once, in
turn, and again: a machine that gets slower does so for all of them. `--beside NAME=COMMAND` adds an
implementation: `COMMAND CASE` has to speak as `benchmarks.cases` does, and leaves out a case by
ending at once. The table has medians, and ratios of medians.
"""

import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
from typing import Any

from benchmarks import runs

GROUPS = {
    "inference": ("inference_1x243", "inference_8x243"),
    "training": ("training_2x243", "training_8x81"),
    "relational": ("relational_32x243", "relational_2x2000"),
    "startup": ("import_jax", "import_repose_jax", "import_main"),
    "accelerator": (
        "inference_1x243_bfloat16",
        "inference_64x243_bfloat16",
        "training_32x243",
        "training_32x243_bfloat16",
        "training_32x243_bfloat16_fused_frames",
        "training_32x243_bfloat16_fused",
    ),
}
OURS = "repose_jax"


class Worker:
    """A process that runs one case whenever it is told to."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.seconds: list[float] = []
        self.ready: dict[str, Any] | None = self._read()

    def run(self) -> None:
        """Runs the case once."""
        assert self.process.stdin
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        self.seconds.append(self._read())

    def end(self) -> dict[str, Any]:
        """Ends the process; returns its times in seconds and its highest memory in bytes."""
        assert self.process.stdin
        self.process.stdin.close()
        peak = self._read()
        self.process.wait()
        return {"seconds": self.seconds, "peak_bytes": peak, **(self.ready or {})}

    def _read(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        return json.loads(line) if line else None


def measure(case: str, beside: dict[str, list[str]], repeats: int) -> dict[str, dict[str, Any]]:
    """Times a case, ours and others, in turn, and a matrix product with them.

    Returns:
        For each implementation, and for "matmul", its `Worker.end`.
    """
    ours = [sys.executable, "-m", "benchmarks.cases"]
    workers = {OURS: Worker([*ours, case])}
    workers |= {name: Worker([*command, case]) for name, command in beside.items()}
    ready = workers[OURS].ready
    if ready is None:
        sys.exit(f"error: {case} ended before it was ready; its messages are above.")
    if ready["flops"]:
        peak = "matmul_bfloat16" if "bfloat16" in case else "matmul"
        workers["matmul"] = Worker([*ours, peak])
    workers = {name: worker for name, worker in workers.items() if worker.ready}
    for _ in range(repeats):
        for worker in workers.values():
            worker.run()
    return {name: worker.end() for name, worker in workers.items()}


def rows(case: str, found: dict[str, dict[str, Any]]) -> list[str]:
    """Formats a case as lines of a table in Markdown."""
    lines = []
    median = {name: statistics.median(one["seconds"]) for name, one in found.items()}
    for name, one in found.items():
        if name == "matmul":
            continue
        share = ""
        if one["flops"]:
            speed = one["flops"] / median[name]
            share = f"{speed / (found['matmul']['flops'] / median['matmul']):.0%}"
        cells = [
            case,
            name,
            f"{median[name]:.4g}",
            f"{min(one['seconds']):.4g} to {max(one['seconds']):.4g}",
            f"{median[name] / median[OURS]:.2f}",
            share,
            f"{one['peak_bytes'] / 1e9:.2f}",
            "" if one["compile_s"] is None else f"{one['compile_s']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


HEAD = """\
| case | | median, s | range, s | time / ours | of the matmul peak | peak memory, GB | compile, s |
|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"groups or cases, by default all but the accelerator's: {', '.join(GROUPS)}; "
        f"{', '.join(case for group in GROUPS.values() for case in group)}",
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another implementation",
    )
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = parser.parse_args()
    known = {case for group in GROUPS.values() for case in group}
    names = args.names or [group for group in GROUPS if group != "accelerator"]
    cases = [case for name in names for case in GROUPS.get(name, (name,))]
    if unknown := [case for case in cases if case not in known]:
        parser.error(
            f"there is no {unknown[0]!r}; choose from {', '.join([*GROUPS, *sorted(known)])}"
        )
    beside = {}
    for pair in args.beside:
        name, given, command = pair.partition("=")
        if not given:
            parser.error(f"--beside takes NAME=COMMAND, found {pair!r}")
        beside[name] = shlex.split(command)
    print(HEAD, flush=True)
    results = {}
    for case in cases:
        results[case] = measure(case, beside, args.repeats)
        print("\n".join(rows(case, results[case])), flush=True)
    if args.json:
        runs.save(args.json, repeats=args.repeats, results=results)


if __name__ == "__main__":
    main()
