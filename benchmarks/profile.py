"""Profile of a case: its time by part of the network, forward and backward.

    python -m benchmarks.profile training_2x243 --repeats=3

JAX's profiler records when every kernel of the compiled program started and ended; the program
keeps the names (`jax.named_scope`) of the code for each. A kernel that XLA made of several
operations counts for the part of its matrix product, or else of its result. Kernels that run at
the same time share it, so the parts add up to the time of the step. On a GPU, XLA's command
buffers are switched off: a trace names such a graph as one kernel of no instruction.
"""

import argparse
import collections
import math
import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from benchmarks import cases, runs
from repose_jax.cli.arguments import Parser, positive
from repose_jax.evaluation import tables
from repose_jax.runtime import terminal

PARTS = (
    "linear",
    "attention_over_frames",
    "attention_over_joints",
    "norm",
    "gelu",
    "fusion",
    "losses",
    "update",
)
OTHER = "other"
IDLE = "no kernel"
_COMMAND_BUFFERS = "--xla_gpu_enable_command_buffer="
# An instruction with these runs others, which have times of their own.
_CONTAINERS = {"while", "call", "conditional"}


class Kernel(NamedTuple):
    """A kernel that ran: the name of its instruction, when it started and ended in ns."""

    name: str
    start: float
    end: float


def switch_off_command_buffers() -> None:
    """Adds the flag to `XLA_FLAGS`, unless it is there; call it before JAX starts."""
    flags = os.environ.get("XLA_FLAGS", "")
    if _COMMAND_BUFFERS not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_COMMAND_BUFFERS}".strip()


def instructions(program: str) -> dict[str, str]:
    """Returns where each instruction of a compiled program comes from, by its name.

    Args:
        program: the text of the compiled program.
    """
    found, products, computation = {}, {}, ""
    for line in program.splitlines():
        if head := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            computation = head[1]
        # %name = f32[2,3]{1,0} opcode(...), ..., metadata={op_name="jit(f)/part/add" ...}
        match = re.match(r"\s*(?:ROOT )?%?([\w.\-]+) = (?:\(.*?\)|\S+) ([\w\-]+)\(", line)
        if not match or match[2] in _CONTAINERS:
            continue
        origin = re.search(r'op_name="([^"]*)"', line)
        calls = re.search(r"calls=%?([\w.\-]+)", line)
        found[match[1]] = origin[1] if origin else ""
        if calls and calls[1] in products:  # computations stand before those that call them
            found[match[1]] = products[calls[1]]
        if match[2] == "dot":
            products[computation] = found[match[1]]
    return found


def kernels(profile: Any, module: str) -> list[Kernel]:
    """Returns the kernels of one program that ran, in a trace of a GPU or a CPU.

    Args:
        profile: a `jax.profiler.ProfileData`.
        module: the program's name.

    Raises:
        ValueError: there are none.
    """
    events = collections.defaultdict(list)
    for plane in profile.planes:
        for line in plane.lines:
            for event in line.events:
                events["/device:" in plane.name].append((event, dict(event.stats)))
    # The host's part of a run on a GPU has launches with the same names.
    seen = events[True] or events[False]
    # A CPU's event is the launch; another one, with the same number, is the end of the work.
    ends = {
        stats["_c"]: event.start_ns + event.duration_ns
        for event, stats in seen
        if event.name.startswith("end: ")
    }
    found = [
        Kernel(
            stats["hlo_op"],
            event.start_ns,
            ends.get(stats.get("_p"), event.start_ns + event.duration_ns),
        )
        for event, stats in seen
        if stats.get("hlo_module") == module and "hlo_op" in stats
    ]
    if not found:
        raise ValueError(f"the trace has no kernels of {module} with an instruction.")
    return found


def shares(ran: Sequence[Kernel]) -> tuple[list[float], float]:
    """Divides the time between the kernels; those that run at the same time share it equally.

    Returns:
        (ns of each kernel, ns between the first start and the last end in which none ran).
    """
    turns = sorted(
        turn
        for index, kernel in enumerate(ran)
        for turn in ((kernel.start, True, index), (kernel.end, False, index))
    )
    share, idle, running, before = [0.0] * len(ran), 0.0, set(), turns[0][0]
    for now, starts, index in turns:
        for other in running:
            share[other] += (now - before) / len(running)
        idle += 0.0 if running else now - before
        before = now
        (running.add if starts else running.discard)(index)
    return share, idle


def part_of(origin: str) -> tuple[str, bool]:
    """Returns the innermost part of the network that an operation is of, and if it is backward.

    Args:
        origin: as XLA keeps it, such as `jit(step)/transpose(jvp(linear))/dot_general`.
    """
    words = [word for word in re.split(r"[/();]", origin) if word in PARTS]
    return (words[-1] if words else OTHER), "transpose(" in origin


def by_part(ran: Sequence[Kernel], program: str) -> dict[str, tuple[float, float]]:
    """Returns the ns of every part, forward and backward, the longest first.

    Args:
        ran: its kernels.
        program: the text of the compiled program.

    Raises:
        ValueError: no kernel is an instruction of the program.
    """
    origins = instructions(program)
    names = sorted({kernel.name for kernel in ran})
    ran = [kernel for kernel in ran if kernel.name in origins]
    if not ran:
        raise ValueError(
            f"no kernel of the trace is an instruction of the program; found {', '.join(names[:3])}"
            f". On a GPU, command buffers must be off: XLA_FLAGS={_COMMAND_BUFFERS}"
        )
    found = collections.defaultdict(lambda: [0.0, 0.0])
    share, idle = shares(ran)
    for kernel, time in zip(ran, share, strict=True):
        part, backward = part_of(origins[kernel.name])
        found[part][backward] += time
    found[IDLE][0] = idle
    return dict(sorted(((k, (f, b)) for k, (f, b) in found.items()), key=lambda x: -sum(x[1])))


def table(parts: dict[str, tuple[float, float]], repeats: int) -> tables.Table:
    """Makes a table of the parts, in seconds of one run."""
    whole = sum(map(sum, parts.values()))
    seconds = {
        part: [time / repeats / 1e9 or math.nan for time in both] for part, both in parts.items()
    }
    rows = {part: [*both, sum(parts[part]) / whole] for part, both in seconds.items()}
    rows["all"] = [whole / repeats / 1e9, math.nan, math.nan]
    columns = ("forward, s", "backward, s", "share")
    return tables.Table("", columns, rows, ("{:.3g}", "{:.3g}", "{:.1%}"), corner="part")


def trace(case: cases.Case, module: str, repeats: int) -> list[Kernel]:
    """Runs a case under JAX's profiler; returns the kernels of its program that ran."""
    case.run()  # what is done once is not part of a step
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(repeats):
                case.run()
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        return kernels(jax.profiler.ProfileData.from_file(str(file)), module)


@runs.one_line
def main() -> None:
    """Profiles and prints."""
    parser = Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [name for name in cases.CASES if not name.startswith("import_")]
    parser.add_argument("case", choices=names, metavar="CASE", help=", ".join(names))
    parser.add_argument("--repeats", type=positive, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = parser.parse_args()
    switch_off_command_buffers()
    case = cases.CASES[args.case]()
    assert case.program
    program = case.program.as_text() or ""
    try:
        parts = by_part(trace(case, program.split()[1].rstrip(","), args.repeats), program)
    except ValueError as error:
        sys.exit(f"error: {error}")
    if args.json:
        runs.save(args.json, case=args.case, repeats=args.repeats, ns=parts)
    print(tables.markdown(table(parts, args.repeats)).strip())


if __name__ == "__main__":
    sys.exit(terminal.run(main))
