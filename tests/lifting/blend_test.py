import numpy as np

from repose_jax.lifting.blend import interpolate


def test_frames_of_nan_are_interpolated_and_extended():
    poses = np.arange(8, dtype=np.float32)[:, None, None] * np.ones((17, 3), np.float32)
    known = poses**2
    damaged = known.copy()
    damaged[[0, 3, 4, 7]] = np.nan
    expected = known.copy()
    expected[0], expected[7] = known[1], known[6]
    expected[3], expected[4] = 4 + 21 / 3, 4 + 2 * 21 / 3
    np.testing.assert_allclose(interpolate(damaged), expected, rtol=1e-6)


def test_without_such_frames_nothing_changes():
    poses = np.ones((3, 17, 3), np.float32)
    np.testing.assert_array_equal(interpolate(poses), poses)
