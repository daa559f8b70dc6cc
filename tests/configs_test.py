"""Every configuration with every one of its variants makes an experiment that can start."""

import dataclasses
import functools
import itertools
import json
import pathlib
import subprocess
import sys

import pytest
from config_files import get, variants
from flax import nnx

import configs
from configs import common
from configs.variants import apply
from repose_jax import config, models
from repose_jax.models.repose import ReposeConfig
from repose_jax.objectives import objective

ROOT = pathlib.Path(__file__).parents[1]
ALL = list(configs.catalogue())
# The others: `zoo_test`, and `shipped_recipe_test` for the recipe of the shipped weights.
FILES = [name for name in ALL if not name.startswith("zoo/") and name != "lift"]
every_configuration = pytest.mark.parametrize("name", ALL)


@functools.cache
def _parameters(**model) -> int:
    return models.parameter_count(nnx.eval_shape(lambda: models.create(**model)))


def parameters(experiment: config.Experiment) -> int:
    return _parameters(**experiment.model)


def test_the_catalogue_has_every_file_with_its_first_line_and_its_variants():
    files = {*(ROOT / "configs").glob("*.py"), *(ROOT / "configs" / "zoo").glob("*.py")}
    made = {file for file in files if "def get_config(" in file.read_text()}
    assert {str(file.relative_to(ROOT / "configs").with_suffix("")) for file in made} == set(ALL)
    assert len({name.rpartition("/")[2] for name in ALL}) == len(ALL)  # short names are unambiguous
    for entry in configs.catalogue().values():
        assert entry.doc.endswith(".")
        assert all(variant.doc for variant in entry.variants)
        assert len({variant.name for variant in entry.variants}) == len(entry.variants)
    assert configs.catalogue()["mocap"].doc.startswith("CMU and Bandai Namco motion capture")


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
            tau=experiment.objective.tau,
        )
        assert parameters(experiment) > 0


def test_the_base_of_configurations_has_the_defaults():
    shared = common.base().to_dict()
    del shared["model"]["name"], shared["objective"]["weights"]
    weights = {k: v for k, v in common.base().objective.weights.items() if v}
    assert weights == dict(objective.EQUATION_4)
    for section, cls in config.SECTIONS.items():
        defaults = dataclasses.asdict(cls())
        defaults.pop("weights", None)
        assert shared[section] == defaults
    assert shared["model"].items() <= dataclasses.asdict(ReposeConfig()).items()
    base = common.base()
    assert set(base) == {field.name for field in dataclasses.fields(config.Experiment)}
    base.train.epoch_steps, base.init_from = 7, "runs/a"  # None before, of a known type
    with pytest.raises(TypeError):
        base.eval.frames = "all"


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


def test_the_ablations_omit_the_losses_they_name():
    def kept(variant):
        weights = get("h36m", variant).objective.weights
        return {name for name, value in weights.items() if value}

    assert kept("baseline") == {"mpjpe"}
    assert kept("spatial") == {"mpjpe", "spatial_depth"}
    assert kept("temporal") == {"mpjpe", "temporal_depth"}


def test_a_variant_with_a_loss_replaces_logistic_ones_too():
    config = common.base()
    config.objective.weights.update({"spatial_order": 3.0, "temporal_order": 3.0})
    weights = apply(config, "spatial", [common.SPATIAL], of="configs.here").objective.weights
    assert {name: value for name, value in weights.items() if value} == {
        "mpjpe": 1.0,
        "spatial_depth": 1.0,
    }


def test_logistic_losses_have_weights_to_learn():
    config = common.base()
    config.objective.weights = {"mpjpe": 1.0, "spatial_order": 3.0}
    assert apply(config, "learned", [common.LEARNED], of="configs.here").objective.learn_weights


@pytest.mark.parametrize("name", [name for name in ALL if name != "lift"])
def test_spatial_and_temporal_are_both_losses(name):
    weights = get(name, "spatial,temporal").objective.weights
    assert (weights["spatial_depth"], weights["temporal_depth"]) == (1.0, 1.0)
    assert weights == get(name, "" if name in FILES else "relational").objective.weights
    assert not weights.keys() - get(name).objective.weights.keys()


@every_configuration
def test_the_order_of_the_words_does_not_matter(name):
    for one, other in itertools.combinations(variants(name), 2):
        assert values(f"{name}:{one},{other}") == values(f"{name}:{other},{one}")


def values(line):
    """All values of a configuration; None where its variants are refused."""
    try:
        return configs.load(line).to_dict()
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("h36m:baseline,spatial", ("baseline", "spatial")),
        ("h36m:temporal,baseline", ("temporal", "baseline")),
        ("quickstart:baseline,learned", ("baseline", "learned")),
        ("cmu_mocap:small,tiny", ("small", "tiny")),
        ("mixste:27,81", ("27", "81")),
        ("mixste:tiny,81", ("tiny", "81")),
        ("motionagformer:xs,l", ("xs", "l")),
        ("motionbert:lite,tiny", ("lite", "tiny")),
        ("poseformer:clips,tiny", ("clips", "tiny")),
        ("stcformer:relational,spatial", ("relational", "spatial")),
    ],
)
def test_variants_that_contradict_each_other_are_refused(line, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the message is looked at below)
        configs.load(line)
    assert str(error.value).startswith(f"Variants {words[0]!r} and {words[1]!r} of configs/")
    assert "contradict each other" in str(error.value)


def test_learned_weights_need_a_loss_to_learn():
    with pytest.raises(ValueError, match="Variant 'learned' has no loss to learn; add one"):
        configs.load("mixste:learned")
    for words in ("learned,relational", "relational,learned", "spatial,learned"):
        assert get("zoo/mixste", words).objective.learn_weights
    assert get("h36m", "learned").objective.learn_weights


@pytest.mark.parametrize("name", ["quickstart", "configs/quickstart.py"])
def test_an_unknown_variant_is_named_with_the_nearest_that_exists(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    message = (
        r"There is no variant 'tinny' of configs/quickstart\.py\. Did you mean 'tiny'\? "
        "There are baseline, spatial, temporal, learned, small, tiny"
    )
    with pytest.raises(ValueError, match=message):
        configs.load(f"{name}:spatial,tinny")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("h63m", "There is no configuration 'h63m'. Did you mean 'h36m'? There are cmu_mocap, "),
        ("mixst:tiny", "There is no configuration 'mixst'. Did you mean 'mixste'?"),
        ("zoo/mixst", "Did you mean 'zoo/mixste'?"),
        ("common", "There is no configuration 'common'."),
        ("absent/h36m.py", "There is no file absent/h36m.py. Did you mean --config=h36m?"),
    ],
)
def test_an_unknown_configuration_is_named_with_the_nearest_that_exists(name, message):
    with pytest.raises(FileNotFoundError) as error:
        configs.load(name)
    assert message in str(error.value)


def test_configurations_have_short_names_and_paths():
    full, path = configs.load("zoo/mixste:27"), ROOT / "configs" / "zoo" / "mixste.py"
    assert full.model.frames == 27
    for name in ("mixste:27", f"{path}:27", "mixste: 27 , 27,"):
        assert configs.load(name).to_dict() == full.to_dict()


def test_a_file_outside_the_tree_is_a_configuration(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from configs import quickstart\n"
        "def get_config(words=''):\n"
        "    config = quickstart.get_config(words)\n"
        "    config.train.epochs = 3\n"
        "    return config\n"
    )
    config = configs.load(f"{file}:small")
    assert (config.train.epochs, config.model.frames) == (3, 81)


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("", "", "has no function get_config"),
        ("def get_config(): return {}", "", "returns dict; it must return a ConfigDict"),
        ("def get_config(): pass", ":tiny", "has no variants; found 'tiny' after the colon"),
        ("import no_such_module", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def get_config(:", "", "SyntaxError: invalid syntax"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(text, words, message, tmp_path):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the message is looked at below)
        configs.load(f"{tmp_path / 'mine.py'}{words}")
    assert str(error.value).startswith(str(tmp_path / "mine.py"))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_variants_can_be_combined():
    experiment = get("h36m", "small,spatial")
    assert experiment.data.frames == 81
    assert experiment.objective.weights["temporal_depth"] == 0
    assert parameters(get("h36m", "small")) == pytest.approx(0.9e6, rel=0.1)
    assert parameters(get("h36m", "tiny")) == pytest.approx(0.15e6, rel=0.1)


@pytest.mark.parametrize("name", ["h36m", "zoo/videopose3d"])  # with tuples among the sizes
def test_a_model_is_created_from_a_configuration_in_json(name):
    experiment = get(name, "tiny")
    values = json.loads(json.dumps(experiment.to_dict()))
    assert config.from_mapping(values) == experiment
    assert any(isinstance(size, list) for size in values["model"].values())
    assert parameters(experiment) == models.parameter_count(
        nnx.eval_shape(lambda: models.create(**values["model"]))
    )


def test_configurations_import_nothing_heavy():
    code = """
import sys, configs
for name in configs.catalogue(): configs.load(name)
print({"jax", "flax", "optax", "numpy", "tensorflow"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "set()"
