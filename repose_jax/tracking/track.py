"""A person in the frames of a video, before lifting."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int, UInt8


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """The 2D joints of one person in all frames from the first to the last in which they were seen.

    Attributes:
        frame: `[t]` index of each frame in the video; consecutive.
        time_s: `[t]` time of each frame, s.
        keypoints: `[t, 17, 2]` px; NaN where missing.
        confidence: `[t, 17]` in [0, 1]; 0 where missing.
        status: `[t, 17]` `SEEN`, `FILLED` or `MISSING` of `repose_jax.motion.motion`.
        detected: `[t, 17, 3]` x and y, px, and confidence as the detector gave them, before any
            repair or filling; NaN and 0 where nothing was found.
    """

    frame: Int[np.ndarray, " t"]
    time_s: Float[np.ndarray, " t"]
    keypoints: Float[np.ndarray, "t 17 2"]
    confidence: Float[np.ndarray, "t 17"]
    status: UInt8[np.ndarray, "t 17"]
    detected: Float[np.ndarray, "t 17 3"]
