import numpy as np
import pytest

from tests.tfds_builders.mocap.person import walking
from tfds_builders import limits
from tfds_builders.mocap.take import Take


def take(joints: np.ndarray, fps: float = 30.0) -> Take:
    return Take("a", "", "", fps, joints)


def test_a_walk_and_a_sprint_are_accepted():
    limits.check_take(take(walking(60, 30)))
    limits.check_take(take(walking(60, 30, speed=12.0)))
    limits.check_take(take(walking(1, 30)))


def test_the_jitter_of_a_single_frame_is_accepted():
    joints = walking(60, 120)
    joints[30] += 1.0
    limits.check_take(take(joints, 120))


@pytest.mark.parametrize(
    ("joints", "fps", "message"),
    [
        (walking(60, 30), 1e9, "frame rate must be 1 to 1000 frames per second, found 1e\\+09"),
        (walking(60, 30), 1e-4, "frame rate must be 1 to 1000"),
        (walking(60, 30) * 0.1, 30, r"must be 0.3 to 3 m tall, found 0.\d+ m; is the unit"),
        (walking(60, 30) * 2, 30, "must be 0.3 to 3 m tall, found 3.3"),
        (walking(60, 30, speed=25), 30, "must move below 20 m/s, found 25 m/s"),
    ],
)
def test_what_no_person_can_be_or_do_is_refused(joints, fps, message):
    with pytest.raises(ValueError, match=message):
        limits.check_take(take(joints, fps))


def test_a_bone_of_a_single_frame_and_a_jump_are_refused_with_the_frame():
    joints = walking(60, 30)
    joints[40, 13] += 4.8e7
    with pytest.raises(ValueError, match="frame 40: the bone that ends at left_wrist must be at"):
        limits.check_take(take(joints))
    joints = walking(60, 30)
    joints[40:] += 61_000
    with pytest.raises(ValueError, match="frame 37: the person must move below 20 m/s"):
        limits.check_take(take(joints))


def test_a_take_of_days_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "DURATION", 1.5)
    with pytest.raises(
        ValueError, match="at most .* hours, found 60 frames at 30 frames per second"
    ):
        limits.check_take(take(walking(60, 30)))
