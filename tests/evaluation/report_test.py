import csv
import json
import math

import numpy as np
import pytest

from repose_jax.evaluation import protocols, report, tables
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.tally import VISIBILITY, Group, Tally
from repose_jax.skeleton import HUMAN36M

PROTOCOL = protocols.get("every_frame")


@pytest.fixture
def tally() -> Tally:
    """Nothing is known to be visible; the order of frames never had a pair."""
    shape = (3, 17, len(VISIBILITY))
    rng = np.random.default_rng(0)
    totals = {name: rng.uniform(1, 1000, shape) for name in METRICS}
    weights = {name: np.full(shape, 10.0) for name in METRICS}
    for sums in (totals, weights):
        sums["temporal_depth_order"][:] = 0
        for name in METRICS:
            sums[name][:, :, VISIBILITY.index("visible")] = 0
    groups = tuple(
        Group(f"take{i}", "S1", action, 0) for i, action in enumerate(("", "walk", "walk"))
    )
    return Tally(groups=groups, totals=totals, weights=weights)


def test_a_mean_over_nothing_is_not_a_number(tally):
    assert math.isnan(tally.mean("mpjpe", visibility="visible"))
    assert math.isnan(tally.mean("temporal_depth_order"))
    summary = tally.summary(where=lambda group: group.action == "walk", joint=3)
    assert list(summary) == list(METRICS)
    totals = tally.totals["mpjpe"][1:, 3, :2].sum()
    assert summary["mpjpe"] == pytest.approx(totals / 40)


def test_the_groups_are_all_visibility_action_and_joint(tally):
    groups = report.groups(tally)
    assert list(groups) == ["all", "visibility", "action", "joint"]
    assert list(groups["visibility"]) == ["occluded"]
    assert list(groups["action"]) == ["(none)", "walk"]
    assert list(groups["joint"]) == list(HUMAN36M.joints)
    assert groups["all"]["all"]["mpjpe"] == tally.mean("mpjpe")


def test_a_table_lines_up_and_shows_a_dash_for_missing_values():
    rows = {
        "short": {"mpjpe": 12.346, "pck": 100.0},
        "much longer": dict.fromkeys(METRICS, 1.0) | {"auc": math.nan},
    }
    lines = report.table(rows, corner="name").splitlines()
    assert len({len(line) for line in lines}) == 1
    head, rule, short, longer = (line.split() for line in lines)
    assert head == ["name", *(metric.head for metric in METRICS.values())]
    assert set("".join(rule)) == {"-"}
    assert dict(zip(head[1:], short[1:], strict=True)) == {
        metric.head: {"mpjpe": "12.35", "pck": "100.00"}.get(name, "-")
        for name, metric in METRICS.items()
    }
    assert dict(zip(head[1:], longer[2:], strict=True)) == {
        metric.head: "-" if name == "auc" else "1.00" for name, metric in METRICS.items()
    }


def test_the_full_table_has_every_group_and_the_units(tally):
    text = report.full_table(tally, PROTOCOL)
    for name in ("all", "visibility", "action", "joint", "occluded", "walk", "left_wrist"):
        assert f"\n{name} " in "\n" + text
    assert report.units() in text
    assert text.endswith(tables.text(PROTOCOL.table(tally)))
    assert "nan" not in text


def test_groups_without_a_row_have_no_table(tally):
    for sums in (*tally.totals.values(), *tally.weights.values()):
        sums[:, :, VISIBILITY.index("occluded")] = 0
    assert report.groups(tally)["visibility"] == {}
    assert "visibility" not in report.full_table(tally, PROTOCOL)


def test_json_and_csv_agree(tally, tmp_path):
    json_path, csv_path, *_ = report.write(tmp_path, tally, PROTOCOL, {"step": 7})
    text = json_path.read_text()
    assert "NaN" not in text
    content = json.loads(text)
    assert content["step"] == 7
    results = content["results"]
    assert results["all"]["all"]["mpjpe"] == tally.mean("mpjpe")
    assert results["all"]["all"]["temporal_depth_order"] is None
    with csv_path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(group) for group in results.values())
    for row in rows:
        for metric in METRICS:
            value = results[row["group"]][row["name"]][metric]
            assert row[metric] == ("" if value is None else repr(value))


def test_the_protocols_table_is_written_in_every_format(tally, tmp_path):
    written = report.write(tmp_path, tally, PROTOCOL, {})
    assert sorted(path.name for path in written) == sorted(
        ["evaluation.json", "evaluation.csv"]
        + [f"protocol.{suffix}" for suffix in ("txt", "md", "tex", "csv")]
    )
    assert all(path.parent == tmp_path and path.read_text() for path in written)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["summary"]["mpjpe"] == PROTOCOL.summary(tally)["mpjpe"]
    table = PROTOCOL.table(tally)
    assert list(content["table"]) == list(table.rows)
    assert content["table"]["all joints"]["MPJPE ↓"] == table.rows["all joints"][0]
