import numpy as np
import pytest

from repose_jax.detectors.onnx_files import from_files
from tests.detectors import tiny_onnx

pytest.importorskip("cv2")


@pytest.fixture
def files(tmp_path):
    rtmo = {"dets": np.zeros((1, 2, 5)), "keypoints": np.zeros((1, 2, 17, 3))}
    rtmo = {name: values.astype(np.float32) for name, values in rtmo.items()}
    yolo = {"output0": np.zeros((1, 56, 84), np.float32)}
    return {
        "yolo": tiny_onnx.constant(tmp_path / "yolo.onnx", (64, 64), yolo),
        "pose": tiny_onnx.pose(tmp_path / "pose.onnx"),
        "boxes": tiny_onnx.people(tmp_path / "boxes.onnx", [[1, 2, 30, 40, 0.9]]),
        "rtmo": tiny_onnx.constant(tmp_path / "rtmo.onnx", (64, 64), rtmo),
    }


@pytest.mark.parametrize(
    ("given", "format"),
    [
        (["rtmo"], "coco17"),
        (["yolo"], "coco17"),
        (["pose", "boxes"], "halpe26"),
        (["boxes", "pose"], "halpe26"),
    ],
)
def test_files_are_recognised_by_their_shapes(files, given, format):
    made = from_files([files[name] for name in given])
    assert made.format == format
    made.detect(np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["pose"],
        ["boxes"],
        ["pose", "pose"],
        ["rtmo", "boxes"],
        ["rtmo", "rtmo"],
        ["yolo", "boxes"],
    ],
)
def test_files_that_do_not_fit_together_are_refused(files, given):
    with pytest.raises(
        ValueError, match="expected an RTMO or a YOLO for poses, or a SimCC .* YOLOX"
    ):
        from_files([files[name] for name in given])


def test_another_layout_is_refused_with_its_shapes(tmp_path):
    heatmaps = {"heatmaps": np.zeros((1, 17, 64, 48), np.float32)}
    path = tiny_onnx.constant(tmp_path / "vit.onnx", (256, 192), heatmaps)
    with pytest.raises(ValueError, match=r"no known layout: .*\(1, 17, 64, 48\); expected RTMO"):
        from_files([path])
