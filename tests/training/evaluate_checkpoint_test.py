import dataclasses
import errno
import json
import os
import shutil

import numpy as np
import pytest
import small_data
from PIL import Image
from small_run import records

from repose_jax import models
from repose_jax.evaluation import compare, report
from repose_jax.evaluation import predict as predict_module
from repose_jax.runtime import checkpoint
from repose_jax.training import loop
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint
from repose_jax.training.workdir import write_run


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the finished run's workdir."""
    return shutil.copytree(trained.workdir, tmp_path / "copy")


@pytest.fixture(scope="module")
def test_alone(tmp_path_factory):
    """A folder in which the test split alone is prepared."""
    folder = tmp_path_factory.mktemp("test")
    small_data.prepare(folder, splits=("test",))
    return folder


def rows(printed: str) -> dict[str, list[str]]:
    """The rows of the first table."""
    lines = printed.split("for comparison")[1].split("\n\n")[0].splitlines()[2:]
    return {line.split("  ")[0]: line.split()[-9:] for line in lines}


def converted(data_dir, workdir, **changes):
    config = dataclasses.replace(small_data.experiment(data_dir), **changes)
    write_run(config, models.create(**config.model, seed=3), workdir)
    return config


def test_converted_weights_need_the_test_split_alone(data_dir, test_alone, tmp_path, capsys):
    tallies, printed = [], []
    for name, folder in (("whole", data_dir), ("test", test_alone)):
        config = converted(folder, tmp_path / name)
        tallies.append(evaluate_checkpoint(config, tmp_path / name, "best").summary())
        printed.append(capsys.readouterr().out)
    assert tallies[0] == tallies[1]
    assert list(rows(printed[0])) == ["mean pose", "converted"]
    assert list(rows(printed[1])) == ["converted"]
    assert rows(printed[0])["converted"] == rows(printed[1])["converted"]
    assert "no mean pose" not in printed[0]
    (line,) = [line for line in printed[1].splitlines() if "no mean pose" in line]
    assert line == (
        "The table has no mean pose, without training data: small/30fps has no split "
        "'train'; it has test."
    )
    content = json.loads((tmp_path / "test" / "evaluation.json").read_text())
    assert (content["step"], content["baselines"]) == (0, {})


def test_the_mean_pose_of_converted_weights_is_that_of_training(
    trained, data_dir, tmp_path, capsys
):
    evaluate_checkpoint(converted(data_dir, tmp_path), tmp_path, "latest")
    found = rows(capsys.readouterr().out)["mean pose"]
    assert found == rows(trained.printed)["mean pose"]


def test_a_trained_run_needs_the_test_split_alone_and_keeps_its_baselines(
    trained, copy, test_alone, capsys
):
    data = dataclasses.replace(trained.config.data, data_dir=str(test_alone))
    config = dataclasses.replace(trained.config, data=data)
    tally = evaluate_checkpoint(config, copy, "latest")
    assert tally.summary() == trained.tally.summary()
    assert rows(capsys.readouterr().out) == rows(trained.printed)
    assert list(rows(trained.printed)) == ["mean pose", "untrained", "trained"]
    with pytest.raises(ValueError, match="small/30fps has no split 'train'"):
        loop.train_and_evaluate(config, copy)


def test_the_shipped_weights_are_drawn_beside_the_model(trained, copy):
    def height():
        (still,) = (copy / "pictures").glob("test*.png")
        return Image.open(still).size[1]

    def lift(sequences, number, rows):
        return sequences.joints_3d[rows]

    alone = height()
    evaluate_checkpoint(trained.config, copy, "latest", shipped=lift)
    assert height() > 1.5 * alone


def test_where_the_shipped_weights_fail_the_model_is_drawn_alone(trained, copy, capsys):
    def fail(*_):
        raise ValueError("all joints are missing")

    (still,) = (copy / "pictures").glob("test*.png")
    before = still.read_bytes()
    still.unlink()
    evaluate_checkpoint(trained.config, copy, "latest", shipped=fail)
    assert still.read_bytes() == before
    assert "is drawn without the shipped weights: all joints are missing" in capsys.readouterr().out


def test_evaluating_the_latest_checkpoint_gives_the_result_of_training(trained, copy, capsys):
    before = (copy / "evaluation.json").read_text()
    (copy / "evaluation.json").unlink()
    shutil.rmtree(copy / "pictures")
    tally = evaluate_checkpoint(trained.config, copy, "latest")
    assert tally.summary() == trained.tally.summary()
    assert (copy / "evaluation.json").read_text() == before
    assert len(list((copy / "pictures").glob("*.gif"))) == 1
    tables = trained.printed[trained.printed.index("\nall ") : trained.printed.index("Written")]
    assert tables in capsys.readouterr().out
    assert not (copy / "predictions.npz").exists()


def test_evaluating_the_best_checkpoint_gives_its_score(trained, copy):
    tally = evaluate_checkpoint(trained.config, copy, "best")
    assert tally.mean("mpjpe") == min(r["mpjpe"] for r in records(copy, "test"))


def test_predictions_are_written_for_others_to_read(trained, copy):
    tally = evaluate_checkpoint(trained.config, copy, "latest", write_predictions=True)
    content = np.load(copy / "predictions.npz", allow_pickle=False)
    errors = np.linalg.norm(content["prediction"] - content["truth"], axis=-1)
    assert errors[content["valid"]].mean() == pytest.approx(tally.mean("mpjpe"), rel=1e-5)
    offsets, lengths = content["offsets"], small_data.LENGTHS["test"]
    assert np.diff(offsets).tolist() == list(lengths)
    for number, length in enumerate(lengths):
        record = small_data.record("test", number, length)
        of_sequence = slice(*offsets[number : number + 2])
        joints = record["joints_3d"]
        np.testing.assert_allclose(content["truth"][of_sequence], joints - joints[:, :1], atol=1e-2)
        for key in ("keypoints_2d", "confidence", "valid", "activity"):
            np.testing.assert_array_equal(content[key][of_sequence], record[key])
        for key in ("name", "subject", "action"):
            assert content[f"{key}s"][number] == record[key]
        assert content["fps"][number] == 30
        assert content["image_size"][number].tolist() == [1000, 900]
        action = tally.mean("mpjpe", where=lambda g, n=record["name"]: g.sequence == n)
        assert errors[of_sequence].mean() == pytest.approx(action, rel=1e-5)


def test_another_configuration_than_that_of_the_workdir_is_refused(copy, data_dir):
    other = small_data.experiment(data_dir, optim={"lr": 0.5})
    with pytest.raises(ValueError, match="belongs to another configuration"):
        evaluate_checkpoint(other, copy, "latest")


def test_evaluation_leaves_the_configuration_alone(copy, data_dir):
    before = (copy / "config.json").read_text()
    evaluate_checkpoint(small_data.experiment(data_dir, eval={"flip": False}), copy, "best")
    assert (copy / "config.json").read_text() == before


@pytest.mark.parametrize("kind", ["best", "latest"])
def test_a_workdir_without_a_run_cannot_be_evaluated(kind, trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        evaluate_checkpoint(trained.config, tmp_path, kind)


def forbid_writing(monkeypatch, *folders) -> None:
    """Makes folders read-only; root may write in any other way."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path not in folders and access(path, mode))


def files(folder) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_of_a_workdir_that_is_not_writable_the_results_are_printed(
    trained, copy, capsys, monkeypatch
):
    forbid_writing(monkeypatch, copy)
    before = files(copy)
    tally = evaluate_checkpoint(trained.config, copy, "best")
    printed = capsys.readouterr().out
    first, *_ = printed.splitlines()
    assert first == (
        f"warning: {copy} is not writable: results are printed alone; for files give --out=FOLDER."
    )
    assert f"{tally.mean('mpjpe'):.2f}" in printed
    assert "Written" not in printed
    assert files(copy) == before
    with pytest.raises(PermissionError, match=f"{copy} is not writable"):
        evaluate_checkpoint(trained.config, copy, "best", write_predictions=True)


def test_results_go_to_the_folder_that_is_given(trained, copy, tmp_path, monkeypatch):
    forbid_writing(monkeypatch, copy)
    before, out = files(copy), tmp_path / "results" / "run"
    evaluate_checkpoint(trained.config, copy, "best", out=out, write_predictions=True)
    names = {path.name for path in out.iterdir()}
    assert names >= {"evaluation.json", "evaluation.csv", "predictions.npz", "pictures"}
    assert files(copy) == before
    forbid_writing(monkeypatch, out)
    with pytest.raises(PermissionError, match=r"--out is .*run, but .*run is not writable"):
        evaluate_checkpoint(trained.config, copy, "best", out=out)


def test_results_that_cannot_be_written_are_printed(trained, copy, capsys, monkeypatch):
    def write(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(report, "write", write)
    with pytest.raises(OSError, match=r"copy is not written: no space left on device \("):
        evaluate_checkpoint(trained.config, copy, "latest")
    assert rows(capsys.readouterr().out) == rows(trained.printed)


def test_an_evaluation_with_other_settings_is_compared_by_these(trained, copy):
    kept = dataclasses.replace(trained.config.eval, flip=False)
    evaluate_checkpoint(dataclasses.replace(trained.config, eval=kept), copy, "latest")
    first, second = map(compare.read, (trained.workdir, copy))
    assert compare.differing([first.settings, second.settings]) == ["eval.flip"]
    assert not second.settings["eval.flip"]


def test_predictions_that_are_not_finite_are_refused_with_the_checkpoint_and_the_split(
    trained, copy, monkeypatch
):
    before = (copy / "evaluation.json").read_text()
    predict = predict_module.predict_frames

    def predict_nan(*args, **kwargs):
        frames = predict(*args, **kwargs)
        frames[20:22] = np.nan
        return frames

    monkeypatch.setattr(predict_module, "predict_frames", predict_nan)
    with pytest.raises(FloatingPointError, match="The predictions of 2 of 64 frames") as error:
        evaluate_checkpoint(trained.config, copy, "best")
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{copy}/checkpoints/best/6 is not evaluated on small/30fps:test: ")
    assert "first in test1/view0." in line
    assert (copy / "evaluation.json").read_text() == before


def test_parameters_that_are_not_finite_are_refused(trained, copy, monkeypatch):
    monkeypatch.setattr(checkpoint, "_not_finite", lambda tree: "ema.head.bias is NaN or infinite")
    with pytest.raises(FloatingPointError, match=r"best/6 is not finite: ema\.head\.bias is NaN"):
        evaluate_checkpoint(trained.config, copy, "best")
