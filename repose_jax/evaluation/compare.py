"""Finished runs beside each other: mean and spread over seeds, and paired differences."""

import collections
import contextlib
import dataclasses
import glob
import json
import math
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from repose_jax import config, models
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.tables import Table
from repose_jax.runtime import names
from repose_jax.runtime.checkpoint import saved_step

DEFAULT = ("mpjpe", "pa_mpjpe", "ra_mpjpe", "mpjve", "spatial_depth_order", "temporal_depth_order")
"""Metrics that are shown by default."""

# Settings that no result depends on, in the form of `settings`.
_WITHOUT_EFFECT = ("train.seed", "train.log_every", "data.data_dir", "eval.batch_size")
_WITHOUT_EFFECT += ("eval.pictures", "eval.hypotheses", "eval.sampling_steps", "eval.as_published")
_LARGEST = 1e100  # of the values in a file, whose squares are finite


@dataclasses.dataclass(frozen=True)
class Run:
    """An evaluated run.

    Attributes:
        workdir: its folder.
        settings: every setting that its results depend on, see `settings`, and the "checkpoint"
            that was evaluated.
        seed: of the training.
        evaluation: its `evaluation.json`.
    """

    workdir: pathlib.Path
    settings: Mapping[str, Any]
    seed: int
    evaluation: Mapping[str, Any]

    def value(self, metric: str, visibility: str | None = None) -> float:
        """Returns the mean of a metric; NaN for one that the evaluation did not have.

        Args:
            metric: its name.
            visibility: None for the mean of the protocol; "visible" or "occluded" for that over
                all such joints.

        Raises:
            ValueError: an unknown metric, or nothing is known of the visibility.
        """
        row = self.evaluation.get("summary") or self.evaluation["results"]["all"]["all"]
        if visibility:
            row = self.evaluation["results"].get("visibility", {}).get(visibility)
            if row is None:
                raise ValueError(
                    f"{self.workdir / 'evaluation.json'} has no results for {visibility} joints: "
                    "the visibility of its test data is unknown."
                )
        if metric not in row and metric not in METRICS:
            raise ValueError(f"{self.workdir}: {names.unknown('metric', metric, row)}")
        value = row.get(metric)
        return math.nan if value is None else value


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of an experiment's dictionary that results depend on, by dotted key."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else key, inner)
        elif not (prefix.startswith("objective.weights.") and value == 0):  # the same as without
            flat[prefix] = list(value) if isinstance(value, tuple) else value

    add("", {**values, "model": models.completed(values["model"])})
    return {key: value for key, value in flat.items() if key not in _WITHOUT_EFFECT}


def find(patterns: Iterable[str]) -> list[pathlib.Path]:
    """Returns the workdirs that paths, folders of workdirs and glob patterns name.

    Raises:
        FileNotFoundError: one of them names no workdir.
    """
    found: list[pathlib.Path] = []
    for pattern in patterns:
        matches = [pathlib.Path(match) for match in sorted(glob.glob(pattern))]
        workdirs = [
            path.parent
            for match in [pathlib.Path(pattern)] * pathlib.Path(pattern).is_dir() or matches
            for path in [match / "config.json", *sorted(match.glob("*/config.json"))]
            if path.exists()
        ]
        if not workdirs:
            raise FileNotFoundError(f"{pattern} names no run: there is no config.json in it.")
        found += workdirs
    return list(dict.fromkeys(found))


def read(workdir: pathlib.Path) -> Run:
    """Reads an evaluated run.

    Raises:
        FileNotFoundError: it has no configuration or was not evaluated.
        ValueError: a file that is not of a run, an error that is not finite, or a run that was
            trained on since.
    """
    for name in ("config.json", "evaluation.json"):
        if not (workdir / name).exists():
            raise FileNotFoundError(
                f"{workdir} has no {name}: finish its training, or evaluate it with `repose eval`."
            )
    with _content(workdir / "config.json") as written:
        experiment = config.from_run(written["config"]).to_dict()
    with _content(workdir / "evaluation.json") as evaluation:
        _check(evaluation)
        experiment = _as_evaluated(experiment, evaluation)
    scores = evaluation.get("summary") or evaluation["results"]["all"]["all"]
    if scores.get("mpjpe") is None:
        raise ValueError(
            f"{workdir / 'evaluation.json'}: the mpjpe is not finite; the run has diverged. Leave "
            "it out, or evaluate its best checkpoint with `repose eval`."
        )
    checkpoint = {"checkpoint": evaluation.get("checkpoint", "latest")}
    step, saved = evaluation.get("step"), saved_step(workdir)
    if checkpoint["checkpoint"] == "latest" and step is not None and step < (saved or 0):
        raise ValueError(
            f"{workdir} was evaluated at step {step} and then trained to step {saved}: finish its "
            "training, or evaluate it with `repose eval --checkpoint=latest`."
        )
    return Run(workdir, settings(experiment) | checkpoint, experiment["train"]["seed"], evaluation)


@contextlib.contextmanager
def _content(path: pathlib.Path) -> Iterator[Any]:
    """Yields the values of a JSON file, and names it in errors about them."""
    try:
        yield json.loads(path.read_text("utf-8"))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not readable as a run's: {error!r}") from error


def _as_evaluated(experiment: dict[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a run with those of its evaluation, which `repose eval` may change.

    Evaluations of earlier versions have the test set and the protocol alone.
    """
    data, own = experiment["data"], experiment["eval"]
    values = {
        "data": data | {"test": evaluation.get("test", data["test"])},
        "eval": own
        | {"protocol": evaluation.get("protocol", own["protocol"])}
        | evaluation.get("eval", {}),
    }
    return config.from_run(experiment | values).to_dict()


def _check(evaluation: Mapping[str, Any]) -> None:
    """Raises an error unless the values that are compared are finite numbers or null."""
    results = evaluation["results"]
    rows = [results["all"]["all"], *results.get("visibility", {}).values()]
    values = [*(evaluation.get("summary") or {}).items(), *(v for row in rows for v in row.items())]
    for name, value in (*values, ("step", evaluation.get("step"))):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and abs(value) < _LARGEST):
            raise ValueError(f"{name} is {value!r}"[:200])


def group(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Groups runs that differ only in their seed, named by the settings in which groups differ.

    Raises:
        ValueError: runs of different test sets or protocols, or two of the same seed in a group.
    """
    for key in ("data.test", "eval.protocol"):
        other = next((r for r in runs if r.settings[key] != runs[0].settings[key]), None)
        if other:
            raise ValueError(
                f"config.{key} is {runs[0].settings[key]!r} in the evaluation of "
                f"{runs[0].workdir} and {other.settings[key]!r} in that of {other.workdir}; only "
                "runs with the same are compared."
            )
    groups: dict[str, list[Run]] = collections.defaultdict(list)
    for run in runs:
        same = groups[json.dumps(run.settings, sort_keys=True)]
        if twin := next((other for other in same if other.seed == run.seed), None):
            raise ValueError(
                f"{twin.workdir} and {run.workdir} have the same configuration and train.seed, "
                f"{run.seed}; give one of them."
            )
        same.append(run)
    members = list(groups.values())
    if len(members) == 1:
        return {str(runs[0].workdir if len(runs) == 1 else runs[0].workdir.parent): members[0]}
    keys = differing([member[0].settings for member in members])
    return {_label(member[0].settings, keys): member for member in members}


def differing(several: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the keys of settings that are not the same in all."""
    keys = dict.fromkeys(key for one in several for key in one)
    return [key for key in keys if any(one.get(key) != several[0].get(key) for one in several)]


def _label(of: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Names a group: `key=value` of the keys, without a model's sizes beside its name."""
    keys = list(keys)
    if "model.name" in keys:
        keys = ["model.name", *(key for key in keys if not key.startswith("model."))]
    missing = {key: 0 for key in keys if key.startswith("objective.weights.")}
    shown = {key: of.get(key, missing.get(key)) for key in keys}
    return ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in shown.items()
    )


def means(
    groups: Mapping[str, Sequence[Run]], metrics: Sequence[str], visibility: str | None = None
) -> Table:
    """Makes a table of mean and standard deviation over the seeds of each group."""
    values = {
        name: [[run.value(metric, visibility) for run in runs] for metric in metrics]
        for name, runs in groups.items()
    }
    first = next(iter(groups.values()))[0]
    average = f"mean over all {visibility} joints" if visibility else "mean of the protocol"
    return _table(
        f"{', '.join(first.settings['data.test'])}, {first.settings['eval.protocol']}, {average}; "
        "mean ± standard deviation over the seeds",
        metrics,
        {name: [*map(_mean, rows)] for name, rows in values.items()},
        {name: [*map(_deviation, rows)] for name, rows in values.items()},
        {name: len(runs) for name, runs in groups.items()},
    )


def differences(
    groups: Mapping[str, Sequence[Run]],
    baseline: str,
    metrics: Sequence[str],
    visibility: str | None = None,
) -> Table:
    """Makes a table of the differences from a group, with 95 % intervals.

    The differences are paired: of runs with the same seed. Their interval is Student's.
    """
    base = {run.seed: run for run in groups[baseline]}
    rows, spreads, counts = {}, {}, {}
    for name, runs in groups.items():
        if name == baseline:
            continue
        paired = [run for run in runs if run.seed in base]
        columns = [
            [run.value(m, visibility) - base[run.seed].value(m, visibility) for run in paired]
            for m in metrics
        ]
        rows[name], counts[name] = [*map(_mean, columns)], len(paired)
        spreads[name] = [*map(half_width, columns)]
    title = f"difference from {baseline}, paired by seed; ± half of the 95 % interval"
    return _table(title, metrics, rows, spreads, counts, sign="+")


def half_width(values: Sequence[float]) -> float:
    """Returns half of the 95 % interval of a mean, by Student's t; NaN of fewer than two values."""
    if len(values) < 2:
        return math.nan
    quantile = float(special.stdtrit(len(values) - 1, 0.975))
    return quantile * _deviation(values) / math.sqrt(len(values))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _table(title, metrics, rows, spreads, counts, sign="") -> Table:
    """A table with a column for each metric and one for the number of seeds."""
    known = [(name, METRICS.get(name)) for name in metrics]
    heads = (metric.column if metric else name for name, metric in known)
    digits = (metric.digits if metric else 2 for _, metric in known)
    return Table(
        title=title,
        columns=(*heads, "seeds"),
        rows={name: [*row, counts[name]] for name, row in rows.items()},
        digits=(*(f"{{:{sign}.{places}f}}" for places in digits), 0),
        spreads={name: [*row, math.nan] for name, row in spreads.items()},
    )
