"""BVH files hold the motion of a rig, read back by the reader of motion capture."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from small_motion import small_motion
from small_poses import bent, extremes, person, t_pose

from repose_jax.motion import bvh, rig
from repose_jax.motion.rotations import euler
from tfds_builders.formats.bvh import forward_kinematics, parse_bvh

EXTREMES = extremes()
WALKER = small_motion(people=2, frames=60).people[1]


def written(path, fitted, **options):
    bvh.write(path / "person.bvh", fitted, **options)
    return parse_bvh((path / "person.bvh").read_text("ascii"))


@pytest.mark.parametrize("kind", ["full", "simple"])
@pytest.mark.parametrize("poses", [WALKER.joints_mm, *EXTREMES.values()], ids=["walk", *EXTREMES])
def test_joints_are_those_of_the_rig_in_centimetres(tmp_path, poses, kind):
    fitted = rig.fit(person(poses), kind)
    places, _ = forward_kinematics(written(tmp_path, fitted))
    expected = rig.positions(fitted)
    for j, name in enumerate(fitted.names):
        np.testing.assert_allclose(10 * places[name], expected[:, j], atol=0.01)
    top = rig.human36m(fitted)[:, 10]
    np.testing.assert_allclose(10 * places["Head end"], top, atol=0.01)


def test_the_file_has_the_joints_of_the_cmu_database_and_every_end(tmp_path):
    recording = written(tmp_path, rig.fit(WALKER))
    names = [joint.name for joint in recording.joints]
    assert names[:6] == ["Hips", "LHipJoint", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftFoot end"]
    ends = [joint for joint in recording.joints if joint.name.endswith(" end")]
    assert len(ends) == 5
    assert min(np.linalg.norm(end.offset) for end in ends) > 1
    assert [len(joint.channels) for joint in recording.joints if joint.channels] == [6] + [3] * 21


def test_euler_angles_step_at_most_three_times_as_far_as_the_rotation():
    rng = np.random.default_rng(0)
    circle = EXTREMES["straight arm in a full circle"]
    noisy = [poses + rng.normal(scale=3, size=poses.shape) for poses in (circle, WALKER.joints_mm)]
    for poses in [WALKER.joints_mm, *EXTREMES.values(), *noisy]:
        fitted = rig.fit(person(poses))
        for j, name in enumerate(fitted.names):
            rotations = Rotation.from_quat(fitted.rotations[:, j])
            turned = np.degrees((rotations[:-1].inv() * rotations[1:]).magnitude())
            angles = np.degrees(euler(rotations, bvh._order(rotations)))
            assert (np.abs(np.diff(angles, axis=0)).max(axis=1) <= 3 * turned + 1e-6).all(), name


def test_frame_time_is_the_mean_of_regular_frames_with_ten_digits(tmp_path):
    fitted = rig.fit(person(t_pose(61), np.round(np.arange(61) / 60, 3) + 3))
    bvh.write(tmp_path / "person.bvh", fitted)
    text = (tmp_path / "person.bvh").read_text()
    assert "\nFrames: 61\nFrame Time: 0.0166666667\n" in text


def test_irregular_frames_are_resampled_by_their_times(tmp_path):
    time = np.arange(60) / 30
    time[30:] += 0.5  # frames that the camera lost
    fitted = rig.fit(person(bent(t_pose(60), "pelvis", (0, 1, 0), 40 * time), time))
    recording = written(tmp_path, fitted)
    assert recording.frame_time == pytest.approx(1 / 30)
    assert len(recording.motion) == 75
    angles = np.unwrap(recording.motion[:, 5], period=360)
    np.testing.assert_allclose(angles, 40 * np.arange(75) / 30, atol=1e-4)


def test_a_frame_rate_can_be_asked_for(tmp_path):
    recording = written(tmp_path, rig.fit(person(t_pose(61))), fps=12.0)
    assert recording.frame_time == pytest.approx(1 / 12)
    assert len(recording.motion) == 25
    with pytest.raises(ValueError, match="must be positive, found 0.0"):
        written(tmp_path, rig.fit(person(t_pose(2))), fps=0.0)


def test_one_frame_is_a_file(tmp_path):
    recording = written(tmp_path, rig.fit(person(t_pose(1))))
    assert recording.motion.shape == (1, 3 + 3 * 22)


def test_the_start_of_the_person_in_the_video_does_not_matter(tmp_path):
    fitted = rig.fit(WALKER)
    late = dataclasses.replace(fitted, time_s=fitted.time_s + 100)
    np.testing.assert_array_equal(written(tmp_path, fitted).motion, written(tmp_path, late).motion)


def test_a_gap_of_a_day_is_not_filled_with_frames(tmp_path):
    fitted = rig.fit(WALKER)
    times = fitted.time_s + np.where(np.arange(len(fitted.time_s)) < 20, 0, 86_400)
    with pytest.raises(ValueError, match=r"one frame rate.*write \.glb"):
        bvh.write(tmp_path / "person.bvh", dataclasses.replace(fitted, time_s=times))
    assert not [*tmp_path.iterdir()]
