import numpy as np
import pytest

from repose_jax import skeleton
from repose_jax.detectors import onnx_session
from repose_jax.detectors.rtmo import Rtmo, is_rtmo
from tests.detectors import tiny_onnx

pytest.importorskip("cv2")
HIPS = [skeleton.COCO17.joints.index(f"{side}_hip") for side in ("left", "right")]
ROOT = skeleton.HUMAN36M.root


def pose(x: float, y: float, confidence: float = 0.7, joints: int = 17) -> np.ndarray:
    """Joints on a line."""
    offsets = np.arange(joints) - joints // 2
    return np.stack([x + offsets, y + 2 * offsets, np.full(joints, confidence)], axis=-1)


def load(folder, boxes, poses, *, size=(64, 64), swapped=False) -> Rtmo:
    outputs = {
        "dets": np.array(boxes, np.float32).reshape(1, -1, 5),
        "keypoints": np.array(poses, np.float32).reshape(1, len(boxes), -1, 3),
    }
    if swapped:
        outputs = dict(reversed(outputs.items()))
    session = onnx_session.load(tiny_onnx.constant(folder / "rtmo.onnx", size, outputs))
    assert is_rtmo(session)
    return Rtmo(session)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("width", "height"), [(128, 96), (96, 128), (64, 64)])
def test_poses_are_scaled_to_the_frame(tmp_path, width, height, swapped):
    boxes = [[0, 0, 20, 40, 0.6], [30, 0, 50, 40, 0.9]]
    poses = [pose(10, 20), pose(40, 20)]
    made = load(tmp_path, boxes, poses, swapped=swapped)
    found = made.detect(np.zeros((height, width, 3), np.uint8))
    assert made.format == "coco17"
    np.testing.assert_allclose(found.score, [0.9, 0.6], atol=1e-6)
    scale = max(width, height) / 64
    for keypoints, expected in zip(found.keypoints, reversed(poses), strict=True):
        hip = expected[HIPS, :2].mean(0)
        np.testing.assert_allclose(keypoints[ROOT], (hip + 0.5) * scale - 0.5, atol=1e-5)
    np.testing.assert_allclose(found.confidence[:, ROOT], 0.7, atol=1e-6)


@pytest.mark.parametrize("boxes", [[[0, 0, 0, 0, 0]], [[0, 0, 20, 40, 0.1]]])
def test_nobody_is_nobody(tmp_path, boxes):
    found = load(tmp_path, boxes, [pose(10, 20)]).detect(np.zeros((64, 64, 3), np.uint8))
    assert found.keypoints.shape == (0, 17, 2)
    assert found.score.shape == (0,)


def test_one_person_has_one_pose(tmp_path):
    boxes = [[0, 0, 20, 40, 0.6], [1, 0, 21, 40, 0.9]]
    made = load(tmp_path, boxes, [pose(10, 20), pose(11, 20)])
    assert len(made.detect(np.zeros((64, 64, 3), np.uint8)).score) == 1


def test_scores_above_1_are_1_and_joints_without_confidence_missing(tmp_path):
    poses = np.array([pose(10, 20, 1.3)])
    poses[0, HIPS[0], 2] = 0
    found = load(tmp_path, [[0, 0, 20, 40, 1.1]], poses).detect(np.zeros((64, 64, 3), np.uint8))
    assert found.score.tolist() == [1]
    assert found.confidence.max() == 1
    assert np.isnan(found.keypoints[0, ROOT]).all()
    assert found.confidence[0, ROOT] == 0


def test_a_model_of_26_joints_finds_halpe26(tmp_path):
    made = load(tmp_path, [[0, 0, 20, 40, 0.9]], [pose(10, 20, joints=26)])
    assert made.format == "halpe26"


def test_another_number_of_joints_is_refused(tmp_path):
    with pytest.raises(ValueError, match="rtmo.onnx finds 5 joints"):
        load(tmp_path, [[0, 0, 20, 40, 0.9]], [pose(10, 20, joints=5)])
