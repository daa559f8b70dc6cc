"""Train a lifter and evaluate it. The same command resumes an interrupted run.

repose train --config=quickstart --workdir=runs/quickstart
repose train --config=h36m:small,spatial --workdir=runs/small --config.train.seed=1
"""

import argparse
import pathlib

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_config()
    parser.add_argument(
        "--workdir",
        required=True,
        type=pathlib.Path,
        help="folder of the run: its checkpoints, metrics and results",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    environment.start_jax()
    from repose_jax.training.loop import train_and_evaluate

    train_and_evaluate(args.experiment, args.workdir)
