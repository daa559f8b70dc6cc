"""Lift three seconds of a test sequence with the weights that ship, and draw them.

    repose demo
    repose demo --model=runs/quickstart --sequence=S12_run/view2
    repose demo --model=runs/d3dp --hypotheses=20

By default of the embedded data, which are prepared on first use. The detections are lifted like
those of any video; the pictures, a still and an animation, show the result over the ground truth.
"""

import argparse
import pathlib

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser

SPLIT = "synthetic_motion/30fps:test"


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--model", help="shipped weights, a .safetensors file, or a run (default: shipped weights)"
    )
    parser.add_argument(
        "--hypotheses",
        type=int,
        default=0,
        metavar="N",
        help="of a run of d3dp: draw the mean of so many, and the first of them as thin lines",
    )
    parser.add_argument("--split", default=SPLIT, help=f"prepared data (default: {SPLIT})")
    parser.add_argument("--sequence", help="its name in the split (default: the middle one)")
    parser.add_argument(
        "--data_dir",
        help="folder of the prepared datasets (default: TFDS_DATA_DIR or ~/tensorflow_datasets)",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("demo"),
        help="folder of the pictures (default: demo)",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    environment.start_jax()
    from repose_jax.data import prepare, sequences
    from repose_jax.evaluation import pictures
    from repose_jax.lifting import hypotheses, predictor
    from repose_jax.lifting.options import Options
    from repose_jax.runtime.names import closest
    from repose_jax.training.workdir import check_writable

    check_writable(args.out, "--out")
    count = Options(hypotheses=args.hypotheses).hypotheses
    model = predictor.load(args.model)
    if count:
        hypotheses.check(model)
    if model.unit != "mm" or sequences.has_25d_labels(args.split):
        raise ValueError("The demo needs a model and data in mm, not 2.5D ones in px.")
    prepare.prepare_embedded([args.split], args.data_dir)
    found = sequences.load([args.split], args.data_dir)
    name = args.sequence or found.names[len(found.names) // 2]
    if name not in found.names:
        like = closest(name, found.names) or found.names[0]
        raise ValueError(f"{args.split} has no sequence {name!r}; it has {like!r}, for example.")
    number = found.names.index(name)
    rows, kept = pictures.middle(found, number, int(found.lengths[number])), None
    if count:
        seen = found.keypoints_2d[rows], found.confidence[rows], found.image_size[number].tolist()
        made = hypotheses.lift(model, *seen, count=count)
        joints, kept = made.mean, made.kept
    else:
        joints = predictor.lift_sequence(model, found, number, rows)
    truth = found.joints_3d[rows]
    clip = pictures.excerpt(found, number, rows, joints, target=truth, hypotheses=kept)
    by = args.model or "the shipped weights"
    title = f"{name} ({found.actions[number]}), lifted by {by}"
    title += f": the mean of {count} hypotheses" if count else ""
    files = pictures.draw(args.out, name, clip, fps=pictures.rate(found, number), title=title)
    if clip.mpjpe is not None:
        print(f"{name}: MPJPE {clip.mpjpe.mean():.1f} mm over {len(clip.mpjpe)} frames")
    print(f"Written: {files[0]}, {files[1]}")
