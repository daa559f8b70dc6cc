import numpy as np
import pytest

from repose_jax.lifting.one_euro import OneEuro


def filtered(points, fps=60.0, **options):
    filter = OneEuro(**options)
    return np.array([filter.filter(p, 5 + i / fps) for i, p in enumerate(points)])


def noise(frames):
    return np.random.default_rng(0).normal(0, 5, (frames, 17, 3))


def test_at_rest_there_is_little_noise():
    found = filtered(noise(200))
    assert found[50:].std() < 0.6 * noise(200)[50:].std()


def test_fast_motion_lags_less_than_under_a_fixed_cutoff():
    way = np.linspace(0, 3000, 120)[:, None, None] * np.ones((1, 17, 3))  # 1.5 m/s in each axis
    lag = [np.abs(filtered(way, beta=beta)[-1] - way[-1]).max() for beta in (0.01, 0.0)]
    assert lag[0] < 0.2 * lag[1]


def test_the_rate_of_the_frames_has_little_influence():
    way = np.linspace(0, 500, 241)[:, None, None] * np.ones((1, 17, 3))
    np.testing.assert_allclose(filtered(way, 120.0)[::2][-1], filtered(way[::2], 60.0)[-1], atol=5)


def test_beta_is_in_the_unit_of_the_points():
    points = noise(50)
    metres = filtered(points / 1000, beta=10.0)
    np.testing.assert_allclose(1000 * metres, filtered(points, beta=0.01), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_point_is_itself_also_after_a_reset(dtype):
    filter = OneEuro()
    points = noise(2).astype(dtype)
    assert (filter.filter(points[0], 0.0) == points[0]).all()
    filter.reset()
    assert (filter.filter(points[1], 0.0) == points[1]).all()
    assert filter.filter(points[0], 0.1).dtype == dtype
