"""Make a run of a PyTorch checkpoint of the authors of RePOSE or of a network in the zoo.

    repose convert CHECKPOINT --from=torch --config=h36m --out=runs/h36m

writes a workdir, which `repose eval --config=h36m --workdir=runs/h36m` evaluates and `repose train`
fine-tunes. The network and its sizes are those of the configuration. Every tensor is used and every
parameter filled. Only this command needs PyTorch: `pip install torch`.
"""

import argparse
import pathlib
import shlex
from collections.abc import Mapping
from typing import Any

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser
from repose_jax.config import Experiment


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_config()
    parser.add_argument("checkpoint", help="the authors' file")
    parser.add_argument(
        "--from", dest="kind", required=True, choices=("torch",), help="format of the file"
    )
    parser.add_argument(
        "--out", required=True, type=pathlib.Path, help="the workdir to write, new or empty"
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    environment.start_jax()
    from repose_jax.evaluation import evaluator
    from repose_jax.torch_import import convert
    from repose_jax.training import setup, workdir

    workdir.check_empty(args.out)
    evaluator.check(args.experiment)
    setup.check_model(args.experiment)
    tensors = convert.READERS[args.kind](args.checkpoint)
    try:
        model = convert.from_torch(state_dict=tensors, **args.experiment.model)
    except convert.OtherSizesError as error:
        raise ValueError(f"{error}{_clip_flags(args.experiment, error.sizes)}") from error
    workdir.write_run(args.experiment, model, args.out)
    count = sum(array.size for array in tensors.values())
    print(f"Converted {count:,} parameters in {len(tensors)} tensors: {args.out}")
    line = ["repose", "eval", f"--config={args.config}", f"--workdir={args.out}", *args.overrides]
    print(f"Evaluate it: {shlex.join(line)}")


def _clip_flags(config: Experiment, sizes: Mapping[str, Any]) -> str:
    """Returns a sentence with the flags for clips of a checkpoint's frames, if they must change."""
    from repose_jax.evaluation.evaluator import abstract_model

    if "frames" not in sizes or any(abstract_model(config).context):  # takes clips of any length
        return ""
    data, frames = config.data, sizes["frames"]
    flags = {"data.frames": frames, "data.stride": max(data.stride * frames // data.frames, 1)}
    if config.eval.frames is not None:
        flags["eval.frames"] = frames
    return f" Cut clips for it: {' '.join(f'--config.{k}={v}' for k, v in flags.items())}."
