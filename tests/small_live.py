"""A camera before which somebody walks, a detector that knows where, and a small model."""

from collections.abc import Callable

import numpy as np
from flax import nnx
from small_motion import small_motion

import repose_jax as rp
from repose_jax import models
from repose_jax.config import DataConfig, EvalConfig, Experiment
from repose_jax.detectors.detector import Found
from repose_jax.detectors.video import Video

FRAMES = 9
MODEL = {"name": "repose", "frames": FRAMES, "width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2}
TRUTH = small_motion(people=1, frames=120)
(WALKER,) = TRUTH.people


def predictor(normalise: str = "person") -> rp.Predictor:
    """Returns an untrained model of the frame of the person, or of the image."""
    config = Experiment(
        model={**MODEL, "representation": 8},
        data=DataConfig(frames=FRAMES, stride=3, normalise=normalise),
        eval=EvalConfig(flip=False),
    )
    graphdef, *variables = nnx.split(models.create(**config.model_fields), nnx.Param, nnx.BatchStat)
    return rp.Predictor(config, graphdef, tuple(variables))


def camera(frames: int, before: Callable[[int], object] = lambda frame: None) -> Video:
    """Returns a camera of 30 frames/s whose images are as bright as the number of the frame.

    Args:
        frames: number of frames; then it is unplugged.
        before: called with the number of a frame before it comes.
    """

    def stamped():
        for frame in range(frames):
            before(frame)
            yield 100 + frame / 30, lambda frame=frame: np.full((24, 32, 3), frame, np.uint8)

    return Video("camera 0", stamped())


class Detector:
    """Finds the joints of somebody who walks in the frames of `camera`."""

    format = "human36m"
    warnings = ()

    def detect(self, frame, time_s=None):
        joints = WALKER.keypoints_px[[int(frame[0, 0, 0])]].astype(float)
        return Found(joints[..., :2], joints[..., 2], np.ones(1))
