"""The wheel: what `pip install` gives is enough to train, from any folder."""

import os
import shutil
import subprocess
import sys
import zipfile

import processes
import pytest

FILES = (
    *("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE"),
    *("repose_jax", "configs", "tfds_builders"),
)
WEIGHTS = "repose_jax/weights/some.safetensors"
"""A file of the source that no version of the package has."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build leaves files behind
    source.mkdir()
    for name in FILES:
        path = processes.ROOT / name
        if path.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, source / name, ignore=ignore)
        else:
            shutil.copy(path, source)
    (source / WEIGHTS).write_bytes(b"")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, "--quiet", "--disable-pip-version-check", f"--wheel-dir={folder}", str(source)],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    shutil.rmtree(source)
    return folder / "site"


def repose(installed, cwd, *argv):
    """Runs `repose` of the wheel in a folder."""
    return subprocess.run(
        [sys.executable, "-c", "from repose_jax.cli import main; exit(main())", *argv],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(installed)},
    )


def test_it_takes_no_common_names(installed):
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {
        "repose_jax",
        "tfds_builders",
    }


def test_the_wheel_has_the_command_its_metadata_and_all_files(installed):
    (metadata,) = installed.glob("*.dist-info")
    assert "repose = repose_jax.cli:main" in (metadata / "entry_points.txt").read_text()
    text = (metadata / "METADATA").read_text()
    assert "License-Expression: Apache-2.0" in text
    for extra in ("cuda", "mpi", "torch"):
        assert f"Provides-Extra: {extra}" in text
    for name, inside in (("repose_jax", ""), ("configs", "repose_jax"), ("tfds_builders", "")):
        for path in (processes.ROOT / name).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert (installed / inside / path.relative_to(processes.ROOT)).exists(), path


def test_files_of_weights_are_in_the_wheel(installed):
    assert (installed / WEIGHTS).exists()


def test_configurations_are_named_without_a_path_in_any_folder(installed, tmp_path):
    result = repose(installed, tmp_path, "train", "--help")
    assert result.returncode == 0
    assert "\n  h36m\n" in result.stdout
    line = ("complexity", "--config=h36m:tiny", "--config.model.width=32")
    result = repose(installed, tmp_path, *line)
    assert result.returncode == 0, result.stderr
    assert "40,517" in result.stdout  # parameters


def test_a_file_of_the_users_builds_on_them(installed, tmp_path):
    (tmp_path / "own.py").write_text(
        "from configs import common\n\n\n"
        "def get_config():\n"
        "    config = common.base()\n"
        "    config.train.epochs = 0\n"
        "    return config\n"
    )
    result = repose(installed, tmp_path, "train", "--config=own.py", "--workdir=run")
    assert result.returncode == 2
    assert "config.train.epochs" in result.stderr
