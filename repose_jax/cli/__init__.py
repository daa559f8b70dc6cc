"""Commands: one file each, with `add_arguments(parser)` and `run(args)`.

A command imports JAX, and what builds on it, only in `run`: help and wrong command lines are
answered at once.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from absl import logging

import repose_jax
from repose_jax.cli import arguments
from repose_jax.runtime import terminal
from repose_jax.runtime.names import message
from repose_jax.runtime.signals import Interrupted, stop_signals

COMMANDS = {
    "prepare": "prepare a dataset for training and evaluation",
    "lift": "lift videos or 2D joints to 3D motion",
    "live": "show the 3D pose of the person before a camera",
    "train": "train a lifter, or resume a run",
    "eval": "evaluate a checkpoint of a run",
    "demo": "lift and draw a test sequence with the weights that ship",
    "export": "write a model to one file: safetensors, StableHLO, ONNX or PyTorch",
    "convert": "make a run of a PyTorch checkpoint of the authors of a network",
    "pretrain": "pre-train P-STMO on masked 2D poses",
    "compare": "compare runs over their seeds",
    "complexity": "count the parameters and multiply-adds of a model",
}
USAGE = """\
repose COMMAND ...

2D-to-3D human pose lifting with relational depth losses.

commands:
{commands}

`repose COMMAND --help` describes a command. `repose --version` prints the version.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: the command and its arguments; by default those of the process.

    Returns:
        The exit status: 0; 2 for an error, after one line on stderr; or 128 and the number of the
        signal that stopped it.
    """
    line = list(sys.argv[1:] if argv is None else argv)
    return terminal.run(lambda: _main(line))


def _main(argv: list[str]) -> int:
    listed = "\n".join(f"  {name:<12}{line}" for name, line in COMMANDS.items())
    parser = arguments.Parser(prog="repose", usage=USAGE.format(commands=listed), add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="version", version=f"repose {repose_jax.__version__}")
    parser.add_argument("command", choices=COMMANDS, nargs="?", metavar="COMMAND")
    try:
        args = parser.parse_args(argv[:1])
        if args.command:
            return _run(args.command, argv[1:])
    except SystemExit as end:  # of the parser: after help, or for an error
        return int(end.code or 0)
    parser.print_usage(sys.stdout if args.help else sys.stderr)
    return 0 if args.help else 2


def _run(name: str, argv: Sequence[str]) -> int:
    command = importlib.import_module(f"{__name__}.{name}")
    parser = arguments.Parser(
        prog=f"repose {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    args = arguments.parse(parser, argv)
    logging.set_verbosity(args.verbosity)
    try:
        _check_folder()
        with stop_signals():
            command.run(args)
            terminal.flush()
    except Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 128 + stop.signum
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        raise  # to `terminal.run`
    except (ImportError, ValueError, OSError, FloatingPointError) as error:
        logging.debug("", exc_info=True)
        print(f"{parser.prog}: error: {message(error)}", file=sys.stderr)
        return 2
    return 0


def _check_folder() -> None:
    """Raises an error where the current folder was removed, of which libraries end silently."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise FileNotFoundError("the current folder was removed; change to another.") from error
