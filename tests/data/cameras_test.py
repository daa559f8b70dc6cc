import numpy as np
import pytest

from repose_jax.data import cameras

INTRINSICS = np.array([[1000.0, 0, 500], [0, 1100, 400], [0, 0, 1]])
STRAIGHT = np.zeros(5)


def test_without_distortion_it_is_the_pinhole_camera():
    joints = np.array([[0.0, 0, 2000], [200, -100, 2000], [200, -100, 4000]])
    found = cameras.project(joints, INTRINSICS, STRAIGHT)
    np.testing.assert_allclose(found, [[500, 400], [600, 345], [550, 372.5]])


@pytest.mark.parametrize(
    ("coefficient", "moved"),
    [  # of the point x = 0.2, y = 0.1, whose r² is 0.05
        (0, [0.2 * 0.05, 0.1 * 0.05]),
        (1, [0.2 * 0.05**2, 0.1 * 0.05**2]),
        (2, [2 * 0.2 * 0.1, 0.05 + 2 * 0.1**2]),
        (3, [0.05 + 2 * 0.2**2, 2 * 0.2 * 0.1]),
        (4, [0.2 * 0.05**3, 0.1 * 0.05**3]),
    ],
)
def test_each_coefficient_moves_a_point_as_opencv_defines_it(coefficient, moved):
    joints = np.array([[[400.0, 200, 2000]]])
    distortion = 0.3 * np.eye(5)[coefficient]
    found = cameras.project(joints, INTRINSICS, distortion)
    straight = cameras.project(joints, INTRINSICS, STRAIGHT)
    np.testing.assert_allclose(found - straight, [[0.3 * np.array(moved) * [1000, 1100]]])
