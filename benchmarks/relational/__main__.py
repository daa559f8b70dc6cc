"""The relational losses of depth: which help, by how much, at which weight.

    python -m benchmarks.relational gradients --data_dir=DIR        # how hard each loss pulls
    python -m benchmarks.relational tune --out=runs/relational --data_dir=DIR      # as in Table 5
    python -m benchmarks.relational scratch --out=runs/relational --data_dir=DIR   # from scratch
    python -m benchmarks.relational rescaled --weights FILE --data_dir=DIR     # flatter, smaller
    python -m benchmarks.relational temperature --out=runs/relational --data_dir=DIR   # of a base
    python -m benchmarks.relational tables --json=RESULT --factors 1       # of a result again
    python -m benchmarks.relational figure --json=RESULT --out=FILE        # error, spread by weight
    python -m benchmarks.relational overview --results RESULT RESULT --out=FILE    # side by side
    python -m benchmarks.relational figure --out=docs/images/relational_cost.png

`tune` trains a backbone on the data of `configs/lift.py` without a relational loss for 8,000 steps
of 16 clips, for each seed, and then each objective from it for 600 steps whose learning rate decays
to 0. `scratch` trains each objective for 3,000 steps. `--steps` is another length of either.
`--backbone=shipped` is the model that ships: `tune` starts from its weights and has 1,300 steps of
32 clips. All weights of a form and all seeds are trained at once (`population.py`), from the same
batches. Differences to the training without a relational loss are paired by seed. With `--folder`
both losses of every form at weight 1 are tested on a real recording too (see
`benchmarks.accuracy`). `--jobs` forms are compiled at a time. Other flags go to `repose train`,
such as `--config.simulation.confidence_laws=0.0` for exact confidence. With `--labels=visible` the
true depths of occluded joints are known to the relational losses alone, not to MPJPE.

What is in `--out` is not trained again: the same command resumes, and one with more seeds, forms or
factors trains the new ones. `--first_seed=3 --seeds=2` trains two of five beside another process
with the same `--out`.

`rescaled` tests weights, and the predictions of the first once more with their depths and their
sizes times some factors. `temperature` measures that of weights, or of what `tune` starts from.
"""

import argparse
import pathlib
import statistics
import sys
from collections.abc import Sequence

from benchmarks import runs
from benchmarks.accuracy import stored, takes
from benchmarks.profile import switch_off_command_buffers
from benchmarks.relational import expected, gradients, report, rescaled, temperature, trainings
from benchmarks.relational.forms import BACKBONES, FORMS, LABELS, WHICH
from repose_jax.cli import arguments
from repose_jax.cli.environment import start_jax
from repose_jax.evaluation import tables
from repose_jax.runtime import terminal

PARTS = "gradients", "tune", "scratch", "rescaled", "temperature", "tables", "figure", "overview"
DEPTHS, SIZES = (0.97, 0.985, 0.993, 1.01), (0.98, 0.995)


@runs.one_line
def main() -> None:
    """Runs one of the parts."""
    parser = arguments.Parser(
        prog="python -m benchmarks.relational",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/relational"),
        help="folder of the results, or the figure",
    )
    parser.add_argument("--folder", type=pathlib.Path, help="a real recording")
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument("--backbone", choices=BACKBONES, default="mixer")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--factors", type=float, nargs="+", default=[0.3, 1.0, 3.0])
    parser.add_argument("--which", nargs="+", choices=WHICH, default=list(WHICH))
    parser.add_argument("--labels", choices=LABELS, default="all", help="depths that are known")
    parser.add_argument("--only", nargs="+", metavar="SETTING", help="of these, by their names")
    parser.add_argument("--weights", nargs="+", help="names, files or workdirs")
    parser.add_argument("--seeds", type=arguments.positive, default=5, help="their number")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--steps", type=arguments.positive, help="of a training")
    parser.add_argument("--jobs", type=arguments.positive, default=1, help="forms at a time")
    parser.add_argument("--at_a_time", type=arguments.positive, default=50, help="steps in a call")
    parser.add_argument("--json", type=pathlib.Path, help="the result")
    parser.add_argument("--results", type=pathlib.Path, nargs="+", default=[], help="several")
    args, flags = parser.parse_known_args()
    flags += [f"--config.data.data_dir={x}" for x in [args.data_dir] if x]
    if args.part == "tables" and not args.json:
        parser.error("tables needs a result; give its file with --json=FILE.")
    if args.part == "overview" and not args.results:
        parser.error("overview needs results; give their files with --results FILE FILE.")
    run_part(args, flags)


def run_part(args: argparse.Namespace, flags: Sequence[str]) -> None:
    """Runs a part: measures and writes, or shows a result."""
    if args.part == "figure" and not args.json:
        expected.draw(args.out)
        return
    if args.part == "overview":
        report.overview(args.out, args.results, args.only)
        return
    if args.part in ("tables", "figure"):
        results = report.read(args.json)
        if args.part == "figure":
            report.draw(args.out, results)
        else:
            print(report.tables_of(results, args.forms, args.factors, args.which))
        return
    if args.jobs > 1:
        switch_off_command_buffers()  # CUDA refuses to launch them from several threads
    start_jax()
    if args.part == "gradients":
        found = gradients.measure(BACKBONES[args.backbone], flags)
        if args.json:
            runs.save(args.json, gradients=found)
        print(report.gradients(found))
        return
    if args.part == "rescaled":
        show_rescaled(args)
        return
    if args.part == "temperature":
        show_temperature(args, flags)
        return
    results = trainings.compare(args, flags)
    if args.json:
        runs.save(args.json, backbone=args.backbone, seeds=args.seeds, results=results)
    print(report.tables_of(results, args.forms, args.factors, args.which))


def show_rescaled(args: argparse.Namespace) -> None:
    """Tests weights and their predictions in other sizes, and prints the tables."""
    models = {name: stored.load(name) for name in args.weights or ["repose_lift"]}
    found, statures = {}, {}
    for split in trainings.SPLITS:
        found[split], statures[split] = rescaled.measure(
            models, split, data_dir=args.data_dir, depths=DEPTHS, sizes=SIZES
        )
        if args.json:
            runs.save(args.json, weights=[*models], results=found, statures=statures)
        print(tables.markdown(takes.table(split, found[split])))
        for name, ratios in statures[split].items():
            mean = 100 * statistics.fmean(ratios)
            print(f"{name}: true statures are {mean:.1f} % of the predicted ones.", flush=True)


def show_temperature(args: argparse.Namespace, flags: Sequence[str]) -> None:
    """Measures the temperatures of weights, or of what `tune` starts from; prints the tables."""
    if args.weights:
        models = {name: [stored.load(name)] for name in args.weights}
    else:
        models = {args.backbone: trainings.start(args, flags)}
    found = {}
    for name, seeds in models.items():
        found[name] = {}
        for split in trainings.SPLITS:
            found[name][split] = [
                temperature.measure(model, split, data_dir=args.data_dir) for model in seeds
            ]
            print(report.temperatures(f"{name}, {split}", found[name][split]), flush=True)
            if args.json:
                runs.save(args.json, results=found)


if __name__ == "__main__":
    sys.exit(terminal.run(main))
