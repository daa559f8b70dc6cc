import hashlib

import pytest

from repose_jax import cli
from repose_jax.training.workdir import load_weights, read_config
from repose_jax.weights import file


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


def test_the_last_checkpoint_in_float32(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    options = ("--checkpoint=latest", "--dtype=float32")
    assert cli.main(["export", str(trained.workdir), f"--out={path}", *options]) == 0
    assert file.read(path).notes["step"] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out=model.bin"], "model.bin: the name of a file of weights ends in .safetensors"),
        (["--out=missing/model.safetensors"], "missing"),
        (["--out=x.safetensors", "--note=licence"], "--note is 'licence'; give KEY=TEXT"),
        (["--out=x.safetensors", "--dtype=float8"], "There is no choice 'float8'"),
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


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert cli.main(["export", str(tmp_path), f"--out={tmp_path / 'x.safetensors'}"]) == 2
    assert "holds no run" in capsys.readouterr().err
