import numpy as np

from repose_jax.data.normalise import to_image_frame


def test_the_width_of_the_image_spans_minus_one_to_one_and_the_aspect_is_kept():
    corners = np.float32([[0, 0], [1000, 500], [500, 250], [1000, 0]])
    found = to_image_frame(corners, np.array([1000, 500]))
    np.testing.assert_allclose(found, [[-1, -0.5], [1, 0.5], [0, 0], [1, -0.5]])
