"""Rotations from directions are defined everywhere, and Euler angles are the rotations."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from repose_jax.motion import bvh
from repose_jax.motion.rotations import euler, frames, interpolate, swing

X, Y, Z = np.eye(3)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0), (1, 2), (2, 0)])
def test_a_frame_has_its_first_axis_exactly_and_its_second_nearly(first, second):
    rng = np.random.default_rng(0)
    primary, secondary = rng.normal(size=(2, 20, 3))
    found = frames(first, primary, second, secondary, np.arange(20.0)).as_matrix()
    np.testing.assert_allclose(np.linalg.det(found), 1)
    along = (found[:, :, first] * primary).sum(-1)
    np.testing.assert_allclose(along, np.linalg.norm(primary, axis=-1))
    third = 3 - first - second
    np.testing.assert_allclose((found[:, :, third] * secondary).sum(-1), 0, atol=1e-12)
    assert ((found[:, :, second] * secondary).sum(-1) > 0).all()


def test_where_directions_are_parallel_a_frame_is_between_its_neighbours():
    primary = np.stack([X, X, X, X])
    secondary = np.stack([Y, X, 0 * X, Z])
    found = frames(0, primary, 1, secondary, np.array([0, 1, 2, 3.0]))
    np.testing.assert_allclose(
        found.as_rotvec(degrees=True), np.outer([0, 30, 60, 90], X), atol=1e-9
    )


def test_rotations_are_held_before_the_first_and_after_the_last():
    turned = Rotation.from_euler("y", [[10], [40]], degrees=True)
    found = interpolate(turned, np.array([1.0, 2]), np.array([0, 1.5, 9]))
    np.testing.assert_allclose(found.as_rotvec(degrees=True)[:, 1], [10, 25, 40])


@pytest.mark.parametrize("end", [X, Y, -X, np.array([-1, 1e-5, 0])], ids=str)
def test_the_smallest_rotation_reaches_its_direction_also_when_opposite(end):
    found = swing(X[None], end[None] / np.linalg.norm(end))
    np.testing.assert_allclose(found.apply(X)[0], end, atol=1e-6)
    assert found.magnitude()[0] == pytest.approx(np.arccos(end[0] / np.linalg.norm(end)))


@pytest.mark.parametrize("order", bvh.ORDERS)
def test_euler_angles_are_the_rotation_also_in_gimbal_lock(order):
    middle = np.linspace(-200, 200, 81)
    angles = np.stack([np.linspace(0, 400, 81), middle, np.linspace(30, -300, 81)], axis=-1)
    rotations = Rotation.from_euler(order, angles, degrees=True)
    found = euler(rotations, order)
    error = (Rotation.from_euler(order, found) * rotations.inv()).magnitude()
    assert error.max() < 1e-6
    assert np.isclose(np.abs(middle), 90).any()
