"""`repose complexity`: parameters and multiply-accumulate operations of a configuration's model."""

import argparse
import sys
from collections.abc import Sequence

from repose_jax.cli import command_line
from repose_jax.models import complexity


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0, or 2 if there is no such model."""
    parser = argparse.ArgumentParser(
        prog="repose complexity",
        description="Count the parameters and multiply-adds of a configuration's model.",
        allow_abbrev=False,
    )
    _, config = command_line.parse(parser, argv)
    try:
        print(complexity.table(complexity.of_model(**config.model, clip_frames=config.data.frames)))
    except ValueError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return 0
