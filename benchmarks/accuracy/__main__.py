"""Accuracy of weights on prepared test splits, and on a real recording with two cameras.

    python -m benchmarks.accuracy stored cmu_mocap/30fps:test --data_dir=DIR
    python -m benchmarks.accuracy takes cmu_mocap/30fps:test --data_dir=DIR --weights A B
    python -m benchmarks.accuracy video --folder=DIR
    python -m benchmarks.accuracy detectors --folder=DIR
    python -m benchmarks.accuracy all cmu_mocap/30fps:test --data_dir=DIR --folder=DIR

`--weights` are names of shipped weights, `.safetensors` files or workdirs of runs. Of several, such
as the seeds of a recipe, the mean and the standard deviation are shown too; `takes` shows how all
others differ from the first, paired by take. `--known` is what the model is given of the camera
besides the 2D joints and the size of the image. `detectors` has no model: it measures the errors of
the recording's detectors. docs/accuracy.md describes it.
"""

import argparse
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import runs
from benchmarks.accuracy import detectors, report, stored, takes, video
from repose_jax.cli import arguments
from repose_jax.cli.environment import start_jax
from repose_jax.config import KNOWN
from repose_jax.evaluation import tables
from repose_jax.runtime import names, terminal

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "accuracy.json"
TESTS = ("stored", "video", "detectors", "all", "takes")
OF_ALL = TESTS[:3]
TABLES = {"detectors": detectors.table, "takes": takes.table}


@runs.one_line
def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(next((word for word in argv if word in TESTS), None))
    args = arguments.parse(parser, argv)
    start_jax()
    tests = OF_ALL if args.test == "all" else (args.test,)
    weights = [str(name or "default") for name in args.weights]
    found: dict[str, dict[str, Any]] = {test: {} for test in tests}
    for test in tests:
        make = TABLES.get(test, report.table)
        for title, rows in measure(test, args):
            found[test][title] = rows
            if args.json:  # after every table: a split can take an hour
                runs.save(args.json, weights=weights, known=list(args.known), results=found)
            print("\n" + tables.markdown(make(title, rows)).rstrip("\n"), flush=True)


def measure(test: str, args: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Yields the title and the rows of each table of a test."""
    if test == "detectors":
        yield from detectors.measure(args.folder).items()
        return
    models = {str(name or "default"): stored.load(name) for name in args.weights}
    if test == "video":
        mean = stored.mean_pose(args.mean_pose, args.data_dir) if args.mean_pose else None
        yield from video.measure(models, args.folder, known=args.known, mean_pose=mean).items()
        return
    evaluate = takes.measure if test == "takes" else stored.measure
    for split in args.splits:
        yield split, evaluate(models, split, data_dir=args.data_dir, known=args.known)


def _parser(test: str | None) -> arguments.Parser:
    parser = arguments.Parser(
        prog="benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("test", choices=TESTS, metavar="TEST", help=", ".join(TESTS))
    if test in ("stored", "takes", "all"):
        parser.add_argument("splits", nargs="+", metavar="SPLIT", help="prepared test splits")
    if test not in ("stored", "takes"):
        parser.add_argument(
            "--folder", type=pathlib.Path, required=test is not None, help="folder of the recording"
        )
    if test in ("video", "all"):
        parser.add_argument(
            "--mean_pose", metavar="SPLIT", help="training split whose mean pose is shown too"
        )
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument(
        "--weights", nargs="+", default=[None], help="names, files or workdirs (default: shipped)"
    )
    parser.add_argument(
        "--known",
        type=_known,
        default=("fps",),
        metavar=",".join(KNOWN),
        help="what the model is given of the camera (default: fps)",
    )
    default = RESULTS if test == "all" else None
    parser.add_argument("--json", type=pathlib.Path, default=default, help="file of the results")
    return parser


def _known(text: str) -> tuple[str, ...]:
    """Reads `--known`, which may be empty."""
    parts = tuple(filter(None, text.split(",")))
    for part in parts:
        if part not in KNOWN:
            raise argparse.ArgumentTypeError(names.unknown("hint", part, KNOWN))
    return parts


if __name__ == "__main__":
    sys.exit(terminal.run(main))
