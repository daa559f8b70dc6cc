"""Evaluate a checkpoint of a run, trained or converted: tables, files and pictures.

repose eval --config=quickstart --workdir=runs/quickstart
"""

import argparse
import pathlib

from repose_jax.cli import environment, train
from repose_jax.cli.arguments import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    train.add_run(parser)
    parser.add_checkpoint()
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        help="folder of the results (WORKDIR; if that is not writable they are printed alone)",
    )
    parser.add_argument(
        "--predictions", action="store_true", help="write predictions.npz, the poses, too"
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    environment.start_jax(join=True)
    from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint

    evaluate_checkpoint(
        args.experiment,
        args.workdir,
        args.checkpoint,
        out=args.out,
        write_predictions=args.predictions,
        shipped=train.shipped_lift(args.experiment),
    )
