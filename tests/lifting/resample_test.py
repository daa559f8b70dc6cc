"""Resampling by time: exact where nothing changes, and missing joints stay missing."""

import dataclasses

import numpy as np
import pytest

from repose_jax.keypoints.detections import Detections
from repose_jax.lifting.resample import (
    LONGEST,
    back,
    to_all_frames,
    to_uniform,
    without_long_gaps,
)
from repose_jax.motion.motion import FILLED, MISSING, SEEN
from repose_jax.tracking.tracks import track


def moving(time):
    """Returns joints on smooth paths, px."""
    phase = np.arange(17)
    x = 500 + 100 * np.sin(2 * time[:, None] + phase)
    return np.stack([x, 300 + 40 * time[:, None] + phase], axis=-1)


def variable(frames=90, seed=0):
    """Returns the time stamps of a phone: 24 to 30 frames/s, with some left out."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([1 / 30, 1 / 24, 2 / 30], frames, p=[0.8, 0.15, 0.05])
    return 0.5 + np.cumsum(steps)


def test_uniform_times_are_left_as_they_are():
    rounded = np.round(np.arange(60) / 30, 3)  # stamps in whole milliseconds
    keypoints, sure = moving(rounded), np.ones((60, 17))
    for result, given in zip(
        to_uniform(keypoints, sure, rounded), (keypoints, sure, rounded), strict=True
    ):
        assert result is given
    assert back(keypoints, rounded, rounded) is keypoints


def test_a_variable_rate_becomes_the_usual_one():
    time = variable()
    keypoints, sure, uniform = to_uniform(moving(time), np.ones((90, 17)), time)
    step = np.diff(uniform)
    np.testing.assert_allclose(step, step.mean(), rtol=1e-9)
    assert step.mean() == pytest.approx(1 / 30, rel=0.01)
    assert (uniform[0], uniform[-1]) == (time[0], time[-1])
    np.testing.assert_allclose(keypoints, moving(uniform), atol=0.3)
    assert (sure == 1).all()


def test_there_and_back():
    time = variable()
    _, _, uniform = to_uniform(moving(time), np.ones((90, 17)), time)
    np.testing.assert_allclose(back(moving(uniform), uniform, time), moving(time), atol=1e-3)


def test_missing_joints_stay_missing_and_have_no_influence():
    time = variable()
    keypoints, sure = moving(time), np.full((90, 17), 0.8)
    sure[:, 9] = 0
    sure[30:40, 5] = 0
    keypoints[30:40, 5] = np.nan
    keypoints[:, 9] = 1e6
    sure[50, 2] = 0.3
    found, confidence, uniform = to_uniform(keypoints, sure, time)
    assert (confidence[:, 9] == 0).all()
    inside = (uniform > time[30]) & (uniform < time[39])
    assert (confidence[inside, 5] == 0).all()
    assert (confidence[(uniform < time[29]) | (uniform > time[40]), 5] == 0.8).all()
    assert set(np.unique(confidence[:, 2])) <= {0.3, 0.8}
    np.testing.assert_array_equal(np.isnan(found).any(-1), confidence == 0)
    known = np.where(confidence[..., None] > 0, found, moving(uniform))
    assert np.abs(known - moving(uniform)).max() < 12  # one that is alone is not interpolated


def test_a_long_gap_in_time_is_missing_and_not_interpolated():
    time = np.concatenate([np.arange(30), 90 + np.arange(30)]) / 30
    _, confidence, uniform = to_uniform(moving(time), np.ones((60, 17)), time)
    assert len(uniform) == 120
    gap = (uniform > 29.6 / 30) & (uniform < 89.4 / 30)
    np.testing.assert_array_equal((confidence == 0).all(axis=1), gap)


def test_a_gap_of_a_day_costs_no_more_than_one_of_seconds():
    time = np.concatenate([np.arange(30), 24 * 3600 * 30 + np.arange(30)]) / 30
    clock = without_long_gaps(time)
    np.testing.assert_array_equal(clock[:30], time[:30])
    np.testing.assert_allclose(np.diff(clock)[30:], 1 / 30)
    keypoints, confidence, uniform = to_uniform(moving(time), np.ones((60, 17)), clock)
    assert len(uniform) == 60 + LONGEST - 1
    assert np.count_nonzero(confidence.all(axis=1)) == 60
    np.testing.assert_allclose(back(np.nan_to_num(keypoints), uniform, clock)[40], moving(time)[40])
    assert without_long_gaps(time[:30]) is not clock
    np.testing.assert_array_equal(without_long_gaps(time[:30]), time[:30])


def test_stamps_of_frames_that_were_doubled_do_not_set_the_rate():
    time = (np.arange(60)[:, None] / 30 + [0, 1e-7]).ravel()
    _, _, uniform = to_uniform(moving(time), np.ones((120, 17)), without_long_gaps(time))
    assert len(uniform) < 10 * len(time)


def test_a_joint_seen_once_in_two_frames_of_a_slow_start_is_kept():
    time = np.array([0, 0.1, 0.13, 0.16])
    sure = np.zeros((4, 17))
    sure[1] = 1
    _, confidence, _ = to_uniform(moving(time), sure, time)
    assert confidence.any()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(frames):
    time = np.array([0, 0.1, 0.17])[:frames]
    keypoints, sure, uniform = to_uniform(moving(time), np.ones((frames, 17)), time)
    assert len(keypoints) == len(sure) == len(uniform) == frames
    np.testing.assert_allclose(back(keypoints, uniform, time), moving(time), atol=8)


def test_times_that_do_not_increase_are_refused():
    time = np.array([0, 0.1, 0.1])
    with pytest.raises(ValueError, match="do not increase"):
        to_uniform(moving(time), np.ones((3, 17)), time)


def every_second(frames=41):
    """Returns detections in frames 4, 6, ..., 36 of a video of 60 frames/s."""
    examined = np.arange(frames) % 2 == 0
    time = np.arange(frames) / 60
    frame = np.arange(4, 37, 2)
    return Detections(
        keypoints=moving(time[frame]),
        confidence=np.full((len(frame), 17), 0.8),
        frame=frame,
        score=np.ones(len(frame)),
        identity=np.full(len(frame), -1),
        time_s=time,
        image_size=None,
        name="a",
        format="human36m",
        examined=examined,
    )


def test_between_frames_that_were_examined_joints_are_interpolated():
    found = every_second()
    found.confidence[3] = 0.5
    found.keypoints[5, 9], found.confidence[5, 9] = np.nan, 0
    (person,) = track(found.of_examined_frames())
    assert person.frame.tolist() == [*range(2, 19)]
    person.status[7] = FILLED
    whole = to_all_frames(person, found)
    assert whole.frame.tolist() == [*range(4, 37)]
    np.testing.assert_array_equal(whole.time_s, found.time_s[4:37])
    for every, given in (
        (whole.keypoints, person.keypoints),
        (whole.confidence, person.confidence),
        (whole.status, person.status),
        (whole.detected, person.detected),
    ):
        np.testing.assert_array_equal(every[::2], given)
    known = whole.confidence > 0
    np.testing.assert_allclose(whole.keypoints[known], moving(whole.time_s)[known], atol=0.1)
    np.testing.assert_array_equal(whole.confidence[5:8, 0], 0.5)  # the lower of both
    assert (whole.status[13:16, 0] == FILLED).all()
    assert (whole.status[[12, 16], 0] == SEEN).all()
    assert whole.status[8:13, 9].tolist() == [SEEN, MISSING, MISSING, MISSING, SEEN]
    assert np.isnan(whole.keypoints[9:12, 9]).all()


def test_a_person_in_one_frame_alone_has_its_number_in_the_video():
    found = every_second()
    (person,) = track(found.of_examined_frames())
    once = dataclasses.replace(person, **{name: value[3:4] for name, value in vars(person).items()})
    whole = to_all_frames(once, found)
    assert (whole.frame.tolist(), whole.time_s.tolist()) == ([10], [10 / 60])


def test_where_all_frames_were_examined_a_track_is_as_it_was():
    found = every_second().of_examined_frames()
    (person,) = track(found)
    assert found.of_examined_frames() is found
    assert to_all_frames(person, found) is person
