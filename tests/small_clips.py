"""Test clips whose inputs are their targets, so that a predictor errs as a test wants."""

import dataclasses

import numpy as np
import small_data

from repose_jax.data import clips as clips_lib
from repose_jax.runtime import devices
from repose_jax.skeleton import HUMAN36M

FRAMES = 9
MOTION = small_data.sequences((23, 9, 30, 5, 17))
RELATIVE = MOTION.joints_3d - MOTION.joints_3d[:, HUMAN36M.root, None]  # mm
CLIPS = dataclasses.replace(
    clips_lib.make(MOTION, frames=FRAMES, stride=FRAMES),
    inputs=(RELATIVE / 1000).astype(np.float32),
)
MESH = devices.data_mesh()


def with_sequences(**changes) -> clips_lib.Clips:
    """The test clips with other values of their sequences."""
    return dataclasses.replace(CLIPS, sequences=dataclasses.replace(MOTION, **changes))


def stretched(inputs):
    """Every joint a tenth too far from the root: the error is a tenth of its distance."""
    return inputs * 1.1
