"""The counted cost against its definition over all pairs, value and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax.objectives import depth_order

both = [jax.jit(jax.value_and_grad(cost)) for cost in (depth_order.cost, depth_order.pairwise_cost)]


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
    gradient = jax.grad(lambda z: depth_order.cost(z, truth) ** 2)(depth)
    value, single = both[0](depth, truth)
    np.testing.assert_allclose(gradient, 2 * value * single, rtol=1e-6)


def test_it_can_be_mapped():
    depth, truth = sets(50, 3)
    one = slice(None), None  # a set, as one of one
    mapped = jax.vmap(lambda z, d: depth_order.cost(z[one], d[one]), in_axes=1)(depth, truth)
    alone = [depth_order.cost(depth[:, [i]], truth[:, [i]]) for i in range(3)]
    np.testing.assert_allclose(mapped, alone, rtol=1e-5)


@pytest.mark.parametrize("elements", [243, 2000])
def test_memory_grows_with_the_elements_and_not_with_the_pairs(elements):
    depth = jax.ShapeDtypeStruct((elements, 2 * 17), jnp.float32)
    memory = jax.jit(both[0]).lower(depth, depth).compile().memory_analysis()
    if memory is None:
        pytest.skip("this backend does not report memory")
    assert memory.temp_size_in_bytes < 20 * 4 * elements * 2 * 17
