import dataclasses
import inspect
import json
import math
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from ml_collections import ConfigDict

from repose_jax import config

MODEL = {"name": "repose"}
SECTIONS = [config.Experiment, *config.SECTIONS.values()]


def refusal(values) -> str:
    """The message with which these values are refused."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 (callers look at the message)
        config.from_mapping({"model": MODEL, **values})
    return str(error.value)


def test_it_is_imported_without_jax():
    code = """
import sys, repose_jax.config
heavy = {"jax", "flax", "optax", "absl", "ml_collections", "numpy", "tensorflow"}
print(heavy & set(sys.modules))
"""
    command = [sys.executable, "-c", code]
    root = pathlib.Path(__file__).parents[1]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("cls", SECTIONS)
def test_every_setting_is_documented_and_has_a_rule(cls):
    documented = re.findall(r"^    (\w+): ", inspect.getdoc(cls) or "", flags=re.MULTILINE)
    assert documented == [field.name for field in dataclasses.fields(cls)]
    for field in dataclasses.fields(cls):
        assert "rule" in field.metadata or dataclasses.is_dataclass(field.default)


# To and from other forms


def test_omitted_values_have_their_defaults():
    experiment = config.from_mapping({"model": MODEL, "optim": {"lr": 1.0}})
    assert experiment == config.Experiment(model=MODEL, optim=config.OptimConfig(lr=1.0))


def test_an_experiment_survives_json():
    experiment = config.from_mapping(
        {
            "model": {**MODEL, "width": 8, "fused_attention": ["joints", "frames"]},
            "data": {"train": ["a/30fps:train", "b/30fps:train"], "data_dir": None},
            "objective": {"weights": {"mpjpe": 2, "velocity": 0}, "learn_weights": True},
            "train": {"epoch_steps": 7},
        }
    )
    assert experiment.data.train == ("a/30fps:train", "b/30fps:train")
    assert experiment.model["fused_attention"] == ("joints", "frames")
    again = config.from_mapping(json.loads(json.dumps(experiment.to_dict())))
    assert again == experiment
    assert hash(again) == hash(experiment)


def test_experiments_that_differ_are_not_equal():
    base = config.Experiment(MODEL)
    others = [
        config.Experiment({**MODEL, "width": 8}),
        config.Experiment(MODEL, objective=config.ObjectiveConfig({"mpjpe": 2.0})),
        config.Experiment(MODEL, init_from="runs/a"),
    ]
    assert len({base, *others}) == 4


def test_a_config_dict_is_a_mapping_too():
    values = ConfigDict({"model": MODEL, "data": {"train": ("a/30fps:train",)}})
    assert config.from_mapping(values.to_dict()).data.train == ("a/30fps:train",)


def test_an_experiment_cannot_be_changed():
    sizes = {**MODEL, "width": 8}
    experiment = config.Experiment(sizes)
    sizes["width"] = 16
    assert experiment.model["width"] == 8
    with pytest.raises(dataclasses.FrozenInstanceError):
        experiment.train.epochs = 3  # pyright: ignore[reportAttributeAccessIssue]
    for mapping in (experiment.model, experiment.objective.weights):
        with pytest.raises(TypeError, match="does not support item assignment"):
            mapping["mpjpe"] = 3  # pyright: ignore[reportIndexIssue]


def test_the_objective_is_equation_4_unless_given():
    weights = config.Experiment(MODEL).objective.weights
    assert weights == {"mpjpe": 1.0, "spatial_depth": 1.0, "temporal_depth": 1.0}


# Keys


@pytest.mark.parametrize(
    ("values", "key", "near"),
    [
        ({"modle": {}}, "config.modle", "config.model"),
        ({"data": {"strid": 3}}, "config.data.strid", "config.data.stride"),
        ({"objective": {"weight": {}}}, "config.objective.weight", "config.objective.weights"),
        ({"optim": {"lrr": 3}}, "config.optim.lrr", "config.optim.lr"),
        ({"train": {"epoch": 3}}, "config.train.epoch", "config.train.epochs"),
        ({"eval": {"flips": 3}}, "config.eval.flips", "config.eval.flip"),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_that_exists(values, key, near):
    assert refusal(values).startswith(f"There is no key {key}. Did you mean {near}?")


def test_an_unknown_key_is_named_with_all_that_exist():
    assert refusal({"eval": {"xyz": 3}}) == (
        "There is no key config.eval.xyz. config.eval has batch_size, flip, pictures, protocol, "
        "frames, output, hypotheses, sampling_steps, as_published."
    )


RENAMED = [
    ("data", "tails", "partial_clips", "drop"),
    ("train", "clips_at_once", "microbatch_size", 4),
    ("train", "steps_at_once", "steps_per_call", 2),
    ("eval", "read", "output", "centre"),
]


@pytest.mark.parametrize(("section", "old", "new", "value"), RENAMED)
def test_a_key_of_an_earlier_version_is_read_from_a_run_and_else_refused(section, old, new, value):
    values = {"model": MODEL, section: {old: value}}
    assert getattr(getattr(config.from_run(values), section), new) == value
    assert values == {"model": MODEL, section: {old: value}}
    assert refusal(values) == f"config.{section}.{old} has been renamed to config.{section}.{new}."


# Values


@pytest.mark.parametrize(
    ("key", "wrong", "allowed"),
    [
        ("optim.lr", [-1.0, 0, math.nan, math.inf, "fast", None, True], "a number above 0"),
        ("optim.decay", [0.0, 1.01, math.nan], "a number above 0 and at most 1"),
        ("optim.drop", [0, 2.0], "a number above 0 and at most 1"),
        ("optim.drop_every", [-1, 0.5], "an integer of at least 0"),
        ("optim.warmup_steps", [-1, 1.0], "an integer of at least 0"),
        ("optim.weight_decay", [-0.1, math.inf], "a number of at least 0"),
        ("optim.clip_norm", [-1.0, math.nan], "a number of at least 0"),
        ("optim.ema", [-0.1, 1.0, 1], "a number of at least 0 and below 1"),
        ("optim.batch_norm_momentum", [0.0, 1.5], "a number above 0 and at most 1"),
        ("optim.batch_norm_momentum_end", [0.0, 1.5], "a number above 0 and at most 1"),
        ("optim.name", ["sgd", 3], '"adamw", "amsgrad" or "adam"'),
        ("optim.schedule", ["linear"], '"epochs" or "cosine"'),
        ("data.train", ["a/b:c", ["a/b"], ["a:c"], [3], None], "a list of prepared splits, each"),
        ("data.test", [("small/30fps",)], "a list of prepared splits, each a string dataset/conf"),
        ("data.data_dir", ["", 3], "None or a string that is not empty"),
        ("data.frames", [0, -9, 9.0, True], "an integer of at least 1"),
        ("data.stride", [0], "an integer of at least 1"),
        ("data.partial_clips", ["keep"], '"cover" or "drop"'),
        ("data.inputs", ["2d"], '"detected" or "ground_truth"'),
        ("data.root_relative", [1, "yes"], "True or False"),
        ("data.depth_reference", ["camera"], '"frame" or "first_frame"'),
        ("data.unit", ["feet"], '"metres", "millimetres" or "1024mm"'),
        ("data.flip_share", [-0.1, 1.1, math.nan], "a number from 0 to 1"),
        ("data.normalise", ["box"], '"image" or "person"'),
        ("data.known", [["pitch"], "fps", [3]], 'a list of some of "fps", "focal", "up"'),
        ("data.dropped_joints", ["neck", [3]], 'a list of names of joints, such as ("neck",)'),
        ("simulation.rates", [[60, 15], [30], [0, 60]], "two numbers above 0, the smaller first"),
        ("simulation.errors", [-1.0], "a number of at least 0"),
        *[
            (f"simulation.{name}", [-0.1, 1.5], "a number from 0 to 1")
            for name in ("upper_body", "arms", "handheld", "truncated", "confidence_laws")
        ],
        *[
            (f"simulation.{name}", [-0.1, 1.5], "a number from 0 to 1")
            for name in ("formats", "known_fps", "known_focal", "known_up")
        ],
        ("objective.weights", [3, ["mpjpe"]], "a mapping of names to numbers"),
        ("objective.weights.mpjpe", [-1.0, math.nan, "1"], "a number of at least 0"),
        ("objective.learn_weights", [0], "True or False"),
        ("objective.reduction", ["median"], '"mean", "sum" or "ordered"'),
        ("objective.tau", [0, -0.05, math.inf, "0.05"], "a number above 0"),
        ("objective.tau_by_joint", [1], "True or False"),
        ("objective.learn_tau", [0.05], "True or False"),
        ("objective.margin", [-0.01, math.inf], "a number of at least 0"),
        ("objective.closest", [-0.01, math.nan], "a number of at least 0"),
        ("objective.pairs", ["visible"], '"all" or "occluded"'),
        ("train.epochs", [0, 1.5, False], "an integer of at least 1"),
        ("train.epoch_passes", [0], "an integer of at least 1"),
        ("train.epoch_steps", [0], "None or an integer of at least 1"),
        ("train.batch_size", [0, -8], "an integer of at least 1"),
        ("train.microbatch_size", [0], "None or an integer of at least 1"),
        ("train.steps_per_call", [0], "None or an integer of at least 1"),
        ("train.seed", [-1, 2**32, 0.5], "an integer of at least 0 and below 2**32"),
        ("train.eval_every", [0], "an integer of at least 1"),
        ("train.log_every", [0], "an integer of at least 1"),
        ("train.matmul_precision", ["low"], '"default", "high" or "highest"'),
        ("eval.batch_size", [0], "an integer of at least 1"),
        ("optim.scale_by_loss", ["False", 1], "True or False"),
        ("eval.flip", ["False"], "True or False"),
        ("eval.pictures", [-1], "an integer of at least 0"),
        ("eval.protocol", ["", None], "a string that is not empty"),
        ("eval.frames", [0], "None or an integer of at least 1"),
        ("eval.output", ["center"], '"every" or "centre"'),
        ("eval.hypotheses", [-1], "an integer of at least 0"),
        ("eval.sampling_steps", [0], "an integer of at least 1"),
        ("eval.as_published", ["False"], "True or False"),
        ("model.name", ["", 3], "a string that is not empty"),
        ("model.frames", [0], "an integer of at least 1"),
        ("model.joints", [0], "an integer of at least 1"),
        ("model.in_channels", [0], "an integer of at least 1"),
        ("model.out_channels", [0], "an integer of at least 1"),
        ("model.width", [0, 6.5], "an integer of at least 1"),
        ("model.depth", [0], "an integer of at least 1"),
        ("model.heads", [0], "an integer of at least 1"),
        ("model.mlp_ratio", [0], "an integer of at least 1"),
        ("model.representation", [0], "an integer of at least 1"),
        ("model.dropout", [1.0, -0.1, 10**400], "a number of at least 0 and below 1"),
        ("model.attention_dropout", [1], "a number of at least 0 and below 1"),
        ("model.part_dropout", [1], "a number of at least 0 and below 1"),
        ("model.stochastic_depth", [1.0, math.nan], "a number of at least 0 and below 1"),
        ("model.remat", ["False"], "True or False"),
        ("model.dtype", ["float16"], '"float32" or "bfloat16"'),
        ("init_from", ["", 3], "None or a string that is not empty"),
        ("optim", [3], "a mapping of settings to values"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_in_one_line(key, wrong, allowed):
    for value in wrong:
        values = {"model": dict(MODEL)}
        section, *parents, name = ["", *key.split(".")]
        inner = values
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
        message = refusal(values)
        found = tuple(value) if isinstance(value, list) else value
        assert message.startswith(f"config.{key} is {found!r}; it must be {allowed}"), section
        assert "\n" not in message


def test_every_setting_is_among_the_values_that_are_refused():
    marks = test_a_value_that_is_not_allowed_is_refused_in_one_line.pytestmark
    refused = {case[0] for case in marks[0].args[1]}
    for name, cls in config.SECTIONS.items():
        assert refused >= {f"{name}.{field.name}" for field in dataclasses.fields(cls)}
    assert refused >= {f"model.{name}" for name in config.LIFTER}


def test_the_ends_of_the_ranges_are_allowed():
    config.from_mapping(
        {
            "model": {**MODEL, "width": 1, "dropout": 0, "stochastic_depth": 0.99},
            "data": {"frames": 1, "stride": 1, "flip_share": 1, "train": ["a/b:train[:50%]"]},
            "objective": {"weights": {"mpjpe": 1, "velocity": 0}},
            "optim": {"decay": 1, "ema": 0, "clip_norm": 0, "weight_decay": 0, "name": "adam"},
            "train": {"seed": 2**32 - 1, "epochs": 1},
            "eval": {"pictures": 0},
        }
    )


def test_numbers_are_floats():
    experiment = config.from_mapping({"model": MODEL, "optim": {"lr": 1}})
    assert isinstance(experiment.optim.lr, float)


def test_what_is_of_numpy_is_as_of_python():
    values = {
        "model": {**MODEL, "width": np.int64(64), "dropout": np.float32(0.5)},
        "data": {"frames": np.int32(9), "stride": np.uint8(3), "flip_share": np.int64(1)},
        "simulation": {"rates": np.array([20.0, 30.0])},
        "objective": {"weights": {"mpjpe": np.float32(2)}, "tau_by_joint": np.bool_(True)},
        "optim": {"lr": np.float32(0.25), "name": np.str_("adamw")},
    }
    experiment = config.from_mapping(values)
    assert experiment.data.flip_share == 1.0
    assert experiment.simulation.rates == (20.0, 30.0)
    assert config.from_mapping(json.loads(json.dumps(experiment.to_dict()))) == experiment


def test_a_stride_leaves_no_frames_out():
    message = "config.data.stride is 10; it must be at most config.data.frames, 9."
    assert refusal({"data": {"frames": 9, "stride": 10}}) == message


def test_a_loss_that_may_be_negative_scales_no_gradient():
    values = {"optim": {"scale_by_loss": True}, "objective": {"learn_weights": True}}
    assert "config.optim.scale_by_loss is True; it must be False with" in refusal(values)


def test_a_model_without_a_name_is_refused():
    for values in ({}, {"model": {}}, {"model": {"width": 8}}, {"model": "repose"}):
        with pytest.raises(ValueError, match="it must be a mapping with the name of a model"):
            config.from_mapping(values)


@pytest.mark.parametrize(
    ("spec", "is_motion"),
    [
        ("cmu_mocap/60fps_motion:train", True),
        ("synthetic_motion/60fps_motion_seed1:train", True),
        ("bvh_motion/my_motion_30fps:train", False),
        ("synthetic_motion/30fps_seed1:train", False),
    ],
)
def test_motions_are_known_by_the_name_of_their_config(spec, is_motion):
    assert config.is_motion(spec) == is_motion
