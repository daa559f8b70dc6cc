"""Command lines with `--config=FILE:VARIANT` and `--config.KEY=VALUE`, as `main.py` takes them."""

import argparse
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import config_flags

from repose_jax import config
from repose_jax.config import Experiment


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> tuple[argparse.Namespace, Experiment]:
    """Parses a command line with an experiment; one that is wrong ends the program with 2.

    Args:
        parser: knows the command's other arguments; gets `--config`.
        argv: the command line without the program, or None for the program's.

    Returns:
        The arguments, and the experiment with its overrides.
    """
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE[:VARIANT,...]",
        help="the experiment; --config.KEY=VALUE sets any of its fields",
    )
    args, overrides = parser.parse_known_args(argv)
    line = [parser.prog, f"--config={args.config}", *overrides]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=line)
    try:
        left = values(line)[1:]
        chosen: Any = values["config"].value  # a ConfigDict
        experiment = config.from_mapping(chosen.to_dict())
    except (AttributeError, KeyError) as error:
        parser.error(no_such_key(error))
    except (flags.Error, OSError, ValueError) as error:
        parser.error(str(error))
    if left:
        parser.error(f"there are arguments that are not flags: {left}")
    return args, experiment


def no_such_key(error: AttributeError | KeyError) -> str:
    """Says in one line what ml_collections says of an override of a key that does not exist."""
    cause: Any = error  # the one around the other
    while isinstance(cause.args[0], Exception):
        cause = cause.args[0]
    return f"--config has no such key: {' '.join(str(cause.args[0]).split())}"
