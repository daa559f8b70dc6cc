"""Count the parameters and multiply-add operations of a configuration's model.

repose complexity --config=h36m
"""

import argparse

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser

HOW = """\
MACs are the multiply-adds of all matrix products and convolutions in the computation of one clip
without test-time flip (which doubles them). Products of activations with parameters are linear
layers, products of two activations are attention. Norms, softmax, biases and elementwise functions
are not counted."""
PAPER_GMACS = 43.7  # Table 2 of the paper, for 16.0 million parameters and 243 frames


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_config()


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    environment.start_jax()
    from repose_jax.evaluation.tables import Table, text
    from repose_jax.models import complexity

    model = args.experiment.model
    counted = complexity.of_model(**model, clip_frames=args.experiment.data.frames)
    columns: dict[str, tuple[float, str]] = {
        "parameters": (counted.parameters, "{:,}"),
        "frames": (counted.frames, "{}"),
        "MACs per clip": (counted.macs / 1e9, "{:.1f} G"),
        "MACs per frame": (counted.macs_per_frame / 1e6, "{:.1f} M"),
        "linear layers": (counted.linear_macs / 1e9, "{:.1f} G"),
        "attention": (counted.attention_macs / 1e9, "{:.1f} G"),
    }
    numbers, formats = zip(*columns.values(), strict=True)
    print(text(Table("", tuple(columns), {model["name"]: numbers}, formats, corner="model")))
    print(f"\n{HOW}")
    if (counted.parameters, counted.frames) == (16_001_549, 243):
        gmacs = counted.macs / 1e9
        print(
            f"\nThe paper's Table 2 says {PAPER_GMACS} G per clip (the paper's number, not ours): "
            f"{gmacs - PAPER_GMACS:.1f} G less than the {gmacs:.1f} G counted here."
        )
