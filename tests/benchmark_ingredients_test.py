"""The effect of each ingredient: settings that differ in one thing, differences paired by seed."""

import json
import math
import shutil

import pytest
import small_recording

from benchmarks import ingredients, runs
from benchmarks.accuracy import stored, video
from repose_jax.cli import arguments
from repose_jax.evaluation import compare
from repose_jax.lifting import predictor

SPLIT = "small/30fps:test"


def settings(name):
    parser = arguments.Parser(prog="repose train")
    parser.add_config()
    flags = [f"--config={ingredients.CONFIG}", *ingredients.SETTINGS[name], *ingredients.BUDGET]
    return compare.settings(arguments.parse(parser, flags).experiment.to_dict())


def test_each_setting_leaves_out_what_its_name_says():
    whole = settings(ingredients.WHOLE)
    changed = {
        name: compare.differing([whole, settings(name)])
        for name in ingredients.SETTINGS
        if name != ingredients.WHOLE
    }
    weights = ["objective.weights.spatial_order", "objective.weights.temporal_order"]
    assert changed == {
        "inputs in the frame of the image": ["data.normalise"],
        "no upper bodies of other takes": ["simulation.upper_body"],
        "no arms of other takes": ["simulation.arms"],
        "neither": ["simulation.upper_body", "simulation.arms"],
        "cameras of a room alone": ["simulation.handheld"],
        "exact confidence alone": ["simulation.confidence_laws"],
        "no formats of other detectors": ["simulation.formats"],
        "no bodies cut off by the image": ["simulation.truncated"],
        "no loss of the order": weights,
        "hinge losses of the order": [
            *weights, "objective.weights.spatial_depth", "objective.weights.temporal_depth"
        ],
        "no synthetic motion": ["data.train"],
        "no archives of dance and sports": ["data.train"],
    }  # fmt: skip
    assert whole["train.epochs"] * whole["train.epoch_steps"] == 2000
    assert whole["train.eval_every"] == whole["train.epochs"]


def test_the_table_has_the_differences_of_the_same_seeds():
    columns = ingredients.COLUMNS[ingredients.RECORDING]

    def tests(*values: float):
        return [{ingredients.RECORDING: dict.fromkeys(columns, value)} for value in values]

    results = {ingredients.WHOLE: tests(70.0, 72.0, 74.0), "without": tests(71.0, 75.0)}
    table = ingredients.table(results, ingredients.RECORDING)
    assert [*table.rows] == [ingredients.WHOLE, "without", ingredients.POOLED]
    assert table.rows[ingredients.WHOLE] == [72.0] * 4
    assert table.rows["without"] == [2.0] * 4
    assert table.spreads[ingredients.WHOLE] == pytest.approx([2.0] * 4)
    assert table.spreads["without"] == pytest.approx([12.706] * 4, rel=1e-4)  # Student's t, 1 df
    one = {name: found[:1] for name, found in results.items()}
    assert all(map(math.isnan, ingredients.table(one, ingredients.RECORDING).spreads["without"]))

    results = {name: tests(0.0, 0.0) for name in ("b", "c")} | {ingredients.WHOLE: tests(1.0, 3.0)}
    pooled = ingredients.table(results, ingredients.RECORDING).rows[ingredients.POOLED]
    assert pooled == pytest.approx([4.3027] * 4, rel=1e-4)  # 2 df, variance 2, 2 runs


def test_runs_are_tested_once(trained, data_dir, tmp_path, monkeypatch, capsys):
    folder = small_recording.write(tmp_path / "recording")
    workdir = tmp_path / "workdir"
    shutil.copytree(trained.workdir, workdir)
    run = compare.read(workdir)
    names = [ingredients.WHOLE, "without"]
    monkeypatch.setattr(runs, "sweep", lambda settings, **_: {name: [run] for name in names})
    monkeypatch.setattr(ingredients, "SPLITS", (SPLIT,))
    columns = {SPLIT: ("mpjpe",), ingredients.RECORDING: ("mpjpe", "pa_mpjpe_12")}
    monkeypatch.setattr(ingredients, "COLUMNS", columns)
    path = tmp_path / "ingredients.json"
    line = ["ingredients", f"--out={tmp_path}", f"--folder={folder}", f"--data_dir={data_dir}"]
    monkeypatch.setattr("sys.argv", [*line, f"--json={path}"])
    ingredients.main()
    printed = capsys.readouterr().out
    assert "| without | 0.0 | 0.0 |" in printed

    found = json.loads(path.read_text())["results"]["without"][0]
    models = {"model": predictor.load(workdir, "latest")}
    (want,) = stored.measure(models, SPLIT, data_dir=str(data_dir), known=("fps",))["model"]
    assert found[SPLIT] == pytest.approx(want)
    views = video.measure(models, folder, known=("fps",), mean_pose=None)
    rows = [row[0]["mpjpe"] for view in views.values() for row in list(view.values())[:8]]
    assert found[ingredients.RECORDING]["mpjpe"] == pytest.approx(sum(rows) / 16)

    capsys.readouterr()
    monkeypatch.setattr(predictor, "load", lambda *_: pytest.fail("tested again"))
    ingredients.main()
    assert printed.endswith(capsys.readouterr().out)
