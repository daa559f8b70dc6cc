"""Comparisons of finished runs, of files written here."""

import json
import math

import numpy as np
import pytest
import small_data

from repose_jax import cli
from repose_jax.evaluation import compare, tables

PROTOCOL = {"mpjpe": 0.0, "pa_mpjpe": 30.0, "mine": 1.0, "auc": None}


def write(
    folder, mpjpe, *, occluded=None, data_dir=None, checkpoint="latest", evaluated=None, **changes
):
    """A run with these results; `changes` as for `small_data.experiment`.

    `evaluated` are values that its evaluation states, as one with other settings does.
    """
    experiment = small_data.experiment(data_dir or folder, **changes)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"config": experiment.to_dict()}))
    row = PROTOCOL | {"mpjpe": mpjpe}
    visibility = {} if occluded is None else {"occluded": row | {"mpjpe": occluded}}
    results = {"all": {"all": row | {"mpjpe": -1.0}}, "visibility": visibility}
    evaluation = {"checkpoint": checkpoint, "summary": row, "results": results}
    evaluation |= evaluated or {}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


def weights(**values):
    return {"weights": {"mpjpe": 1.0} | values}


@pytest.fixture
def runs(tmp_path):
    """Two configurations with three seeds each, and a fourth of the second one."""
    for seed, (base, other) in enumerate([(50.0, 48.0), (52.0, 51.0), (51.0, 48.0), (None, 40.0)]):
        train = {"seed": seed}
        if base:
            objective = weights(spatial_depth=0.0)
            write(tmp_path / "base" / str(seed), base, train=train, objective=objective)
        objective = weights(spatial_depth=0.5)
        write(tmp_path / "other" / str(seed), other, train=train, objective=objective)
    return tmp_path


def groups_of(*paths):
    return compare.group([compare.read(path) for path in compare.find(map(str, paths))])


def test_runs_that_differ_only_in_their_seed_are_one_row_named_by_what_differs(runs):
    groups = groups_of(runs / "base", runs / "other")
    assert {name: len(members) for name, members in groups.items()} == {
        "objective.weights.spatial_depth=0": 3,
        "objective.weights.spatial_depth=0.5": 4,
    }
    table = compare.means(groups, ["mpjpe", "mine"])
    assert table.columns == ("MPJPE ↓", "mine", "seeds")
    assert table.rows["objective.weights.spatial_depth=0"] == [51, 1, 3]
    assert table.spreads["objective.weights.spatial_depth=0"][:2] == [1, 0]
    assert table.cells()["objective.weights.spatial_depth=0"] == [
        "51.00 ± 1.00",
        "1.00 ± 0.00",
        "3",
    ]
    assert "small/30fps:test, every_frame, mean of the protocol" in table.title


def test_a_metric_that_an_older_evaluation_did_not_have_is_missing_and_an_unknown_one_refused(runs):
    groups = groups_of(runs / "base")
    ((row,),) = [compare.means(groups, ["ra_mpjpe"]).cells().values()]
    assert row == ["-", "3"]
    with pytest.raises(ValueError, match="nonsense"):
        compare.means(groups, ["nonsense"])


def test_differences_are_paired_by_seed_with_the_interval_of_student(runs):
    groups = groups_of(runs / "base", runs / "other")
    table = compare.differences(groups, "objective.weights.spatial_depth=0", ["mpjpe"])
    unknown = compare.differences(groups, "objective.weights.spatial_depth=0", ["auc"])
    assert [row[0] for row in unknown.cells().values()] == ["-"]
    (name,) = table.rows  # -2, -1, -3: mean -2, deviation 1
    assert table.rows[name] == [-2, 3]
    assert table.spreads[name][0] == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)
    assert table.cells()[name] == ["-2.00 ± 2.48", "3"]


@pytest.mark.parametrize(
    ("count", "quantile"), [(2, 12.7062), (3, 4.30265), (5, 2.77645), (10, 2.26216), (31, 2.04227)]
)
def test_the_interval_has_the_tabulated_quantiles(count, quantile):
    values = np.arange(count, dtype=float)
    expected = quantile * values.std(ddof=1) / math.sqrt(count)
    assert compare.half_width(list(values)) == pytest.approx(expected, rel=1e-5)


def test_one_run_has_no_spread_and_no_interval(runs):
    groups = groups_of(runs / "base" / "0", runs / "other" / "1", runs / "other" / "0")
    first, second = groups
    assert compare.means(groups, ["mpjpe"]).cells()[first] == ["50.00", "1"]
    assert compare.differences(groups, first, ["mpjpe"]).cells()[second] == ["-2.00", "1"]


def test_without_a_common_seed_there_is_no_difference(runs, tmp_path):
    apart = write(tmp_path / "apart", 1.0, train={"seed": 9}, optim={"lr": 0.5})
    groups = groups_of(runs / "base", apart)
    first, second = groups
    assert compare.differences(groups, first, ["mpjpe"]).cells()[second] == ["-", "0"]


def test_settings_without_an_effect_on_results_do_not_separate_runs(tmp_path):
    objectives = weights(), weights(spatial_depth=0.0, angle=0.0)
    for seed, objective in enumerate(objectives):
        train = {"seed": seed, "log_every": seed + 1}
        write(tmp_path / str(seed), 1.0, data_dir=seed, train=train, objective=objective)
    (members,) = groups_of(tmp_path / "0", tmp_path / "1").values()
    assert len(members) == 2


def test_a_size_of_the_model_that_is_left_out_has_its_default(tmp_path):
    for name, sizes in {"a": {}, "b": {"dropout": 0.0}}.items():
        write(tmp_path / name, 1.0, model={"name": "repose", **sizes}, train={"seed": len(sizes)})
    assert len(groups_of(tmp_path)) == 1


def test_checkpoints_and_optimisers_do(tmp_path):
    write(tmp_path / "a", 1.0)
    write(tmp_path / "b", 1.0, checkpoint="best")
    write(tmp_path / "c", 1.0, optim={"lr": 0.5})
    assert list(groups_of(*(tmp_path / name for name in "abc"))) == [
        "optim.lr=0.01, checkpoint=latest",
        "optim.lr=0.01, checkpoint=best",
        "optim.lr=0.5, checkpoint=latest",
    ]


def test_settings_of_the_evaluation_are_those_that_it_was_made_with(tmp_path, capsys):
    write(tmp_path / "a", 1.0, evaluated={"eval": {"flip": True, "hypotheses": 5}})
    write(tmp_path / "b", 1.0, evaluated={"eval": {"flip": False}}, train={"seed": 1})
    assert list(groups_of(tmp_path)) == ["eval.flip=True", "eval.flip=False"]
    for name, key, value in (
        ("c", "eval.protocol", {"eval": {"protocol": "human36m_camera"}}),
        ("d", "eval.protocol", {"protocol": "human36m_camera"}),  # as earlier versions wrote it
        ("e", "data.test", {"test": ["else/30fps:test"]}),
    ):
        other = write(tmp_path / name, 1.0, evaluated=value)
        assert f"config.{key} is " in refusal(capsys, tmp_path / "a", other)


def test_models_are_named_without_their_sizes(tmp_path):
    write(tmp_path / "a", 1.0)
    write(tmp_path / "b", 1.0, model={"name": "motionbert", "width": 16})
    assert list(groups_of(tmp_path)) == ["model.name=repose", "model.name=motionbert"]


def test_results_of_occluded_joints_are_those_of_the_file(tmp_path):
    write(tmp_path / "a", 1.0, occluded=7.0)
    table = compare.means(groups_of(tmp_path), ["mpjpe", "auc"], "occluded")
    (row,) = table.cells().values()
    assert row == ["7.00", "-", "1"]
    assert "mean over all occluded joints" in table.title


# --- the command ------------------------------------------------------------------------------


def test_the_command_prints_both_tables_and_takes_folders_and_patterns(runs, capsys):
    assert (
        cli.main(["compare", str(runs / "base"), str(runs / "o*" / "*"), "--metrics", "mpjpe"]) == 0
    )
    means, differences = capsys.readouterr().out.split("\n\n")
    assert "51.00 ± 1.00" in means
    assert "difference from objective.weights.spatial_depth=0," in differences
    assert "-2.00 ± 2.48" in differences


def test_the_baseline_can_be_any_run(runs, capsys):
    paths = [str(runs / "base"), str(runs / "other"), "--metrics=mpjpe"]
    assert cli.main(["compare", *paths, f"--baseline={runs / 'other' / '0'}"]) == 0
    assert "+2.00 ± 2.48" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["markdown", "latex", "csv"])
def test_the_command_writes_other_formats(runs, capsys, kind):
    assert cli.main(["compare", str(runs / "base"), "--metrics", "mpjpe", f"--{kind}"]) == 0
    suffix = {"markdown": "md", "latex": "tex", "csv": "csv"}[kind]
    expected = tables.FORMATS[suffix](compare.means(groups_of(runs / "base"), ["mpjpe"]))
    assert capsys.readouterr().out.rstrip("\n") == expected.rstrip("\n")


def test_a_run_that_was_trained_on_after_its_evaluation_is_refused(tmp_path):
    workdir = write(tmp_path / "run", 50.0)
    path = workdir / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"step": 6}))
    (workdir / "checkpoints" / "latest" / "6").mkdir(parents=True)
    assert compare.read(workdir).seed == 0
    (workdir / "checkpoints" / "latest" / "6").rename(workdir / "checkpoints" / "latest" / "8")
    with pytest.raises(ValueError, match="evaluated at step 6 and then trained to step 8"):
        compare.read(workdir)


def refusal(capsys, *argv):
    assert cli.main(["compare", *map(str, argv)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def test_incomparable_runs_are_refused_in_one_line(runs, tmp_path, capsys):
    base = runs / "base"
    assert "names no run" in refusal(capsys, tmp_path / "absent")
    (base / "0" / "evaluation.json").rename(tmp_path / "kept.json")
    assert "has no evaluation.json" in refusal(capsys, base)
    (tmp_path / "kept.json").rename(base / "0" / "evaluation.json")
    other = write(tmp_path / "x", 1.0, data={"test": ("else/30fps:test",)})
    assert "data.test" in refusal(capsys, base, other)
    other = write(tmp_path / "y", 1.0, eval={"protocol": "human36m_camera"})
    assert f"'human36m_camera' in that of {other};" in refusal(capsys, base, other)
    twin = write(tmp_path / "z", 1.0, objective=weights())
    assert "same configuration and train.seed, 0" in refusal(capsys, base, twin)
    assert "Did you mean 'mpjpe'" in refusal(capsys, base, "--metrics", "mpjpee")
    assert "no results for occluded joints" in refusal(capsys, base, "--visibility", "occluded")
    path = base / "0" / "evaluation.json"
    content = json.loads(path.read_text("utf-8"))
    del content["results"]["visibility"]
    path.write_text(json.dumps(content), "utf-8")
    refused = refusal(capsys, path.parent, "--visibility", "occluded")
    assert f"{path} has no results for occluded joints" in refused
    for text in ("{}", "[" * 100_000, '{"results": {"all": {"all": {"mpjpe": 1e999}}}}'):
        path.write_text(text)
        assert f"{path} is not readable as a run" in refusal(capsys, base)


def test_a_run_that_diverged_has_no_place_in_a_table(tmp_path):
    write(tmp_path / "run", None)
    with pytest.raises(ValueError, match=r"run/evaluation\.json: the mpjpe is .* has diverged"):
        compare.read(tmp_path / "run")
