"""The path of the pelvis: exact for exact joints, robust, by time, and always before the camera."""

import numpy as np
import pytest
from small_bodies import camera_axes, project, standing

from repose_jax.lifting.camera import camera
from repose_jax.lifting.trajectory import root_trajectory

CAMERA = camera((1920, 1080), focal=1500)


def walk(frames=60, fps=30.0, rate=1.0, seed=0):
    """Returns root, joints relative to it and 2D joints of someone who walks away; and times."""
    time = np.arange(frames) / fps
    rng = np.random.default_rng(seed)
    pose = standing() @ camera_axes(10).T + rng.normal(0, 20, (17, 3))
    pose -= pose[0]
    joints = np.repeat(pose[None], frames, axis=0)
    root = np.column_stack([-500 + 600 * time * rate, 100 + 0 * time, 4000 + 800 * time * rate])
    return root, joints, project(joints + root[:, None], 1500, CAMERA.centre_px), time


def place(joints, keypoints, time, confidence=None, of=CAMERA):
    sure = np.ones(joints.shape[:2]) if confidence is None else confidence
    return root_trajectory(joints, keypoints, sure, of, time)


def test_exact_joints_give_the_exact_path():
    root, joints, keypoints, time = walk()
    np.testing.assert_allclose(place(joints, keypoints, time), root, atol=2)


def test_depth_is_proportional_to_the_focal_length_and_to_the_size():
    root, joints, keypoints, time = walk()
    longer = place(joints, keypoints, time, of=camera((1920, 1080), focal=2000))
    np.testing.assert_allclose(longer[:, 2] / root[:, 2], 4 / 3, rtol=0.02)
    np.testing.assert_allclose(longer[:, 0], root[:, 0], atol=40)
    np.testing.assert_allclose(place(1.1 * joints, keypoints, time), 1.1 * root, atol=5)


def test_wrong_joints_have_little_influence():
    root, joints, keypoints, time = walk()
    keypoints[:, 13] += [150, -200]
    keypoints[20:25, 4:7] += 100
    found = place(joints, keypoints, time)
    assert np.linalg.norm(found - root, axis=-1).max() < 60


def test_noise_of_the_joints_is_smoothed_most_in_depth():
    root, joints, keypoints, time = walk(25)
    noisy = keypoints + np.random.default_rng(1).normal(0, 8, keypoints.shape)
    found = place(joints, noisy, time)
    alone = np.concatenate([place(joints[[t]], noisy[[t]], time[[t]]) for t in range(len(time))])
    wander, alone_wander = (np.diff(p, 2, axis=0).std(axis=0) for p in (found, alone))
    assert alone_wander[2] > 3 * alone_wander[0]
    assert wander[2] < alone_wander[2] / 20
    assert np.abs(found - root).max() < np.abs(alone - root).max() / 2


def test_the_smoothing_does_not_depend_on_the_frame_rate():
    """The same noise, held for as long, at 30 and at 120 frames/s."""
    _, joints, keypoints, time = walk(60, 30)
    noisy = keypoints + np.random.default_rng(1).normal(0, 8, (60, 1, 2))
    slow = place(joints, noisy, time)
    often = np.repeat(np.arange(60), 4)
    fast = place(joints[often], noisy[often], np.arange(240) / 120)
    np.testing.assert_allclose(fast.reshape(60, 4, 3).mean(axis=1)[5:-5], slow[5:-5], atol=25)


def test_frames_without_joints_lie_between_the_others():
    root, joints, keypoints, time = walk()
    sure = np.ones(keypoints.shape[:2])
    sure[20:35] = 0
    keypoints[20:35] = np.nan
    found = place(joints, keypoints, time, sure)
    np.testing.assert_allclose(found, root, atol=15)
    sure[:20] = sure[35:] = 0
    assert np.isfinite(place(joints, np.full_like(keypoints, np.nan), time, sure)).all()


def test_times_count_and_not_frames():
    root, joints, keypoints, time = walk()
    kept = np.sort(np.random.default_rng(3).permutation(60)[:40])
    found = place(joints[kept], keypoints[kept], time[kept])
    np.testing.assert_allclose(found, root[kept], atol=5)


def test_someone_cut_off_by_the_image_and_one_seen_from_above():
    root, joints, keypoints, time = walk()
    sure = np.ones(keypoints.shape[:2])
    sure[:, 1:7] = 0  # no legs
    found = place(joints, keypoints, time, sure)
    np.testing.assert_allclose(found, root, atol=5)
    above = np.repeat((standing() @ camera_axes(90).T)[None], 60, axis=0)
    seen = project(above + root[:, None], 1500, CAMERA.centre_px)
    np.testing.assert_allclose(place(above, seen, time), root, atol=5)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(frames):
    root, joints, keypoints, time = walk(frames)
    np.testing.assert_allclose(place(joints, keypoints, time), root, atol=2)


@pytest.mark.parametrize("joint_count", [0, 1, 2])
def test_too_few_joints_give_a_place_before_the_camera(joint_count):
    _, joints, keypoints, time = walk(5)
    sure = np.zeros(keypoints.shape[:2])
    sure[:, :joint_count] = 1
    found = place(joints, keypoints, time, sure)
    assert np.isfinite(found).all()
    assert ((found[:, None] + joints)[..., 2] > 0).all()


def test_joints_that_fit_no_pose_stay_before_the_camera():
    _, joints, _, time = walk(10)
    rng = np.random.default_rng(0)
    for keypoints in (rng.uniform(0, 4000, (10, 17, 2)), np.zeros((10, 17, 2))):
        found = place(joints, keypoints, time)
        assert np.isfinite(found).all()
        assert ((found[:, None] + joints)[..., 2] > 0).all()
