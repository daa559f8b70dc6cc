import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors import safe_open
from safetensors.numpy import save_file

from repose_jax import models
from repose_jax.config import DataConfig, Experiment
from repose_jax.weights import file

REPOSE = {"name": "repose", "frames": 9, "width": 8, "depth": 1, "heads": 2, "representation": 8}
WITH_STATISTICS = {"name": "videopose3d", "filter_widths": (3,), "width": 8}


def experiment(model) -> Experiment:
    data = DataConfig(train=("cmu_mocap/60fps:train",), data_dir="/home/me", frames=9, stride=9)
    return Experiment(model=model, data=data, init_from="/home/me/runs/other")


def variables_of(model, seed=0):
    _, params, statistics = nnx.split(models.create(**model, seed=seed), nnx.Param, nnx.BatchStat)
    # Other values than those at the start, which are 0 and 1.
    statistics = jax.tree.map(lambda x: x + jnp.linspace(0.1, 0.2, x.size), statistics)
    return params, statistics


@pytest.fixture(params=[REPOSE, WITH_STATISTICS], ids=["repose", "statistics"])
def written(request, tmp_path):
    path = tmp_path / "model.safetensors"
    file.write(
        path, experiment(request.param), variables_of(request.param), notes={"licence": "CC0-1.0"}
    )
    return path


@pytest.fixture
def repose(tmp_path):
    path = tmp_path / "model.safetensors"
    file.write(path, experiment(REPOSE), variables_of(REPOSE))
    return path


def test_a_model_is_read_as_written_up_to_the_rounding_of_float16(written):
    contents = file.read(written)
    expected = variables_of(dict(contents.config.model))
    for found, wanted in zip(contents.variables, expected, strict=True):
        assert jax.tree.structure(found) == jax.tree.structure(wanted)
    parameters, statistics = map(jax.tree.leaves, contents.variables)
    for found, wanted in zip(parameters, jax.tree.leaves(expected[0]), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.asarray(wanted, np.float16))
    for found, wanted in zip(statistics, jax.tree.leaves(expected[1]), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert contents.notes == {"licence": "CC0-1.0"}
    model = nnx.merge(contents.graphdef, *contents.variables)
    x = jnp.ones((1, 9, 17, model.config.in_channels))
    np.testing.assert_array_equal(
        model(x), nnx.merge(contents.graphdef, *map(_rounded, expected))(x)
    )


def _rounded(tree):
    """Parameters as the file has them; statistics are not rounded."""
    if isinstance(next(iter(nnx.to_flat_state(tree)), (None, None))[1], nnx.Param):
        return jax.tree.map(lambda x: x.astype(jnp.float16).astype(jnp.float32), tree)
    return tree


def test_float32_is_read_bit_for_bit(tmp_path):
    path = tmp_path / "model.safetensors"
    variables = variables_of(REPOSE)
    file.write(path, experiment(REPOSE), variables, "float32")
    jax.tree.map(np.testing.assert_array_equal, file.read(path).variables, variables)


def test_the_configuration_is_kept_without_the_folders_of_the_machine(written):
    config = file.read(written).config
    expected = experiment(config.model)
    assert config == dataclasses.replace(
        expected, init_from=None, data=dataclasses.replace(expected.data, data_dir=None)
    )
    assert b"/home/me" not in written.read_bytes()


def test_the_same_model_gives_the_same_bytes(repose, tmp_path):
    notes = {"b": 1, "a": [2, 3], "c": "d"}
    files = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for path, order in zip(files, (notes, dict(reversed(notes.items())), notes), strict=True):
        file.write(path, experiment(REPOSE), variables_of(REPOSE), notes=order)
    assert len({path.read_bytes() for path in files}) == 1
    other = tmp_path / "other.safetensors"
    file.write(other, experiment(REPOSE), variables_of(REPOSE, seed=1), notes=notes)
    assert other.read_bytes() != files[0].read_bytes()
    contents = file.read(files[0])
    file.write(other, contents.config, contents.variables, notes=contents.notes)
    assert other.read_bytes() == files[0].read_bytes()


def test_tensors_are_named_by_the_paths_of_the_parameters(repose):
    with safe_open(repose, "np") as opened:
        assert {"joint_embedding", "layers.0.fusion.kernel", "head.bias"} <= set(opened.keys())
        assert opened.get_slice("head.bias").get_dtype() == "F16"


# Files that are not read


def parts(path):
    """The tensors and the metadata of a file."""
    with safe_open(path, "np") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return tensors, json.loads(opened.metadata()["repose_jax"])


def without(tensors, about):
    del tensors["head.bias"]


def additional(tensors, about):
    tensors["head.more"] = np.zeros(3, np.float16)


def another_shape(tensors, about):
    tensors["head.bias"] = np.zeros(4, np.float16)


def another_dtype(tensors, about):
    tensors["head.bias"] = np.zeros(3, np.int32)


def not_finite(tensors, about):
    tensors["head.bias"][1] = np.inf


def another_size(tensors, about):
    about["config"]["model"]["width"] = 16


def later(tensors, about):
    about |= {"format": 2, "version": "7.0"}


def unknown_model(tensors, about):
    about["config"]["model"]["name"] = "repos"


def unknown_setting(tensors, about):
    about["config"]["data"]["frams"] = 3


def without_configuration(tensors, about):
    del about["config"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without, "the tensor head.bias is missing"),
        (additional, "the model has no head.more"),
        (another_shape, r"head.bias has shape \(4,\), \(3,\) in the model"),
        (another_dtype, "head.bias is I32; read are F16, F32"),
        (not_finite, "the tensor head.bias holds values that are not finite"),
        (another_size, r"embed.kernel has shape \(3, 8\), \(3, 16\) in the model; .* and \d+ more"),
        (later, "its format is 2, of repose_jax 7.0; this version reads 1"),
        (unknown_model, "There is no model 'repos'. Did you mean 'repose'"),
        (unknown_setting, "frams"),
        (without_configuration, r"its configuration is damaged \(KeyError\('config'\)\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(repose, damage, message):
    tensors, about = parts(repose)
    damage(tensors, about)
    save_file(tensors, repose, {"repose_jax": json.dumps(about)})
    assert_refused(repose, message)


def assert_refused(path, message):
    with pytest.raises(ValueError, match=message) as error:
        file.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("length", [0, 7, 40, -1])
def test_a_truncated_file_is_refused_in_one_line(repose, length):
    repose.write_bytes(repose.read_bytes()[:length])
    assert_refused(repose, "header")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_file_of_another_program_is_refused(tmp_path, metadata):
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros((2, 2), np.float32)}, path, metadata)
    assert_refused(path, "the file holds no configuration of repose_jax")


def test_text_is_not_a_file_of_weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\n" * 3)
    assert_refused(path, "header")


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file of weights"):
        file.read(tmp_path / "none.safetensors")


# Models that are not written


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "joint_embedding holds values that are not finite"), (1e5, "too large for float16")],
)
def test_values_that_a_file_cannot_hold_are_refused(tmp_path, value, message):
    params, statistics = variables_of(REPOSE)
    params["joint_embedding"] = params["joint_embedding"].replace(jnp.full((17, 8), value))
    with pytest.raises(ValueError, match=message):
        file.write(tmp_path / "x.safetensors", experiment(REPOSE), (params, statistics))
    assert not [*tmp_path.iterdir()]


def test_another_suffix_or_dtype_is_refused(tmp_path):
    config, variables = experiment(REPOSE), variables_of(REPOSE)
    with pytest.raises(ValueError, match=r"model.bin: the name .* ends in .safetensors"):
        file.write(tmp_path / "model.bin", config, variables)
    with pytest.raises(ValueError, match="dtype is 'int8'; choose from float16, float32"):
        file.write(tmp_path / "model.safetensors", config, variables, "int8")
