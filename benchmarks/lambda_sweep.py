"""Chooses lambda_S and lambda_T, which the paper leaves open.

    python -m benchmarks.lambda_sweep --config=h36m --out=runs/lambda

Trains the configuration once for every weight of the spatial loss with the temporal one at its
default, then the other way round, and prints a table. Every finished run is kept. Other flags go
to `repose train`.
"""

import pathlib
import sys

from benchmarks import runs
from repose_jax.cli.arguments import Parser, positive
from repose_jax.runtime import terminal


@runs.one_line
def main() -> None:
    """Runs the sweep."""
    parser = Parser(description=__doc__)
    parser.add_argument("--config", required=True, help="what to train, with its variants")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--values", type=float, nargs="+", default=[0.1, 0.3, 1.0, 3.0, 10.0])
    parser.add_argument("--seeds", type=positive, default=1)
    args, extra = parser.parse_known_args()
    settings = {
        f"{loss} {weight:g}": (args.config, [f"--config.objective.weights.{loss}={weight}"])
        for loss in ("spatial_depth", "temporal_depth")
        for weight in args.values
    }
    results = runs.sweep(settings, seeds=args.seeds, out=args.out, extra=extra)
    print(runs.report(results))


if __name__ == "__main__":
    sys.exit(terminal.run(main))
