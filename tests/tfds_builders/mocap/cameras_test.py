import numpy as np
import pytest

from tests.tfds_builders.mocap.person import standing, walking
from tfds_builders.mocap import cameras
from tfds_builders.mocap.cameras import draw_azimuths, draw_camera, project, world_to_camera


def _seen(camera, joints):
    points = world_to_camera(camera, 1000 * joints)
    return points, project(camera.intrinsics, points)


def _centre(camera):
    return -camera.rotation.T @ camera.translation / 1000


@pytest.fixture(params=range(8))
def rng(request):
    return np.random.default_rng(request.param)


def test_projection_is_that_of_a_pinhole():
    intrinsics = np.array([[1000.0, 0, 500], [0, 1100, 510], [0, 0, 1]])
    np.testing.assert_allclose(project(intrinsics, np.array([100.0, -200, 2000])), [550, 400])


def test_axes_point_right_down_and_forward():
    # A camera on +Z that looks back at the origin has the world's -X on its right.
    rotation = cameras.look_at(np.array([0, 0, 4.0]), np.zeros(3))
    np.testing.assert_allclose(rotation, [[1, 0, 0], [0, -1, 0], [0, 0, -1]], atol=1e-12)


def test_rolling_turns_the_picture_about_the_axis():
    rotation = cameras.look_at(np.array([0, 0, 4.0]), np.zeros(3), roll=np.pi / 2)
    np.testing.assert_allclose(rotation @ [0, 1, 0], [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation @ [0, 0, -1], [0, 0, 1], atol=1e-12)


def test_sampled_cameras_are_like_those_of_human36m(rng):
    joints = standing()[None] + [3, 0, -2]
    camera = draw_camera(rng, joints, rng.uniform(0, 6))
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    assert camera.intrinsics[0, 0] == camera.intrinsics[1, 1]
    assert 1100 < camera.intrinsics[0, 0] < 1200
    assert camera.image_size in ((1000, 1002), (1000, 1000))
    np.testing.assert_allclose(camera.intrinsics[:2, 2], 500, atol=25)
    over_ground = (_centre(camera) - joints[0, 0])[[0, 2]]
    assert 3.5 <= np.linalg.norm(over_ground) <= 6.5
    assert 1.2 <= _centre(camera)[1] - 0.08 <= 2.0


def test_people_stand_upright_in_the_middle_of_the_picture(rng):
    joints = standing()[None]
    points, pixels = _seen(draw_camera(rng, joints, rng.uniform(0, 6)), joints)
    assert pixels[0, 10, 1] < pixels[0, 0, 1] < pixels[0, [3, 6], 1].min()
    assert np.abs(pixels[0, 0] - 500).max() < 100
    assert 200 < np.ptp(pixels[0, :, 1]) < 700
    assert (points[..., 2] > 3000).all()


def test_a_person_who_faces_the_camera_has_the_left_arm_on_the_right(rng):
    joints = standing()[None]
    front, back = (_seen(draw_camera(rng, joints, a), joints)[1] for a in (0.0, np.pi))
    assert front[0, 13, 0] > front[0, 16, 0]
    assert back[0, 13, 0] < back[0, 16, 0]


def test_the_azimuth_goes_from_z_towards_x():
    for azimuth, axis in ((0.0, [0, 0, 1]), (np.pi / 2, [1, 0, 0])):
        camera = draw_camera(np.random.default_rng(0), standing()[None], azimuth)
        direction = _centre(camera) * [1, 0, 1]
        np.testing.assert_allclose(direction / np.linalg.norm(direction), axis, atol=1e-9)


def test_cameras_move_back_until_a_walk_is_in_the_picture(rng):
    joints = walking(150, 30)  # 6 m
    camera = draw_camera(rng, joints, rng.uniform(0, 6))
    points, pixels = _seen(camera, joints)
    assert (points[..., 2] >= 1000 * cameras.NEAREST - 1e-6).all()
    assert (pixels >= cameras.MARGIN - 1e-6).all()
    assert (pixels <= np.array(camera.image_size) - cameras.MARGIN + 1e-6).all()


@pytest.mark.parametrize("azimuth", [0.0, 1.0, np.pi / 2, np.pi])
def test_nobody_is_ever_behind_a_camera_however_far_they_go(azimuth):
    joints = walking(1500, 30, speed=2.0)  # 100 m
    camera = draw_camera(np.random.default_rng(0), joints, azimuth)
    points, _ = _seen(camera, joints)
    assert points[..., 2].min() >= 1000 * cameras.NEAREST - 1e-6


def test_cameras_do_not_go_farther_than_their_bound_to_see_everything():
    joints = walking(1500, 30, speed=2.0)
    camera = draw_camera(np.random.default_rng(0), joints, np.pi / 2)
    middle = (joints[0, 0] + joints[-1, 0]) / 2
    assert np.linalg.norm(_centre(camera) - middle) < cameras.FARTHEST + 0.5
    assert (_seen(camera, joints)[1] < 0).any()


def test_views_surround_the_subject(rng):
    azimuths = np.sort(draw_azimuths(rng, 4) % (2 * np.pi))
    gaps = np.diff(np.append(azimuths, azimuths[0] + 2 * np.pi))
    assert np.rad2deg(gaps).min() >= 60 - 1e-9
    assert np.rad2deg(gaps).max() <= 120 + 1e-9


def test_the_same_seed_samples_the_same_camera():
    first, again = (draw_camera(np.random.default_rng(5), standing()[None], 1.0) for _ in "ab")
    np.testing.assert_array_equal(first.intrinsics, again.intrinsics)
    np.testing.assert_array_equal(first.rotation, again.rotation)
    np.testing.assert_array_equal(first.translation, again.translation)
