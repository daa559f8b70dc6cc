"""Detectors in ONNX files by their names and paths."""

import hashlib
import urllib.error
import zipfile

import numpy as np
import pytest

from repose_jax.detectors import weights
from repose_jax.detectors.create import create
from tests.detectors import tiny_onnx

pytest.importorskip("cv2")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with small models under the names of real ones, and no network and empty caches."""

    def unreachable(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setenv("REPOSE_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    made = tmp_path / "models"
    made.mkdir()
    rtmo = {"dets": np.zeros((1, 2, 5)), "keypoints": np.zeros((1, 2, 17, 3))}
    rtmo = {name: values.astype(np.float32) for name, values in rtmo.items()}
    paths = [
        tiny_onnx.pose(made / weights.RTMPOSE_M),
        tiny_onnx.people(made / weights.YOLOX_TINY, [[1, 2, 30, 40, 0.9]]),
        tiny_onnx.constant(made / weights.RTMO_S, (64, 64), rtmo),
    ]
    known = {path.name: (hashlib.sha256(path.read_bytes()).hexdigest(),) for path in paths}
    monkeypatch.setattr(weights, "FILES", known)
    return made


@pytest.mark.parametrize(("name", "format"), [("rtmpose", "halpe26"), ("rtmo", "coco17")])
def test_names_are_files_of_the_folder(folder, name, format):
    made = create(name, folder)
    assert made.format == format
    assert not made.warnings
    made.detect(np.zeros((48, 64, 3), np.uint8))


def test_a_path_is_a_model(folder):
    assert create(str(folder / weights.RTMO_S)).format == "coco17"
    pair = f"{folder / weights.YOLOX_TINY},{folder / weights.RTMPOSE_M}"
    assert create(pair).format == "halpe26"


def test_a_model_of_poses_takes_the_yolox_of_the_weights(folder, tmp_path):
    path = tiny_onnx.pose(tmp_path / "mine.onnx", joints=17)
    assert create(path, folder).format == "coco17"


def test_files_that_another_program_fetched_are_found(folder, tmp_path):
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.parent.mkdir(parents=True)
    folder.rename(checkpoints)
    assert create("rtmpose").format == "halpe26"


def test_a_zip_as_it_is_downloaded_is_read_and_checked(folder, tmp_path):
    path = folder / weights.RTMO_S
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.write(path, "20231211/end2end.onnx")
    path.unlink()
    assert create("rtmo", folder).format == "coco17"
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.writestr("20231211/end2end.onnx", "another")
    with pytest.raises(ValueError, match="its SHA-256 is"):
        create("rtmo", folder)


def test_without_files_the_error_names_them_and_their_addresses_and_folders(tmp_path, folder):
    (folder / weights.YOLOX_TINY).unlink()
    with pytest.raises(OSError, match=r"^[^\n]*$") as error:
        create("rtmpose", folder)
    for part in (
        weights.YOLOX_TINY,
        str(folder),
        "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/yolox_tiny",
        "https://huggingface.co/Tau-J/RTMPose/resolve/main/rtmposev1/onnx_sdk/yolox_tiny",
        "no network",
    ):
        assert part in str(error.value)


def test_every_real_file_has_a_known_content_and_two_addresses():
    for name in (weights.RTMPOSE_M, weights.RTMO_S, weights.YOLOX_M, weights.YOLOX_TINY):
        assert all(len(digest) == 64 for digest in weights.FILES[name])
        assert len([source for source in weights.SOURCES if name in source.members]) == 2


def test_a_tilde_is_the_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    with pytest.raises(OSError, match=str(folder.parent / "mine.onnx")):
        create("~/mine.onnx")
    create("rtmo", f"~/{folder.name}")
