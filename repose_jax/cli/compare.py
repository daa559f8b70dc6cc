"""`repose compare`: runs beside each other, with spread over seeds and paired differences.

    repose compare runs/spatial runs/baseline --baseline=runs/baseline
    repose compare 'runs/ablation/*' --metrics mpjpe pa_mpjpe --visibility=occluded --markdown

Runs that differ only in `train.seed` are one row. Folders of runs and patterns stand for the runs
in them.
"""

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0, or 2 if the runs cannot be compared."""
    parser = argparse.ArgumentParser(
        prog="repose compare",
        description="Compare evaluated runs: mean and standard deviation over seeds, and paired "
        "differences with 95 %% intervals.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", help="workdirs, folders of workdirs, or patterns")
    parser.add_argument("--baseline", help="a run that the others are compared with (the first)")
    parser.add_argument("--metrics", nargs="+", help="columns (the usual five)")
    parser.add_argument(
        "--visibility",
        choices=("visible", "occluded"),
        help="only such joints (all, averaged as the protocol does)",
    )
    formats = parser.add_mutually_exclusive_group()
    for suffix, option in (("md", "markdown"), ("tex", "latex"), ("csv", "csv")):
        formats.add_argument(
            f"--{option}", dest="format", action="store_const", const=suffix, default="txt"
        )
    args = parser.parse_args(argv)
    from repose_jax.evaluation import compare, tables  # JAX is slow to import

    columns = args.metrics or compare.DEFAULT
    try:
        workdirs = compare.find([*filter(None, [args.baseline]), *args.runs])  # baseline first
        groups = compare.group([compare.read(workdir) for workdir in workdirs])
        shown = [compare.means(groups, columns, args.visibility)]
        if len(groups) > 1:
            first = next(iter(groups))
            shown.append(compare.differences(groups, first, columns, args.visibility))
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    print("\n\n".join(tables.FORMATS[args.format](table).rstrip("\n") for table in shown))
    return 0
