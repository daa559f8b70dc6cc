"""Count the parameters and multiply-add operations of a configuration's model.

repose complexity --config=h36m
"""

import argparse

from repose_jax.cli.arguments import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_config()


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from repose_jax.models import complexity

    model, frames = args.experiment.model, args.experiment.data.frames
    print(complexity.table(complexity.of_model(**model, clip_frames=frames)))
