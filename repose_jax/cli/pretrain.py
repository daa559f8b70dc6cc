"""`repose pretrain`: P-STMO's masked pre-training."""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from absl import logging

from repose_jax.cli import command_line
from repose_jax.models.pstmo_pretrain import MaskedPoseConfig
from repose_jax.runtime import compile_cache, signals
from repose_jax.training import pretrain


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0, 2 for an error, or 128 and the signal that stopped it."""
    parser = argparse.ArgumentParser(
        prog="repose pretrain",
        description="Pre-train P-STMO's encoders on masked 2D poses.",
        allow_abbrev=False,
    )
    parser.add_argument("--workdir", required=True, type=pathlib.Path, help="where its files go")
    parser.add_argument(
        "--hidden_frames",
        type=float,
        default=MaskedPoseConfig.hidden_frames,
        help="share of the frames of a window that are hidden (default: %(default)s)",
    )
    parser.add_argument(
        "--hidden_joints",
        type=int,
        default=MaskedPoseConfig.hidden_joints,
        help="joints of every frame that are hidden (default: %(default)s)",
    )
    args, config = command_line.parse(parser, argv)
    compile_cache.keep_programs()
    logging.set_verbosity(logging.WARNING)  # Orbax tells every step of a save
    try:
        error = pretrain.pretrain(
            config,
            args.workdir,
            hidden_frames=args.hidden_frames,
            hidden_joints=args.hidden_joints,
        )
    except signals.Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 128 + stop.signum
    except (ValueError, OSError, FloatingPointError) as failure:
        print(f"\n{parser.prog}: error: {failure}", file=sys.stderr)
        return 2
    print(
        f"Best test error {error:.4f}. Start the lifter: --config.init_from={args.workdir}/lifter"
    )
    return 0
