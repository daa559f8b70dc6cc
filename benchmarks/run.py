"""Times every case several times, alternating with the others, on this machine.

    python -m benchmarks.run                                  # everything that a CPU can do
    python -m benchmarks.run training relational --repeats=7  # some of it
    python -m benchmarks.run accelerator                      # bfloat16 and whole batches
    python -m benchmarks.run inference --beside "other=python other.py"

Each case is a process of its own (`benchmarks.cases`), which compiles, warms up, and waits. So do
other implementations of the case and a plain matrix product of its type. They run once each, one
after the other, and again: a machine that gets slower does so for all of them.
`--beside NAME=COMMAND` adds an implementation: `COMMAND CASE` reads and writes the same lines as
`benchmarks.cases`, and leaves out a case by ending at once. The table has medians, and ratios of
medians.
"""

import argparse
import json
import math
import pathlib
import shlex
import statistics
import subprocess
import sys
from typing import Any

from benchmarks import runs
from repose_jax.cli.arguments import Parser, positive
from repose_jax.evaluation import tables
from repose_jax.runtime import terminal

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
COLUMNS = (
    "median, s",
    "least, s",
    "most, s",
    "time / ours",
    "of the matmul peak",
    "peak memory, GB",
    "compile, s",
)


class Worker:
    """A process that runs one case on request."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
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
    """Times a case, ours and others, and a matrix product, alternating.

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


def table(results: dict[str, dict[str, dict[str, Any]]]) -> tables.Table:
    """Makes a table of the cases, as `measure` returns them."""
    rows = {}
    for case, found in results.items():
        median = {name: statistics.median(one["seconds"]) for name, one in found.items()}
        for name, one in found.items():
            if name == "matmul":
                continue
            share = math.nan
            if one["flops"]:
                peak = found["matmul"]["flops"] / median["matmul"]
                share = one["flops"] / median[name] / peak
            rows[f"{case}, {name}"] = [
                median[name],
                min(one["seconds"]),
                max(one["seconds"]),
                median[name] / median[OURS],
                share,
                one["peak_bytes"] / 1e9,
                math.nan if one["compile_s"] is None else one["compile_s"],
            ]
    seconds = "{:.4g}"
    return tables.Table("", COLUMNS, rows, (seconds, seconds, seconds, 2, "{:.0%}", 2, 1), "case")


@runs.one_line
def main() -> None:
    """Measures and prints."""
    parser = Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"groups or cases, by default all but the accelerator's: {', '.join(GROUPS)}; "
        f"{', '.join(case for group in GROUPS.values() for case in group)}",
    )
    parser.add_argument("--repeats", type=positive, default=5)
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
    results = {}
    for case in cases:
        print(f"{case} ...", file=sys.stderr)
        results[case] = measure(case, beside, args.repeats)
    if args.json:
        runs.save(args.json, repeats=args.repeats, results=results)
    print(tables.markdown(table(results)).strip())


if __name__ == "__main__":
    sys.exit(terminal.run(main))
