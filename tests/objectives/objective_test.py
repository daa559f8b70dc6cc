import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax.config import RELATIONAL
from repose_jax.objectives.losses import LOSSES
from repose_jax.objectives.objective import (
    EQUATION_4,
    MAX_FACTOR,
    Truth,
    bound_log_variance,
    init_log_variances,
    make_objective,
)

# Two joints in two frames; both joints of the second frame are predicted in the wrong order.
TARGET = jnp.zeros((1, 2, 2, 3)).at[0, :, 1, 2].set(jnp.array([1.0, 2.0]))
PREDICTION = TARGET.at[0, 1].set(jnp.array([[0.0, 0, 3], [0, 0, 1]]))
SPATIAL, TEMPORAL = 2 / 8, 0.0


def run(objective, prediction=PREDICTION, mask=None, log_variances=None, occluded=None):
    return jax.jit(objective)(prediction, TARGET, mask, log_variances, occluded=occluded)


def test_the_default_is_equation_4_with_weights_of_1():
    objective = make_objective()
    assert dict(objective.weights) == {"mpjpe": 1, "spatial_depth": 1, "temporal_depth": 1}
    total, parts = run(objective)
    np.testing.assert_allclose(parts["mpjpe"], (3 + 1) / 4)
    np.testing.assert_allclose(parts["spatial_depth"], SPATIAL)
    np.testing.assert_allclose(parts["temporal_depth"], TEMPORAL)
    np.testing.assert_allclose(total, 1 + SPATIAL + TEMPORAL)


def test_the_total_weighs_the_parts_which_stay_unweighted():
    total, parts = run(make_objective({"mpjpe": 2, "velocity": 20, "spatial_depth": 0.5}))
    assert set(parts) == {"mpjpe", "velocity", "spatial_depth"}
    np.testing.assert_allclose(parts["velocity"], LOSSES["velocity"](PREDICTION, TARGET))
    expected = 2 * parts["mpjpe"] + 20 * parts["velocity"] + 0.5 * parts["spatial_depth"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_every_loss_can_be_a_term():
    poses = jnp.zeros((1, 3, 17, 3))
    objective = make_objective(dict.fromkeys(LOSSES, 1.0))
    occluded = jnp.ones(poses.shape[:-1], bool)
    total, parts = jax.eval_shape(functools.partial(objective, occluded=occluded), poses, poses)
    assert total.shape == ()
    assert set(parts) == set(LOSSES)


def test_losses_of_weight_0_are_left_out():
    objective = make_objective({"mpjpe": 1, "angle": 0})
    assert objective.weights == (("mpjpe", 1.0),)


def test_an_objective_is_hashable_and_equal_by_value():
    assert hash(make_objective()) == hash(make_objective())
    assert make_objective() == make_objective()
    assert make_objective() != make_objective(reduction="sum")


def test_the_mask_reaches_the_losses():
    first = jnp.array([[[True], [False]]])
    total, _ = run(make_objective(), mask=first)
    assert total == 0


def test_the_reduction_reaches_the_relational_losses_only():
    total, parts = run(make_objective(reduction="sum"))
    np.testing.assert_allclose(parts["spatial_depth"], 8 * SPATIAL)
    np.testing.assert_allclose(total, 1 + 8 * SPATIAL)


def test_the_temperature_reaches_the_logistic_losses_only():
    weights = {"mpjpe": 1, "spatial_depth": 1, "spatial_order": 2, "temporal_order": 3}
    _, short = run(make_objective(weights))
    total, parts = run(make_objective(weights, tau=0.5))
    for name in ("spatial_order", "temporal_order"):
        np.testing.assert_allclose(parts[name], LOSSES[name](PREDICTION, TARGET, tau=0.5))
        assert parts[name] != short[name]
    assert parts["spatial_depth"] == short["spatial_depth"]
    expected = sum(weight * parts[name] for name, weight in weights.items())
    np.testing.assert_allclose(total, expected, rtol=1e-6)


@pytest.mark.parametrize("tau", [0.0, -1.0, float("nan"), float("inf")])
def test_a_meaningless_temperature_is_refused(tau):
    with pytest.raises(ValueError, match="tau is .*; it must be a number above 0"):
        make_objective(tau=tau)


def test_an_unknown_name_is_refused_with_the_closest_and_all_names():
    with pytest.raises(ValueError, match="Did you mean 'spatial_depth'") as error:
        make_objective({"spatial_dept": 1.0})
    assert all(name in str(error.value) for name in LOSSES)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_meaningless_weight_is_refused(weight):
    with pytest.raises(ValueError, match="mpjpe is .*; it must be a number of at least 0"):
        make_objective({"mpjpe": weight})


def test_an_objective_names_its_losses_and_weights_in_one_line():
    objective = make_objective({"mpjpe": 1, "velocity": 0, "spatial_depth": 0.5})
    assert objective.describe() == "1 x mpjpe + 0.5 x spatial_depth"
    objective = make_objective(learn_weights=True, reduction="sum")
    assert objective.describe() == (
        "1 x mpjpe + 1 x spatial_depth + 1 x temporal_depth (relational losses: sum over pairs) "
        "(learned: weights of spatial_depth, temporal_depth)"
    )
    objective = make_objective({"mpjpe": 1, "temporal_order": 3})
    assert objective.describe() == "1 x mpjpe + 3 x temporal_order (tau 0.05)"


def test_an_objective_without_terms_is_refused():
    with pytest.raises(ValueError, match="no loss has a weight above 0"):
        make_objective({"mpjpe": 0.0})


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="config.objective.reduction is 'max'"):
        make_objective(reduction="max")


def test_learned_weights_start_from_the_fixed_ones():
    weights = {"mpjpe": 1.0, "spatial_depth": 0.3, "temporal_depth": 0.7}
    objective = make_objective(weights, learn_weights=True)
    parameters = init_log_variances(objective)
    assert set(parameters) == {"spatial_depth", "temporal_depth"}
    learned, _ = run(objective, log_variances=parameters)
    fixed, _ = run(make_objective(weights))
    np.testing.assert_allclose(learned, fixed, rtol=1e-6)


def test_learned_terms_follow_the_likelihood_of_an_absolute_error():
    objective = make_objective({"mpjpe": 1, "spatial_depth": 3}, learn_weights=True)
    total, parts = run(objective, log_variances={"spatial_depth": jnp.array(0.5)})
    s = np.log(MAX_FACTOR) * np.tanh(0.5 / np.log(MAX_FACTOR))
    np.testing.assert_allclose(parts["spatial_depth"], SPATIAL)
    np.testing.assert_allclose(total, 1 + 3 * np.exp(-s) * SPATIAL + s, rtol=1e-6)


def test_the_parameters_learn_towards_the_size_of_their_loss():
    objective = make_objective(learn_weights=True)
    gradient = jax.jit(
        jax.grad(lambda s, prediction: objective(prediction, TARGET, None, s)[0]),
    )
    for scale, sign in ((1.0, 1), (100.0, -1)):  # a small loss gains weight, a large one loses it
        slope = gradient(init_log_variances(objective), scale * PREDICTION)["spatial_depth"]
        assert np.sign(slope) == sign


def test_a_loss_at_0_cannot_drive_its_weight_to_infinity_nor_get_stuck():
    slope = jax.grad(bound_log_variance)
    for s in (-1000.0, -5.0, 0.0, 5.0, 1000.0):
        factor = jnp.exp(-bound_log_variance(jnp.array(s)))
        assert 1 / MAX_FACTOR - 1e-6 <= factor <= MAX_FACTOR + 1e-5
    assert slope(0.0) == 1
    assert slope(-5.0) > 0.01


def test_learning_weights_needs_a_relational_loss():
    with pytest.raises(ValueError, match="learn_weights needs"):
        make_objective({"mpjpe": 1.0}, learn_weights=True)


@pytest.mark.parametrize(
    ("learn", "parameters"),
    [(True, None), (True, {"spatial_depth": jnp.zeros(())}), (False, {"mpjpe": jnp.zeros(())})],
)
def test_the_parameters_must_match_the_learned_terms(learn, parameters):
    with pytest.raises(ValueError, match="init_log_variances"):
        make_objective(learn_weights=learn)(PREDICTION, TARGET, None, parameters)


def test_lengths_of_all_sizes_weigh_the_same_so_weights_carry_over_from_unit_to_unit():
    rng = np.random.default_rng(0)
    prediction, target = (jnp.asarray(rng.normal(size=(2, 5, 17, 3)), jnp.float32) for _ in "ab")
    metres, parts = make_objective(EQUATION_4)(prediction, target)
    longer, longer_parts = make_objective(EQUATION_4)(3 * prediction, 3 * target)
    for name, value in parts.items():
        assert value > 0
        np.testing.assert_allclose(longer_parts[name], 3 * value, rtol=1e-5)
    np.testing.assert_allclose(longer, 3 * metres, rtol=1e-5)
    in_metres = make_objective(EQUATION_4, unit=1e-3)
    millimetres, _ = in_metres(1000 * prediction, 1000 * target)
    np.testing.assert_allclose(millimetres, metres, rtol=1e-5)


def test_the_temperature_is_in_metres_for_a_model_that_predicts_millimetres():
    logistic = {"mpjpe": 1.0, "spatial_order": 3.0, "temporal_order": 3.0}
    metres, _ = run(make_objective(logistic))
    millimetres, _ = jax.jit(make_objective(logistic, unit=1e-3))(1000 * PREDICTION, 1000 * TARGET)
    np.testing.assert_allclose(millimetres, metres, rtol=1e-5)


@pytest.mark.parametrize(
    ("reduction", "pairs"), [("mean", "all"), ("sum", "all"), ("ordered", "occluded")]
)
def test_parts_of_a_batch_with_their_shares_add_up_to_it(reduction, pairs):
    weights = {"mpjpe": 1.0, "occluded_mpjpe": 0.5, **dict.fromkeys(RELATIONAL, 3.0)}
    objective = make_objective(weights, learn_weights=True, reduction=reduction, pairs=pairs)
    values = zip(RELATIONAL, (0.5, -1.0, 0.25, 1.0, 0.0, 0.3), strict=True)
    log_variances = {name: jnp.float32(value) for name, value in values}
    poses = jax.random.normal(jax.random.key(0), (2, 4, 5, 17, 3))
    mask = jnp.ones((4, 5, 17), bool).at[0, 1:].set(False).at[2, :, 3:].set(False)

    occluded = jax.random.bernoulli(jax.random.key(1), 0.2, mask.shape)

    def of(rows, shares=None):
        truth = truth_of(rows)
        return objective(
            poses[0, rows], truth.target, truth.mask, log_variances, shares, truth.occluded
        )

    def truth_of(rows):
        return Truth(poses[1, rows], mask[rows], occluded[rows])

    whole = of(slice(None))
    parts = [
        of(rows, objective.shares(truth_of(rows), truth_of(slice(None))))
        for rows in (slice(1), slice(1, 4))
    ]
    added = jax.tree.map(lambda a, b: a + b, *parts)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), added, whole)


def test_shares_of_a_batch_with_nothing_to_count_are_by_clips():
    empty = jnp.zeros((4, 5, 17), bool)
    shares = make_objective().shares(
        *(Truth(jnp.zeros((*x.shape, 3)), x) for x in (empty[:1], empty))
    )
    assert {name: float(share) for name, share in shares.items()} == dict.fromkeys(EQUATION_4, 0.25)


def test_options_of_pairs_reach_their_losses():
    occluded = jnp.zeros((1, 2, 2), bool).at[0, 0, 1].set(True)
    options = {"margin": 0.7, "closest": 0.1, "reduction": "ordered", "pairs": "occluded"}
    objective = make_objective(dict.fromkeys(RELATIONAL, 1.0), tau=0.5, **options)
    depths = jnp.array([[[0.3, -0.6], [-2.0, -1.8]]])
    prediction = TARGET.at[..., 2].add(depths)
    _, parts = run(objective, prediction, occluded=occluded)
    given = {"closest": 0.1, "ordered": True, "occluded": occluded}
    own = {"depth": {"margin": 0.7}, "order": {"tau": 0.5}, "difference": {}}
    for name in RELATIONAL:
        expected = LOSSES[name](prediction, TARGET, **given, **own[name.split("_")[1]])
        np.testing.assert_allclose(parts[name], expected, rtol=1e-6)
        assert parts[name] != LOSSES[name](prediction, TARGET)
    assert objective.describe().endswith(
        "(relational losses: mean over ordered pairs, pairs with an occluded joint, "
        "gaps above 0.1) (margin 0.7) (tau 0.5)"
    )


@pytest.mark.parametrize(
    ("objective", "name"),
    [
        (make_objective(pairs="occluded"), "spatial_depth"),
        (make_objective({"mpjpe": 1.0, "occluded_mpjpe": 0.5}), "occluded_mpjpe"),
    ],
)
def test_losses_of_occluded_joints_need_to_know_them(objective, name):
    assert objective.needs_occluded
    with pytest.raises(ValueError, match=f"{name} needs to know which joints are occluded"):
        run(objective)
    _, parts = run(objective, occluded=jnp.ones(TARGET.shape[:-1], bool))
    _, none = run(objective, occluded=jnp.zeros(TARGET.shape[:-1], bool))
    assert parts[name] > none[name] == 0


@pytest.mark.parametrize(
    "objective", [make_objective(), make_objective({"mpjpe": 1.0}, pairs="occluded")]
)
def test_other_objectives_do_not(objective):
    assert not objective.needs_occluded
    assert run(objective)[0] == run(objective, occluded=jnp.ones(TARGET.shape[:-1], bool))[0]


def test_a_learned_temperature_is_best_where_the_order_has_its_likelihood():
    # A pair is predicted one unit apart and is in that order in 9 of 10 frames: the likelihood is
    # greatest at a temperature of 1 / log 9.
    target = jnp.zeros((1, 10, 2, 3)).at[0, :9, 1, 2].set(1.0).at[0, 9, 1, 2].set(-1.0)
    prediction = jnp.zeros_like(target).at[:, :, 1, 2].set(1.0)
    objective = make_objective({"spatial_order": 1.0}, tau=0.5, learn_tau=True)
    assert set(init_log_variances(objective)) == {"tau"}

    def total(s):
        return objective(prediction, target, log_variances={"tau": s})[0]

    s = jnp.linspace(-1, 1, 2001)
    best = s[jnp.argmin(jax.lax.map(total, s))]
    np.testing.assert_allclose(0.5 * jnp.exp(bound_log_variance(best)), 1 / np.log(9), rtol=2e-3)
    assert objective.describe() == "1 x spatial_order (tau 0.5) (learned: tau)"
    fixed, _ = make_objective({"spatial_order": 1.0}, tau=0.5)(prediction, target)
    np.testing.assert_allclose(total(jnp.zeros(())), fixed)


def test_a_learned_temperature_needs_a_logistic_loss():
    with pytest.raises(ValueError, match="learn_tau needs a weight above 0 for one of"):
        make_objective(learn_tau=True)
