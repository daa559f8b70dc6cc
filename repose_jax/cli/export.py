"""Write a model to one file, for this program or for others.

    repose export runs/quickstart --out quickstart.safetensors
    repose export repose_lift --to onnx --out lift.onnx
    repose export runs/seed0 runs/seed1 runs/seed2 --out mean.safetensors

The model is that of a run, trained or converted, of a `.safetensors` file, or one that ships. Of
several, which were fine-tuned from the same weights, it is the mean of their parameters. In a
`.safetensors` file it computes in float32, also if it was trained in bfloat16, which CPUs emulate.
`--to` is

    safetensors  its parameters and configuration: `repose_jax.load("quickstart.safetensors")`
                 needs it alone, and the same run gives the same bytes
    stablehlo    a compiled function for JAX, and what else reads StableHLO; CPU, CUDA and TPU
    onnx         a graph for onnxruntime and others; pip install "repose-jax[export]"
    torch        its parameters under the names of the network's authors; pip install torch

The function of stablehlo and onnx takes any number of clips.
"""

import argparse
import dataclasses
import pathlib
from typing import TYPE_CHECKING

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser

if TYPE_CHECKING:
    from repose_jax.weights.file import Contents

ENDINGS = {
    "safetensors": ("weights", (".safetensors",)),
    "stablehlo": ("StableHLO", (".stablehlo",)),
    "onnx": ("ONNX", (".onnx",)),
    "torch": ("PyTorch", (".pt", ".pth", ".bin")),
}
"""Content of a file and the end of its name, by the value of `--to`."""


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="MODEL",
        help="the workdir of a run, a file of weights, or the name of shipped weights",
    )
    parser.add_argument("--to", choices=ENDINGS, default="safetensors", help="see above")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="FILE", help="the file")
    parser.add_checkpoint()
    parser.set_defaults(checkpoint=None)
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32"),
        help="of the parameters in the file (default float16 for safetensors, else float32)",
    )
    parser.add_argument(
        "--note",
        action="append",
        default=[],
        metavar="KEY=TEXT",
        help="a note to store in a file of safetensors or ONNX, such as licence=CC0-1.0; may be "
        "repeated",
    )
    function = parser.add_argument_group("function of stablehlo and onnx")
    function.add_argument(
        "--form",
        choices=("keypoints", "normalised"),
        help="2D joints in px to 3D joints in mm (default), or the network alone",
    )
    function.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="poses of a clip (default as in the evaluation of the run)",
    )
    function.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the prediction for the mirrored clip, in twice the time (default as in "
        "the evaluation of the run)",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    notes = _check(args)
    environment.start_jax()
    import hashlib

    import jax

    from repose_jax.training.workdir import check_writable
    from repose_jax.weights import file
    from repose_jax.weights.average import average

    check_writable(args.out.parent, "the folder of --out")
    contents = average({source: _load(source, args.checkpoint) for source in args.sources})
    contents = contents._replace(notes={**contents.notes, **notes})
    content = _content(args, contents)
    file.replace(args.out, content)
    count = sum(leaf.size for leaf in jax.tree.leaves(contents.variables[0]))
    step = contents.notes.get("step")
    step = f" of step {step:,}" if isinstance(step, int) else ""  # it may be a text of --note
    print(f"Exported {count:,} parameters{step}: {args.out}")
    print(f"{len(content) / 1e6:.2f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}")


def _check(args: argparse.Namespace) -> dict[str, str]:
    """Refuses a wrong command line; returns the notes."""
    kind, endings = ENDINGS[args.to]
    if args.out.suffix not in endings:
        right = [to for to, (_, others) in ENDINGS.items() if args.out.suffix in others]
        hint = f" For this name give --to={right[0]}." if right else ""
        raise ValueError(
            f"{args.out}: the name of a file of {kind} ends in {' or '.join(endings)}.{hint}"
        )
    if args.out.is_dir():
        raise IsADirectoryError(f"--out is {args.out}, a folder; give the name of a file.")
    for option in ("form", "frames", "flip"):
        if args.to not in ("stablehlo", "onnx") and getattr(args, option) is not None:
            raise ValueError(f"--{option} is of a function; --to={args.to} writes parameters.")
    for note in args.note:
        if not note.partition("=")[0].isidentifier() or "=" not in note:
            raise ValueError(f"--note is {note!r}; give KEY=TEXT, KEY of letters, digits and _.")
        if args.to not in ("safetensors", "onnx"):
            raise ValueError(f"--note: a file of {kind} holds no notes.")
    return dict(note.split("=", 1) for note in args.note)


def _load(source: str, checkpoint: str | None) -> "Contents":
    """Loads a model; of a run the notes are its step and its checkpoint."""
    from repose_jax.evaluation import hypotheses
    from repose_jax.training import stored
    from repose_jax.training.workdir import load_weights, read_config
    from repose_jax.weights.file import Contents

    path = stored.find(source)
    if not path.is_dir():
        return stored.load(path, checkpoint)
    config, kind = read_config(path), checkpoint or "best"
    found = load_weights(config, path, kind)
    notes = {"step": found.step, "checkpoint": kind, **hypotheses.notes(path)}
    return Contents(config, found.graphdef, found.variables, notes)


def _content(args: argparse.Namespace, contents: "Contents") -> bytes:
    """Returns the bytes of the file."""
    from repose_jax.export import onnx, program, stablehlo, torch
    from repose_jax.weights import file

    if args.to == "safetensors":
        model = contents.config.model
        if "dtype" in model:
            model = {**model, "dtype": "float32"}
        config = dataclasses.replace(contents.config, model=model)
        return file.content(config, contents.variables, args.dtype or "float16", contents.notes)
    dtype = args.dtype or "float32"
    if args.to == "torch":
        return torch.content(contents, dtype)
    made = program.make(contents, form=args.form or "keypoints", frames=args.frames, flip=args.flip)
    return (onnx if args.to == "onnx" else stablehlo).content(made, dtype)
