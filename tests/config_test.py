import dataclasses
import json

import pytest
from ml_collections import ConfigDict

from repose_jax import config


def test_what_is_not_given_has_its_default():
    experiment = config.from_mapping({"model": {"name": "repose"}, "optim": {"lr": 1.0}})
    assert experiment == config.Experiment(
        model={"name": "repose"}, optim=config.OptimConfig(lr=1.0)
    )


def test_an_experiment_survives_json():
    experiment = config.from_mapping(
        {
            "model": {"name": "repose", "width": 8},
            "data": {"train": ["a/30fps:train", "b/30fps:train"], "data_dir": None},
            "objective": {"weights": {"mpjpe": 2.0}, "learn_weights": True},
            "train": {"epoch_steps": 7},
        }
    )
    assert experiment.data.train == ("a/30fps:train", "b/30fps:train")
    text = json.dumps(experiment.to_dict())
    assert config.from_mapping(json.loads(text)) == experiment


def test_a_config_dict_is_a_mapping_too():
    values = ConfigDict({"model": {"name": "repose"}, "data": {"train": ("a/30fps:train",)}})
    assert config.from_mapping(values.to_dict()).data.train == ("a/30fps:train",)


def test_an_experiment_cannot_be_changed():
    experiment = config.Experiment(model={"name": "repose"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        experiment.train.epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "no config.modle. Did you mean config.model?"),
        ({"data": {"strid": 3}}, "no config.data.strid. Did you mean config.data.stride?"),
        (
            {"objective": {"weight": {}}},
            "no config.objective.weight. Did you mean config.objective.weights?",
        ),
        ({"optim": {"lrr": 3}}, "no config.optim.lrr. Did you mean config.optim.lr?"),
        (
            {"train": {"epoch": 3}},
            "no config.train.epoch. Did you mean config.train.epochs?",
        ),
        ({"eval": {"flips": 3}}, "no config.eval.flips. Did you mean config.eval.flip?"),
        (
            {"eval": {"xyz": 3}},
            "no config.eval.xyz. config.eval has batch_size, flip, pictures, protocol, "
            "frames, output.",
        ),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_that_exists(values, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the message is looked at below)
        config.from_mapping({"model": {"name": "repose"}, **values})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("train", "epochs"),
        ("train", "batch_size"),
        ("train", "eval_every"),
        ("train", "log_every"),
        ("eval", "batch_size"),
        ("data", "frames"),
    ],
)
def test_a_number_that_cannot_be_is_named(section, key):
    message = f"config.{section}.{key} must be at least 1, found 0"
    with pytest.raises(ValueError, match=message):
        config.from_mapping({"model": {"name": "repose"}, section: {key: 0}})


def test_a_model_without_a_name_is_refused():
    with pytest.raises(ValueError, match='config.model has no "name"'):
        config.from_mapping({})
