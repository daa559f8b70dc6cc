import numpy as np

from benchmarks import repairs


def test_a_walker_has_the_noise_that_is_asked_for():
    track, true = repairs.walker(0, 30, noise=0.01)
    height = np.median(np.ptp(true, axis=1).max(axis=-1))
    assert abs((track.keypoints - true).std() / height - 0.01) < 0.001
    assert np.diff(track.time_s).max() < 1 / 29


def test_at_a_usual_rate_repairs_find_most_and_break_nothing():
    rows = repairs.measure(1)
    outliers = rows["outliers"]["30 frames/s"]
    assert outliers["good joints removed, %"] == 0
    assert outliers["outliers found, %"] > 80
    sides = rows["sides"]["whole body, 30 frames/s"]
    assert sides["good frames changed, %"] == 0
    assert sides["5 frames: displacement left, %"] < 50
    gaps = rows["gaps at 30 frames/s"]["noise of 0.3%"]
    assert gaps["16 frames, this cubic"] < gaps["16 frames, straight line"]
