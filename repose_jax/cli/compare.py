"""Compare evaluated runs: mean and spread over seeds, paired differences with 95 % intervals.

repose compare runs/spatial runs/baseline --baseline=runs/baseline
repose compare 'runs/ablation/*' --metrics mpjpe pa_mpjpe --visibility=occluded --markdown

Runs that differ only in `train.seed` are one row. Folders of runs and patterns stand for the runs
in them.
"""

import argparse

from repose_jax.cli.arguments import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("runs", nargs="+", help="workdirs, folders of workdirs, or patterns")
    parser.add_argument("--baseline", help="the run that the others are compared with (the first)")
    parser.add_argument("--metrics", nargs="+", help="columns (the usual six)")
    parser.add_argument(
        "--visibility",
        choices=("visible", "occluded"),
        help="only such joints (all, averaged as the protocol does)",
    )
    formats = parser.add_mutually_exclusive_group()
    for suffix, option in (("md", "markdown"), ("tex", "latex"), ("csv", "csv")):
        formats.add_argument(
            f"--{option}",
            dest="format",
            action="store_const",
            const=suffix,
            default="txt",
            help=f"print the tables as {option}",
        )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from repose_jax.evaluation import compare, tables

    columns = args.metrics or compare.DEFAULT
    workdirs = compare.find([*filter(None, [args.baseline]), *args.runs])  # baseline first
    groups = compare.group([compare.read(workdir) for workdir in workdirs])
    shown = [compare.means(groups, columns, args.visibility)]
    if len(groups) > 1:
        first = next(iter(groups))
        shown.append(compare.differences(groups, first, columns, args.visibility))
    print("\n\n".join(tables.FORMATS[args.format](table).rstrip("\n") for table in shown))
