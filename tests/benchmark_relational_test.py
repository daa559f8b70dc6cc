"""The relational losses compared: settings, paired differences, and the cost of uncertain pairs."""

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import relational
from benchmarks.relational import FORMS, NONE
from repose_jax.cli import arguments


def objective_of(config, flags):
    parser = arguments.Parser(prog="repose train")
    parser.add_config()
    return arguments.parse(parser, [f"--config={config}", *flags]).experiment.objective


def test_settings_have_every_form_alone_and_in_pairs_at_every_weight():
    found = relational.settings(["hinge", "logistic, tau 2 cm"], [1.0, 3.0], [])
    assert len(found) == 1 + 2 * 3 * 2
    weights = {
        name: {loss: w for loss, w in objective_of(*setting).weights.items() if w}
        for name, setting in found.items()
    }
    assert weights[NONE] == {"mpjpe": 1}
    spatial, temporal = FORMS["hinge"].weights
    assert weights["hinge, T x 3"] == {"mpjpe": 1, "temporal_depth": 3 * temporal}
    assert weights["hinge, S + T x 1"] == {
        "mpjpe": 1,
        "spatial_depth": spatial,
        "temporal_depth": temporal,
    }
    assert objective_of(*found["logistic, tau 2 cm, S x 1"]).tau == 0.02


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_configuration(form):
    config, flags = relational.settings([form], [1.0], [])[f"{form}, S + T x 1"]
    found = objective_of(config, flags)
    assert {name: getattr(found, name) for name in FORMS[form].options} == FORMS[form].options


def test_the_table_has_the_differences_of_the_same_seeds():
    def run(value):
        return {"split": {"mpjpe/all": value, "mpjpe/occluded": 2 * value}}

    results = {NONE: [run(70.0), run(72.0), run(74.0)], "hinge": [run(71.0), run(75.0)]}
    table = relational.table(results, "split")
    assert table.columns == ("MPJPE", "MPJPE occluded")
    assert table.rows == {NONE: [72.0, 144.0], "hinge": [2.0, 4.0]}
    np.testing.assert_allclose(table.spreads[NONE], [2.0, 4.0])
    np.testing.assert_allclose(table.spreads["hinge"][0], 12.706, rtol=1e-4)  # ± t(1) * 1


def test_the_spread_of_depth_is_that_of_the_prediction_over_that_of_the_truth():
    target = jnp.zeros((1, 2, 4, 3)).at[..., 2].set(jnp.array([[0.0, 1, 2, 3], [0, 4, 8, 12]]))
    flat = target.at[..., 2].multiply(0.25) + 7.0
    spread = relational.SPREAD
    np.testing.assert_allclose(spread(target, target).mean(), 100)
    np.testing.assert_allclose(spread(flat, target).mean(), 25)
    mask = jnp.zeros((1, 2, 4), bool).at[..., :2].set(True)
    np.testing.assert_allclose(spread(flat.at[..., 3, 2].set(99.0), target, mask).mean(), 25)


@pytest.mark.parametrize("probability", [0.6, 0.9])
def test_of_an_uncertain_pair_the_hinge_wants_a_tie_and_the_logistic_loss_its_log_odds(probability):
    gaps = np.linspace(-0.2, 0.2, 401)

    def best(form):
        return gaps[np.argmin(relational.expected_cost(FORMS[form], probability, gaps, 0.1))]

    assert abs(best("hinge")) < 1e-3
    odds = np.log(probability / (1 - probability))
    np.testing.assert_allclose(best("logistic, tau 5 cm"), 0.05 * odds, atol=1.1e-3)


def test_the_figure_is_drawn(tmp_path):
    relational.draw(tmp_path / "cost.png")
    assert (tmp_path / "cost.png").stat().st_size > 10_000
