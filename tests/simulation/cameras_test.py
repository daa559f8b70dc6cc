import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import small_motions

from repose_jax.data.cameras import project
from repose_jax.simulation import cameras
from repose_jax.simulation.body import ANKLES

COUNT, FRAMES = 256, 12
PEOPLE = jnp.asarray(np.tile(small_motions.clips(16, FRAMES), (COUNT // 16, 1, 1, 1)))
FPS = jnp.full(COUNT, 30.0)
KEY = jax.random.key(0)
DEGREE = np.pi / 180


@jax.jit
def _sample(key, points, handheld, truncated):
    camera = cameras.sample(key, points, FPS, handheld=handheld, truncated=truncated)
    there = camera.to_camera(points)
    return camera, there, camera.project(there), camera.up


@functools.cache
def sampled(handheld: float, truncated: float = 0.0, walk: bool = False):
    points = walking() if walk else PEOPLE
    camera, *found = _sample(KEY, points, handheld, truncated)
    arrays = types.SimpleNamespace(**{name: np.asarray(x) for name, x in vars(camera).items()})
    return arrays, *map(np.asarray, found)


def to_camera(camera, points):
    offset = np.asarray(points) - camera.position[:, None, None]
    return np.einsum("btij,btlj->btli", camera.rotation, offset)


def walking():
    """The same persons, who cross 3 m besides."""
    return PEOPLE + jnp.linspace(-1.5, 1.5, FRAMES)[:, None, None] * jnp.array([1.0, 0, 0])


def angles(camera):
    """Pitch (up is positive) and roll of every frame, radians."""
    forward, right = camera.rotation[:, :, 2], camera.rotation[:, :, 0]
    pitch = np.arcsin(forward[..., 1])
    level = np.cross(forward, [0, 1, 0])
    level /= np.linalg.norm(level, axis=-1, keepdims=True)
    down = np.cross(forward, level)
    return pitch, np.arctan2((right * down).sum(-1), (right * level).sum(-1))


def outside(camera, image):
    return ((image < 0) | (image > camera.size[:, None, None])).any(-1)


def test_rotations_are_rotations():
    for handheld in (0.0, 1.0):
        rotation = sampled(handheld)[0].rotation.astype(float)
        square = rotation @ np.swapaxes(rotation, -1, -2)
        np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-5)
        np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-5)


def test_up_in_the_world_is_up_in_the_image():
    camera, there, image, up = sampled(1.0)
    assert (up[:, 1] < -0.5).all()
    np.testing.assert_allclose(np.linalg.norm(up, axis=-1), 1, atol=1e-5)
    head, ankles = there[:, :, 10], there[:, :, list(ANKLES)].mean(2)
    assert np.mean(head[..., 1] < ankles[..., 1]) > 0.99
    assert np.mean(image[:, :, 10, 1] < image[:, :, list(ANKLES), 1].mean(2)) > 0.99
    # A step upward in the world is one along `up` in camera space.
    np.testing.assert_allclose(to_camera(camera, PEOPLE), there, atol=1e-5)
    steps = (to_camera(camera, PEOPLE + jnp.array([0.0, 1, 0])) - there).mean((1, 2))
    np.testing.assert_allclose(steps / np.linalg.norm(steps, axis=-1, keepdims=True), up, atol=1e-4)


def test_left_in_the_world_of_a_person_who_faces_the_camera_is_right_in_the_image():
    camera = cameras.Cameras(
        rotation=jnp.asarray([[[[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]]]),
        position=jnp.asarray([[0.0, 1.0, 4.0]]),
        focal=jnp.ones(1),
        size=jnp.ones((1, 2)),
        centre=jnp.full((1, 2), 0.5),
    )
    points = jnp.asarray(small_motions.STANDING[None, None], jnp.float32)
    image = np.asarray(camera.project(camera.to_camera(points)))[0, 0]
    assert image[4, 0] > 0.5 > image[1, 0]  # the left and the right hip
    np.testing.assert_allclose(image[0], [0.5, 0.5 + (1.0 - 0.98) / 4], atol=1e-6)
    np.testing.assert_allclose(camera.up, [[0, -1, 0]], atol=1e-6)


def test_the_projection_is_that_of_the_same_pinhole():
    camera, there, image, _ = sampled(0.5)
    for clip in range(0, COUNT, 50):
        centre, focal = camera.centre[clip], camera.focal[clip]
        pinhole = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
        wanted = project(there[clip].astype(float), pinhole, np.zeros(5))
        np.testing.assert_allclose(image[clip], wanted, rtol=1e-4, atol=1e-5)


def test_cameras_are_held_as_declared():
    camera, *_ = sampled(1.0)
    shake = 4 * 0.3 * DEGREE
    pitch, roll = angles(camera)
    assert (pitch > cameras.PITCH[0] - shake).all()
    assert (pitch < cameras.PITCH[1] + shake).all()
    assert pitch.min() < -15 * DEGREE
    assert pitch.max() > 5 * DEGREE
    assert (np.abs(roll) < max(cameras.MOST_ROLL, cameras.MOST_TILT) + shake).all()
    np.testing.assert_allclose(np.median(np.abs(roll)), 0.8 * cameras.ROLL, rtol=0.4)
    low, high = cameras.FOCAL
    assert (camera.focal > low - 1e-5).all()
    assert (camera.focal < high + 1e-5).all()
    np.testing.assert_allclose(camera.size.max(1), 1)
    aspects = camera.size[:, 0] / camera.size[:, 1]
    nearest = np.abs(aspects[:, None] - np.array(cameras.ASPECTS)).argmin(1)
    np.testing.assert_allclose(aspects, np.array(cameras.ASPECTS)[nearest], rtol=1e-5)
    assert {*nearest.tolist()} == {*range(len(cameras.ASPECTS))}
    shift = np.abs(camera.centre - camera.size / 2)
    assert (shift <= cameras.PRINCIPAL_POINT + 1e-6).all()


def test_the_other_cameras_are_those_of_a_room():
    camera, *_ = sampled(0.0)
    pitch, roll = angles(camera)
    np.testing.assert_allclose(camera.size, 1)
    assert (np.abs(roll) < cameras.ROOM_ROLL + 1e-4).all()
    low, high = cameras.ROOM_FOCAL
    assert (camera.focal >= low - 1e-5).all()
    assert (camera.focal <= high + 1e-5).all()
    # They stand still.
    np.testing.assert_allclose(camera.rotation, camera.rotation[:, :1].repeat(FRAMES, 1), atol=1e-6)
    assert np.abs(pitch).max() < 20 * DEGREE


def test_height_and_distance_are_as_declared_unless_a_camera_moved_back():
    # Truncated clips are of cameras that stay where they are.
    for handheld, heights, distances in (
        (1.0, cameras.HEIGHT, cameras.DISTANCE),
        (0.0, cameras.ROOM_HEIGHT, cameras.ROOM_DISTANCE),
    ):
        camera, *_ = sampled(handheld, truncated=1.0)
        points = np.asarray(PEOPLE)
        height = camera.position[:, 1] - points[:, :, ANKLES, 1].min((1, 2))
        pelvis = points[:, :, 0]
        middle = (pelvis.min(1) + pelvis.max(1)) / 2
        distance = np.linalg.norm((camera.position - middle)[:, ::2], axis=-1)
        stayed = (distance > distances[0] - 1e-3) & (distance < distances[1] + 1e-3)
        assert stayed.mean() > 0.6
        if handheld:
            assert (height[stayed] > heights[0] - 0.3).mean() > 0.95
            assert (height[stayed] < heights[1] + 0.3).mean() > 0.95
            assert distance.min() < 2.5
            assert distance.max() > 8
        # From all sides.
        sides = (camera.position - middle)[:, ::2]
        quadrant = np.bincount((sides[:, 0] > 0) + 2 * (sides[:, 1] > 0), minlength=4)
        assert (quadrant > COUNT / 8).all()


def test_the_whole_body_is_in_the_image_unless_it_is_to_be_truncated():
    for handheld in (0.0, 1.0):
        camera, there, image, _ = sampled(handheld)
        far = there[..., 2].mean((1, 2)) > cameras.FARTHEST - 0.1
        assert far.mean() < 0.05
        assert outside(camera, image)[~far].any((1, 2)).mean() < 0.02
    camera, _, image, _ = sampled(1.0, truncated=1.0)
    assert 0.1 < outside(camera, image).any((1, 2)).mean() < 0.9


def test_nothing_is_behind_the_camera():
    for truncated in (0.0, 1.0):
        for walk in (False, True):
            _, there, _, _ = sampled(1.0, truncated, walk)
            assert there[..., 2].min() > 0.9 * cameras.NEAREST


def test_the_person_is_off_centre_in_the_image_of_a_camera_that_is_held():
    spread = []
    for handheld in (0.0, 1.0):
        camera, _, image, _ = sampled(handheld)
        offset = image[:, :, 0, 0].mean(1) - camera.size[:, 0] / 2
        spread.append(np.std(offset / camera.size[:, 0]))
    assert spread[0] < 0.06
    assert 0.07 < spread[1] < 0.25


def test_some_held_cameras_follow_the_person():
    camera, *_ = sampled(1.0, walk=True)
    panned = np.arccos(
        np.clip((camera.rotation[:, 0, 2] * camera.rotation[:, -1, 2]).sum(-1), -1, 1)
    )
    # Those that look along the path see the person come, and need not turn.
    across = np.abs(camera.rotation[:, :, 0, 0].mean(1)) > 0.7
    follows = panned > 5 * DEGREE
    assert 0.05 < follows[across].mean() < 0.4
    # They turn the way that the person goes.
    stays = np.asarray(walking())[:, :1].repeat(FRAMES, 1)
    went = np.asarray(walking() - stays)[:, -1, 0]
    path = (went * camera.rotation[:, 0, 0]).sum(-1)
    turned = (camera.rotation[:, -1, 2] * camera.rotation[:, 0, 0]).sum(-1)
    assert (np.sign(path) == np.sign(turned))[across & follows].all()
