"""Squares, anchors, boxes and heatmaps of BlazePose."""

import numpy as np
import pytest

from repose_jax.detectors import blazepose_geometry as geometry
from repose_jax.detectors.blazepose_geometry import Square


def test_a_crop_shows_a_point_of_the_frame_where_the_square_places_it():
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[58:63, 138:143] = 255  # about (140, 60)
    square = Square(np.array([120.0, 80.0]), 100.0, np.deg2rad(30))
    crop = square.crop(frame, 256)
    y, x = np.nonzero(crop[..., 0] > 127)
    seen = np.array([x.mean(), y.mean()]) / 256
    np.testing.assert_allclose(square.to_frame(seen), (140, 60), atol=0.4)


def test_a_crop_is_black_beyond_the_frame():
    frame = np.full((100, 100, 3), 200, np.uint8)
    crop = Square(np.array([0.0, 50.0]), 100.0).crop(frame, 64)
    assert np.all(crop[:, :31] == 0)
    assert np.all(crop[1:-1, 33:] == 200)


def test_the_square_of_a_person_is_upright_with_the_person():
    upright = geometry.person_square(np.array([50.0, 100.0]), np.array([50.0, 60.0]))
    assert upright.angle == pytest.approx(0)
    assert upright.side == pytest.approx(100)  # 1.25 of the diameter
    lying = geometry.person_square(np.array([50.0, 100.0]), np.array([90.0, 100.0]))
    # The head of a person who lies to the right is above the hips in the square.
    np.testing.assert_allclose(lying.to_frame(np.array([0.5, 0.1])), (90, 100), atol=1e-9)


def test_there_is_an_anchor_for_every_output_of_the_detector():
    anchors = geometry.anchors()
    assert anchors.shape == (2254, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2]] * 28, [[0.5, 0.5], [0.5, 0.5], [1.5, 0.5]])
    np.testing.assert_allclose(anchors[2 * 28] * 28, (0.5, 1.5))  # rows of cells
    np.testing.assert_allclose(anchors[1568] * 14, (0.5, 0.5))
    np.testing.assert_allclose(
        anchors[1568 + 392 : 1568 + 392 + 7] * 7, [[0.5, 0.5]] * 6 + [[1.5, 0.5]]
    )
    np.testing.assert_allclose(anchors[-1] * 7, (6.5, 6.5))


def encoded(*boxes):
    """Outputs of the detector: (index of an anchor, score, centre, size, hips, edge) each."""
    values, logits = np.zeros((2254, 12), np.float32), np.full(2254, -9.0, np.float32)
    for index, score, centre, size, hips, edge in boxes:
        origin = geometry.anchors()[index]
        for column, point in ((0, centre), (4, hips), (6, edge)):
            values[index, column : column + 2] = (np.array(point) - origin) * 224
        values[index, 2:4] = size * 224
        logits[index] = np.log(score / (1 - score))
    return values, logits


def test_candidates_are_relative_to_their_anchors_and_the_best_is_first():
    found = geometry.candidates(
        *encoded(
            (100, 0.6, (0.2, 0.3), 0.1, (0.2, 0.5), (0.2, 0.2)),
            (2000, 0.9, (0.7, 0.3), 0.1, (0.7, 0.6), (0.75, 0.1)),
            (300, 0.4, (0.5, 0.9), 0.1, (0.5, 0.5), (0.5, 0.4)),
        )
    )
    np.testing.assert_allclose(found.score, (0.9, 0.6), atol=1e-6)
    np.testing.assert_allclose(found.hips, [(0.7, 0.6), (0.2, 0.5)], atol=1e-6)
    np.testing.assert_allclose(found.edge, [(0.75, 0.1), (0.2, 0.2)], atol=1e-6)


def test_overlapping_boxes_are_averaged_by_their_scores():
    found = geometry.candidates(
        *encoded(
            (100, 0.6, (0.20, 0.3), 0.1, (0.2, 0.5), (0.2, 0.2)),
            (101, 0.9, (0.21, 0.3), 0.1, (0.3, 0.5), (0.2, 0.2)),
        )
    )
    np.testing.assert_allclose(found.score, [0.9], atol=1e-6)
    np.testing.assert_allclose(found.hips, [((0.6 * 0.2 + 0.9 * 0.3) / 1.5, 0.5)], atol=1e-6)


def test_no_score_above_a_half_means_nobody():
    found = geometry.candidates(*encoded())
    assert found.score.shape == (0,)
    assert found.hips.shape == found.edge.shape == (0, 2)


@pytest.mark.parametrize("value", [-1e30, 1e30])
def test_extreme_logits_are_scores(value):
    logits = np.full(2254, -9.0)
    logits[:3] = value
    assert np.all(geometry.candidates(np.zeros((2254, 12)), logits).score == 1)


def heatmap(x, y, height=8.0):
    """Logits with a peak at a cell."""
    rows, columns = np.mgrid[:64, :64]
    return height - ((columns - x) ** 2 + (rows - y) ** 2) * 4


def test_a_clear_heatmap_moves_a_point_to_its_centroid():
    heatmaps = np.stack([heatmap(20, 30)] * 2, axis=-1)
    moved = geometry.refined(np.array([[21.6, 28.4], [40.0, 30.0]]) / 64, heatmaps)
    np.testing.assert_allclose(moved[0] * 64, (20, 30), atol=1e-3)
    np.testing.assert_allclose(moved[1] * 64, (40, 30))  # its peak is outside the window


def test_an_unclear_heatmap_moves_nothing():
    points = np.array([[21.0, 29.0]]) / 64
    np.testing.assert_array_equal(
        geometry.refined(points, heatmap(20, 30, -1.0)[..., None]), points
    )


def test_points_beyond_the_heatmap_stay():
    points = np.array([[-3.0, 0.5], [1.0, 1.0], [1e9, -1e9], [np.nan, 0.5]])
    heatmaps = np.full((64, 64, 4), -30.0)
    np.testing.assert_array_equal(geometry.refined(points, heatmaps), points)


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 640), (1000, 10), (3, 2)])
def test_tiles_cover_the_frame_and_overlap_by_half(size):
    tiles = geometry.tiles(size, 0.4)
    side = 0.4 * max(size)
    assert all(tile.side == pytest.approx(side) for tile in tiles)
    for axis in (0, 1):
        centres = np.unique([tile.centre[axis] for tile in tiles])
        assert centres[0] - side / 2 <= 1e-9
        assert centres[-1] + side / 2 >= size[axis] - 1e-9
        assert np.all(np.diff(centres) <= side / 2 + 1e-9)
