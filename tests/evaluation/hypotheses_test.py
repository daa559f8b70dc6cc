import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_data
from flax import nnx

from repose_jax import models
from repose_jax.evaluation import aggregation, evaluator, hypotheses
from repose_jax.runtime import devices
from repose_jax.training import workdir
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint

MODEL = {"name": "d3dp", "frames": 9, "width": 8, "depth": 1, "heads": 2}


def experiment(data_dir, **evaluation):
    made = small_data.experiment(
        data_dir,
        objective={"learn_weights": False},
        eval={"hypotheses": 3, "sampling_steps": 2, "batch_size": 24, **evaluation},
    )
    return dataclasses.replace(made, model=MODEL)


@pytest.fixture(scope="module")
def model():
    return nnx.split(models.create(**MODEL), nnx.Param, nnx.BatchStat)


def evaluate(config, model):
    test = evaluator.load_evaluator(config, devices.data_mesh())
    graphdef, *variables = model
    return test, hypotheses.evaluate(config, test, graphdef, tuple(variables))


@pytest.fixture(scope="module")
def found(data_dir, model):
    return evaluate(experiment(data_dir), model)


def test_every_way_scores_every_frame_once(found):
    _, results = found
    assert list(results.tallies) == list(aggregation.WAYS)
    for tally in results.tallies.values():
        assert tally.frames() == sum(small_data.LENGTHS["test"])
        assert {*tally.totals} == {"mpjpe", "pa_mpjpe", "pck", "auc"}
    mpjpe = {way: tally.mean("mpjpe") for way, tally in results.tallies.items()}
    chosen_of_each = ("reprojection", "true_root", "best")
    assert all(mpjpe["best_joints"] < mpjpe[way] for way in chosen_of_each)
    for tally in results.tallies.values():
        assert tally.mean("mpjpe", joint=0) == 0


def test_the_published_count_has_overlaps_twice(data_dir, found, model):
    test, results = found
    _, published = evaluate(experiment(data_dir, as_published=True), model)
    windows = test.clips.windows
    for tally in published.tallies.values():
        assert tally.frames() == windows.length.sum() > windows.new.sum()
    # The hypotheses are the same; those of frames that are in one clip are scored alike.
    alone = published.tallies["mean"], results.tallies["mean"]
    once = np.bincount(windows.sequence)[windows.sequence] == 1
    names = {test.clips.sequences.names[s] for s in windows.sequence[once]}
    ours, theirs = (t.mean("mpjpe", where=lambda g: g.sequence in names) for t in alone)
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_the_factor_on_the_spread_makes_a_sphere_hold_four_joints_of_five():
    rng = np.random.default_rng(0)
    errors = np.linalg.norm(rng.normal(0, 3, (4000, 16, 3)), axis=-1)
    spread = 3**0.5  # of hypotheses with a deviation of 1 on each axis, a third of the truth's
    sequence = np.repeat(np.arange(4000) // 500, 16)
    factor, coverage, held = hypotheses.calibrate(errors.ravel() / spread, sequence)
    assert factor == pytest.approx(3, rel=0.01)
    assert coverage < 0.2
    assert held == pytest.approx(0.8, abs=0.01)


def test_the_spread_is_the_root_mean_square_distance_from_the_mean():
    poses = jax.random.normal(jax.random.key(0), (1, 5000, 1, 2, 3)) * jnp.array([1.0, 2, 2])
    np.testing.assert_allclose(hypotheses.spread(poses), 3, rtol=0.03)


@pytest.mark.slow
def test_the_evaluation_of_a_run_writes_what_its_hypotheses_are_worth(data_dir, tmp_path, capsys):
    config = experiment(data_dir, hypotheses=2, sampling_steps=1)
    workdir.write_run(config, models.create(**config.model), tmp_path)
    evaluate_checkpoint(config, tmp_path, "best")
    printed = capsys.readouterr().out
    for label in aggregation.WAYS.values():
        assert label in printed
    assert "2 hypotheses in 1 steps, every frame once" in printed
    written = json.loads((tmp_path / hypotheses.FILE).read_text())
    assert written["spread_factor"] > 0
    assert len(written["results"]) == 5


def test_a_model_of_one_prediction_and_other_units_are_refused(data_dir, model):
    config = experiment(data_dir)
    with pytest.raises(ValueError, match="hypotheses is 3; it must be 0 for 'mixste'"):
        evaluator.check(dataclasses.replace(config, model={**MODEL, "name": "mixste"}))
    data = dataclasses.replace(config.data, unit="millimetres")
    with pytest.raises(ValueError, match="it must be 'metres' for 'd3dp'"):
        evaluator.check(dataclasses.replace(config, data=data))
    slip = experiment(data_dir, protocol="mpi_inf_3dhp_scale_slip")
    with pytest.raises(ValueError, match="needs test data in camera space and a protocol that"):
        evaluate(slip, model)
