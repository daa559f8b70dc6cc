import numpy as np
import pytest

from repose_jax.detectors import onnx_session
from repose_jax.detectors.yolox import Yolox, bgr_input, is_yolox
from tests.detectors import tiny_onnx

pytest.importorskip("cv2")
FRAMES = {"landscape": (128, 96), "portrait": (96, 128)}


def frame(width: int = 128, height: int = 128) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def load(path):
    session = onnx_session.load(path)
    assert is_yolox(session)
    return Yolox(session)


@pytest.mark.parametrize("size", FRAMES.values(), ids=FRAMES)
def test_boxes_are_scaled_to_the_frame(tmp_path, size):
    found = [[10, 5, 30, 45, 0.9], [-10, -5, 20, 25, 0.8]]
    detector = load(tiny_onnx.people(tmp_path / "boxes.onnx", found))
    boxes, scores = detector.find(frame(*size))
    # The frame is halved; a px of the image covers two of the frame.
    np.testing.assert_allclose(boxes, (np.array(found)[:, :4] + 0.5) * 2 - 0.5, atol=1e-6)
    np.testing.assert_allclose(scores, [0.9, 0.8], atol=1e-6)


def test_nobody_is_nobody(tmp_path):
    for found in ([], [[0, 0, 0, 0, 0]], [[1, 2, 30, 40, 0.1]]):
        boxes, scores = load(tiny_onnx.people(tmp_path / "boxes.onnx", found)).find(frame())
        assert boxes.shape == (0, 4)
        assert scores.shape == (0,)


def test_scores_above_1_are_1(tmp_path):
    _, scores = load(tiny_onnx.people(tmp_path / "a.onnx", [[1, 2, 30, 40, 1.2]])).find(frame())
    assert scores.tolist() == [1]


def test_other_classes_than_people_are_dropped(tmp_path):
    outputs = {
        "dets": np.array([[[1, 2, 30, 40, 0.9], [31, 2, 60, 40, 0.8]]], np.float32),
        "labels": np.array([[16, 0]]),
    }
    detector = load(tiny_onnx.constant(tmp_path / "a.onnx", (64, 64), outputs))
    _, scores = detector.find(frame())
    np.testing.assert_allclose(scores, [0.8], atol=1e-6)


def raw_output(classes: int = 80) -> np.ndarray:
    """One person in two neighbouring cells of stride 16, and a dog, in an image of 64 px."""
    raw = np.zeros((1, 64 + 16 + 4, 5 + classes), np.float32)
    # Of the cells of stride 16, the one in row 1 and column 2: its corner is at (32, 16).
    raw[0, 64 + 4 + 2] = [0.5, 0.25, np.log(2), np.log(1.5), 0.9, 0.8, *[0] * (classes - 1)]
    raw[0, 64 + 4 + 1] = [1.5, 0.25, np.log(2), np.log(1.5), 0.9, 0.7, *[0] * (classes - 1)]
    raw[0, 80] = [0.5, 0.5, 0, 0, 0.9, 0.1, *[0.9] * (classes - 1)]
    return raw


@pytest.mark.parametrize("classes", [1, 80])
def test_raw_outputs_are_decoded_from_their_cells(tmp_path, classes):
    path = tiny_onnx.constant(tmp_path / "a.onnx", (64, 64), {"output": raw_output(classes)})
    boxes, scores = load(path).find(frame(64, 64))
    np.testing.assert_allclose(boxes, [[40 - 16, 20 - 12, 40 + 16, 20 + 12]], atol=1e-4)
    np.testing.assert_allclose(scores, [0.72], atol=1e-6)


def test_raw_outputs_of_another_image_are_not_recognised(tmp_path):
    path = tiny_onnx.constant(tmp_path / "a.onnx", (96, 64), {"output": raw_output()})
    assert not is_yolox(onnx_session.load(path))


def test_the_network_reads_blue_first():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 1] = [10, 20, 30]  # RGB
    np.testing.assert_array_equal(bgr_input(image)[0, :, 0, 1], [30, 20, 10])
