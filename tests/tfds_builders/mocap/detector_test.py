import dataclasses

import numpy as np
import pytest

from tests.tfds_builders.mocap.person import standing
from tfds_builders.mocap.detector import ARMS, LEGS, PERFECT, DetectorModel, detect

SIZE = 450.0  # px
MODEL = DetectorModel()
GAUSSIAN = dataclasses.replace(PERFECT, sigma=MODEL.sigma)


def _truth(frames, size=SIZE):
    upright = standing()[:, :2] * [1, -1]
    keypoints = 500 + upright * size / np.ptp(upright, axis=0).max()
    return np.repeat(keypoints[None], frames, axis=0)


def _detect(model, frames=3000, fps=30.0, size=SIZE, visibility=None, seed=0):
    truth = _truth(frames, size)
    visibility = np.ones((frames, 17), np.int8) if visibility is None else visibility
    keypoints, confidence = detect(np.random.default_rng(seed), truth, visibility, fps, model)
    assert keypoints.shape == (frames, 17, 2)
    assert confidence.shape == (frames, 17)
    return keypoints - truth, confidence


def _some_hidden(frames):
    return np.where(np.random.default_rng(1).random((frames, 17)) < 0.2, 0, 1)


def test_a_perfect_detector_returns_the_truth_with_full_confidence():
    error, confidence = _detect(PERFECT, 50, visibility=np.zeros((50, 17)))
    np.testing.assert_array_equal(error, 0)
    np.testing.assert_array_equal(confidence, 1)


def test_the_mean_error_is_that_of_detectors_finetuned_on_human36m():
    frames = 20000
    error, _ = _detect(MODEL, frames, visibility=_some_hidden(frames))
    assert 5 < np.linalg.norm(error, axis=-1).mean() < 7


def test_wrists_ankles_and_hips_are_harder_than_head_and_shoulders():
    error, _ = _detect(MODEL, 20000)
    error = np.linalg.norm(error, axis=-1).mean(axis=0)
    assert error[[13, 16, 3, 6, 1, 4]].min() > error[[10, 11, 14]].max()


def test_errors_grow_with_the_apparent_size_of_the_person():
    small, confidence = _detect(MODEL, 200, size=200)
    large, same = _detect(MODEL, 200, size=400)
    np.testing.assert_allclose(2 * small, large, atol=1e-9)
    np.testing.assert_allclose(confidence, same)


@pytest.mark.parametrize("fps", [25.0, 50.0, 120.0])
def test_the_drift_of_errors_does_not_depend_on_the_frame_rate(fps):
    error, _ = _detect(GAUSSIAN, int(600 * fps), fps)
    lag = round(GAUSSIAN.time_constant * fps)
    error = error.reshape(len(error), -1)
    error /= error.std(axis=0)
    assert (error[lag:] * error[:-lag]).mean() == pytest.approx(np.exp(-1), abs=0.05)


def test_errors_are_as_large_as_stated():
    error, _ = _detect(GAUSSIAN, 30000)
    np.testing.assert_allclose(error.std(axis=(0, 2)), SIZE * np.array(GAUSSIAN.sigma), rtol=0.1)
    np.testing.assert_allclose(error.mean(axis=0), 0, atol=0.5)


def test_occluded_joints_have_larger_errors_and_less_confidence_and_unknown_ones_count_as_visible():
    frames = 20000
    seen, sure = _detect(MODEL, frames)
    hidden, unsure = _detect(MODEL, frames, visibility=np.zeros((frames, 17)))
    unknown, _ = _detect(MODEL, frames, visibility=np.full((frames, 17), -1))
    assert np.abs(hidden).mean() > 1.8 * np.abs(seen).mean()
    assert (unsure.mean(axis=0) < sure.mean(axis=0) - 0.05).all()
    np.testing.assert_array_equal(unknown, seen)


def test_confidence_is_in_the_unit_interval_and_falls_with_the_error():
    frames = 20000
    error, confidence = _detect(MODEL, frames, visibility=_some_hidden(frames))
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    order = np.argsort(np.linalg.norm(error, axis=-1).ravel())
    by_error = confidence.ravel()[order[: len(order) // 10 * 10]].reshape(10, -1).mean(axis=1)
    assert (np.diff(by_error) < 0).all()
    assert by_error[0] > 0.8
    assert by_error[-1] < by_error[0] - 0.2


@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_gross_errors_are_rare_and_last_a_few_frames(fps):
    model = dataclasses.replace(PERFECT, outlier_rate=MODEL.outlier_rate)
    error, _ = _detect(model, int(2000 * fps), fps)
    wrong = np.abs(error).max(axis=-1) > 0
    begins = np.count_nonzero(np.diff(wrong.astype(int), axis=0) == 1)
    assert begins == pytest.approx(2000 * 17 * model.outlier_rate, rel=0.2)
    # A part of a frame counts as one, so the mean is up to a frame longer.
    duration = wrong.sum() / begins / fps
    assert model.outlier_time <= duration <= model.outlier_time + 1.5 / fps
    size = np.linalg.norm(error[wrong], axis=-1)
    assert size.mean() == pytest.approx(SIZE * model.outlier_size, rel=0.2)
    assert size.max() > 4 * size.mean()


def test_a_swap_exchanges_whole_limbs_and_nothing_else():
    model = dataclasses.replace(PERFECT, swap_rate=0.2)
    error, _ = _detect(model, 6000)
    truth = _truth(6000)
    found = truth + error
    for left, right in (ARMS, LEGS):
        swapped = np.abs(error[:, left[0]]).max(axis=-1) > 1
        assert 0.01 < swapped.mean() < 0.1
        np.testing.assert_allclose(found[swapped][:, left], truth[swapped][:, right])
        np.testing.assert_allclose(found[swapped][:, right], truth[swapped][:, left])
        np.testing.assert_allclose(error[~swapped][:, [*left, *right]], 0)
    np.testing.assert_array_equal(error[:, [0, 7, 8, 9, 10]], 0)


def test_the_confidence_does_not_reflect_a_swap():
    _, confidence = _detect(dataclasses.replace(PERFECT, swap_rate=0.2), 1000)
    np.testing.assert_array_equal(confidence, 1)


def test_limbs_are_swapped_more_often_when_one_is_hidden():
    model = dataclasses.replace(
        PERFECT, swap_rate=MODEL.swap_rate, crossing_swap_rate=MODEL.crossing_swap_rate
    )
    visibility = np.ones((60000, 17))
    visibility[:, [1, 2, 3]] = 0  # the right leg
    error, _ = _detect(model, 60000, visibility=visibility)
    legs, arms = (np.abs(error[:, joint]).max(axis=-1) > 0 for joint in (2, 15))
    assert legs.mean() > 3 * arms.mean() > 0


def test_the_same_seed_gives_the_same_errors():
    (first, _), (again, _), (other, _) = (_detect(MODEL, 20, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_an_empty_sequence_stays_empty():
    error, confidence = _detect(MODEL, 0)
    assert error.shape == (0, 17, 2)
    assert confidence.shape == (0, 17)
