import dataclasses

import numpy as np
import pytest

from benchmarks import scenes
from repose_jax.keypoints.detections import Detections
from repose_jax.motion.motion import MISSING, SEEN
from repose_jax.tracking.tracks import largest, track

FPS = 30.0


def person(frames, x=0.0, speed=60.0, height=200.0):
    """Poses `[t, 17, 2]` of someone upright at `x` px, who moves at `speed` px/s."""
    time_s = np.arange(frames) / FPS
    shape = np.random.default_rng(3).uniform(-1, 1, (17, 2)) * (0.15 * height, 0.5 * height)
    shape[0], shape[10], shape[3] = (0, 0), (0, -0.5 * height), (0, 0.5 * height)
    return shape + np.stack([x + speed * time_s, np.full(frames, 300.0)], 1)[:, None]


def detections(*rows, frames, identity=None, score=None, time_s=None):
    """Rows are (first frame, poses of consecutive frames)."""
    frame = np.concatenate([first + np.arange(len(poses)) for first, poses in rows])
    keypoints = np.concatenate([poses for _, poses in rows])
    order = np.argsort(frame, kind="stable")
    keypoints, count = keypoints[order], len(frame)
    return Detections(
        keypoints=keypoints,
        confidence=(~np.isnan(keypoints[..., 0])).astype(float),
        frame=frame[order],
        score=np.ones(count) if score is None else np.asarray(score)[order],
        identity=np.full(count, -1) if identity is None else np.asarray(identity)[order],
        time_s=np.arange(frames) / FPS if time_s is None else time_s,
        image_size=None,
        name="clip",
        format="human36m",
    )


def people_of(scene, tracks):
    """For each track, the true people of its poses."""
    found = scene.detections
    who = {
        tuple(pose[0]): person for pose, person in zip(found.keypoints, scene.person, strict=True)
    }
    return [
        {who[tuple(pose[0])] for pose in one.keypoints if tuple(pose[0]) in who} for one in tracks
    ]


@pytest.mark.parametrize("seed", range(4))
def test_people_who_cross_keep_their_tracks(seed):
    scene = scenes.crossing(seed)
    tracks = track(scene.detections)
    assert sorted(map(tuple, people_of(scene, tracks))) == [(0,), (1,), (2,)]


def test_a_track_covers_all_frames_from_first_to_last_sight():
    poses = person(40)
    one, *others = track(detections((5, poses[:15]), (25, poses[20:]), frames=60))
    assert not others
    np.testing.assert_array_equal(one.frame, np.arange(5, 45))
    np.testing.assert_allclose(one.time_s, np.arange(5, 45) / FPS)
    seen = np.r_[0:15, 20:40]
    np.testing.assert_array_equal(one.keypoints[seen], poses[seen])
    assert np.isnan(one.keypoints[15:20]).all()
    assert (one.confidence[15:20] == 0).all()
    assert (one.status[15:20] == MISSING).all()
    assert (one.status[seen] == SEEN).all()
    np.testing.assert_array_equal(one.detected[..., :2], one.keypoints)


def test_memory_is_time_not_frames():
    poses = person(240, speed=30)
    time_s = np.arange(240) / 120
    found = detections((0, poses[:60]), (150, poses[150:]), frames=240, time_s=time_s)
    assert len(track(found)) == 1


def test_one_who_returns_after_three_seconds_is_someone_else():
    poses = person(30)
    found = detections((0, poses), (120, poses), frames=150)
    assert len(track(found)) == 2


def test_one_who_returns_is_the_same_by_the_number_of_the_source():
    poses = person(30)
    found = detections((0, poses), (120, poses), frames=150, identity=[7] * 60)
    (one,) = track(found)
    assert len(one.frame) == 150


def test_numbers_that_several_people_share_are_ignored():
    near, far = person(30), person(30, x=500)
    found = detections((0, near), (0, far), (120, near), frames=150, identity=[0] * 90)
    assert len(track(found)) == 3


def test_a_number_that_jumps_to_someone_else_does_not_take_the_track_along():
    left, right = person(60), person(60, x=600)
    identity = np.r_[[1] * 30, [2] * 30, [2] * 30, [1] * 30]
    tracks = track(detections((0, left), (0, right), frames=60, identity=identity))
    assert [len(one.frame) for one in tracks] == [60, 60]
    for one in tracks:
        assert np.ptp(one.keypoints[:, 0, 0]) < 150


def test_a_second_pose_of_a_person_lends_its_joints_and_is_left_out():
    whole, part = person(30), person(30) + 2
    whole[:, 5] = np.nan
    part[:, 10:] = np.nan
    (one,) = track(detections((0, whole), (0, part), frames=30))
    np.testing.assert_array_equal(one.keypoints[:, 5], part[:, 5])
    np.testing.assert_array_equal(one.keypoints[:, 10:], whole[:, 10:])


def test_short_tracks_are_left_out():
    found = detections((0, person(60)), (20, person(5, x=900)), frames=60)
    assert [len(one.frame) for one in track(found)] == [60]
    assert [len(one.frame) for one in track(found, min_length_s=0.1)] == [60, 5]


@pytest.mark.parametrize("frames", [1, 3])
def test_a_video_shorter_than_the_least_length_keeps_its_people(frames):
    found = detections((0, person(frames)), (0, person(frames, x=500)), frames=frames)
    assert len(track(found)) == 2


def test_somebody_is_left_when_all_tracks_are_short():
    found = detections((0, person(2)), (30, person(2, x=900)), frames=60)
    assert len(track(found)) == 2


def test_strangers_in_unrelated_pictures_are_not_joined():
    rng = np.random.default_rng(0)
    rows = []
    for frame in range(3):
        for place in range(6):
            height, x = rng.uniform(60, 240), 200 * place + rng.uniform(60, 140)
            shape = rng.uniform(-1, 1, (1, 17, 2)) * (0.15 * height, 0.5 * height)
            rows.append((frame, shape + np.array([x, 300])))
    assert len(track(detections(*rows, frames=3))) == 18


def test_the_order_is_by_time_seen_then_by_size():
    found = detections(
        (0, person(40, x=0)),
        (0, person(60, x=500, height=100)),
        (0, person(60, x=1000, height=300)),
        frames=60,
    )
    starts = [one.keypoints[0, 0, 0] for one in track(found)]
    assert starts == [1000, 500, 0]


def test_the_largest_is_by_height_and_time():
    found = detections((0, person(60, height=100)), (0, person(50, x=700, height=300)), frames=60)
    assert largest(track(found)).keypoints[0, 0, 0] == 700
    with pytest.raises(ValueError, match="nobody"):
        largest([])


def test_poses_without_a_joint_are_nobody():
    found = detections((0, np.full((5, 17, 2), np.nan)), frames=5)
    assert track(found) == []
    nothing = dataclasses.replace(
        found,
        **{
            name: getattr(found, name)[:0]
            for name in ("keypoints", "confidence", "frame", "score", "identity")
        },
    )
    assert track(nothing) == []


def test_refuses_a_negative_memory():
    with pytest.raises(ValueError, match="memory_s is -1.0"):
        track(detections((0, person(5)), frames=5), memory_s=-1.0)
