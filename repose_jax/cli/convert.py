"""Weights of the published PyTorch models in ours: every tensor used, every parameter filled.

    repose convert --from=torch CHECKPOINT --config=configs/h36m.py --out=runs/h36m

makes of a checkpoint that the authors of RePOSE, or of a backbone in `configs/zoo`, published a
workdir, which `python main.py --config=configs/h36m.py --workdir=runs/h36m` evaluates with
`--mode=eval` and fine-tunes without it. The model and its sizes are those of the configuration.
PyTorch is needed only here: `pip install torch`.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from repose_jax.cli import command_line
from repose_jax.torch_import import convert
from repose_jax.training import setup, workdir


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0, or 2 if the checkpoint could not be converted."""
    parser = argparse.ArgumentParser(
        prog="repose convert",
        description="Make a run of a published checkpoint.",
        allow_abbrev=False,
    )
    parser.add_argument("checkpoint", help="the published file")
    parser.add_argument(
        "--from", dest="kind", required=True, choices=convert.READERS, help="what wrote it"
    )
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the workdir to write")
    args, config = command_line.parse(parser, argv)
    try:
        setup.check_model(config)
        tensors = convert.READERS[args.kind](args.checkpoint)
        workdir.write_run(config, convert.from_torch(state_dict=tensors, **config.model), args.out)
    except (ImportError, OSError, ValueError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    count = sum(array.size for array in tensors.values())
    print(f"Converted {count:,} parameters in {len(tensors)} tensors: {args.out}")
    return 0
