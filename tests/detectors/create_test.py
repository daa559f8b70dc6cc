"""Detectors by name."""

import pytest

from repose_jax.detectors import create


def test_an_unknown_name_is_an_error_with_the_closest():
    with pytest.raises(ValueError, match="There is no detector 'blazepos'. Did you mean"):
        create.create("blazepos")


def test_a_model_of_pytorch_is_an_error_that_says_how_to_export_it():
    with pytest.raises(ValueError, match="yolo export model=yolo11n-pose.pt format=onnx"):
        create.create("yolo11n-pose.pt")


def test_damaged_weights_are_an_error(tmp_path, monkeypatch):
    (tmp_path / "pose_landmarker_heavy.task").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged, or another release"):
        create.create("blazepose", tmp_path)
