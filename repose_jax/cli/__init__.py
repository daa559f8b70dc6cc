"""Commands: one file each."""

import importlib
import sys
from collections.abc import Sequence

COMMANDS = ("prepare", "convert", "complexity", "pretrain", "compare")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] not in COMMANDS:
        print(f"usage: repose {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        return 2
    return importlib.import_module(f"repose_jax.cli.{argv[0]}").main(argv[1:])
