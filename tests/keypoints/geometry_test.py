import itertools

import numpy as np
import pytest
from small_keypoints import points

from repose_jax.keypoints.geometry import estimate_image_size, order_by_proportions
from repose_jax.keypoints.read import from_arrays

ALIKE = [
    ("openpose_body25", "openpose_body25b"),
    ("coco17", "human36m", "mpi_inf_3dhp"),
]
CASES = [(order, candidates) for candidates in ALIKE for order in candidates]


@pytest.mark.parametrize(("order", "candidates"), CASES, ids=lambda case: str(case))
@pytest.mark.parametrize("width", [1, 0.4])
def test_orders_of_as_many_joints_are_distinguished_by_the_bones(order, candidates, width):
    keypoints = points(order) * [width, 1]  # from the front, and nearly from the side
    found = np.ones(keypoints.shape[:2], bool)
    for given in itertools.permutations(candidates):
        assert order_by_proportions(keypoints, found, given) == order


def test_two_visible_joints_do_not_show_the_order():
    keypoints = points("openpose_body25")
    found = np.zeros(keypoints.shape[:2], bool)
    found[:, :2] = True
    assert order_by_proportions(keypoints, found, ALIKE[0]) is None


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1920, 1080), (1080, 1920)])
def test_the_image_is_the_smallest_usual_one_that_holds_the_people(size):
    person = points("coco17")
    span = person.max((0, 1)) - person.min((0, 1))
    person = (person - person.min((0, 1))) / span.max() * 0.9 * min(size)
    person += np.array(size) / 2 - (person.max((0, 1)) + person.min((0, 1))) / 2
    wide = person + np.linspace(-0.35, 0.35, 6)[:, None, None] * [max(0, size[0] - size[1]), 0]
    tall = wide + np.linspace(-0.04, 0.04, 6)[:, None, None] * [0, size[1]]
    tall += np.array([0, 0.45 * max(0, size[1] - size[0])])
    assert estimate_image_size(from_arrays(tall, format="coco17", fps=30.0)) == size


def test_people_beyond_the_largest_usual_image_have_an_image_that_holds_them():
    detections = from_arrays(points("coco17") * 30, format="coco17", fps=30.0)
    inside = (detections.keypoints <= estimate_image_size(detections)).all(-1)
    assert 0.95 < inside.mean() <= 1
