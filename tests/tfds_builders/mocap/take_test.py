import dataclasses

import numpy as np
import pytest

from tests.tfds_builders.mocap.person import standing, walking
from tfds_builders.mocap.face import place_face
from tfds_builders.mocap.take import Take, resample
from tfds_builders.records import JOINTS, PARENTS


def _take(fps, frames, motion):
    joints = np.zeros((frames, 17, 3)) + motion(np.arange(frames) / fps)[:, None, None]
    return Take("02_01", "02", "walk", fps, joints)


def test_parents_come_before_their_children():
    assert len(JOINTS) == len(PARENTS) == 17
    assert all(parent < joint for joint, parent in enumerate(PARENTS))


@pytest.mark.parametrize("shape", [(5, 16, 3), (5, 17, 2), (17, 3), (0, 17, 3)])
def test_a_take_of_another_shape_is_refused_by_name(shape):
    with pytest.raises(ValueError, match="02_01"):
        Take("02_01", "02", "walk", 30.0, np.zeros(shape))


def test_the_place_of_a_value_that_is_not_finite_is_named():
    joints = np.zeros((5, 17, 3))
    joints[3, 13] = np.nan
    with pytest.raises(ValueError, match=r"02_01.*frame 3, joint left_wrist"):
        Take("02_01", "02", "walk", 30.0, joints)


def test_a_take_without_a_face_looks_where_the_shoulders_face():
    take = Take("02_01", "02", "walk", 30.0, standing()[None])
    np.testing.assert_array_equal(take.face, place_face(take.joints, np.eye(3)[None]))


@pytest.mark.parametrize(
    ("face", "message"),
    [
        (np.zeros((4, 3, 3)), r"face must be \(5, 3, 3\), found \(4, 3, 3\)"),
        (np.full((5, 3, 3), np.nan), "frame 0, joint nose"),
        (np.zeros((5, 3, 3), int), "face must be floats"),
    ],
)
def test_a_faulty_face_is_refused(face, message):
    with pytest.raises(ValueError, match=f"02_01.*{message}"):
        Take("02_01", "02", "walk", 30.0, np.zeros((5, 17, 3)), face)


def test_the_face_is_resampled_with_the_joints():
    take = Take("02_01", "02", "walk", 120.0, walking(121, 120))
    resampled = resample(take, 30)
    axes = np.broadcast_to(np.eye(3), (31, 3, 3))
    np.testing.assert_allclose(resampled.face, place_face(resampled.joints, axes), atol=1e-9)


@pytest.mark.parametrize("fps", [0.0, -30.0, float("nan"), float("inf")])
def test_a_frame_rate_must_be_positive(fps):
    with pytest.raises(ValueError, match="fps"):
        Take("02_01", "02", "walk", fps, np.zeros((5, 17, 3)))
    with pytest.raises(ValueError, match="fps"):
        resample(Take("02_01", "02", "walk", 30.0, np.zeros((5, 17, 3))), fps)


def test_a_take_at_the_wanted_rate_is_returned_unchanged():
    take = _take(30, 10, np.sin)
    assert resample(take, 30) is take


def test_upsampling_passes_through_the_recorded_frames():
    take = _take(30, 20, lambda t: np.sin(40 * t))
    np.testing.assert_allclose(resample(take, 60).joints[::2], take.joints, atol=1e-12)


@pytest.mark.parametrize(("there", "back"), [(120, 30), (120, 50), (60, 25), (30, 50), (25, 60)])
def test_steady_motion_is_unchanged_up_to_the_ends(there, back):
    resampled = resample(_take(there, 4 * there + 1, lambda t: 3 * t), back)
    assert resampled.fps == back
    assert len(resampled.joints) == 4 * back + 1  # 4 seconds, both ends included
    np.testing.assert_allclose(
        resampled.joints[:, 5, 1], 3 * np.arange(4 * back + 1) / back, atol=1e-3
    )


@pytest.mark.parametrize(("there", "back"), [(120, 30), (120, 50), (30, 50)])
def test_human_motion_is_neither_shifted_nor_damped(there, back):
    resampled = resample(_take(there, 4 * there + 1, lambda t: np.sin(2 * np.pi * 2 * t)), back)
    truth = np.sin(2 * np.pi * 2 * np.arange(len(resampled.joints)) / back)
    np.testing.assert_allclose(resampled.joints[:, 0, 0], truth, atol=0.01)


def test_motion_above_the_nyquist_frequency_is_not_aliased():
    take = _take(120, 481, lambda t: np.sin(2 * np.pi * 50 * t))  # every 4th frame shows 10 Hz
    assert np.abs(take.joints[::4]).max() > 0.8
    assert np.abs(resample(take, 30).joints[4:-4]).max() < 0.02


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_takes_can_be_resampled(frames):
    take = _take(30, frames, lambda t: 1 + t)
    for fps in (10, 50):
        resampled = resample(take, fps)
        assert len(resampled.joints) == (frames - 1) * fps // 30 + 1
        np.testing.assert_allclose(resampled.joints[0], 1)


def test_name_subject_and_action_of_the_take_are_kept():
    take = resample(_take(120, 100, np.sin), 30)
    assert dataclasses.astuple(take)[:3] == ("02_01", "02", "walk")
