"""Feet that stand are found, and made still by moving the body as a whole."""

import numpy as np
import pytest
from small_bodies import camera_axes, project, standing

from repose_jax.lifting.contacts import ANKLES, Contacts, find_contacts, lock_feet
from repose_jax.skeleton import HUMAN36M

AXES = camera_axes()
STEP_S, STRIDE = 0.5, 600.0


def walk(seconds=4.0, fps=60.0):
    """Returns joints in the world, and which foot stands: each stands while the other is moved."""
    time = np.arange(round(seconds * fps)) / fps
    joints = standing() + np.zeros((len(time), 1, 1)) + np.array([0, 972, 0])
    phase = time / STEP_S
    step, within = np.divmod(phase, 1)
    swing = STRIDE * (step + (1 - np.cos(np.pi * within)) / 2)
    joints[..., 0] += (STRIDE * phase / 2)[:, None]
    lift = 150 * np.sin(np.pi * within) ** 2
    touching = np.zeros((len(time), 2), bool)
    for foot, joint in enumerate(ANKLES):
        moved = step % 2 == foot
        # The middle of the swing goes with the body; before and after it the foot is still.
        place = np.where(moved, swing - STRIDE * step, 0) + STRIDE * (
            step - (step - foot) % 2 + foot
        )
        joints[:, joint, 0] = STANDING_X[foot] + place - STRIDE / 2
        joints[:, joint, 1] += np.where(moved, lift, 0)
        touching[:, foot] = ~moved
    return joints, touching, time


STANDING_X = [standing()[joint, 0] for joint in ANKLES]


def seen(joints):
    """Returns 2D joints, 4 m before a level camera, and mm per px."""
    placed = (joints + np.array([-1000, -1200, -4000])) @ AXES.T
    return project(placed, 1500, [960, 540]), placed[:, 0, 2] / 1500


def lock(joints, moved, time, confidence=None) -> Contacts:
    """Locks the feet of joints that were `moved` in 3D, but are right in the image."""
    keypoints, mm_per_px = seen(joints)
    sure = np.ones(joints.shape[:2]) if confidence is None else confidence
    return lock_feet(moved, keypoints, sure, mm_per_px, time)


def test_feet_stand_while_the_other_is_moved():
    joints, touching, time = walk()
    found = lock(joints, joints, time).touching
    assert (found == touching).mean() > 0.85
    assert (found & ~touching).mean() < 0.1
    assert found.any(axis=0).all()


def test_a_sliding_path_is_corrected_and_the_pose_stays():
    joints, _, time = walk()
    wander = 60 * np.sin(2 * np.pi * 0.7 * time)[:, None] * np.array([0.5, 0, 1])
    moved = joints + wander[:, None]
    found = lock(joints, moved, time)
    assert found.sliding > 100
    assert found.sliding_locked < found.sliding / 3
    assert found.shift_mm.shape == (len(time), 3)
    left = moved + found.shift_mm[:, None] - joints
    assert np.abs(left[..., 2].mean(axis=1)).max() < 60
    assert np.abs(np.diff(found.shift_mm, 2, axis=0)).max() < 2  # mm/frame^2: smooth


def test_the_frame_rate_does_not_matter():
    def shift(fps):
        joints, _, time = walk(fps=fps)
        moved = joints + (60 * np.sin(2 * np.pi * 0.7 * time))[:, None, None] * np.array([0, 0, 1])
        return lock(joints, moved, time).shift_mm[:: round(fps / 30)]

    np.testing.assert_allclose(shift(60), shift(30), atol=15)


def test_nobody_stands_in_the_air_nor_on_a_foot_that_is_not_seen():
    joints, _, time = walk()
    sure = np.ones(joints.shape[:2])
    sure[:, ANKLES[0]] = 0
    assert not lock(joints, joints, time, sure).touching[:, 0].any()
    raised = joints.copy()
    raised[100:160, ANKLES[1], 1] += 400
    assert not lock(raised, raised, time).touching[105:155, 1].any()


def test_someone_who_does_not_stand_is_not_moved():
    joints, _, time = walk()
    fast = joints + (3000 * time)[:, None, None] * np.array([1, 0, 0])
    found = lock(fast, fast, time)
    assert not found.touching.any()
    assert (found.shift_mm == 0).all()
    assert np.isnan(found.sliding)


def test_short_breaks_and_short_contacts_are_noise():
    joints = np.repeat(standing()[None], 60, axis=0)
    keypoints, mm_per_px = seen(joints)
    time = np.arange(60) / 60
    keypoints[30, ANKLES[0]] += 100
    sure = np.ones((60, 17))
    sure[:, ANKLES[1]] = 0
    sure[20:23, ANKLES[1]] = 1
    found = find_contacts(joints, keypoints, sure, mm_per_px, time)
    assert found[:20, 0].all()
    assert not found[:, 1].any()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(frames):
    joints, _, time = walk()
    found = lock(joints[:frames], joints[:frames], time[:frames])
    assert np.isfinite(found.shift_mm).all()


def test_joints_are_those_of_the_skeleton():
    assert [HUMAN36M.joints[joint] for joint in ANKLES] == ["left_ankle", "right_ankle"]
