import dataclasses

import numpy as np
import pytest

from repose_jax import skeleton
from repose_jax.detectors import onnx_session
from repose_jax.detectors.yolo_pose import YoloPose, is_yolo_pose
from tests.detectors import tiny_onnx
from tests.detectors.rtmo_test import HIPS, ROOT, pose

pytest.importorskip("cv2")
BOX, HALF = np.array([12.0, 22, 28, 58]), np.array([20.0, 40, 16, 36])  # one box: corners, middle
CELLS = 84  # of an image of 64 x 64 px, in three grids


def load(folder, people, *, raw=True, size=(64, 64), joints=17) -> YoloPose:
    """Loads a model that finds `people`, rows of (score, class, pose), and nothing else."""
    width = (5 if raw else 6) + 3 * joints
    rows = np.zeros((CELLS, width), np.float32)
    for row, (score, kind, points) in zip(rows, people, strict=False):
        head = [*HALF, score] if raw else [*BOX, score, kind]
        row[:] = [*head, *np.ravel(points)]
        row[:2] += points[0, 0] - 12  # one is not where the other is
        row[2:4] += 0 if raw else points[0, 0] - 12
    output = rows.T if raw else rows
    path = tiny_onnx.constant(folder / "yolo.onnx", size, {"output0": output[None].copy()})
    session = onnx_session.load(path)
    assert is_yolo_pose(session)
    return YoloPose(session)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(("width", "height"), [(128, 96), (96, 128), (64, 64), (32, 24)])
def test_poses_are_scaled_to_the_frame(tmp_path, width, height, raw):
    people = [(0.6, 0, pose(20, 40)), (0.9, 0, pose(50, 30))]
    made = load(tmp_path, people, raw=raw)
    found = made.detect(np.zeros((height, width, 3), np.uint8))
    assert made.format == "coco17"
    np.testing.assert_allclose(found.score, [0.9, 0.6], atol=1e-6)
    scale = 64 / max(width, height)
    corner = (64 - scale * np.array([width, height])) / 2
    for keypoints, (_, _, expected) in zip(found.keypoints, reversed(people), strict=True):
        hip = expected[HIPS, :2].mean(0)
        np.testing.assert_allclose(keypoints[ROOT], (hip - corner + 0.5) / scale - 0.5, atol=1e-5)
    np.testing.assert_allclose(found.confidence[:, ROOT], 0.7, atol=1e-6)


def test_the_network_sees_the_frame_in_the_middle_in_rgb_up_to_1(tmp_path):
    made, seen = load(tmp_path, []), []
    run = made._session.run
    object.__setattr__(made._session, "run", lambda image: seen.append(image) or run(image))
    frame = np.zeros((32, 64, 3), np.uint8)
    frame[..., 0] = 255
    made.detect(frame)
    (image,) = seen
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[0, :, 16:48].mean((1, 2)), [1, 0, 0])
    np.testing.assert_allclose(image[0, :, :16], 114 / 255, rtol=1e-6)
    np.testing.assert_allclose(image[0, :, 48:], 114 / 255, rtol=1e-6)


@pytest.mark.parametrize("raw", [True, False])
def test_nobody_is_nobody(tmp_path, raw):
    found = load(tmp_path, [(0.1, 0, pose(20, 40))], raw=raw).detect(
        np.zeros((64, 64, 3), np.uint8)
    )
    assert found.keypoints.shape == (0, 17, 2)
    assert found.score.shape == (0,)


def test_other_classes_are_not_people(tmp_path):
    made = load(tmp_path, [(0.9, 16, pose(20, 40)), (0.8, 0, pose(50, 30))], raw=False)
    np.testing.assert_allclose(made.detect(np.zeros((64, 64, 3), np.uint8)).score, [0.8])


def test_one_person_has_one_pose(tmp_path):
    made = load(tmp_path, [(0.6, 0, pose(20, 40)), (0.9, 0, pose(21, 40))])
    np.testing.assert_allclose(made.detect(np.zeros((64, 64, 3), np.uint8)).score, [0.9])


def test_joints_without_confidence_are_missing(tmp_path):
    points = pose(20, 40)
    points[HIPS[0], 2] = 0
    found = load(tmp_path, [(0.9, 0, points)]).detect(np.zeros((64, 64, 3), np.uint8))
    assert np.isnan(found.keypoints[0, ROOT]).all()
    assert found.confidence[0, skeleton.HUMAN36M.joints.index("left_wrist")] > 0


def test_a_model_of_26_joints_finds_halpe26(tmp_path):
    assert load(tmp_path, [], joints=26).format == "halpe26"


@pytest.mark.parametrize("shape", [(1, 84, 8400), (1, 300, 6), (1, 20, 8400), (56, 8400)])
def test_models_of_boxes_and_of_other_joints_are_none(tmp_path, shape):
    session = onnx_session.load(tiny_onnx.people(tmp_path / "boxes.onnx", [[1, 2, 30, 40, 0.9]]))
    assert not is_yolo_pose(dataclasses.replace(session, outputs=(shape,)))
