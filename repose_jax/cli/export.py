"""Write the model of a run, trained or converted, to one `.safetensors` file.

    repose export runs/quickstart --out quickstart.safetensors

The file holds the parameters and the configuration, and nothing of the optimiser:
`repose_jax.load("quickstart.safetensors")` needs it alone. The same run gives the same bytes.
"""

import argparse
import pathlib

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("workdir", type=pathlib.Path, metavar="WORKDIR", help="the run")
    parser.add_argument(
        "--out", required=True, type=pathlib.Path, metavar="FILE", help="the file, *.safetensors"
    )
    parser.add_checkpoint()
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32"),
        default="float16",
        help="of the parameters in the file (default float16)",
    )
    parser.add_argument(
        "--note",
        action="append",
        default=[],
        metavar="KEY=TEXT",
        help="a note to store in the file, such as licence=CC0-1.0; may be repeated",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    for note in args.note:
        if not note.partition("=")[0].isidentifier() or "=" not in note:
            raise ValueError(f"--note is {note!r}; give KEY=TEXT, KEY of letters, digits and _.")
    environment.start_jax()
    import hashlib

    import jax

    from repose_jax.training.workdir import load_weights, read_config
    from repose_jax.weights import file

    config = read_config(args.workdir)
    found = load_weights(config, args.workdir, args.checkpoint)
    notes = {"step": found.step, "checkpoint": args.checkpoint}
    notes |= dict(note.split("=", 1) for note in args.note)
    file.write(args.out, config, found.variables, args.dtype, **notes)
    content = args.out.read_bytes()
    count = sum(leaf.size for leaf in jax.tree.leaves(found.variables[0]))
    print(f"Exported {count:,} parameters of step {found.step:,}: {args.out}")
    print(f"{len(content) / 1e6:.2f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}")
