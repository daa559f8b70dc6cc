import json
import os
import pathlib
import shutil

import pytest
import small_data

from repose_jax.training.workdir import check_workdir, write_config


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the finished run's workdir."""
    return shutil.copytree(trained.workdir, tmp_path / "copy")


def test_a_workdir_of_another_configuration_is_refused_with_the_differences(
    trained, copy, data_dir
):
    before = (copy / "config.json").read_text()
    other = small_data.experiment(data_dir, optim={"lr": 0.5}, train={"epochs": 9, "seed": 3})
    with pytest.raises(ValueError, match="belongs to another configuration") as error:
        check_workdir(other, copy)
    lines = str(error.value).splitlines()
    assert lines[1:-1] == [
        "  config.optim.lr: 0.01 there, 0.5 now",
        "  config.train.seed: 0 there, 3 now",
    ]
    assert (copy / "config.json").read_text() == before


@pytest.mark.parametrize(
    "folder", ["checkpoints", "checkpoints/latest", "checkpoints/best", "pictures", "tensorboard"]
)
def test_a_file_where_a_run_has_a_folder_is_found_before_it_trains(folder, trained, tmp_path):
    (tmp_path / folder).parent.mkdir(exist_ok=True)
    (tmp_path / folder).touch()
    with pytest.raises(NotADirectoryError, match=f"{tmp_path / folder} is a file, where a run has"):
        check_workdir(trained.config, tmp_path)


def test_a_run_that_failed_before_its_first_checkpoint_gives_its_workdir_to_another(
    trained, copy, data_dir
):
    other = small_data.experiment(data_dir, optim={"lr": 0.5})
    for name in ("checkpoints/best", "checkpoints/latest", "evaluation.json"):
        with pytest.raises(ValueError, match="belongs to another configuration"):
            check_workdir(other, copy)
        path = copy / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert check_workdir(other, copy) == copy


def test_settings_of_duration_intervals_data_folder_and_evaluation_may_change(copy, data_dir):
    other = small_data.experiment(
        data_dir,
        model={"remat": True, "fused_attention": ("frames",)},
        data={"data_dir": "elsewhere"},
        train={"epochs": 99, "eval_every": 9, "log_every": 7},
        eval={"batch_size": 16, "flip": False, "pictures": 5},
    )
    assert check_workdir(other, copy) == copy
    write_config(other, copy)
    content = json.loads((copy / "config.json").read_text())
    assert content["config"] == json.loads(json.dumps(other.to_dict()))


def test_a_check_writes_nothing_and_expands_the_home(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_workdir(trained.config, pathlib.Path("~/runs/new")) == tmp_path / "runs" / "new"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workdir", ["file", "file/run"])
def test_a_file_is_no_workdir(workdir, trained, tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match=f"--workdir is .*{workdir}, but {file} is a file"):
        check_workdir(trained.config, tmp_path / workdir)


@pytest.mark.parametrize("workdir", [".", "runs/new"])
def test_a_workdir_must_be_writable(workdir, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write
    with pytest.raises(PermissionError, match=f"but {tmp_path} is not writable"):
        check_workdir(trained.config, tmp_path / workdir)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "[]", "[" * 100_000, '{"version": "1"}', '{"config": {"no": 1}}']
)
def test_a_damaged_configuration_is_named(content, trained, copy):
    (copy / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"copy/config\.json is not the configuration of a run: "):
        check_workdir(trained.config, copy)


def test_a_size_of_the_model_that_is_left_out_has_its_default(trained, copy):
    """As in a run of a version in which the model did not have it."""
    path = copy / "config.json"
    content = json.loads(path.read_text("utf-8"))
    assert "dropout" not in content["config"]["model"]
    for value in (0.0, 0.5):
        content["config"]["model"]["dropout"] = value
        path.write_text(json.dumps(content), "utf-8")
        if not value:
            check_workdir(trained.config, copy)
    del content["config"]["model"]["depth"]
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match="another configuration") as error:
        check_workdir(trained.config, copy)
    assert str(error.value).splitlines()[1:-1] == [
        "  config.model.depth: 5 there, 1 now",
        "  config.model.dropout: 0.5 there, 0.0 now",
    ]


def test_an_unchanged_configuration_is_not_rewritten(trained, copy):
    path = copy / "config.json"
    before = path.stat()
    write_config(trained.config, copy)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
