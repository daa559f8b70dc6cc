"""The whole of lifting: errors from a video or 2D joints to people in a world, and its speed.

    python -m benchmarks.lifting accuracy --folder=DIR --split=cmu_mocap/30fps:test --data_dir=DIR
    python -m benchmarks.lifting speed --folder=DIR
    python -m benchmarks.lifting memory --folder=DIR --long=108000 --people=2 --no-network
    python -m benchmarks.lifting all --folder=DIR --json=benchmarks/results/lifting.json

`--folder` is the recording of `benchmarks.accuracy.recording`, with its videos in
`videos/camNN.mp4`. docs/accuracy.md and docs/performance.md have the tables.
"""

import argparse
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence

import repose_jax
from benchmarks import runs
from benchmarks.accuracy import recording
from benchmarks.lifting import accuracy, memory, speed
from repose_jax.cli import arguments
from repose_jax.cli.environment import start_jax
from repose_jax.evaluation import tables
from repose_jax.lifting import sources
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.runtime import names, terminal

TESTS = ("accuracy", "speed", "memory", "all")
Rows = Mapping[str, Mapping[str, float]]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints; an error ends the program with one line and status 2."""
    parser = arguments.Parser(
        prog="benchmarks.lifting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("test", choices=TESTS, nargs="?", default="all")
    parser.add_argument(
        "--folder", type=pathlib.Path, required=True, help="folder of the recording"
    )
    parser.add_argument("--split", help="a prepared test split of views")
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument(
        "--every", type=arguments.positive, default=3, help="of how many views one is lifted"
    )
    parser.add_argument(
        "--frames", type=arguments.positive, default=600, help="of videos and stages"
    )
    parser.add_argument(
        "--long", type=arguments.positive, default=speed.LONG, help="frames of a long input"
    )
    parser.add_argument(
        "--people", type=arguments.positive, default=2, help="of the input whose memory is taken"
    )
    parser.add_argument("--no-network", action="store_true", help="memory of all but the network")
    parser.add_argument("--weights", help="name, file or workdir (default: shipped)")
    parser.add_argument("--json", type=pathlib.Path, help="file of the results")
    args = arguments.parse(parser, list(sys.argv[1:] if argv is None else argv))
    start_jax()
    found: dict[str, Rows] = {}
    try:
        if args.json and args.json.exists():  # the rows of the other test stay
            found = runs.read(args.json)
        for title, rows in measure(args, repose_jax.load(args.weights)):
            found[title] = rows
            if args.json:
                runs.save(args.json, cores=len(os.sched_getaffinity(0)), results=found)
            print("\n" + tables.markdown(_table(title, rows)).rstrip("\n"), flush=True)
    except (ValueError, OSError, RuntimeError) as error:
        parser.error(names.message(error))


def measure(args: argparse.Namespace, model: Predictor) -> Iterator[tuple[str, Rows]]:
    """Yields the title and the rows of each table."""
    if args.test in ("accuracy", "all"):
        yield from accuracy.of_recording(args.folder, model)
        if args.split:
            views = [*accuracy.lifted(args.split, args.data_dir, model, args.every)]
            title = f"{args.split}, {len(views)} views"
            yield title, _means([accuracy.of_filter(view) for view in views])
            yield f"seams, {title}", _means([accuracy.of_seams(view) for view in views])
    if args.test == "memory":
        yield "memory", _memory(args, model)
    if args.test in ("speed", "all"):
        video = min((args.folder / "videos").glob("*.mp4"), default=None)
        if video is None:
            raise FileNotFoundError(f"{args.folder / 'videos'} has no video.")
        used = speed.stages(video, model, args.frames)
        yield "stages", {name: {"CPU ms/frame": value} for name, value in used.items()}
        rows = {}
        for name, row in speed.commands(video, args.frames, args.long):
            rows[f"{name}, {row['frames']:.0f} frames"] = row
            print(name, row, flush=True)
        yield "commands", rows


def _memory(args: argparse.Namespace, model: Predictor) -> Rows:
    view = recording.read(args.folder)[0]
    _, path = [*accuracy.inputs(args.folder, view)][-1]
    options = Options(fps=view.fps, image_size=view.image_size)
    (found,) = sources.detections_of(path, options)
    person = memory.largest(found)
    network = not args.no_network
    return dict(memory.measure(person, model, args.long, args.people, network=network))


def _means(each: Sequence[Rows]) -> Rows:
    names = dict.fromkeys(name for rows in each for name in rows)
    return {name: accuracy.mean([rows[name] for rows in each if name in rows]) for name in names}


def _table(title: str, rows: Rows) -> tables.Table:
    columns = tuple(dict.fromkeys(column for row in rows.values() for column in row))
    values = {name: [row.get(c, float("nan")) for c in columns] for name, row in rows.items()}
    digits = tuple(2 if "ms" in column or "bones" in column else 1 for column in columns)
    return tables.Table(title, columns, values, digits)


if __name__ == "__main__":
    sys.exit(terminal.run(main))
