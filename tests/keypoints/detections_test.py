import numpy as np
import pytest

from repose_jax.keypoints.detections import Detections


def detections(time_s):
    return Detections(
        keypoints=np.zeros((2, 17, 2)),
        confidence=np.zeros((2, 17)),
        frame=np.zeros(2, int),
        score=np.ones(2),
        identity=np.full(2, -1),
        time_s=np.array(time_s, float),
        image_size=None,
        name="clip",
        format="coco17",
    )


def test_refuses_times_that_do_not_increase():
    with pytest.raises(ValueError, match="clip: the times of the frames do not increase"):
        detections([0, 0.1, 0.1])
