"""The paper's Table 4 on real motion capture: no relational loss, spatial, temporal, both.

    python -m benchmarks.ablation --out=runs/ablation

Trains `mocap:tiny,budget` on CMU and Bandai Namco, and once more on Bandai Namco alone; tests on
the CMU subjects of the test split. Every finished run is kept, so the same command resumes. Other
flags, such as `--config.data.data_dir=DIR`, go to `repose train`.
"""

import pathlib
import sys

from benchmarks import runs
from repose_jax.cli.arguments import Parser, positive
from repose_jax.runtime import terminal

LOSSES = {"none": "baseline", "spatial": "spatial", "temporal": "temporal", "both": ""}
TRAINING = {"CMU and Bandai Namco": "", "Bandai Namco": "bandai"}


@runs.one_line
def main() -> None:
    """Runs the ablation and prints a table for each training set."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--sizes", default="tiny,budget", help="variants of size and budget")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args, extra = parser.parse_known_args()
    tables = {}
    for data, data_variant in TRAINING.items():
        settings = {
            name: ("mocap:" + ",".join(filter(None, [args.sizes, data_variant, variant])), [])
            for name, variant in LOSSES.items()
        }
        folder = args.out / (data_variant or "both")
        tables[data] = runs.sweep(settings, seeds=args.seeds, out=folder, extra=extra)
        if args.json:
            values = {data: runs.values(results) for data, results in tables.items()}
            runs.save(args.json, seeds=args.seeds, results=values)
        print(f"\nTrained on {data}\n\n{runs.report(tables[data])}", flush=True)


if __name__ == "__main__":
    sys.exit(terminal.run(main))
