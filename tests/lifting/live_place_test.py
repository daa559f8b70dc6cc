"""The place of a person in the world, pose by pose, of poses that are true."""

import dataclasses

import numpy as np
import pytest
from small_motion import small_motion

from repose_jax.lifting.live import LivePose
from repose_jax.lifting.live_place import LivePlace
from repose_jax.skeleton import HUMAN36M

TRUTH = small_motion(people=1, frames=70, fps=15.0)
(PERSON,) = TRUTH.people
ANKLES = [HUMAN36M.joints.index(f"{side}_ankle") for side in ("left", "right")]
UP = TRUTH.world.rotation[1]  # the camera looks 8 degrees down
SETTLED = slice(-20, None)
"""After more than 3 s."""


def poses(confidence: float = 1.0) -> list[LivePose]:
    """Root-relative poses, and the pixels that they project to."""
    joints = PERSON.joints_camera_mm + PERSON.root_mm[:, None]
    camera = TRUTH.camera
    pixels = camera.focal_px * joints[..., :2] / joints[..., 2:] + camera.centre_px
    sure = np.full(17, confidence)
    return [
        LivePose(relative, sure, time_s, relative, points)
        for relative, time_s, points in zip(
            PERSON.joints_camera_mm, PERSON.time_s.tolist(), pixels, strict=True
        )
    ]


def place_all(place: LivePlace, frames) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints in the world, and the rotations and origins of the world."""
    joints, worlds = zip(*(place.place(pose) for pose in frames), strict=True)
    rotation = np.stack([world.rotation for world in worlds])
    return np.stack(joints), rotation, np.stack([world.origin_mm for world in worlds])


@pytest.fixture(scope="module")
def found():
    """Poses that are placed where nothing is known of the vertical."""
    return place_all(LivePlace(TRUTH.camera), poses())


@pytest.fixture(scope="module")
def given():
    """Poses that are placed where the vertical is known, of any length."""
    return place_all(LivePlace(TRUTH.camera, up=3 * UP), poses())


def angle(up: np.ndarray) -> np.ndarray:
    """Degrees between verticals and the true one."""
    return np.degrees(np.arccos(np.clip(up @ UP, -1, 1)))


def lowest(joints: np.ndarray) -> np.ndarray:
    return joints[:, ANKLES, 1].min(-1)


def test_joints_are_where_they_are_before_the_camera(found):
    joints, rotation, origin = found
    true = PERSON.joints_camera_mm + PERSON.root_mm[:, None]
    placed = np.einsum("tba,tjb->tja", rotation, joints) + origin[:, None]
    error = placed - true
    assert np.linalg.norm(error, axis=-1)[SETTLED].mean() < 60  # the depth lags, as it is filtered
    ray = true / np.linalg.norm(true, axis=-1, keepdims=True)
    across = error - (error * ray).sum(-1, keepdims=True) * ray
    assert np.linalg.norm(across, axis=-1).max() < 15


def test_the_vertical_settles_at_that_of_people_who_stand(found):
    _, rotation, _ = found
    tilt = angle(rotation[:, 1])
    assert tilt[0] == pytest.approx(8, abs=0.01)  # the camera's upward axis, until they stood
    assert tilt[SETTLED].max() < 1.5
    assert np.abs(rotation @ rotation.swapaxes(1, 2) - np.eye(3)).max() < 1e-9


def test_the_floor_settles_below_the_feet(found):
    np.testing.assert_allclose(
        lowest(found[0])[SETTLED], lowest(PERSON.joints_mm)[SETTLED], atol=60
    )


def test_nothing_jumps_when_the_world_is_found_again(found):
    joints, rotation, _ = found
    turned = np.degrees(np.arccos(np.clip((rotation[1:, 1] * rotation[:-1, 1]).sum(-1), -1, 1)))
    assert turned.max() < 1  # of 8 in all
    moved, walked = (
        np.linalg.norm(np.diff(each, axis=0), axis=-1) for each in (joints, PERSON.joints_mm)
    )
    assert (moved - walked).max() < 100


def test_a_vertical_that_is_given_is_that_from_the_first_pose(given):
    joints, rotation, _ = given
    assert angle(rotation[:, 1]).max() < 1e-4
    np.testing.assert_allclose(lowest(joints)[SETTLED], lowest(PERSON.joints_mm)[SETTLED], atol=30)


def test_the_origin_is_below_the_first_pelvis(given):
    joints, _, _ = given
    np.testing.assert_allclose(joints[0, 0, [0, 2]], 0, atol=1e-6)
    walked = PERSON.joints_mm[:, 0, 0] - PERSON.joints_mm[0, 0, 0]
    np.testing.assert_allclose(joints[SETTLED, 0, 0], walked[SETTLED], atol=40)


def test_a_height_scales_the_person_and_the_place_alike(given):
    plain, _, origin = given
    tall, _, far = place_all(LivePlace(TRUTH.camera, up=UP, height_mm=3400.0), poses())
    scale = tall[-1, 10, 1] / plain[-1, 10, 1]
    assert scale == pytest.approx(2, rel=0.1)  # of somebody of 1.70 m
    np.testing.assert_allclose(tall[-1], scale * plain[-1], atol=0.01)
    np.testing.assert_allclose(far[-1], scale * origin[-1], atol=0.01)


def test_the_next_person_is_placed_without_the_path_of_the_last():
    frames = poses()[:30]
    beside = TRUTH.camera.focal_px * np.array([0.3, 0])
    other = [
        dataclasses.replace(pose, keypoints_px=pose.keypoints_px + beside) for pose in frames[15:]
    ]
    place = LivePlace(TRUTH.camera, up=UP)
    place_all(place, frames[:15])
    place.reset()
    joints, _, _ = place_all(place, other)
    alone, _, _ = place_all(LivePlace(TRUTH.camera, up=UP), other)
    paths = [(each[:, 0] - each[0, 0])[:, [0, 2]] for each in (joints, alone)]
    np.testing.assert_allclose(*paths, atol=1e-6)


def test_a_person_whose_joints_are_not_seen_stays_finite():
    for values in place_all(LivePlace(TRUTH.camera), poses(confidence=0.0)[:15]):
        assert np.isfinite(values).all()
