import numpy as np
import pytest

from repose_jax.lifting.smooth import butterworth, segments

FPS = 60.0
TIME = np.arange(240) / FPS


def wave(hz):
    return np.sin(2 * np.pi * hz * TIME)[:, None, None] * np.ones((1, 17, 3))


@pytest.mark.parametrize(("hz", "gain"), [(0.5, 1.0), (6.0, 0.7071), (12.0, 0.088), (24.0, 0.0)])
def test_the_gain_is_that_of_order_four_without_delay(hz, gain):
    smoothed, reason = butterworth(wave(hz), TIME, 6.0)
    assert reason is None
    inner = slice(60, -60)
    np.testing.assert_allclose(smoothed[inner], gain * wave(hz)[inner], atol=0.003)


def test_the_cutoff_is_in_hz_at_any_frame_rate():
    at_120 = np.sin(2 * np.pi * 6 * np.arange(480) / 120)
    smoothed, _ = butterworth(at_120, np.arange(480) / 120, 6.0)
    np.testing.assert_allclose(smoothed[120:-120], 0.7071 * at_120[120:-120], atol=0.003)


def test_a_steady_motion_is_kept_to_its_ends():
    line = 3 * TIME[:, None] + 5
    np.testing.assert_allclose(butterworth(line, TIME, 6.0)[0], line, atol=1e-4)


@pytest.mark.parametrize("frames", [4, 9, 16])
def test_short_sequences_are_smoothed(frames):
    noisy = np.random.default_rng(0).normal(size=(frames, 2))
    smoothed, reason = butterworth(noisy, TIME[:frames], 6.0)
    assert reason is None
    assert np.abs(np.diff(smoothed, axis=0)).mean() < np.abs(np.diff(noisy, axis=0)).mean()


def test_segments_are_filtered_alone():
    positions = np.where(np.arange(240) < 100, 0.0, 1000.0)
    positions[50] = 10
    parts = [(0, 100), (120, 240)]
    smoothed, reason = butterworth(positions, TIME, 6.0, segments=parts)
    assert reason is None
    assert smoothed[:100].max() < 10
    np.testing.assert_allclose(smoothed[120:], 1000, atol=1e-6)
    np.testing.assert_array_equal(smoothed[100:120], positions[100:120])


def test_segments_of_frames_that_are_present():
    assert segments(np.array([1, 1, 0, 0, 1, 0, 1], bool)) == [(0, 2), (4, 5), (6, 7)]
    assert segments(np.zeros(3, bool)) == []


def test_frames_between_gaps_that_are_too_few_are_kept_with_a_reason():
    noisy = np.random.default_rng(0).normal(size=240)
    smoothed, reason = butterworth(noisy, TIME, 6.0, segments=[(0, 100), (110, 112)])
    assert reason == "Not smoothed where fewer than 4 frames lie between gaps."
    np.testing.assert_array_equal(smoothed[110:112], noisy[110:112])


def test_a_cutoff_that_the_frame_rate_does_not_carry_changes_nothing():
    smoothed, reason = butterworth(wave(2.0), TIME, 30.0)
    np.testing.assert_array_equal(smoothed, wave(2.0))
    assert reason is not None
    assert "30 Hz needs more than 60 frames/s, and there are 60.0" in reason


def test_three_frames_are_returned_with_a_reason():
    assert butterworth(TIME[:3], TIME[:3], 6.0)[1] == "Not smoothed: fewer than 4 frames."


def test_times_may_be_rounded_to_milliseconds_but_not_irregular():
    assert butterworth(wave(1.0), TIME.round(3), 6.0)[1] is None
    with pytest.raises(ValueError, match="not uniform.*Resample them first"):
        butterworth(wave(1.0), np.r_[TIME[:120], TIME[120:] + 0.5], 6.0)


def test_refuses_values_that_are_not_finite_and_cutoffs_that_are_not_positive():
    with pytest.raises(ValueError, match="frames 0 to 239 .* not all finite"):
        butterworth(np.where(TIME == 0, np.nan, TIME), TIME, 6.0)
    with pytest.raises(ValueError, match="cutoff of the smoothing is 0.0 Hz"):
        butterworth(TIME, TIME, 0.0)
