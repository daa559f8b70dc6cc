import numpy as np
import pytest

from repose_jax.detectors import boxes

pytest.importorskip("cv2")


def gradient(width: int, height: int) -> np.ndarray:
    """A frame whose red is the column and whose green is the row, at 1 for 4 px."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x / 4, y / 4, np.zeros_like(x)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("width", "height"), [(800, 600), (600, 800), (64, 64), (901, 333)])
def test_a_letterbox_shows_each_point_of_the_frame_where_it_says(width, height, centred):
    view = boxes.letterbox(gradient(width, height), (416, 320), centred=centred)
    inner = np.rint(view.scale * (width, height)).astype(int)
    x, y = np.meshgrid(np.arange(5, inner[0] - 5, 20), np.arange(5, inner[1] - 5, 20))
    points = np.stack([x, y], axis=-1).reshape(-1, 2) + view.corner
    there = view.points_in_frame(points.astype(float))
    shown = view.image[points[:, 1], points[:, 0], :2].astype(float) * 4
    np.testing.assert_allclose(shown, there, atol=5)
    left, top = view.corner
    view.image[top : top + inner[1], left : left + inner[0]] = boxes.PADDING
    assert (view.image == boxes.PADDING).all()
    assert [left, top] == [*(np.array([320, 416]) - inner) // 2 * centred]
    assert inner[0] == 320 or inner[1] == 416


def test_the_whole_of_a_letterbox_is_the_whole_frame():
    view = boxes.letterbox(gradient(901, 333), (416, 416))
    inner = view.scale * (901, 333)
    box = view.boxes_in_frame(np.array([[-0.5, -0.5, *(inner - 0.5)]]))
    np.testing.assert_allclose(box, [[-0.5, -0.5, 900.5, 332.5]], atol=1e-9)


def test_iou_of_boxes():
    found = boxes.iou(
        np.array([[0, 0, 10, 10.0]]),
        np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10], [2, 2, 4, 4.0]]),
    )
    np.testing.assert_allclose(found, [[1, 1 / 3, 0, 0.04]])


def test_one_box_a_person_the_best_first():
    found = boxes.distinct(
        np.array([[1, 0, 11, 10], [50, 0, 60, 10], [0, 0, 10, 10], [80, 0, 90, 10.0]]),
        np.array([0.6, 0.7, 0.9, 0.1]),
        least=0.3,
        most_iou=0.5,
    )
    assert found.tolist() == [2, 1]


def test_boxes_without_area_or_with_nan_are_nobody():
    bad = np.array([[5, 5, 5, 9], [9, 0, 1, 4], [np.nan, 0, 1, 1], [0, 0, np.inf, 1], [0, 0, 0, 0]])
    scores = np.array([1, 1, 1, 1, np.nan])
    assert not len(boxes.distinct(bad.astype(float), scores, least=0.0, most_iou=1.0))


@pytest.mark.parametrize(
    "box",
    [
        (100, 50, 300, 450),  # portrait
        (100, 200, 500, 300),  # landscape
        (-200, -100, 150, 300),  # beyond the upper left
        (500, 300, 900, 900),  # beyond the lower right
    ],
)
def test_a_crop_shows_each_point_of_the_frame_where_it_says(box):
    frame = gradient(800, 600)
    crops = boxes.crop(frame, np.array([box], float), (256, 192))
    x, y = np.meshgrid(np.arange(0, 192, 16), np.arange(0, 256, 16))
    points = np.stack([x, y], axis=-1).reshape(1, -1, 2)
    (there,) = crops.points_in_frame(points.astype(float))
    shown = crops.images[0][points[0, :, 1], points[0, :, 0], :2].astype(float) * 4
    inside = ((there >= 0) & (there <= (799, 599))).all(1)
    outside = ((there < -8) | (there > (808, 608))).any(1)
    assert inside.any()
    np.testing.assert_allclose(shown[inside], there[inside], atol=5)
    assert not shown[outside].any()


@pytest.mark.parametrize("box", [(100, 50, 300, 450), (100, 200, 500, 300)])
def test_a_crop_has_a_margin_round_the_box_and_the_aspect_of_the_network(box):
    crops = boxes.crop(gradient(800, 600), np.array([box], float), (256, 192))
    low, high = crops.points_in_frame(np.array([[[0, 0], [192, 256.0]]]))[0]
    left, top, right, bottom = box
    np.testing.assert_allclose((low + high) / 2, ((left + right) / 2, (top + bottom) / 2))
    size = high - low
    assert size[0] / size[1] == pytest.approx(192 / 256)
    assert min(size / (right - left, bottom - top)) == pytest.approx(boxes.MARGIN)


def test_boxes_round_poses_hold_the_joints_that_were_seen():
    keypoints = np.array([[[1, 2], [5, 9], [100, 100]], [[1, 1], [2, 2], [3, 3]]], float)
    confidence = np.array([[0.9, 0.9, 0.1], [0.1, 0.1, 0.1]])
    found = boxes.around(keypoints, confidence, 0.3)
    np.testing.assert_array_equal(found, [[1, 2, 5, 9], [np.nan] * 4])


def test_enlarges_a_box_about_its_centre():
    np.testing.assert_array_equal(
        boxes.enlarged(np.array([[10, 20, 30, 60.0]]), 2.0), [[0, 0, 40, 80]]
    )
