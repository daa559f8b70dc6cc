"""Every recipe of `configs/zoo` with every variant makes an experiment that can start."""

import dataclasses
import functools
import pathlib

import config_files
import pytest
from flax import nnx

from repose_jax import config, models
from repose_jax.cli import arguments
from repose_jax.objectives import objective
from repose_jax.torch_import import TENSOR_NAMES
from repose_jax.training import optim

RECIPES = sorted(
    path.stem
    for path in (pathlib.Path(__file__).parents[1] / "configs" / "zoo").glob("*.py")
    if path.stem != "__init__"
)
SHARED = {
    "relational",
    "spatial",
    "temporal",
    "learned",
    "gt2d",
    "mocap",
    "synthetic",
    "budget",
    "tiny",
}
every_recipe = pytest.mark.parametrize("name", RECIPES)

# The default sizes are in the tests of the models.
PARAMETERS = {
    ("motionbert", "lite"): 16_001_549,
    ("motionagformer", "xs"): 2_241_531,
    ("motionagformer", "s"): 4_817_119,
    ("motionagformer", "l"): 19_007_111,
    ("mixste", "27"): 33_673_219,
    ("d3dp", "27"): 34_724_867,
    ("stcformer", "27"): 4_748_000,
    ("mhformer", "27"): 19_184_517,
    ("videopose3d", "81"): 12_753_971,
    ("videopose3d", "27"): 8_555_571,
    ("pstmo", "27"): 4_682_598,
    ("pstmo", "81"): 5_527_142,
    ("pstmo", "full"): 7_009_382,
    ("poseformer", "27"): 9_573_455,
    ("poseformerv2", "27"): 14_355_739,
    ("semgcn", "local"): 267_343,
    ("semgcn", "neck"): 267_373,
    ("semgcn", "modulated"): 287_923,
}


@functools.cache
def get(name: str, variant: str = "") -> config.Experiment:
    return config_files.get(f"zoo/{name}", variant)


@functools.cache
def abstract(name: str, variant: str):
    """The model without its arrays."""
    return nnx.eval_shape(lambda: models.create(**get(name, variant).model))


def weights(experiment: config.Experiment) -> dict[str, float]:
    return {name: value for name, value in experiment.objective.weights.items() if value}


def test_there_is_a_recipe_for_every_backbone_of_authors():
    assert set(RECIPES) == set(TENSOR_NAMES) - {"repose"}
    assert set(RECIPES) <= set(models.MODELS)


@every_recipe
def test_every_variant_of_every_recipe_can_start(name):
    listed = config_files.variants(f"zoo/{name}")
    assert set(listed) >= SHARED
    fields = {field.name: field for field in dataclasses.fields(models.MODELS[name][1])}
    for variant in ["", *listed]:
        experiment = get(name, "relational,learned" if variant == "learned" else variant)
        assert variant == "" or experiment != get(name)
        assert set(experiment.model) - {"name"} <= set(fields)
        sizes = models.MODELS[name][1](
            **{key: value for key, value in experiment.model.items() if key != "name"}
        )
        assert 1 <= experiment.data.stride <= experiment.data.frames <= sizes.frames
        assert experiment.data.train
        assert experiment.data.test
        objective.make_objective(
            experiment.objective.weights,
            learn_weights=experiment.objective.learn_weights,
            reduction=experiment.objective.reduction,
            tau=experiment.objective.tau,
        )


@every_recipe
def test_a_recipe_states_the_models_defaults(name):
    # So that the defaults of a model are those that its paper's table is made with.
    defaults = dataclasses.asdict(models.MODELS[name][1]())
    stated = {key: value for key, value in get(name).model.items() if key != "name"}
    assert stated.items() <= defaults.items()


def parsed(*argv):
    """The experiment of a command line, as `repose complexity` reads it."""
    parser = arguments.Parser(prog="repose complexity")
    parser.add_config()
    return arguments.parse(parser, argv).experiment


@every_recipe
def test_every_size_of_a_model_can_be_set_whether_its_recipe_states_it_or_not(name):
    for key, default in models.completed(get(name).model).items():
        value = 0.5 if default is None else default
        experiment = parsed(f"--config=zoo/{name}", f"--config.model.{key}={value}")
        assert experiment.model == {**get(name).model, key: value}


@pytest.mark.parametrize("variant", ["", ":full", ":27", ":81", ":tiny"])
def test_pstmo_for_mpi_inf_3dhp_is_set_as_its_page_says(variant):
    flags = ["--config.model.joint_order=mpi_inf_3dhp", "--config.data.unit=millimetres"]
    page = pathlib.Path(__file__).parents[1] / "docs" / "weights.md"
    assert " ".join(flags) in page.read_text(encoding="utf-8")
    experiment = parsed(f"--config=zoo/pstmo{variant}", *flags)
    assert experiment.data.unit == "millimetres"
    assert (
        nnx.eval_shape(lambda: models.create(**experiment.model)).config.joint_order
        == "mpi_inf_3dhp"
    )


def test_a_size_that_a_model_has_not_is_refused_with_the_nearest(capsys):
    with pytest.raises(SystemExit):
        parsed("--config=zoo/pstmo", "--config.model.joint_oder=mpi_inf_3dhp")
    assert "Did you mean config.model.joint_order?" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), PARAMETERS)
def test_the_sizes_are_those_of_the_authors(name, variant):
    count = models.parameter_count(abstract(name, variant))
    assert count == PARAMETERS[name, variant]


@every_recipe
def test_a_recipe_has_only_its_authors_losses_by_default(name):
    own = weights(get(name))
    assert set(own).isdisjoint(objective.RELATIONAL)
    both = {"spatial_depth": 1.0, "temporal_depth": 1.0}
    assert weights(get(name, "relational")) == own | both
    assert weights(get(name, "spatial")) == own | {"spatial_depth": 1.0}
    assert weights(get(name, "temporal")) == own | {"temporal_depth": 1.0}


def test_the_losses_are_those_of_the_papers():
    family = {"mpjpe": 1.0, "n_mpjpe": 0.5, "velocity": 20.0}
    mixste = {"weighted_mpjpe": 1.0, "temporal_consistency": 0.5, "velocity": 2.0}
    special = {"motionbert": family, "motionagformer": family, "mixste": mixste}
    special |= {"semgcn": {"mse": 1.0}}
    for name in RECIPES:
        assert weights(get(name)) == special.get(name, {"mpjpe": 1.0})
    assert weights(get("semgcn", "modulated")) == {"mse": 0.9, "mae": 0.1}


@every_recipe
def test_the_temporal_loss_has_pairs_of_frames(name):
    for variant in ("temporal", "relational", "temporal,tiny", "tiny,temporal"):
        frames = get(name, variant).data.frames
        assert frames == 1 if name == "pstmo" else frames > 1  # P-STMO has those of its window


@pytest.mark.parametrize("name", ["videopose3d", "poseformer", "poseformerv2"])
def test_lifters_of_the_centre_train_on_single_frames_or_on_as_many_in_clips(name):
    single, clips = get(name), get(name, "clips")
    assert sum(abstract(name, "tiny").context) == 26
    assert (single.data.frames, single.data.stride) == (1, 1)
    assert clips.data == get(name, "temporal").data
    assert clips.train == get(name, "temporal").train
    for experiment in (clips, get(name, "tiny")):
        left_over = single.train.batch_size - experiment.train.batch_size * experiment.data.frames
        assert 0 <= left_over < experiment.data.frames


@pytest.mark.parametrize("name", sorted({*RECIPES} - {"semgcn"}))
def test_every_epoch_of_a_camera_space_recipe_has_each_clip_and_its_mirror_image(name):
    experiment = get(name)
    assert experiment.data.flip_share == 0.5
    assert experiment.eval.flip
    in_camera_space = experiment.eval.protocol == "human36m_camera"
    assert in_camera_space == (name not in ("motionbert", "motionagformer"))
    assert experiment.train.epoch_passes == (2 if in_camera_space else 1)
    assert experiment.model.get("in_channels", 3) == (2 if in_camera_space else 3)
    assert experiment.data.root_relative
    assert experiment.data.partial_clips == ("cover" if in_camera_space else "drop")


def test_the_rates_are_those_of_the_authors():
    def rates(name, variant="", epochs=(0, 1, 5)):
        recipe = get(name, variant).optim
        return [float(optim.schedule(recipe, 10)(10 * epoch)) for epoch in epochs]

    assert rates("motionbert") == pytest.approx([2e-4, 2e-4 * 0.99, 2e-4 * 0.99**5], rel=1e-4)
    assert rates("mhformer") == pytest.approx([1e-3, 0.95e-3, 0.5e-3 * 0.95**4], rel=1e-4)
    assert rates("pstmo") == pytest.approx([7e-4, 7e-4 * 0.97, 7e-4 * 0.97**5], rel=1e-4)
    assert rates("pstmo", "full")[0] == pytest.approx(1e-3)
    late = rates("pstmo", epochs=(79, 80))
    assert late[1] == pytest.approx(late[0] / 2, rel=1e-4)
    for name in ("stcformer", "mhformer", "videopose3d", "pstmo"):
        assert (get(name).optim.name, get(name).optim.weight_decay) == ("amsgrad", 0)
    for name in ("mixste", "d3dp", "poseformer", "poseformerv2"):
        assert (get(name).optim.name, get(name).optim.weight_decay) == ("adamw", 0.1)
    semgcn = get("semgcn").optim
    assert (semgcn.name, semgcn.weight_decay, semgcn.clip_norm) == ("adam", 0, 1)
    falls = rates("semgcn", epochs=(0, 3, 4, 8))
    assert falls == pytest.approx([1e-3, 1e-3, 0.96e-3, 0.96e-3 * 0.96], rel=1e-4)
    for name in {*RECIPES} - {"semgcn"}:
        assert get(name).optim.clip_norm == 0


def test_motionagformer_on_mpi_inf_3dhp_is_trained_as_its_authors_do():
    for variant, frames in (("3dhp", 81), ("3dhp,xs", 27), ("3dhp,s", 81), ("3dhp,l", 81)):
        experiment = get("motionagformer", variant)
        assert (experiment.data.unit, experiment.data.stride) == ("1024mm", 9)
        assert experiment.data.frames == experiment.model["frames"] == frames
        assert experiment.model["joint_order"] == "mpi_inf_3dhp"
        assert (experiment.optim.name, experiment.optim.weight_decay) == ("amsgrad", 0)
    assert get("motionagformer", "s").data.stride == 27


def test_semgcn_mirrors_nothing_and_drops_the_neck_unless_its_graph_has_it():
    for variant, epochs in (("", 100), ("gt2d", 30), ("gt2d,local", 50), ("gt2d,modulated", 50)):
        experiment = get("semgcn", variant)
        assert (experiment.data.flip_share, experiment.eval.flip) == (0, False)
        assert experiment.train.epochs == epochs
        assert experiment.data.dropped_joints == ("neck",)
    assert get("semgcn", "neck").data.dropped_joints == ()


def test_the_momentum_of_videopose3ds_batch_norms_falls():
    recipe = get("videopose3d")
    momentum = optim.batch_norm_momentum(recipe.optim, 10, recipe.train.epochs)
    assert float(momentum(0)) == pytest.approx(0.1)
    assert float(momentum(10 * recipe.train.epochs)) == pytest.approx(0.001)


@every_recipe
def test_tiny_models_learn_from_the_same_clips_with_the_same_budget(name):
    tiny = get(name, "tiny,mocap,budget,relational")
    assert get(name, "synthetic").data.train == config_files.get("quickstart").data.train
    reference = get("motionbert", "tiny,mocap,budget,relational")
    assert models.parameter_count(abstract(name, "tiny")) == pytest.approx(0.15e6, rel=0.1)
    if name != "pstmo":  # which is trained on single windows
        assert tiny.data == reference.data
        assert tiny.eval.frames is None
    assert tiny.train == dataclasses.replace(
        reference.train, epoch_passes=tiny.train.epoch_passes
    )  # which counts for nothing, as the epochs are given in steps
    assert tiny.train.epoch_steps
    assert (tiny.eval.protocol, tiny.eval.output) == ("every_frame", "every")
    ours, others = tiny.optim, reference.optim
    for field in ("lr", "decay", "drop_every", "warmup_steps", "clip_norm", "ema"):
        assert getattr(ours, field) == getattr(others, field)
