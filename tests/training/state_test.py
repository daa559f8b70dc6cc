import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from repose_jax import models
from repose_jax.training import state


@pytest.fixture(scope="module")
def model() -> nnx.Module:
    return models.create("repose", frames=3, width=4, depth=1, heads=2, representation=4)


def create(model, ema=False):
    log_variances = {"spatial_depth": jnp.zeros(())}
    return state.create(model, log_variances, optax.adam(0.1), ema=ema)


def test_a_state_has_every_parameter_and_the_graph_definition_none(model):
    graphdef, train_state = create(model)
    leaves = jax.tree.leaves(train_state.params["model"])
    assert sum(leaf.size for leaf in leaves) == models.parameter_count(model)
    assert jax.tree.leaves(graphdef) == []
    assert train_state.step.dtype == jnp.int32
    inputs = jnp.ones((1, 3, 17, 3))
    merged = nnx.merge(graphdef, *train_state.variables)
    np.testing.assert_array_equal(merged(inputs), model(inputs))


def test_the_optimiser_follows_the_model_and_the_learned_weights(model):
    _, train_state = create(model)
    found = jax.tree.map(jnp.shape, train_state.opt_state[0].mu)
    assert found == jax.tree.map(jnp.shape, train_state.params)


def test_evaluation_takes_the_moving_average_where_there_is_one(model):
    _, plain = create(model)
    assert plain.ema is None
    assert plain.variables[0] is plain.params["model"]
    _, averaged = create(model, ema=True)
    assert averaged.variables[0] is averaged.ema


def test_the_moving_average_starts_as_a_copy_in_memory_of_its_own(model):
    _, train_state = create(model, ema=True)
    pairs = zip(
        jax.tree.leaves(train_state.ema), jax.tree.leaves(train_state.params["model"]), strict=True
    )
    for average, parameter in pairs:
        np.testing.assert_array_equal(average, parameter)
        assert average.unsafe_buffer_pointer() != parameter.unsafe_buffer_pointer()


def test_a_state_is_a_pytree(model):
    _, train_state = create(model, ema=True)
    doubled = jax.tree.map(lambda x: 2 * x, train_state)
    assert isinstance(doubled, state.TrainState)
    assert len(jax.tree.leaves(doubled)) == len(jax.tree.leaves(train_state))
