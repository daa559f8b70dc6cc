"""The relational losses of depth: which help, by how much, at which weight.

    python -m benchmarks.relational gradients --data_dir=DIR        # how hard each loss pulls
    python -m benchmarks.relational tune --out=runs/relational --data_dir=DIR      # as in Table 5
    python -m benchmarks.relational scratch --out=runs/relational --data_dir=DIR   # from scratch
    python -m benchmarks.relational figure --out=docs/images/relational_cost.png

`tune` trains the probe of `configs/lift.py` without a relational loss for 8,000 steps of 16 clips,
for each seed, and then each objective from it for 600 steps whose learning rate decays to 0, on the
same windows into the motions. `scratch` trains each objective for 3,000 steps. Differences to the
training without a relational loss are paired by seed. With `--folder` they are tested on a real
recording too (see `benchmarks.accuracy`). Finished runs and their tests are kept, so the same
command resumes. Other flags go to `repose train`: another model, or other data.
"""

import argparse
import dataclasses
import functools
import json
import math
import pathlib
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import runs
from benchmarks.accuracy import stored, video
from repose_jax.cli import arguments
from repose_jax.cli.environment import start_jax
from repose_jax.evaluation import charts, compare, tables
from repose_jax.evaluation.metrics import METRICS, Metric
from repose_jax.objectives import depth_order, objective
from repose_jax.objectives.losses import Poses, Terms, Valid
from repose_jax.runtime import terminal

CONFIG = "lift:probe"
SPLITS = "cmu_mocap/30fps:test", "bvh_motion/cmu_archives_30fps:test"
NONE = "none"
_NO_LOSS = {"spatial_order": 0.0, "temporal_order": 0.0}


def depth_spread(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Deviation of a joint's predicted depth from the mean of its frame, in percent of the truth's.

    Below 100 the pose is flatter than it is. Mean absolute deviations, of all frames together.
    """
    total, weight = (
        jnp.abs(depth - jnp.mean(depth, axis=-1, keepdims=True, where=valid))
        for depth in (prediction[..., 2], target[..., 2])
    )
    return jnp.where(valid, 100 * total, 0), jnp.where(valid, weight, 0)


SPREAD = Metric("depth_spread", "Spread", "%", 1, "higher", "clips", depth_spread)


COLUMNS = (
    *(("mpjpe", None), ("mpjpe", "occluded"), ("pa_mpjpe", None), ("pa_mpjpe", "occluded")),
    *(("spatial_depth_order", None), ("spatial_depth_order", "occluded")),
    *(("temporal_depth_order", None), ("mpjve", None), ("depth_spread", None)),
)
"""(metric, visibility) of the tables."""


@dataclasses.dataclass(frozen=True)
class Form:
    """A form of the relational losses.

    Attributes:
        kind: of the losses `spatial_KIND` and `temporal_KIND`.
        weights: of the spatial and of the temporal loss, with which they pull a third as hard as
            MPJPE at the predicted depths of a trained probe (`gradients`).
        options: of `config.objective`.
    """

    kind: str
    weights: tuple[float, float] = (1.0, 1.0)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def overrides(self, *, spatial: float, temporal: float) -> list[str]:
        """Returns the flags of a training with these weights."""
        weights = _NO_LOSS | {f"spatial_{self.kind}": spatial, f"temporal_{self.kind}": temporal}
        return [
            *(f"--config.objective.weights.{loss}={weight}" for loss, weight in weights.items()),
            *(f"--config.objective.{name}={value}" for name, value in self.options.items()),
        ]


FORMS = {
    "hinge": Form("depth", (1.4, 0.69)),
    "hinge, margin 3 cm": Form("depth", (1.1, 0.54), options={"margin": 0.03}),
    "hinge, true gap": Form("depth", (0.48, 0.47), options={"margin": 10.0}),
    "hinge, gaps above 5 cm": Form("depth", (1.8, 1.7), options={"closest": 0.05}),
    "hinge, occluded pairs": Form(
        "depth", (0.5, 0.17), options={"pairs": "occluded", "reduction": "ordered"}
    ),
    "difference": Form("difference", (0.41, 0.42)),
    "logistic, tau 2 cm": Form("order", (1.4, 0.83), options={"tau": 0.02}),
    "logistic, tau 5 cm": Form("order", (1.5, 0.87)),
    "logistic, tau 10 cm": Form("order", (1.4, 0.88), options={"tau": 0.1}),
    "logistic, tau by joint": Form("order", (1.4, 0.87), options={"tau_by_joint": True}),
    "logistic, learned tau": Form("order", (1.5, 0.87), options={"learn_tau": True}),
    "logistic, gaps above 5 cm": Form("order", (1.8, 1.8), options={"closest": 0.05}),
    "logistic, occluded pairs": Form(
        "order", (0.52, 0.21), options={"pairs": "occluded", "reduction": "ordered"}
    ),
}
"""Forms by name; the paper's first."""

WHICH = {"S": (1.0, 0.0), "T": (0.0, 1.0), "S + T": (1.0, 1.0)}
"""Shares of the spatial and of the temporal weight."""

_BASE = (
    *("--config.optim.schedule=epochs", "--config.optim.decay=1.0", "--config.optim.lr=2e-3"),
    *("--config.train.epochs=16", "--config.train.epoch_steps=500", "--config.train.eval_every=16"),
)
_TUNED = (
    *("--config.optim.lr=2e-3", "--config.optim.warmup_steps=0", "--config.train.epochs=3"),
    *("--config.train.epoch_steps=200", "--config.train.eval_every=3"),
)
_SCRATCH = (
    *("--config.train.epochs=6", "--config.train.epoch_steps=500", "--config.train.eval_every=6"),
)


def settings(
    forms: Sequence[str], factors: Sequence[float], budget: Sequence[str]
) -> dict[str, tuple[str, list[str]]]:
    """Returns the trainings for `runs.sweep`, without a relational loss first.

    Args:
        forms: names in `FORMS`.
        factors: each form has its weights times each of these.
        budget: flags of all.
    """
    found = {NONE: (CONFIG, [*budget, *Form("order").overrides(spatial=0.0, temporal=0.0)])}
    for name in forms:
        form = FORMS[name]
        for which, shares in WHICH.items():
            for factor in factors:
                spatial, temporal = (
                    share * weight * factor
                    for share, weight in zip(shares, form.weights, strict=True)
                )
                flags = form.overrides(spatial=spatial, temporal=temporal)
                found[f"{name}, {which} x {factor:g}"] = CONFIG, [*budget, *flags]
    return found


def test(
    workdir: pathlib.Path, folder: pathlib.Path | None, data_dir: str | None
) -> dict[str, dict[str, float]]:
    """Tests a run, or reads its tests from `relational.json` in its workdir."""
    from repose_jax.evaluation.evaluator import load_evaluator
    from repose_jax.lifting import predictor
    from repose_jax.runtime import devices

    path = workdir / "relational.json"
    found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    model = None
    for name in (*SPLITS, *(["recording"] if folder else [])):
        if name in found:
            continue
        model = model or predictor.load(workdir, "latest")
        if name == "recording":
            assert folder
            views = video.measure({"": model}, folder, known=("fps",), mean_pose=None)
            # Rows such as "OpenPose, nose as neck"; the others are not the model's.
            rows = [row[0] for rows in views.values() for name, row in rows.items() if ", " in name]
            found["recording"] = {key: statistics.fmean(r[key] for r in rows) for key in rows[0]}
        else:
            config = stored.experiment(model.config, name, data_dir=data_dir, known=("fps",))
            evaluator = load_evaluator(config, devices.data_mesh())
            predicted = evaluator.predict(evaluator.predictor(model.graphdef, model.variables))
            tally = evaluator.score(predicted)
            found[name] = {f"{m}/{v or 'all'}": tally.mean(m, visibility=v) for m, v in COLUMNS}
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def table(
    results: Mapping[str, Sequence[Mapping[str, Mapping[str, float]]]], name: str
) -> tables.Table:
    """Makes the table of a test: `NONE`, and the differences from it, paired by seed."""
    columns = list(results[NONE][0][name])
    none = results[NONE]
    rows = {NONE: [statistics.fmean(run[name][c] for run in none) for c in columns]}
    spreads = {
        NONE: [
            statistics.stdev([run[name][c] for run in none]) if len(none) > 1 else math.nan
            for c in columns
        ]
    }
    for setting, several in results.items():
        if setting != NONE:
            paired = [*zip(several, none, strict=False)]
            each = [[a[name][c] - b[name][c] for a, b in paired] for c in columns]
            rows[setting] = [*map(statistics.fmean, each)]
            spreads[setting] = [*map(compare.half_width, each)]
    return tables.Table(
        title=f"{name}: {NONE}, mean ± standard deviation over the seeds; others, difference from "
        "it, paired by seed, ± half of the 95 % interval",
        columns=tuple(map(_head, columns)),
        rows=rows,
        digits=2,
        spreads=spreads,
    )


def _head(column: str) -> str:
    name, _, visibility = column.partition("/")
    head = METRICS[name].head if name in METRICS else name
    return head if visibility in ("", "all") else f"{head} {visibility}"


def gradients(flags: Sequence[str], batches_: int = 4) -> dict[str, dict[str, float]]:
    """Measures how hard each form pulls at weight 1, as a share of MPJPE.

    Args:
        flags: of `repose train`; with `--config.init_from=RUN` of a trained model.
        batches_: batches over which the norms are averaged.

    Returns:
        For each form and each of its losses the norm of its gradient over that of MPJPE, by the
        predicted depths and by the parameters of the model.
    """
    from flax import nnx

    from repose_jax.simulation.windows import MotionWindows
    from repose_jax.training import examples, step
    from repose_jax.training import stored as weights
    from repose_jax.training.setup import setup

    parser = arguments.Parser(prog="python -m benchmarks.relational gradients")
    parser.add_config()
    config = arguments.parse(parser, [f"--config={CONFIG}", *flags]).experiment
    run, state = setup(config)
    if config.init_from:
        state = weights.start_from(config.init_from, state)
    assert isinstance(run.train, MotionWindows)
    motions = examples.landmarks(run.train, run.mesh)
    rows = step.batches(run, range(batches_))

    simulate = jax.jit(functools.partial(examples.simulated, config))
    keys = jax.random.split(jax.random.key(config.train.seed), batches_)
    made = [
        simulate(key, motions, jax.tree.map(lambda x, i=i: x[i], rows))
        for i, key in enumerate(keys)
    ]

    def predict(params, inputs):
        model = nnx.merge(run.graphdef, params, state.stats)
        return model.outputs(inputs[..., : model.config.in_channels], keys[0])[-1]

    @jax.jit
    def backward(params, inputs, by_output):
        (grads,) = jax.vjp(lambda params: predict(params, inputs), params)[1](by_output)
        return jnp.sqrt(sum(jnp.sum(x**2) for x in jax.tree.leaves(grads)))

    params = state.params["model"]
    outputs = [jax.jit(predict)(params, batch["inputs"]) for batch in made]

    def mean(minimised):
        @jax.jit
        def by_output(output, batch):
            mask = jnp.broadcast_to(batch["mask"], batch["targets"].shape[:-1])
            parameters = objective.init_log_variances(minimised)
            total = functools.partial(minimised, log_variances=parameters)
            return jax.grad(
                lambda x: total(x, batch["targets"], mask, occluded=batch["occluded"])[0]
            )(output)

        each = []
        for output, batch in zip(outputs, made, strict=True):
            found = by_output(output, batch)
            each.append((jnp.linalg.norm(found[..., 2]), backward(params, batch["inputs"], found)))
        return np.mean(jax.device_get(each), axis=0)

    whole = mean(objective.make_objective({"mpjpe": 1.0}))
    found = {}
    for name, form in FORMS.items():
        for axis in ("spatial", "temporal"):
            loss = f"{axis}_{form.kind}"
            by_depth, by_params = mean(objective.make_objective({loss: 1.0}, **form.options))
            found[f"{name}, {axis}"] = {
                "by depth": float(by_depth / whole[0]),
                "by parameters": float(by_params / whole[1]),
            }
    return found


def expected_cost(form: Form, probability: float, gaps: np.ndarray, truth: float) -> np.ndarray:
    """Returns the expected cost of a pair over its predicted gap of depth.

    Args:
        form: what it costs.
        probability: that the joint that is predicted nearer by a positive gap truly is.
        gaps: predicted gaps, m.
        truth: the true gap in either order, m.
    """
    options = {k: v for k, v in form.options.items() if k in ("margin", "tau")}
    kind = {"depth": "hinge", "order": "logistic", "difference": "difference"}[form.kind]
    if kind == "difference":
        options["margin"] = math.inf
    pairs = depth_order.Pairs(kind, **options)

    @jax.vmap
    def cost(gap):
        depth = jnp.array([[0.0], [1.0]]) * gap
        nearer = jnp.array([[0.0], [truth]])
        right, wrong = (depth_order.pairwise_cost(depth, t, pairs) for t in (nearer, -nearer))
        return probability * right + (1 - probability) * wrong

    return np.asarray(cost(jnp.asarray(gaps, jnp.float32)))


def draw(path: pathlib.Path) -> None:
    """Draws the expected cost of the hinge and of the logistic loss for some probabilities."""
    gaps = np.linspace(-0.2, 0.2, 161)
    panels = {
        "Hinge (the paper's): expected cost, cm": FORMS["hinge"],
        "Logistic, tau 5 cm: expected cost, cm": FORMS["logistic, tau 5 cm"],
    }
    charts.lines(
        path,
        {
            head: {
                f"p = {p:g}": [
                    (float(100 * gap), float(100 * cost))
                    for gap, cost in zip(gaps, expected_cost(form, p, gaps, 0.1), strict=True)
                ]
                for p in (0.5, 0.6, 0.75, 0.9)
            }
            for head, form in panels.items()
        },
        x="predicted gap of depth, cm",
    )


def main() -> None:
    """Runs one of the parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("gradients", "tune", "scratch", "figure"))
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/relational"),
        help="folder of the runs, or the figure",
    )
    parser.add_argument("--folder", type=pathlib.Path, help="a real recording")
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--factors", type=float, nargs="+", default=[0.3, 1.0, 3.0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args, extra = parser.parse_known_args()
    extra += [f"--config.data.data_dir={x}" for x in [args.data_dir] if x]
    if args.part == "figure":
        draw(args.out)
        return
    start_jax()
    METRICS[SPREAD.name] = SPREAD
    if args.part == "gradients":
        found = gradients(extra)
        rows = {name: list(values.values()) for name, values in found.items()}
        shown = tables.Table(
            title="Gradient at weight 1, as a share of MPJPE's",
            columns=("by depth", "by parameters"),
            rows=rows,
            digits=3,
        )
        if args.json:
            runs.save(args.json, gradients=found)
        print(tables.markdown(shown))
        return
    budget = list(_SCRATCH)
    if args.part == "tune":
        _, flags = settings([], [], _BASE)[NONE]
        runs.sweep({"base": (CONFIG, flags)}, seeds=args.seeds, out=args.out, extra=extra)
        budget = [*_TUNED, f"--config.init_from={args.out / 'base_seed{seed}'}"]
    chosen = settings(args.forms, args.factors, budget)
    found = runs.sweep(chosen, seeds=args.seeds, out=args.out / args.part, extra=extra)
    results = {
        name: [test(run.workdir, args.folder, args.data_dir) for run in several]
        for name, several in found.items()
    }
    if args.json:
        runs.save(args.json, seeds=args.seeds, results=results)
    for name in results[NONE][0]:
        print("\n" + tables.markdown(table(results, name)).rstrip("\n"))


if __name__ == "__main__":
    sys.exit(terminal.run(main))
