"""The recipe of the shipped weights."""

import dataclasses
import functools

from flax import nnx

import configs
from benchmarks.relational.forms import FORMS
from repose_jax import config, models
from repose_jax.weights import file, shipped


def experiment(name: str) -> config.Experiment:
    return config.from_mapping(configs.load(name).to_dict())


def test_the_recipe_trains_on_motions_in_the_frame_of_the_person():
    recipe = experiment("lift")
    assert recipe.from_motions
    assert recipe.data.normalise == "person"
    assert recipe.data.frames == recipe.model["frames"]


def test_no_data_of_the_recipe_forbid_a_use():
    assert not any("bandai" in spec for spec in experiment("lift").data.train)


def test_the_weights_fit_into_12_megabytes_in_half_precision():
    fields = experiment("lift").model_fields
    model = nnx.eval_shape(functools.partial(models.create, **fields))
    assert 2 * models.parameter_count(model) < 11.9e6


def test_the_probe_is_small():
    fields = experiment("lift:probe").model_fields
    model = nnx.eval_shape(functools.partial(models.create, **fields))
    assert 0.5e6 < models.parameter_count(model) < 1.5e6


def test_the_weights_ended_with_1300_steps_with_the_losses_of_the_paper():
    finish = experiment("lift:finish,hinge")
    assert finish.train.epochs * finish.train.epoch_steps == 1300
    assert {name for name, weight in finish.objective.weights.items() if weight} == {
        "mpjpe",
        "spatial_depth",
        "temporal_depth",
    }
    found = file.read(shipped.find())
    wanted = dataclasses.replace(finish, model={**finish.model, "dtype": "float32"})
    assert found.config == wanted
    assert found.notes["step"] == 1300


def test_the_losses_for_small_networks_are_those_that_were_measured():
    form = FORMS["difference, occluded pairs"]
    weights = [round(3 * weight, 2) for weight in form.weights]
    measured = config.ObjectiveConfig(**form.objective(*weights))
    assert experiment("lift:occluded").objective == measured


def test_the_part_before_it_had_no_relational_loss():
    assert set(experiment("lift:finish").objective.weights) == {"mpjpe"}
