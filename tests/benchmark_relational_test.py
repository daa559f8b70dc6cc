"""The relational losses compared: settings, many trainings at once, paired differences, figure."""

import argparse
import dataclasses
import itertools
import json
import shutil

import jax
import numpy as np
import pytest
import small_data
import small_motions

import configs
from benchmarks.relational import __main__ as relational
from benchmarks.relational import (
    expected,
    forms,
    population,
    report,
    rescaled,
    scores,
    temperature,
    trainings,
)
from benchmarks.relational.forms import FORMS, NONE
from repose_jax import config as config_lib
from repose_jax.lifting.predictor import Predictor
from repose_jax.lifting.scale import height_of
from repose_jax.objectives import depth_order
from repose_jax.training.setup import setup
from repose_jax.training.step import batches, jit_step, jit_steps
from repose_jax.training.stored import load


def test_a_form_has_both_losses_alone_and_together_at_every_weight():
    found = forms.members("hinge", [1.0, 3.0])
    assert len(found) == 3 * 2
    spatial, temporal = FORMS["hinge"].weights
    np.testing.assert_allclose(found["hinge, T x 3"], [1, 0, 3 * temporal], rtol=1e-6)
    np.testing.assert_allclose(found["hinge, S + T x 1"], [1, spatial, temporal], rtol=1e-6)
    assert [*forms.members(NONE, [1.0, 3.0])] == [NONE]


def test_only_the_settings_that_are_named_are_trained():
    args = {"forms": ["hinge", "difference"], "factors": [1.0], "which": ["S", "T"]}
    found = trainings.chosen(argparse.Namespace(**args, only=["hinge, T x 1"]))
    assert {form: [*of] for form, of in found.items()} == {NONE: [NONE], "hinge": ["hinge, T x 1"]}
    assert [*trainings.chosen(argparse.Namespace(**args, only=None))] == [NONE, *args["forms"]]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_an_experiment(form):
    mixer = forms.BACKBONES["mixer"]
    made = forms.experiment(form, mixer, mixer.tune, [])
    assert {name: getattr(made.objective, name) for name in FORMS[form].options} == dict(
        FORMS[form].options
    )
    assert made.objective.weights == dict.fromkeys(["mpjpe", *FORMS[form].losses], 1)
    settings = forms.members(form, [1.0])
    assert {len(weights) for weights in settings.values()} == {len(made.objective.weights)}


def test_the_depths_of_visible_joints_may_be_the_only_ones_that_are_known():
    mixer = forms.BACKBONES["mixer"]
    made = forms.experiment("hinge", mixer, mixer.tune, [], labels="visible")
    wanted = ["mpjpe_of_visible_depth", "spatial_depth", "temporal_depth"]
    assert made.objective.weights == dict.fromkeys(wanted, 1)


@pytest.mark.parametrize("name", forms.BACKBONES)
def test_every_backbone_is_an_experiment_of_the_data_of_its_configuration(name):
    backbone = forms.BACKBONES[name]
    wanted = config_lib.from_mapping(configs.load(backbone.config).to_dict())
    flags = ["--config.simulation.confidence_laws=0.0"]
    made = forms.experiment(NONE, backbone, backbone.tune, flags)
    assert made.model == (backbone.model or wanted.model)
    assert made.data == wanted.data
    assert made.simulation == dataclasses.replace(wanted.simulation, confidence_laws=0.0)
    assert made.train.epoch_steps == backbone.tune.steps
    assert made.optim.lr == pytest.approx(backbone.rate * backbone.tune.rate)


def test_the_model_that_ships_starts_from_its_weights():
    backbone = forms.BACKBONES["shipped"]
    made = forms.experiment(NONE, backbone, backbone.tune, [])
    shipped = load(backbone.start)
    assert {**made.model, "dtype": None} == {**shipped.config.model, "dtype": None}


@pytest.fixture(scope="module")
def motion_dir(data_dir, tmp_path_factory):
    """Folder of `small` and of the motions of `dancers`."""
    folder = tmp_path_factory.mktemp("motions")
    shutil.copytree(data_dir / "small", folder / "small")
    small_motions.prepare(folder)
    return folder


WEIGHTS = np.array([[1, 0, 0], [0.5, 2, 3]], np.float32)
LOSSES = "mpjpe", "spatial_order", "temporal_order"


def experiment(folder, **changes):
    """A tiny mixer on motions of dancers, tested on `small`."""
    values = configs.load("lift:probe").to_dict()
    values["model"] = {"name": "mixer", "frames": 9, "width": 8, "depth": 1, "dropout": 0.1}
    values["data"] |= {"train": (small_motions.TRAIN,), "test": (small_data.TEST,)}
    values["data"] |= {"data_dir": str(folder), "frames": 9, "stride": 9}
    values["optim"] |= {"warmup_steps": 2, "lr": 1e-2}
    values["train"] |= {"epochs": 1, "epoch_steps": 4, "batch_size": 8, "steps_per_call": 1}
    values["train"] |= {"eval_every": 1, "microbatch_size": 8}
    values["objective"] = {"weights": dict.fromkeys(LOSSES, 1.0)}
    for section, change in changes.items():
        values[section] |= change
    return config_lib.from_mapping(values)


@pytest.fixture(scope="module")
def made(motion_dir):
    """The run of a member, and the batches of two steps of seeds 0 and 3."""
    run, _ = setup(experiment(motion_dir))
    return run, list(population.batches(run, [0, 3], 2, at_a_time=1))


def alone(motion_dir):
    """The second member of seed 3, as a run and its first state."""
    weights = dict(zip(LOSSES, WEIGHTS[1].tolist(), strict=True))
    return setup(experiment(motion_dir, objective={"weights": weights}, train={"seed": 3}))


def assert_second_of_second(found, variables):
    jax.tree.map(
        lambda many, one: np.testing.assert_allclose(many[1, 1], one, atol=2e-5), found, variables
    )


@pytest.mark.parametrize("together", [True, False])
def test_all_are_trained_as_each_alone(together, motion_dir, made):
    run, pieces = made
    found = population.train(run, [0, 3], WEIGHTS, pieces, together=together)
    one, train_state = alone(motion_dir)
    step = jit_step(one)
    for piece in pieces:
        train_state, _ = step(train_state, jax.tree.map(lambda x: x[0, 1], piece))
    assert_second_of_second(found, train_state.variables)


@pytest.mark.slow
def test_their_batches_are_those_of_each_alone(motion_dir, made):
    run, pieces = made
    found = population.train(run, [0, 3], WEIGHTS, pieces)
    one, train_state = alone(motion_dir)
    train_state, _ = jit_steps(one)(train_state, batches(one, range(2)))
    assert_second_of_second(found, train_state.variables)


def test_all_start_from_other_weights(motion_dir, made):
    run, _ = setup(experiment(motion_dir, optim={"lr": 1e-9}))
    start = jax.tree.map(lambda x: x + 1.0, population.initial(run, [0, 3]))
    found = population.train(run, [0, 3], WEIGHTS, made[1][:1], start)
    jax.tree.map(
        lambda many, one: np.testing.assert_allclose(many[1, 1], one[1], atol=1e-5), found, start
    )


def test_a_member_that_diverges_is_named(motion_dir, made):
    run, _ = setup(experiment(motion_dir, optim={"clip_norm": 0.0}))
    weights = np.array([[1, 0, 0], [1, np.inf, 0]], np.float32)
    with pytest.raises(FloatingPointError, match=r"seed 0 with the weights \[1.0, inf, 0.0\]"):
        population.train(run, [0, 3], weights, made[1])


def test_all_at_once_are_tested_as_each_alone(motion_dir):
    run, _ = setup(experiment(motion_dir))
    members = population.initial(run, [0, 3, 5])
    found = scores.of_members(run.evaluator, run.graphdef, members, at_a_time=2)
    assert len(found) == 3
    variables = jax.tree.map(lambda x: x[1], members)
    evaluator = run.evaluator
    tally = evaluator.score(evaluator.predict(evaluator.predictor(run.graphdef, variables)))
    for name, visibility in scores.COLUMNS:
        if name != scores.SPREAD.name:
            wanted = tally.mean(name, visibility=visibility)
            assert found[1][scores.key(name, visibility)] == pytest.approx(wanted, rel=1e-4), name


def test_the_table_has_the_differences_of_the_same_seeds():
    def runs(*values):
        return report.by_column(
            [{"split": {"mpjpe/all": v, "mpjpe/occluded": 2 * v}} for v in values]
        )

    table = report.table({NONE: runs(70.0, 72.0, 74.0), "hinge": runs(71.0, 75.0, 73.0)}, "split")
    assert table.columns == ("MPJPE", "MPJPE occluded")
    assert table.rows == {NONE: [72.0, 144.0], "hinge": [1.0, 2.0]}
    np.testing.assert_allclose(table.spreads[NONE], [2.0, 4.0])
    np.testing.assert_allclose(table.spreads["hinge"][0], 4.968, rtol=1e-3)  # ± t(2) * 2 / √3


def test_the_spread_of_depth_is_that_of_the_prediction_over_that_of_the_truth():
    jnp = jax.numpy
    target = jnp.zeros((1, 2, 4, 3)).at[..., 2].set(jnp.array([[0.0, 1, 2, 3], [0, 4, 8, 12]]))
    flat = target.at[..., 2].multiply(0.25) + 7.0
    spread = scores.SPREAD
    np.testing.assert_allclose(spread(target, target).mean(), 100)
    np.testing.assert_allclose(spread(flat, target).mean(), 25)
    mask = jnp.zeros((1, 2, 4), bool).at[..., :2].set(True)
    np.testing.assert_allclose(spread(flat.at[..., 3, 2].set(99.0), target, mask).mean(), 25)


@pytest.mark.parametrize("probability", [0.6, 0.9])
def test_of_an_uncertain_pair_the_hinge_wants_a_tie_and_the_logistic_loss_its_log_odds(probability):
    gaps = np.linspace(-0.2, 0.2, 401)

    def best(form):
        return gaps[np.argmin(expected.expected_cost(FORMS[form], probability, gaps, 0.1))]

    assert abs(best("hinge")) < 1e-3
    odds = np.log(probability / (1 - probability))
    np.testing.assert_allclose(best("logistic, tau 5 cm"), 0.05 * odds, atol=1.1e-3)


@pytest.mark.parametrize(
    ("form", "pull"),
    [
        ("hinge", lambda gap, p: 1 - p),
        ("logistic, tau 2 cm", lambda gap, p: 1 / (1 + np.exp(-gap / 0.02)) - p),
        ("logistic, tau 10 cm", lambda gap, p: 1 / (1 + np.exp(-gap / 0.1)) - p),
    ],
)
def test_beside_an_absolute_error_a_loss_moves_the_median_to_another_quantile(form, pull):
    truth = np.random.default_rng(0).normal(0.06, 0.08, 200_000)
    p, weight, gaps = (truth > 0).mean(), 0.5, np.linspace(0.001, 0.2, 200)
    error = np.array([np.abs(gap - truth).mean() for gap in gaps])
    best = gaps[np.argmin(error + weight * expected.expected_cost(FORMS[form], p, gaps, 0.1))]
    quantile = (1 - weight * pull(best, p)) / 2
    np.testing.assert_allclose(best, np.quantile(truth, quantile), atol=1.5e-3)


def test_the_figure_is_drawn(tmp_path):
    expected.draw(tmp_path / "cost.png")
    assert (tmp_path / "cost.png").stat().st_size > 10_000


def test_a_result_is_drawn_and_shown_again_in_part(tmp_path):
    def tests(*values):
        columns = [scores.key(*column) for column in scores.COLUMNS]
        return {"split": {column: [*values] for column in columns}}

    results = {NONE: tests(70.0, 71.0)}
    results |= {name: tests(69.0, 71.5) for name in forms.members("hinge", report.FACTORS)}
    report.draw(tmp_path / "spread.png", results)
    assert (tmp_path / "spread.png").stat().st_size > 10_000
    shown = report.tables_of(results, ["hinge"], [3.0], ["S", "T"])
    assert [line.split("|")[1].strip() for line in shown.splitlines() if line.startswith("| ")] == [
        *("", NONE, "hinge, S x 3", "hinge, T x 3"),
    ]


def test_results_are_drawn_side_by_side_by_what_they_are_of(tmp_path):
    values = {"cmu": {scores.key("mpjpe", "occluded"): [70.0, 71.0]}}
    path = tmp_path / "result.json"
    of = {"backbone": "mixer", "seeds": 2, "results": dict.fromkeys((NONE, "hinge, S x 1"), values)}
    path.write_text(json.dumps({"command": "-m benchmarks.relational scratch --seeds=2"} | of))
    report.overview(tmp_path / "overview.png", [path])
    assert (tmp_path / "overview.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match="before it: mixer, from scratch, 2 seeds; leave one out"):
        report.overview(tmp_path / "twice.png", [path, path])
    other = tmp_path / "other.json"
    clean = "scratch --seeds=2 --steps=9 --config.simulation.confidence_laws=0.0 --out=x"
    other.write_text(json.dumps({"command": f"-m benchmarks.relational {clean}"} | of))
    report.overview(tmp_path / "both.png", [path, other])
    report.overview(tmp_path / "one.png", [path], ["hinge, S x 1"])
    with pytest.raises(ValueError, match=r"none of the settings that are drawn: hinge, S x 2\."):
        report.overview(tmp_path / "none.png", [path], ["hinge, S x 2"])
    with pytest.raises(ValueError, match="2 seeds, steps=9, confidence_laws=0.0; leave one out"):
        report.overview(tmp_path / "twice.png", [path, other, other])
    path.write_text(json.dumps({"command": "tune"} | of | {"results": {NONE: values}}))
    with pytest.raises(ValueError, match="none of the settings that are drawn"):
        report.overview(tmp_path / "none.png", [path])


@pytest.fixture(scope="module")
def resized(motion_dir):
    """The results of `rescaled` for an untrained model."""
    run, state = setup(experiment(motion_dir))
    model = Predictor(run.config, run.graphdef, state.variables)
    options = {"data_dir": str(motion_dir), "depths": [1.0, 0.5], "sizes": [0.5]}
    found, statures = rescaled.measure({"a": model, "b": model}, small_data.TEST, **options)
    assert statures["a"] == statures["b"]
    return found


def test_predictions_are_tested_flatter_and_smaller(resized):
    rows = ("depth x 1", "depth x 0.5", "size x 0.5", "stature given")
    assert [*resized] == ["a", *(f"a, {row}" for row in rows), "b", "b, stature given"]
    for same in ("a, depth x 1", "b"):
        np.testing.assert_equal(resized[same], resized["a"])  # some takes have nothing occluded
    for take, values in resized["a"].items():
        smaller, flatter = resized["a, size x 0.5"][take], resized["a, depth x 0.5"][take]
        for column in ("n_mpjpe", "pa_mpjpe"):  # without the size of the pose
            assert smaller[column] == pytest.approx(values[column], rel=1e-4)
            assert flatter[column] != pytest.approx(values[column], rel=1e-4)
        assert smaller["mpjpe"] != pytest.approx(values["mpjpe"], rel=1e-4)


def test_with_the_stature_given_a_prediction_has_the_height_of_the_truth(motion_dir):
    run, state = setup(experiment(motion_dir))
    evaluator = run.evaluator
    made = evaluator.predict(evaluator.predictor(run.graphdef, state.variables))
    ratios, offsets = rescaled.statures_of(made), made.clips.sequences.offsets
    assert len(ratios) == len(offsets) - 1
    for ratio, (first, end) in zip(ratios, itertools.pairwise(offsets), strict=True):
        rows = np.arange(first, end)[made.valid[first:end]]
        given = ratio * made.poses[rows]
        assert height_of(given) == pytest.approx(height_of(made.truth[rows]), rel=1e-4)


@pytest.mark.parametrize("tau", [8.0, 60.0])
def test_the_temperature_of_gaps_is_that_by_which_their_order_was_drawn(tau):
    rng = np.random.default_rng(0)
    gap = rng.normal(0, 100, 200_000)
    right = rng.uniform(size=gap.size) < 1 / (1 + np.exp(-np.abs(gap) / tau))
    found = temperature.of_gaps(np.where(right, np.abs(gap), -np.abs(gap)))
    assert found == pytest.approx(tau, rel=0.02)


def test_at_the_most_likely_temperature_a_logistic_loss_does_not_change_the_size_of_depths():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.2, (17, 500))
    depth = truth + rng.normal(0, 0.1, truth.shape)
    gap, order = (x[None] - x[:, None] for x in (depth, truth))
    tau = temperature.of_gaps(1000 * (gap * np.sign(order))[order != 0]) / 1000

    def by_size(tau):
        """Gradient by a factor on all depths, relative to the cost."""
        pairs = depth_order.Pairs("logistic", tau=tau)
        value, grad = jax.value_and_grad(
            lambda size: depth_order.pairwise_cost(
                size * jax.numpy.asarray(depth), jax.numpy.asarray(truth), pairs
            ).sum()
        )(1.0)
        return grad / value

    assert by_size(tau) == pytest.approx(0, abs=1e-2)
    assert by_size(tau / 2) > 0.1  # pulls depths together
    assert by_size(2 * tau) < -0.1  # pulls them apart


def test_pairs_for_the_temperature_are_of_one_frame_or_of_one_joint_in_a_clip(motion_dir):
    run, state = setup(experiment(motion_dir))
    made = run.evaluator.predict(run.evaluator.predictor(run.graphdef, state.variables))
    frames, joints = temperature.pairs_of_joints(made, np.random.default_rng(0))
    assert (frames[0] == frames[1]).all()
    assert (joints[0] != joints[1]).all()
    frames, joints = temperature.pairs_of_frames(made, np.random.default_rng(0), 9)
    assert (joints[0] == joints[1]).all()
    assert set(np.unique(frames[1] - frames[0])) == set(range(9))
    sequence = np.searchsorted(made.clips.sequences.offsets, frames, side="right")
    assert (sequence[0] == sequence[1]).all()
    assert made.valid[frames].all()


def test_the_temperatures_of_a_base_are_measured_on_both_tests(motion_dir, tmp_path, monkeypatch):
    config = experiment(motion_dir)
    monkeypatch.setattr(trainings, "experiment", lambda *_, **__: config)
    monkeypatch.setattr(trainings, "SPLITS", (small_data.TEST,))
    monkeypatch.setattr(trainings, "base", lambda *_: population.initial(setup(config)[0], [0, 3]))
    monkeypatch.setattr(temperature, "PAIRS", 1000)
    argv = ["temperature", f"--data_dir={motion_dir}", "--seeds=2", f"--json={tmp_path / 'json'}"]
    monkeypatch.setattr("sys.argv", ["relational", *argv])
    relational.main()
    (splits,) = json.loads((tmp_path / "json").read_text())["results"].values()
    (models,) = splits.values()
    assert len(models) == 2
    for found in models:
        assert [*found] == ["joints", "joints, occluded", "frames", "frames, occluded"]
        for values in found.values():
            assert [*values] == ["temperature", "width", "order"]
            assert 30 < values["order"] < 70  # of a model that knows nothing


@pytest.fixture
def tiny(motion_dir, monkeypatch):
    """Returns a comparison of two forms with two seeds, whose trainings are tiny and short."""

    def made(form, backbone=None, budget=None, flags=(), labels="all"):
        objective = FORMS.get(form, FORMS["hinge"]).objective(labels=labels)
        train = {"epochs": 1, "epoch_steps": budget.steps, "eval_every": 1, "batch_size": 8}
        return experiment(motion_dir, objective=objective, train=train)

    short = forms.Budget(2)
    backbone = forms.Backbone(1e-2, base=short, tune=short, scratch=short)
    monkeypatch.setitem(forms.BACKBONES, "mixer", backbone)
    monkeypatch.setattr(trainings, "experiment", made)
    monkeypatch.setattr(trainings, "SPLITS", (small_data.TEST,))

    def compare(out, **changes):
        wanted = {"forms": ["hinge", "difference"], "factors": [1.0], "which": ["S"], "only": None}
        run = {"part": "tune", "backbone": "mixer", "data_dir": str(motion_dir), "folder": None}
        of = {
            "labels": "all",
            "seeds": 2,
            "first_seed": 0,
            "steps": None,
            "jobs": 1,
            "at_a_time": 1,
            "out": out,
        }
        return trainings.compare(argparse.Namespace(**wanted | run | of | changes), [])

    return compare


def test_seeds_are_added_to_those_in_out(tiny, tmp_path, monkeypatch):
    together = tiny(tmp_path / "together")
    assert [*together] == [NONE, "hinge, S x 1", "difference, S x 1"]
    for tests in together.values():
        (columns,) = tests.values()
        assert all(len(values) == 2 for values in columns.values())
    tiny(tmp_path / "apart", seeds=1, first_seed=1)
    tiny(tmp_path / "apart", seeds=1)
    monkeypatch.setattr(population, "train", None)  # nothing is trained again
    assert tiny(tmp_path / "apart") == together


def test_trainings_may_be_longer_than_usual(tiny, tmp_path, monkeypatch):
    trained, train = [], population.train
    monkeypatch.setattr(
        population, "train", lambda *args, **kw: trained.append(len(args[3])) or train(*args, **kw)
    )
    tiny(tmp_path / "3", part="scratch", forms=[], seeds=1, steps=3)
    tiny(tmp_path / "2", part="scratch", forms=[], seeds=1)
    assert trained == [3, 2]
    with pytest.raises(ValueError, match=r"0.json is of another command"):
        tiny(tmp_path / "3", part="scratch", forms=[], seeds=1)


def test_a_failed_test_costs_no_training(tiny, tmp_path, monkeypatch):
    with monkeypatch.context() as failing:
        failing.setattr(trainings, "measure", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tiny(tmp_path, forms=[])
    assert len(list(tmp_path.rglob("none/*.npz"))) == 2
    monkeypatch.setattr(population, "train", None)
    assert [*tiny(tmp_path, forms=[])] == [NONE]
    assert not list(tmp_path.rglob("none/*.npz"))


def test_settings_are_added_to_those_in_out(tiny, tmp_path, monkeypatch):
    hinge = {"part": "scratch", "forms": ["hinge"]}
    of_both = {**hinge, "factors": [1.0, 3.0]}
    together = tiny(tmp_path / "together", **of_both)
    tiny(tmp_path / "apart", **hinge, seeds=1)
    trained, train = [], population.train
    monkeypatch.setattr(
        population, "train", lambda *args, **kw: trained.append(args[1:3]) or train(*args, **kw)
    )
    found = tiny(tmp_path / "apart", **of_both)
    assert [(seeds, weights[:, 1].tolist()) for seeds, weights in trained] == [
        ((1,), [0.0]),  # none
        ((0,), pytest.approx([3 * 1.4])),
        ((1,), pytest.approx([1.4, 3 * 1.4])),
    ]
    assert [*found] == [*together]
    for name, tests in together.items():
        for split, columns in tests.items():
            for column, values in columns.items():
                assert found[name][split][column] == pytest.approx(values, rel=1e-4)


@pytest.mark.parametrize("change", ["weights", "data"])
def test_what_another_command_left_in_out_is_refused(change, tiny, tmp_path, monkeypatch):
    tiny(tmp_path, forms=["hinge"])
    if change == "weights":
        monkeypatch.setitem(FORMS, "hinge", dataclasses.replace(FORMS["hinge"], weights=(2.0, 1.0)))
    else:
        monkeypatch.setattr(trainings, "SPLITS", (small_data.TEST, small_data.TRAIN))
    with pytest.raises(ValueError, match=r"0.json is of another command; give another --out"):
        tiny(tmp_path, forms=["hinge"])


@pytest.mark.parametrize("together", [True, False])
def test_the_variables_of_each_seed_are_kept(together, made, tmp_path):
    run, trained = made[0], []

    def train(group):
        trained.append(group)
        return population.initial(run, group)

    def kept(seeds, asked="a"):
        return trainings.kept(tmp_path, seeds, asked, run, train, together=together)

    kept([3])
    found = kept([0, 3, 5])
    wanted = population.initial(run, [0, 3, 5])
    jax.tree.map(np.testing.assert_array_equal, found, wanted)
    assert trained == ([(3,), (0, 5)] if together else [(3,), (0,), (5,)])
    with pytest.raises(ValueError, match=r"3.npz is of another command"):
        kept([3], asked="b")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["tables"], "tables needs a result"),
        (["tables", "--json=missing.json"], "missing.json"),
        (["figure", "--json=pyproject.toml"], "pyproject.toml is no result"),
        (["overview"], "overview needs results"),
        (["overview", "--results", "pyproject.toml"], "pyproject.toml is no result"),
        (["rescaled", "--weights", "missing.safetensors"], "missing.safetensors"),
        (["tune", "--data_dir=missing"], "cmu_mocap/30fps is not prepared in"),
        (["tune", "--forms", "hinges"], "hinges"),
        (["tune", "--seeds=0"], "--seeds: '0' is no whole number of 1 or more"),
        (["tune", "--only", "hinge, S x 2"], "hinge, S x 2"),
        (["tune", "--config.optim.lr=1e-4"], "--config.optim.lr is set by this program"),
        (["tune", "--config.model.width=32"], "--config.model.width is set"),
        (["tune", "--config.train.seed=1"], "--config.train.seed is set"),
        (["temperature", "--config.init_from=repose_lift"], "--config.init_from is set"),
        (["gradients", "--config=h36m"], "--config is set"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(argv, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["relational", *argv])
    with pytest.raises(SystemExit, match="2"):
        relational.main()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
