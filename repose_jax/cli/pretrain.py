"""Pre-train P-STMO's encoders on masked 2D poses. The same command resumes.

    repose pretrain --config=pstmo:masked --workdir=runs/masked

writes `runs/masked/lifter`, the start of a lifter: `repose train --config=pstmo
--config.init_from=runs/masked/lifter --workdir=runs/pstmo`.
"""

import argparse

from repose_jax.cli import environment, train
from repose_jax.cli.arguments import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    train.add_arguments(parser)
    parser.add_argument(
        "--hidden_frames",
        type=float,
        default=argparse.SUPPRESS,
        help="share of the frames of a window that are hidden",
    )
    parser.add_argument(
        "--hidden_joints",
        type=int,
        default=argparse.SUPPRESS,
        help="joints of every frame that are hidden",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    environment.start_jax(join=True)
    from repose_jax.training import pretrain

    hidden = {key: value for key, value in vars(args).items() if key.startswith("hidden_")}
    error = pretrain.pretrain(args.experiment, args.workdir, from_best=args.from_best, **hidden)
    print(
        f"Best test error {error:.4f}. Start the lifter: --config.init_from={args.workdir}/lifter"
    )
