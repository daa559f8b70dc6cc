import hashlib
import json
import sys

import jax
import numpy as np
import onnx
import pytest
from flax import nnx
from jax import export
from small_export import contents

from repose_jax import cli
from repose_jax.torch_import import convert
from repose_jax.training.workdir import load_weights, read_config
from repose_jax.weights import file, shipped


def test_a_run_is_exported_with_its_notes_and_reproducibly(trained, tmp_path, capsys):
    path = tmp_path / "model.safetensors"
    line = ["export", str(trained.workdir), f"--out={path}", "--note=licence=CC0-1.0"]
    assert cli.main(line) == 0
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() in capsys.readouterr().out
    step = load_weights(read_config(trained.workdir), trained.workdir, "best").step
    assert file.read(path).notes == {"checkpoint": "best", "step": step, "licence": "CC0-1.0"}
    assert cli.main(line) == 0
    assert path.read_bytes() == content


def test_a_note_may_have_any_name(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    notes = dict.fromkeys(("path", "config", "variables", "dtype", "notes", "step"), "mine")
    line = ["export", str(trained.workdir), f"--out={path}"]
    assert cli.main([*line, *(f"--note={name}={text}" for name, text in notes.items())]) == 0
    assert file.read(path).notes == {"checkpoint": "best", **notes}
    assert cli.main(["export", str(path), f"--out={tmp_path / 'again.safetensors'}"]) == 0


def test_the_last_checkpoint_in_float32(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    options = ("--checkpoint=latest", "--dtype=float32")
    assert cli.main(["export", str(trained.workdir), f"--out={path}", *options]) == 0
    assert file.read(path).notes["step"] == 6


def test_the_mean_of_several_is_exported(tmp_path):
    small = contents("mixer", model={"width": 16})
    for name, by in (("a", 0.0), ("b", 2.0)):
        variables = jax.tree.map(lambda x, by=by: x + by, small.variables)
        file.write(tmp_path / f"{name}.safetensors", small.config, variables, "float32")
    sources = [str(tmp_path / f"{name}.safetensors") for name in "ab"]
    path = tmp_path / "mean.safetensors"
    assert cli.main(["export", *sources, f"--out={path}", "--dtype=float32"]) == 0
    found = file.read(path)
    assert found.notes["averaged"] == 2
    jax.tree.map(
        lambda mean, x: np.testing.assert_allclose(mean, x + 1, atol=1e-6),
        found.variables,
        small.variables,
    )


def test_a_model_trained_in_bfloat16_computes_in_float32_in_its_file(tmp_path):
    small = contents("repose", model={"dtype": "bfloat16"})
    file.write(tmp_path / "a.safetensors", small.config, small.variables)
    path = tmp_path / "b.safetensors"
    assert cli.main(["export", str(tmp_path / "a.safetensors"), f"--out={path}"]) == 0
    assert file.read(path).config.model == {**small.config.model, "dtype": "float32"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out=model.bin"], "model.bin: the name of a file of weights ends in .safetensors"),
        (["--out=."], ".: the name of a file of weights ends in .safetensors"),
        (["--out=x.safetensors", "--note=licence"], "--note is 'licence'; give KEY=TEXT"),
        (["--out=x.safetensors", "--dtype=float8"], "There is no choice 'float8'"),
        (["--out=x.onnx"], "ends in .safetensors. For this name give --to=onnx."),
        (["--out=x.pb", "--to=onnx"], "x.pb: the name of a file of ONNX ends in .onnx."),
        (["--out=x.safetensors", "--frames=9"], "--frames is of a function; --to=safetensors"),
        (
            ["--out=x.stablehlo", "--to=stablehlo", "--note=a=b"],
            "a file of StableHLO holds no notes",
        ),
        (["--out=x.onnx", "--to=onnx", "--frames=99"], "frames is 99, more than"),
        ([], "required: --out"),
    ],
)
def test_a_wrong_command_line_ends_in_one_line(
    trained, tmp_path, options, message, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", str(trained.workdir), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("folder.onnx", "--out is folder.onnx, a folder; give the name of a file."),
        ("taken/lift.onnx", "the folder of --out is taken, but taken is a file."),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_model_is_loaded(
    tmp_path, out, message, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "taken").touch()
    assert cli.main(["export", "absent", "--to=onnx", f"--out={out}"]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder.onnx", "taken"]


def test_the_folder_of_the_file_is_made(trained, tmp_path):
    path = tmp_path / "a" / "b" / "model.safetensors"
    assert cli.main(["export", str(trained.workdir), f"--out={path}"]) == 0
    assert [*path.parent.iterdir()] == [path]


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert cli.main(["export", str(tmp_path), f"--out={tmp_path / 'x.safetensors'}"]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_shipped_weights_are_exported_to_onnx_with_their_notes(tmp_path, capsys):
    path = tmp_path / "lift.onnx"
    line = ["export", "repose_lift", "--to=onnx", f"--out={path}", "--frames=3", "--no-flip"]
    assert cli.main([*line, "--note=by=me"]) == 0
    model = onnx.load(path)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["notes"]) == file.read(shipped.find()).notes | {"by": "me"}
    assert json.loads(about["inputs"])["keypoints"][0] == ["b", 3, 17, 2]
    assert "parameters of step 1,300" in capsys.readouterr().out


def test_a_file_of_weights_is_exported_to_stablehlo(tmp_path):
    weights, path = tmp_path / "small.safetensors", tmp_path / "network.stablehlo"
    small = contents("mixer", model={"width": 256})
    file.write(weights, small.config, small.variables)
    line = ["export", str(weights), "--to=stablehlo", f"--out={path}", "--form=normalised"]
    sizes = {}
    for dtype in ("float16", "float32"):
        assert cli.main([*line, "--frames=3", f"--dtype={dtype}"]) == 0
        sizes[dtype] = path.stat().st_size
    program = export.deserialize(bytearray(path.read_bytes()))
    (arrays,), _ = program.in_tree.unflatten(program.in_avals)
    assert arrays["normalised"].shape[1:] == (3, 17, 3)
    assert sizes["float16"] < 0.6 * sizes["float32"]


def test_a_checkpoint_of_pytorch_is_converted_back(tmp_path):
    pytest.importorskip("torch")
    weights, path = tmp_path / "small.safetensors", tmp_path / "small.bin"
    small = contents("repose")
    file.write(weights, small.config, small.variables, "float32")
    assert cli.main(["export", str(weights), "--to=torch", f"--out={path}"]) == 0
    read = convert.from_torch(state_dict=convert.read_torch(path), **small.config.model)
    leaves = [jax.tree.leaves(part) for part in (nnx.state(read, nnx.Param), small.variables[0])]
    assert all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    line = ["export", str(shipped.find()), "--to=onnx", f"--out={tmp_path / 'x.onnx'}"]
    assert cli.main([*line, "--frames=3"]) == 2
    assert 'pip install "repose-jax[export]"' in capsys.readouterr().err
