"""The costs of one pass against their definitions over all pairs, value and gradient."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax.objectives import depth_order
from repose_jax.objectives.depth_order import Pairs

HINGE = Pairs("hinge")
fast, defined = (
    jax.jit(jax.value_and_grad(cost), static_argnums=2)
    for cost in (depth_order.cost, depth_order.pairwise_cost)
)
both = [functools.partial(lambda f, z, d: f(z, d, HINGE), f) for f in (fast, defined)]


def sets(elements, count, seed=0):
    """Depths of sets, and true ones that mostly have the same order."""
    first, second = jax.random.split(jax.random.key(seed))
    depth = jax.random.normal(first, (elements, count))
    return depth, depth + 0.5 * jax.random.normal(second, depth.shape)


def compare(depth, truth, rtol=1e-5):
    (value, gradient), (expected, expected_gradient) = (f(depth, truth) for f in both)
    np.testing.assert_allclose(value, expected, rtol=rtol)
    np.testing.assert_array_equal(gradient, expected_gradient)
    return value


@pytest.mark.parametrize("elements", [1, 2, 17, 32, 33, 81, 243])
def test_it_is_the_sum_over_all_pairs(elements):
    value = compare(*sets(elements, 6))
    assert (value > 0) == (elements > 1)


def test_ties_count_as_in_the_definition():
    depth, truth = (jnp.round(2 * x) for x in sets(81, 7))
    for tied in ((depth, truth), (jnp.zeros_like(depth), truth), (depth, jnp.zeros_like(truth))):
        compare(*tied)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e6])
def test_the_size_of_the_depths_does_not_matter(size):
    compare(*(size * x for x in sets(81, 4)))


def test_depths_far_away_lose_no_digits():
    # Millimetres in camera space, in quarters, which are exact: 5 m away, 10 mm of motion.
    depth, truth = (5000 + jnp.round(40 * x) / 4 for x in sets(243, 4))
    compare(depth, truth)


def test_an_element_without_true_depth_is_in_no_pair():
    depth, truth = sets(40, 5)
    holes = truth.at[3:20, 1].set(jnp.nan).at[:, 2].set(jnp.nan)
    compare(depth, holes)
    _, gradient = both[0](depth, holes)
    assert jnp.all(gradient[:, 2] == 0)
    assert jnp.all(gradient[3:20, 1] == 0)


def test_a_prediction_that_is_not_a_number_shows():
    depth, truth = sets(40, 5)
    assert jnp.isnan(both[0](depth.at[7, 2].set(jnp.nan), truth)[0])


def test_the_gradient_is_scaled_by_the_cotangent():
    depth, truth = sets(17, 9)
    gradient = jax.grad(lambda z: depth_order.cost(z, truth, HINGE) ** 2)(depth)
    value, single = both[0](depth, truth)
    np.testing.assert_allclose(gradient, 2 * value * single, rtol=1e-6)


def test_it_can_be_mapped():
    depth, truth = sets(50, 3)
    one = slice(None), None  # a set, as one of one
    mapped = jax.vmap(lambda z, d: depth_order.cost(z[one], d[one], HINGE), in_axes=1)(depth, truth)
    alone = [depth_order.cost(depth[:, [i]], truth[:, [i]], HINGE) for i in range(3)]
    np.testing.assert_allclose(mapped, alone, rtol=1e-5)


@pytest.mark.parametrize("elements", [243, 2000])
def test_memory_grows_with_the_elements_and_not_with_the_pairs(elements):
    depth = jax.ShapeDtypeStruct((elements, 2 * 17), jnp.float32)
    memory = jax.jit(both[0]).lower(depth, depth).compile().memory_analysis()
    if memory is None:
        pytest.skip("this backend does not report memory")
    assert memory.temp_size_in_bytes < 20 * 4 * elements * 2 * 17


# The logistic cost, whose gradient is not a count.


def logistic(depth, truth, tau, f=fast):
    return f(depth, truth, Pairs("logistic", tau=tau))


def in_float64(depth, truth, tau):
    """The definition and its derivative in NumPy."""
    depth, truth = np.asarray(depth, np.float64), np.asarray(truth, np.float64)
    nearer = truth[:, None] < truth[None]
    difference = (depth[:, None] - depth[None]) / tau
    share = np.where(nearer, (1 + np.tanh(difference / 2)) / 2, 0)
    value = tau * np.logaddexp(0, difference).sum(where=nearer)
    return value, share.sum(1) - share.sum(0)


def compare_logistic(depth, truth, tau):
    value, gradient = logistic(depth, truth, tau)
    expected, expected_gradient = in_float64(depth, truth, tau)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=2e-5 * len(depth))
    return value, gradient


@pytest.mark.parametrize("elements", [1, 2, 17, 32, 33, 81, 243])
@pytest.mark.parametrize("tau", [0.05, 1.0])
def test_the_logistic_cost_is_the_sum_over_all_pairs(elements, tau):
    depth, truth = sets(elements, 6)
    value, gradient = compare_logistic(depth, truth, tau)
    assert (value > 0) == (elements > 1)
    by_pairs, pairs_gradient = logistic(depth, truth, tau, defined)
    np.testing.assert_allclose(value, by_pairs, rtol=1e-5)
    np.testing.assert_allclose(gradient, pairs_gradient, atol=2e-5 * elements)


def test_true_ties_cost_nothing_and_predicted_ones_a_logarithm_of_2():
    depth, truth = (jnp.round(2 * x) for x in sets(81, 7))
    for tied in ((depth, truth), (jnp.zeros_like(depth), truth)):
        compare_logistic(*tied, 0.5)
    np.testing.assert_array_equal(compare_logistic(depth, jnp.zeros_like(truth), 0.5)[0], 0)
    one_pair = jnp.zeros((2, 1)), jnp.arange(2.0)[:, None]
    np.testing.assert_allclose(logistic(*one_pair, 0.5)[0], 0.5 * np.log(2), rtol=1e-6)


def test_far_from_a_tie_the_logistic_cost_is_that_of_the_wrong_order():
    depth, truth = (100 * x for x in sets(81, 4))
    value, gradient = compare_logistic(depth, truth, 1e-4)
    expected, expected_gradient = both[1](depth, truth)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=0.1)


def test_the_size_of_the_depths_matters_to_the_logistic_cost_by_that_of_tau_alone():
    depth, truth = sets(40, 4)
    value, gradient = logistic(depth, truth, 0.05)
    longer, same = logistic(1000 * depth, 1000 * truth, 50.0)
    np.testing.assert_allclose(longer, 1000 * value, rtol=1e-5)
    np.testing.assert_allclose(same, gradient, atol=1e-3)


def test_elements_without_true_depth_are_in_no_pair_of_the_logistic_cost():
    depth, truth = sets(40, 5)
    holes = truth.at[3:20, 1].set(jnp.nan).at[:, 2].set(jnp.nan)
    _, gradient = compare_logistic(depth, holes, 0.3)
    assert jnp.all(gradient[:, 2] == 0)
    assert jnp.all(gradient[3:20, 1] == 0)
    assert jnp.isnan(logistic(depth.at[7, 3].set(jnp.nan), truth, 0.3)[0])


def test_the_logistic_gradient_is_scaled_and_mapped():
    depth, truth = sets(50, 3)
    cost = functools.partial(depth_order.cost, pairs=Pairs("logistic", tau=0.3))
    value, single = logistic(depth, truth, 0.3)
    gradient = jax.grad(lambda z: cost(z, truth) ** 2)(depth)
    np.testing.assert_allclose(gradient, 2 * value * single, rtol=1e-5)
    mapped = jax.vmap(lambda z, d: cost(z[:, None], d[:, None]), in_axes=1)(depth, truth)
    np.testing.assert_allclose(jnp.sum(mapped), value, rtol=1e-5)


@pytest.mark.parametrize("elements", [243, 2000])
def test_memory_of_the_logistic_cost_does_not_grow_with_the_pairs(elements):
    depth = jax.ShapeDtypeStruct((elements, 2 * 17), jnp.float32)
    memory = fast.lower(depth, depth, Pairs("logistic")).compile().memory_analysis()
    if memory is None:
        pytest.skip("this backend does not report memory")
    assert memory.temp_size_in_bytes < 30 * 4 * elements * 2 * 17


def test_the_form_for_accelerators_gives_the_same(monkeypatch):
    batch = sets(40, 5)
    expected = logistic(*batch, 0.05)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = jax.value_and_grad(depth_order.cost)(*batch, Pairs("logistic"))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), found, expected
    )


# What pairs count, and what else they may cost.

FORMS = {
    "hinge with a margin": Pairs("hinge", margin=0.3),
    "hinge with the true gap as margin": Pairs("hinge", margin=math.inf),
    "hinge without close pairs": Pairs("hinge", closest=0.5),
    "logistic without close pairs": Pairs("logistic", closest=0.5, tau=0.2),
    "difference": Pairs("difference", margin=math.inf),
    "difference without close pairs": Pairs("difference", margin=math.inf, closest=0.5),
}
every_form = pytest.mark.parametrize("pairs", FORMS.values(), ids=FORMS)


@every_form
@pytest.mark.parametrize("elements", [1, 17, 33, 81])
@pytest.mark.parametrize("occluded", [False, True])
def test_every_form_is_the_sum_over_its_pairs(pairs, elements, occluded):
    depth, truth = sets(elements, 6)
    truth = truth.at[elements // 2, :2].set(jnp.nan)
    either = jax.random.bernoulli(jax.random.key(2), 0.2, depth.shape) if occluded else None
    found, expected = (f(depth, truth, pairs, None, either) for f in (fast, defined))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-4)
    assert (found[0] > 0) == (elements > 1)


@every_form
def test_the_pairs_that_count_are_counted(pairs):
    depth, truth = sets(40, 5)
    truth = jnp.round(2 * truth).at[3, 1].set(jnp.nan) / 2  # with ties
    either = jax.random.bernoulli(jax.random.key(2), 0.2, depth.shape)
    gap = truth[None] - truth[:, None]
    counted = gap > pairs.closest
    assert depth_order.count(truth, pairs) == jnp.sum(counted)
    of_occluded = jnp.sum(counted & (either[None] | either[:, None]))
    assert depth_order.count(truth, pairs, either) == of_occluded
    assert 0 < of_occluded < jnp.sum(counted)


def test_a_margin_is_at_most_the_true_gap():
    truth = jnp.array([[0.0], [0.1], [1.0]])
    np.testing.assert_allclose(fast(truth, truth, Pairs("hinge", margin=0.3))[0], 0, atol=1e-7)
    # Halved, the gaps are 0.05, 0.45 and 0.5: the first alone is short, by 0.05.
    value = fast(truth / 2, truth, Pairs("hinge", margin=0.3))[0]
    np.testing.assert_allclose(value, 0.05, rtol=1e-5)


def test_both_sides_of_the_true_gap_are_the_difference():
    depth, truth = sets(33, 6)
    short = fast(depth, truth, Pairs("hinge", margin=math.inf))[0]
    # Seen from behind, what was too short a gap of the error is too wide a one.
    error = depth - truth
    wide = fast(truth - error, truth, Pairs("hinge", margin=math.inf))[0]
    value = fast(depth, truth, Pairs("difference", margin=math.inf))[0]
    np.testing.assert_allclose(short + wide, value, rtol=1e-5)
    pairs = jnp.abs(error[:, None] - error[None]).sum() / 2
    np.testing.assert_allclose(value, pairs, rtol=1e-5)


def test_a_pair_has_the_temperature_of_its_two_elements():
    depth, truth = sets(17, 6)
    scale = jnp.linspace(0.5, 2.0, 17)[:, None]
    pairs = Pairs("logistic", tau=0.2)
    found, expected = (f(depth, truth, pairs, scale) for f in (fast, defined))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-4)
    even = fast(depth, truth, pairs, jnp.full((1, 1), 3.0))
    np.testing.assert_allclose(even[0], logistic(depth, truth, 0.6)[0], rtol=1e-5)
    one_pair = jnp.zeros((2, 1)), jnp.arange(2.0)[:, None]
    value = fast(*one_pair, pairs, jnp.array([[1.0], [7.0]]))[0]
    np.testing.assert_allclose(value, 0.2 * 5 * np.log(2), rtol=1e-5)
