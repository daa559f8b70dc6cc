"""The interface of detectors: an image in, the 2D poses of people out."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The people in one image; p may be 0.

    Attributes:
        keypoints: `[p, 17, 2]` joints in Human3.6M's order, px; NaN where missing.
        confidence: `[p, 17]` in [0, 1]; 0 where missing.
        score: `[p]` confidence in each person as a whole, in [0, 1].
    """

    keypoints: Float[np.ndarray, "p 17 2"]
    confidence: Float[np.ndarray, "p 17"]
    score: Float[np.ndarray, " p"]


@runtime_checkable
class Detector(Protocol):
    """A detector of people; one with a memory of previous frames is used for one video alone.

    Attributes:
        format: of the joints that it finds, such as "halpe26".
        warnings: sentences on faults that its results are known to have.
    """

    format: str
    warnings: tuple[str, ...]

    def detect(self, frame: UInt8[np.ndarray, "h w 3"], time_s: float | None = None) -> Found:
        """Finds the people in an RGB image.

        Args:
            frame: of a video whose frames come in their order, or an image.
            time_s: of the frame, s; None if there is none.
        """
        ...
