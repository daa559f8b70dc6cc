"""The world: up as given, as in the file or as people stand; the floor below their feet."""

import numpy as np
import pytest
from small_bodies import camera_axes, standing

from repose_jax.lifting.camera import camera
from repose_jax.lifting.world import Placed, read_up, robust_mean, upright, upright_frames
from repose_jax.motion.motion import Camera
from repose_jax.skeleton import HUMAN36M

CAMERA = camera((1920, 1080))
ANKLES = [HUMAN36M.joints.index(f"{side}_ankle") for side in ("left", "right")]
PITCH, ROLL = 20, 8
AXES = camera_axes(PITCH, ROLL)
UP = AXES[:, 1]


def placed(world: np.ndarray, confidence=None, fps=30.0) -> Placed:
    """Returns a person of joints in a world whose floor is at 0, 4 m before a tilted camera."""
    joints = (world + np.array([0, -1500, -4000])) @ AXES.T
    sure = np.ones(joints.shape[:2]) if confidence is None else confidence
    return Placed(joints, sure, np.arange(len(joints)) / fps)


def walking(frames=60, ankle=72.0) -> np.ndarray:
    """Returns joints in the world of someone who leans to all sides, with the ankles low."""
    rng = np.random.default_rng(0)
    poses = standing() + rng.normal(0, 15, (frames, 17, 3))
    return poses + np.array([0, 900 + ankle, 0])


def angle(a, b) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


def test_up_comes_from_the_user_the_file_the_people_or_the_camera_in_this_order():
    people = [placed(walking())]
    of_file = Camera(1920.0, np.array([960.0, 540.0]), (1920, 1080), "", up=np.array([0.0, -1, 1]))
    world, _ = upright(people, of_file, up=np.array([0.0, -2, 0]))
    assert world.source == "given"
    np.testing.assert_array_equal(world.rotation, np.diag([1, -1, -1]))
    world, _ = upright(people, of_file)
    assert world.source == "from the camera file"
    np.testing.assert_allclose(world.rotation[1], np.array([0, -1, 1]) / np.sqrt(2))
    world, _ = upright(people, CAMERA)
    assert world.source.startswith("the mean direction of people while they stand upright")
    assert angle(world.rotation[1], UP) < 1
    world, _ = upright([placed(walking(5))], CAMERA)
    assert "camera" in world.source
    np.testing.assert_array_equal(world.rotation[1], [0, -1, 0])


def test_the_world_is_right_handed_with_the_cameras_right_made_horizontal():
    world, _ = upright([placed(walking())], CAMERA, up=UP)
    np.testing.assert_allclose(world.rotation @ world.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(world.rotation) == pytest.approx(1)
    right, up, back = world.rotation
    np.testing.assert_allclose(up, UP, atol=1e-12)
    assert right[0] > 0.9
    assert back[2] < 0
    on_its_side, _ = upright([placed(walking())], CAMERA, up=np.array([1.0, 0, 0]))
    assert np.linalg.det(on_its_side.rotation) == pytest.approx(1)


def test_the_origin_is_on_the_floor_below_the_first_pelvis_of_the_first_person():
    poses = walking()
    poses[30:, :, 1] += 400  # a jump that lasts
    people = [placed(poses), placed(walking() + np.array([900, 0, -500]))]
    world, warnings = upright(people, CAMERA, up=UP)
    assert warnings == []
    joints = world.of_camera(people[0].joints_mm)
    np.testing.assert_allclose(joints[0, 0, [0, 2]], 0, atol=1e-9)
    np.testing.assert_allclose(joints[..., 1], poses[..., 1], atol=40)


def test_one_low_frame_does_not_move_the_floor():
    poses = walking()
    poses[7] -= [0, 2000, 0]
    world, _ = upright([placed(poses)], CAMERA, up=UP)
    heights = world.of_camera(placed(walking()).joints_mm)[:, ANKLES, 1]
    assert 30 < heights.mean() < 110


def test_those_who_lie_sit_or_have_no_legs_have_no_say_in_the_vertical():
    poses = walking()
    assert upright_frames(placed(poses)).all()
    lying = poses[..., [1, 0, 2]]
    sitting = poses.copy()
    for side in ("left", "right"):
        for joint in ("knee", "ankle"):
            sitting[:, HUMAN36M.joints.index(f"{side}_{joint}")] += [0, 450, 450]
    bent = poses.copy()
    bent[:, 7:] = bent[:, :1] + (bent[:, 7:] - bent[:, :1])[..., [0, 2, 1]]
    hidden = np.ones(poses.shape[:2])
    hidden[:, ANKLES] = 0
    for person in (placed(lying), placed(sitting), placed(bent), placed(poses, hidden)):
        assert not upright_frames(person).any()


def test_the_mean_direction_is_robust():
    rng = np.random.default_rng(0)
    directions = np.array([0, -1, 0]) + rng.normal(0, 0.05, (100, 3))
    directions[:25] = [0, -0.6, 0.8]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    plain = directions.mean(axis=0)
    assert angle(plain / np.linalg.norm(plain), np.array([0, -1, 0])) > 10
    assert angle(robust_mean(directions), np.array([0, -1, 0])) < 2.5


def test_floors_that_disagree_are_reported():
    people = [placed(walking() + np.array([0, height, 0])) for height in (0, 10, 900)]
    world, warnings = upright(people, CAMERA, up=UP)
    assert len(warnings) == 1
    assert "890 mm apart" in warnings[0] or "900 mm apart" in warnings[0]
    heights = world.of_camera(people[1].joints_mm)[:, ANKLES, 1]
    assert 30 < heights.mean() < 110


def test_without_ankles_the_floor_is_guessed_and_said_so():
    poses = walking()
    hidden = np.ones(poses.shape[:2])
    hidden[:, ANKLES] = 0
    world, warnings = upright([placed(poses, hidden)], CAMERA, up=UP)
    assert "No ankle was seen" in warnings[0]
    heights = world.of_camera(placed(poses).joints_mm)[:, ANKLES, 1]
    assert 30 < heights.mean() < 110
    # Of two people the one whose feet were seen decides.
    two = [placed(poses, hidden), placed(poses - [0, 300, 0])]
    world, warnings = upright(two, CAMERA, up=UP)
    assert warnings == []
    assert 30 < world.of_camera(two[1].joints_mm)[:, ANKLES, 1].mean() < 110


def test_a_direction_is_a_text_or_three_numbers():
    np.testing.assert_array_equal(read_up("camera"), [0, -1, 0])
    for up in ("0, -3, 4", (0, -3, 4), [0.0, -3.0, 4.0], np.array([0, -3, 4], np.float32)):
        np.testing.assert_allclose(read_up(up), [0, -0.6, 0.8])


@pytest.mark.parametrize(
    "up",
    [
        *("", "up", "1,2", "0,0,0", "nan,0,1", "1,2,3,4"),
        *((1, 2), (0, 0, 0), ("0", "-1", "0"), (True, False, False), [[0, -1, 0]], ((0, 1), 2), 1),
    ],
)
def test_what_is_no_direction_is_refused(up):
    with pytest.raises(ValueError, match="it must be 'camera', or three numbers, not all 0"):
        read_up(up)
