"""Every file of `configs` with every one of its variants makes an experiment that can start."""

import dataclasses
import functools
import pathlib

import pytest
from config_files import check_imports_nothing_heavy, get, variants
from flax import nnx

from configs import common
from repose_jax import config, models
from repose_jax.models.repose import ReposeConfig
from repose_jax.objectives import objective

FILES = sorted(
    path.stem
    for path in (pathlib.Path(__file__).parents[1] / "configs").glob("*.py")
    if path.stem not in ("__init__", "common")
)


@functools.cache
def _parameters(**model) -> int:
    return models.parameter_count(nnx.eval_shape(lambda: models.create(**model)))


def parameters(experiment: config.Experiment) -> int:
    return _parameters(**experiment.model)


def test_there_are_configurations():
    assert {"h36m", "cmu_mocap", "quickstart"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_variant_of_every_configuration_can_start(name):
    plain = get(name)
    listed = variants(name)
    assert {"baseline", "spatial", "temporal", "learned", "small", "tiny"} <= set(listed)
    for variant in ["", *listed]:
        experiment = get(name, variant)
        # The quickstart is tiny as it is.
        assert variant in ("", "tiny") or experiment != plain
        assert experiment.data.train
        assert experiment.data.test
        assert experiment.data.frames == experiment.model["frames"]
        objective.make_objective(
            experiment.objective.weights,
            learn_weights=experiment.objective.learn_weights,
            reduction=experiment.objective.reduction,
        )
        assert parameters(experiment) > 0


def test_what_configurations_share_are_the_defaults():
    shared = common.base().to_dict()
    del shared["model"]["name"], shared["objective"]["weights"]
    weights = {k: v for k, v in common.base().objective.weights.items() if v}
    assert weights == dict(objective.EQUATION_4)
    for section, cls in config.SECTIONS.items():
        defaults = dataclasses.asdict(cls())
        defaults.pop("weights", None)
        assert shared[section] == defaults
    assert shared["model"].items() <= dataclasses.asdict(ReposeConfig()).items()


def test_the_benchmarks_are_evaluated_by_their_protocols():
    assert get("h36m").eval.protocol == "human36m_2.5d"
    assert not get("h36m").data.root_relative
    assert get("h36m").data.partial_clips == "drop"
    assert get("h36m", "gt2d").data.inputs == "ground_truth"
    camera = get("h36m", "camera,baseline")
    assert (camera.eval.protocol, camera.data.root_relative) == ("human36m_camera", True)
    assert camera.data.partial_clips == "cover"
    assert get("mpi_inf_3dhp").eval.protocol == "mpi_inf_3dhp"
    assert get("mpi_inf_3dhp", "metric").data.test == ("mpi_inf_3dhp/metric:test",)


def test_the_human36m_configuration_is_the_papers():
    experiment = get("h36m")
    assert experiment.data.frames == 243
    assert parameters(experiment) == 16_001_549
    optim, train = experiment.optim, experiment.train
    assert (optim.lr, optim.decay, optim.weight_decay) == (5e-4, 0.99, 0.01)
    assert (optim.warmup_steps, optim.ema) == (0, 0)
    assert (train.epochs, train.batch_size, train.epoch_steps) == (100, 32, None)
    assert experiment.data.flip_share == 0.5
    assert experiment.eval.flip
    weights = {name: value for name, value in experiment.objective.weights.items() if value}
    assert weights == dict(objective.EQUATION_4)
    assert experiment.objective.reduction == "mean"


def test_the_ablations_leave_out_what_they_say():
    def kept(variant):
        weights = get("h36m", variant).objective.weights
        return {name for name, value in weights.items() if value}

    assert kept("baseline") == {"mpjpe"}
    assert kept("spatial") == {"mpjpe", "spatial_depth"}
    assert kept("temporal") == {"mpjpe", "temporal_depth"}


def test_variants_can_be_combined():
    experiment = get("h36m", "small,spatial")
    assert experiment.data.frames == 81
    assert experiment.objective.weights["temporal_depth"] == 0
    assert parameters(get("h36m", "small")) == pytest.approx(0.9e6, rel=0.1)
    assert parameters(get("h36m", "tiny")) == pytest.approx(0.15e6, rel=0.1)


def test_a_configuration_imports_nothing_heavy():
    check_imports_nothing_heavy(list(FILES))
