import numpy as np
import pytest

from repose_jax.detectors import onnx_session
from repose_jax.detectors.rtmpose import CROPS_AT_ONCE, Rtmpose, is_simcc, peak
from repose_jax.detectors.yolox import Yolox
from repose_jax.skeleton import HUMAN36M
from tests.detectors import tiny_onnx

pytest.importorskip("cv2")


def cross(width: int, height: int, *places: tuple[int, int], colour=(255, 255, 255)) -> np.ndarray:
    """A black frame with crosses of 60 px at places (x, y)."""
    frame = np.zeros((height, width, 3), np.uint8)
    for x, y in places:
        frame[y, max(x - 30, 0) : x + 31] = colour
        frame[max(y - 30, 0) : y + 31, x] = colour
    return frame


def spot(width: int, height: int, x: float, y: float, radius: float) -> np.ndarray:
    """A black frame with a bright spot that fades from its centre."""
    rows, columns = np.mgrid[:height, :width]
    light = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return np.repeat(np.rint(255 * light)[..., None], 3, axis=-1).astype(np.uint8)


def detector(folder, boxes, *, size=(640, 640), every=1, **how) -> Rtmpose:
    """A detector whose boxes, in px of the image for the network, are always the same."""
    pose = onnx_session.load(tiny_onnx.pose(folder / "pose.onnx", **how))
    people = onnx_session.load(tiny_onnx.people(folder / "boxes.onnx", boxes, size))
    assert is_simcc(pose)
    return Rtmpose(pose, Yolox(people), every=every)


def box(x: float, y: float, width: float = 153.6, height: float = 204.8, score: float = 0.9):
    """A box of which the crop has the scale of the frame, but for other sizes."""
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2, score]


def test_a_cross_is_found_where_it_is(tmp_path):
    frame = cross(640, 640, (100, 200))
    found = detector(tmp_path, [box(110, 190)], joints=17).detect(frame)
    assert found.keypoints.shape == (1, 17, 2)
    # In the crop the cross is at a whole px.
    np.testing.assert_allclose(found.keypoints[0], [[100, 200]] * 17, atol=1e-4)
    np.testing.assert_allclose(found.score, [0.9], atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (1280, 720)])
@pytest.mark.parametrize(("x", "y"), [(100, 200), (7, 5), (350, 355)])
def test_a_spot_is_found_in_frames_and_boxes_of_any_size(tmp_path, width, height, x, y):
    scale = 640 / max(width, height)
    given = box(x * scale + 20, y * scale - 10, 170, 300)  # beyond the border for some
    step = 1.25 * 300 / 256 / scale  # px of the frame for a px of the crop
    found = detector(tmp_path, [given]).detect(spot(width, height, x, y, 8 * step))
    np.testing.assert_allclose(found.keypoints[0], [[x, y]] * 17, atol=0.25 * step)


@pytest.mark.parametrize("batch", [1, "batch"])
def test_each_of_several_people_has_a_pose(tmp_path, batch):
    places = [(100 + 200 * (i % 3), 60 + 90 * (i // 3)) for i in range(CROPS_AT_ONCE + 2)]
    boxes = [box(x, y, 60, 60, 0.9 - 0.01 * i) for i, (x, y) in enumerate(places)]
    found = detector(tmp_path, boxes, batch=batch).detect(cross(640, 640, *places))
    assert len(found.score) == len(places)
    np.testing.assert_allclose(found.keypoints[:, HUMAN36M.root], places, atol=0.5)
    assert (np.diff(found.score) < 0).all()


def test_an_empty_frame_has_no_people(tmp_path):
    found = detector(tmp_path, []).detect(cross(640, 640, (100, 200)))
    assert found.keypoints.shape == (0, 17, 2)
    assert found.confidence.shape == (0, 17)
    assert found.score.shape == (0,)


def test_confidence_is_the_mean_of_the_maxima_and_at_most_1(tmp_path):
    frame = cross(640, 640, (100, 200))
    low = detector(tmp_path, [box(110, 190)], gain=0.1).detect(frame).confidence
    high = detector(tmp_path, [box(110, 190)], gain=10).detect(frame).confidence
    assert 0 < low.max() < 0.3
    assert high.max() == 1


def test_a_joint_without_confidence_is_missing(tmp_path):
    black = np.zeros((640, 640, 3), np.uint8)
    found = detector(tmp_path, [box(110, 190)]).detect(black)
    assert np.isnan(found.keypoints).all()
    assert not found.confidence.any()


@pytest.mark.parametrize(("channel", "colour"), [(0, "red"), (1, "green"), (2, "blue")])
def test_the_pose_model_reads_red_first(tmp_path, channel, colour):
    frame = cross(640, 640, (100, 200), colour=(255, 0, 0))
    frame |= cross(640, 640, (120, 180), colour=(0, 255, 0))
    frame |= cross(640, 640, (140, 210), colour=(0, 0, 255))
    found = detector(tmp_path, [box(110, 190)], channel=channel).detect(frame)
    place = {"red": (100, 200), "green": (120, 180), "blue": (140, 210)}[colour]
    np.testing.assert_allclose(found.keypoints[0, HUMAN36M.root], place, atol=1e-4)


@pytest.mark.parametrize(
    ("joints", "name"), [(17, "coco17"), (26, "halpe26"), (133, "coco_wholebody133")]
)
def test_the_format_follows_from_the_number_of_joints(tmp_path, joints, name):
    made = detector(tmp_path, [box(110, 190)], joints=joints)
    assert made.format == name
    found = made.detect(cross(640, 640, (100, 200)))
    np.testing.assert_allclose(found.keypoints[0], [[100, 200]] * 17, atol=1e-4)


def test_another_number_of_joints_is_refused(tmp_path):
    with pytest.raises(ValueError, match="pose.onnx finds 21 joints; expected 17"):
        detector(tmp_path, [], joints=21)


class Counted(Yolox):
    """Counts how often boxes are looked for."""

    calls = 0

    def find(self, frame):
        type(self).calls += 1
        return super().find(frame)


def following(folder, boxes, every) -> Rtmpose:
    pose = onnx_session.load(tiny_onnx.pose(folder / "pose.onnx", gain=1))
    people = tiny_onnx.people(folder / "boxes.onnx", boxes, (640, 640))
    Counted.calls = 0
    return Rtmpose(pose, Counted(onnx_session.load(people)), every=every)


def test_boxes_come_from_the_poses_between_detections(tmp_path, monkeypatch):
    made = following(tmp_path, [box(110, 190)], 4)
    # All joints are at one point, so that their box has no area: half of them are moved.
    poses = Rtmpose.poses

    def spread(self, frame, boxes):
        keypoints, confidence = poses(self, frame, boxes)
        keypoints[:, 0] -= (40, 60)
        keypoints[:, 1] += (40, 60)
        return keypoints, confidence

    monkeypatch.setattr(Rtmpose, "poses", spread)
    for step in range(8):
        place = (100 + 12 * step, 200 + 9 * step)  # leaves the box of the detector
        found = made.detect(cross(640, 640, place))
        if step in (0, 1, 2, 3):
            np.testing.assert_allclose(found.keypoints[0, HUMAN36M.root], place, atol=0.5)
            np.testing.assert_allclose(found.score, [0.9], atol=1e-6)
    assert Counted.calls == 2


def test_who_is_lost_is_looked_for_in_the_next_frame(tmp_path):
    made = following(tmp_path, [box(110, 190)], 100)
    for _ in range(3):
        made.detect(np.zeros((640, 640, 3), np.uint8))
    assert Counted.calls == 3


@pytest.mark.parametrize("shift", np.linspace(-0.5, 0.5, 9))
def test_the_maximum_of_a_gaussian_is_found_between_the_bins(shift):
    bins = np.exp(-(((np.arange(384) - 100 - shift) / 5.66) ** 2) / 2)
    place, value = peak(bins[None, None].astype(np.float32))
    assert place[0, 0] == pytest.approx(100 + shift, abs=0.005)
    assert value[0, 0] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("best", [0, 9])
def test_a_maximum_at_the_border_stays_there(best):
    bins = np.zeros((1, 1, 10), np.float32)
    bins[..., best] = 1
    assert peak(bins)[0].tolist() == [[best]]


def test_flat_bins_have_a_finite_maximum():
    place, value = peak(np.zeros((1, 2, 10), np.float32))
    assert place.tolist() == [[0, 0]]
    assert value.tolist() == [[0, 0]]
