"""Train a lifter and evaluate it. The same command resumes an interrupted run.

Its pictures also show what the shipped weights make of the same detections.

repose train --config=quickstart --workdir=runs/quickstart
repose train --config=h36m:small,spatial --workdir=runs/small --config.train.seed=1
"""

import argparse
import functools
import pathlib
from typing import TYPE_CHECKING

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser

if TYPE_CHECKING:
    from repose_jax.config import Experiment
    from repose_jax.evaluation.predictions import Lift


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    add_run(parser)
    add_from_best(parser)


def add_run(parser: Parser) -> None:
    """Adds the arguments of a configuration and its workdir."""
    parser.add_config()
    parser.add_argument(
        "--workdir",
        required=True,
        type=pathlib.Path,
        help="folder of the run: its checkpoints, metrics and results",
    )


def add_from_best(parser: Parser) -> None:
    """Adds the argument that a run may resume from its best checkpoint."""
    parser.add_argument(
        "--from_best",
        action="store_true",
        help="resume from the best checkpoint if the latest is lost; steps after it are repeated",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    environment.start_jax(join=True)
    from repose_jax.training.loop import train_and_evaluate

    train_and_evaluate(
        args.experiment,
        args.workdir,
        from_best=args.from_best,
        shipped=shipped_lift(args.experiment),
    )


def shipped_lift(config: "Experiment") -> "Lift | None":
    """Returns the shipped weights, which a run's pictures show beside its own predictions.

    None where no sequence is drawn, or where the run's input is not the detections that these lift;
    and in a run of several processes, of which one alone draws.
    """
    import jax

    from repose_jax.lifting import predictor

    several = jax.process_count() > 1
    if not config.eval.pictures or config.data.inputs != "detected" or several:
        return None
    load = functools.cache(predictor.load)  # at the first picture
    return lambda *rows: predictor.lift_sequence(load(), *rows)
