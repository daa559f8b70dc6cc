"""Poses while the frames come in, by a small model that reads the person's frame."""

import numpy as np
import pytest
from small_live import FRAMES, predictor
from small_motion import small_motion

import repose_jax as rp
from repose_jax.lifting import live

FPS, SIZE = 25, (640, 480)
PREDICTOR = predictor()


def stream(**options) -> live.Live:
    plain = {"smooth": False, "constant_bones": False, "fps": FPS, "delay": 0}
    return live.Live(PREDICTOR, SIZE, **{**plain, **options})


def walk(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints that move about, px, and their confidence."""
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.normal(0, 2, (frames, 17, 2)), axis=0)
    keypoints = 240 + 100 * np.sin(steps / 100) + rng.uniform(-80, 80, (17, 2))
    confidence = rng.uniform(0.2, 1, (frames, 17))
    confidence[rng.random((frames, 17)) < 0.1] = 0
    return keypoints, confidence


def push_all(stream: live.Live, keypoints, confidence, times) -> list[live.LivePose | None]:
    return [stream.push(*frame) for frame in zip(keypoints, times, confidence, strict=True)]


@pytest.mark.parametrize("delay", [0, 3])
def test_a_pose_is_that_of_the_clip_which_ends_at_the_newest_frame(delay):
    keypoints, confidence = walk(20)
    times = 100 + np.arange(20) / FPS
    found = push_all(stream(delay=delay), keypoints, confidence, times)
    for newest in (FRAMES - 1, 15, 19):
        clip = slice(newest - FRAMES + 1, newest + 1)
        expected = PREDICTOR(
            keypoints[clip], confidence[clip], SIZE, fps=FPS, constant_bones=False
        )[FRAMES - 1 - delay]
        np.testing.assert_allclose(found[newest].joints_mm, expected, atol=0.01)
        assert found[newest].time_s == pytest.approx(times[newest - delay])
        np.testing.assert_allclose(found[newest].confidence, confidence[newest - delay])


def test_poses_begin_after_the_delay():
    keypoints, confidence = walk(8)
    found = push_all(stream(delay=3), keypoints, confidence, np.arange(8) / FPS)
    assert [pose is None for pose in found] == [True] * 3 + [False] * 5
    assert all(np.isfinite(pose.joints_mm).all() for pose in found[3:])


def test_every_second_frame_of_a_fast_camera_is_read():
    keypoints, confidence = walk(20)
    fast = np.repeat(keypoints, 2, axis=0), np.repeat(confidence, 2, axis=0)
    fast[0][1::2] += 1000  # of no influence
    times = np.arange(40) / (2 * FPS)
    found = push_all(stream(), fast[0][:-1], fast[1][:-1], times[:-1])
    slow = push_all(stream(), keypoints, confidence, times[::2])
    np.testing.assert_allclose(found[-1].joints_mm, slow[-1].joints_mm, atol=0.01)


def test_times_that_shake_are_made_uniform():
    """A point that moves evenly is seen evenly, whenever the frames come."""
    times = np.cumsum(np.random.default_rng(1).uniform(0.5, 1.5, 30)) / FPS
    shape = np.random.default_rng(2).uniform(-80, 80, (17, 2))
    ones = np.ones((30, 17))
    shaken = push_all(stream(), 240 + shape + 50 * times[:, None, None], ones, times)
    even = times[-1] - np.arange(30)[::-1] / FPS
    found = push_all(stream(), 240 + shape + 50 * even[:, None, None], ones, even)
    np.testing.assert_allclose(shaken[-1].joints_mm, found[-1].joints_mm, atol=0.05)


def test_missing_joints_have_no_influence_wherever_they_are():
    keypoints, confidence = walk(12)
    times = np.arange(12) / FPS
    found = push_all(stream(), keypoints, confidence, times)
    missing = (confidence == 0)[..., None]
    for elsewhere in (np.nan, 1e6):
        moved = np.where(missing, elsewhere, keypoints)
        other = push_all(stream(), moved, confidence, times)
        np.testing.assert_array_equal(other[-1].joints_mm, found[-1].joints_mm)


def test_masked_joints_and_those_far_away_are_missing():
    keypoints, confidence = walk(12)
    times = np.arange(12) / FPS
    missing = np.zeros((12, 17), bool)
    missing[8:, 3] = True
    found = push_all(stream(), keypoints, np.where(missing, 0, confidence), times)
    hidden = np.ma.array(keypoints, mask=np.stack([missing, missing], axis=-1))
    unsure = np.ma.array(confidence, mask=missing)
    for far in (1e7, 3.5e38, 1e300):
        hidden.data[missing] = far
        for joints, seen in (
            (hidden, confidence),
            (hidden.data, unsure),
            (hidden.data, confidence),
        ):
            other = push_all(stream(), joints, seen, times)
            np.testing.assert_array_equal(other[-1].joints_mm, found[-1].joints_mm)


def test_a_frame_without_the_person_has_a_pose_until_the_gap_is_too_long():
    keypoints, confidence = walk(30)
    confidence[10:25] = 0
    found = push_all(stream(max_gap_s=0.3), keypoints, confidence, np.arange(30) / FPS)
    present = [pose is not None for pose in found]
    assert present == [True] * 17 + [False] * 8 + [True] * 5  # 0.3 s are 7 frames
    assert not found[12].confidence.any()


def test_after_a_gap_the_past_is_forgotten():
    keypoints, confidence = walk(30)
    times = np.arange(30) / FPS
    times[20:] += 5
    later = push_all(stream(smooth=True, constant_bones=True), keypoints, confidence, times)
    alone = push_all(
        stream(smooth=True, constant_bones=True), keypoints[20:], confidence[20:], times[20:]
    )
    for a, b in zip(later[20:], alone, strict=True):
        np.testing.assert_allclose(a.joints_mm, b.joints_mm, atol=1e-3)


def test_a_frame_that_is_not_later_is_ignored():
    keypoints, confidence = walk(6)
    found = push_all(stream(), keypoints, confidence, [0, 0.04, 0.04, 0.02, 0.08, 0.12])
    assert [pose is None for pose in found] == [False, False, True, True, False, False]
    other = push_all(
        stream(), keypoints[[0, 1, 4, 5]], confidence[[0, 1, 4, 5]], [0, 0.04, 0.08, 0.12]
    )
    np.testing.assert_array_equal(found[-1].joints_mm, other[-1].joints_mm)


def test_a_clock_that_was_set_back_starts_anew():
    keypoints, confidence = walk(6)
    found = push_all(stream(), keypoints, confidence, [100, 100.04, 100.08, 0, 0.04, 0.08])
    assert all(found)
    other = push_all(stream(), keypoints[3:], confidence[3:], [0, 0.04, 0.08])
    np.testing.assert_array_equal(found[-1].joints_mm, other[-1].joints_mm)


def test_nobody_has_no_pose():
    assert stream().push(np.zeros((17, 2)), 0.0, np.zeros(17)) is None
    assert stream().push(np.full((17, 2), np.nan), 0.0) is None


def test_bones_have_the_lengths_that_were_learned():
    keypoints, confidence = walk(40)
    found = push_all(stream(constant_bones=True), keypoints, confidence, np.arange(40) / FPS)
    parents, children = np.array(rp.HUMAN36M.bones).T
    lengths = [
        np.linalg.norm(pose.joints_mm[children] - pose.joints_mm[parents], axis=-1)
        for pose in found
    ]
    plain = push_all(stream(), keypoints, confidence, np.arange(40) / FPS)
    varying = [np.linalg.norm(p.joints_mm[children] - p.joints_mm[parents], axis=-1) for p in plain]
    assert np.std(lengths[-10:], axis=0).max() < np.std(varying[-10:], axis=0).max()
    flipped = np.zeros(17)
    flipped[children] = lengths[-1]
    np.testing.assert_allclose(flipped, flipped[list(rp.HUMAN36M.flip)], atol=0.1)


def test_the_filter_makes_a_still_person_stiller():
    rng = np.random.default_rng(0)
    keypoints = walk(1)[0] + rng.normal(0, 3, (60, 17, 2))
    times = np.arange(60) / FPS
    jitter = {}
    for smooth in (False, True):
        found = push_all(stream(smooth=smooth), keypoints, np.ones((60, 17)), times)
        jitter[smooth] = np.diff([pose.joints_mm for pose in found[20:]], axis=0).std()
    assert jitter[True] < jitter[False]


def test_streams_of_one_length_are_compiled_once():
    stream()
    before = live._lift._cache_size()
    other = stream(delay=0, focal_length=900, up=(0, -1, 0))
    push_all(other, *walk(3), np.arange(3) / FPS)
    assert live._lift._cache_size() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delay": FRAMES}, "delay is 9; it must be an integer from 0 to 8"),
        ({"delay": True}, "delay is True; it must be an integer"),
        ({"delay": -1}, "delay is -1"),
        ({"frames": FRAMES + 1}, "frames"),
        ({"frames": 0}, "frames is 0; it must be an integer of at least 1"),
        ({"frames": True}, "frames is True; it must be an integer"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": True}, "fps is True; it must be a number above 0"),
        ({"up": (0, 0, 0)}, "up is the zero vector"),
        ({"max_gap_s": 0.0}, "max_gap_s is 0"),
    ],
)
def test_arguments_outside_their_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        stream(**options)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ((np.zeros((16, 2)), 0.0), r"shapes \(16, 2\) and \(16,\)"),
        ((np.zeros((17, 2)), 0.0, np.zeros(5)), r"and \(5,\); expected"),
        ((np.zeros((17, 2)), np.nan), "time_s is nan"),
    ],
)
def test_frames_of_another_shape_are_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        stream().push(*frame)


@pytest.mark.slow
def test_live_poses_are_near_those_of_offline_lifting():
    """On average within 40 mm, and 15 mm further from the truth; of somebody who walks."""
    truth = small_motion(people=1, frames=110)
    (person,) = truth.people
    keypoints, confidence = person.keypoints_px[..., :2], person.keypoints_px[..., 2]
    shipped, size = rp.load(), truth.camera.image_size
    offline = shipped(keypoints, confidence, size, fps=30)
    found = push_all(
        rp.Live(shipped, size), keypoints[::2], confidence[::2], person.time_s[::2].tolist()
    )
    poses = [pose for pose in found if pose is not None and pose.time_s > 1.5]
    frames = [round(30 * pose.time_s) for pose in poses]
    joints = np.stack([pose.joints_mm for pose in poses])
    assert len(joints) > 25

    def apart(some, other):
        return np.linalg.norm(some - other, axis=-1).mean()

    assert apart(joints, offline[frames]) < 40
    true = person.joints_camera_mm[frames]
    assert apart(joints, true) < apart(offline[frames], true) + 15


def test_a_model_in_the_frame_of_the_image_is_refused():
    with pytest.raises(ValueError, match="this one reads that of the image and predicts mm"):
        live.Live(predictor("image"), SIZE)
