"""Trains or evaluates a lifter. This file is kept short: the work is in `repose_jax.training`.

python main.py --config=configs/quickstart.py --workdir=runs/quickstart
python main.py --config=configs/quickstart.py --workdir=runs/quickstart --mode=eval
"""

import os
import pathlib
import sys

from absl import app, flags, logging
from ml_collections import config_flags

# JAX is imported late: a command line that is wrong is told at once.
FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", None, "Experiment, with its variant after a colon.")
flags.DEFINE_string("workdir", None, "Where checkpoints, metrics and results go.")
flags.DEFINE_enum("mode", "train", ["train", "eval"], "Train (or resume), or evaluate.")
flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "What --mode=eval evaluates.")
flags.mark_flags_as_required(["config", "workdir"])


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; an override of what the configuration has not ends in one line."""
    try:
        return app.parse_flags_with_usage(argv)
    except (AttributeError, KeyError) as error:
        from repose_jax.cli.command_line import no_such_key

        sys.exit(f"error: {no_such_key(error)}")


def join_processes() -> None:
    """Joins the processes of one run, if the environment tells of several.

    Under Slurm's `srun` JAX finds the others by itself. Elsewhere each process is told by
    JAX_COORDINATOR_ADDRESS (HOST:PORT of the first), JAX_NUM_PROCESSES and JAX_PROCESS_ID.
    """
    if "JAX_COORDINATOR_ADDRESS" in os.environ or "SLURM_STEP_NODELIST" in os.environ:
        import jax

        count, index = (os.environ.get(f"JAX_{key}") for key in ("NUM_PROCESSES", "PROCESS_ID"))
        jax.distributed.initialize(
            num_processes=None if count is None else int(count),
            process_id=None if index is None else int(index),
        )


def main(argv: list[str]) -> None:
    """Runs the mode that the flags ask for."""
    if not FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # Orbax tells every step of a save
    if len(argv) > 1:
        raise app.UsageError(f"There are arguments that are not flags: {argv[1:]}")
    from repose_jax.runtime import compile_cache

    compile_cache.keep_programs()
    join_processes()
    from repose_jax import config  # after JAX knows its processes
    from repose_jax.runtime.signals import Interrupted
    from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint
    from repose_jax.training.loop import train_and_evaluate

    try:
        experiment = config.from_mapping(FLAGS.config.to_dict())
        workdir = pathlib.Path(FLAGS.workdir)
        if FLAGS.mode == "train":
            train_and_evaluate(experiment, workdir)
        else:
            evaluate_checkpoint(experiment, workdir, FLAGS.checkpoint)
    except Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        sys.exit(128 + stop.signum)
    except (ValueError, OSError, FloatingPointError) as error:
        logging.debug("", exc_info=True)
        print(f"\nerror: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
