import numpy as np
import pytest

from tests.tfds_builders.mocap.person import standing, walking
from tfds_builders.mocap import face

NOSE, LEFT_EAR, RIGHT_EAR = range(3)


def test_the_points_are_named_as_in_the_records():
    assert face.FACE == ("nose", "left_ear", "right_ear") == tuple(face.OFFSETS)


def test_an_upright_head_has_its_nose_in_front_and_its_left_ear_at_the_left():
    joints = standing()[None]
    points = face.place_face(joints, np.eye(3)[None])[0]
    centre = (joints[0, 9] + joints[0, 10]) / 2
    np.testing.assert_allclose(points[NOSE] - centre, (0, -0.02, 0.11), atol=1e-12)
    np.testing.assert_allclose(points[LEFT_EAR] - centre, (0.075, 0, 0), atol=1e-12)
    np.testing.assert_allclose(points[RIGHT_EAR] - centre, (-0.075, 0, 0), atol=1e-12)


def test_the_face_turns_with_the_axes_of_the_head():
    turned_left = np.array([[(0, 0, 1), (0, 1, 0), (-1, 0, 0)]], float)  # +Z to +X
    joints = standing()[None]
    points = face.place_face(joints, turned_left)[0] - (joints[0, 9] + joints[0, 10]) / 2
    np.testing.assert_allclose(points[NOSE], (0.11, -0.02, 0), atol=1e-12)
    np.testing.assert_allclose(points[LEFT_EAR], (0, 0, -0.075), atol=1e-12)


def test_without_a_rotation_the_head_looks_where_the_shoulders_face():
    joints = walking(30, 30)
    axes = face.axes_from_joints(joints)
    np.testing.assert_allclose(axes, np.broadcast_to(np.eye(3), (30, 3, 3)), atol=1e-12)
    bowed = standing()[None]
    bowed[:, 10] = bowed[:, 9] + (0, 0.08, 0.1)  # the top of the head in front of the neck
    np.testing.assert_allclose(face.axes_from_joints(bowed)[0, :, 0], (1, 0, 0), atol=1e-12)
    assert face.axes_from_joints(bowed)[0, 1, 2] < -0.5  # looks down


@pytest.mark.parametrize(
    ("up", "left"),
    [
        ((0, 0, 0), (1, 0, 0)),
        ((0, 1, 0), (0, 2, 0)),
        ((0, 1, 0), (0, 0, 0)),
        ((1, 0, 0), (3, 0, 0)),
    ],
)
def test_degenerate_directions_still_give_axes(up, left):
    [axes] = face.axes_from(np.array([up], float), np.array([left], float))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
