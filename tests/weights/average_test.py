import dataclasses

import jax
import numpy as np
import pytest
from small_export import contents

from repose_jax.weights.average import average


def moved(model, by, **notes):
    """The model with all parameters moved by a number."""
    params, stats = model.variables
    return model._replace(variables=(jax.tree.map(lambda x: x + by, params), stats), notes=notes)


def test_the_mean_has_the_means_of_the_parameters_and_the_notes_that_all_have():
    one = contents("mixer")
    models = {
        "a": moved(one, 0.0, step=9, data="x"),
        "b": moved(one, 1.0, step=9, data="y"),
        "c": moved(one, 5.0, step=9),
    }
    found = average(models)
    jax.tree.map(
        lambda mean, x: np.testing.assert_allclose(mean, x + 2, atol=1e-6),
        found.variables,
        one.variables,
    )
    assert found.notes == {"step": 9, "averaged": 3}
    assert found.config == one.config


def test_the_mean_of_one_is_itself():
    one = contents("mixer")._replace(notes={"step": 9})
    assert average({"a": one}) is one


def test_sizes_left_out_have_their_defaults_and_dropout_may_differ():
    one = contents("mixer")
    sizes = {key: size for key, size in one.config.model.items() if key in ("name", "frames")}
    sizes |= {key: one.config.model[key] for key in ("width", "depth")} | {"dropout": 0.3}
    other = one._replace(config=dataclasses.replace(one.config, model=sizes))
    assert average({"a": one, "b": other}).config == one.config


def test_other_models_and_other_inputs_are_refused_by_name():
    one = contents("mixer")
    with pytest.raises(ValueError, match="^b has config.model.width 16, a 8: only trainings"):
        average({"a": one, "b": contents("mixer", model={"width": 16})})
    data = dataclasses.replace(one.config.data, normalise="person")
    other = one._replace(config=dataclasses.replace(one.config, data=data))
    with pytest.raises(ValueError, match="^b has config.data.normalise person, a image: only"):
        average({"a": one, "b": other})


def test_batch_norms_have_no_mean():
    one = contents("semgcn")
    with pytest.raises(ValueError, match="^a has batch norms"):
        average({"a": one, "b": one})
