"""The 2D joints of all people in the frames of a video, as a detector or a file gives them."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """Poses that were found in a video: one row for each person in each frame.

    A joint that the format of the source lacks, or that was not found, is NaN with confidence 0.

    Attributes:
        keypoints: `[n, 17, 2]` joints in Human3.6M's order, px from the upper left
            corner of the upright image.
        confidence: `[n, 17]` in [0, 1]; 0 for a missing joint.
        frame: `[n]` index into `time_s` of the frame of each pose, not decreasing.
        score: `[n]` confidence in the person as a whole, in [0, 1].
        identity: `[n]` number that the source gives a person throughout the video; -1 if none.
        time_s: `[t]` time of each frame of the video, s, increasing.
        examined: `[t]` whether people were looked for in a frame; None if in all.
        image_size: width and height, px; None if the source does not say.
        focal_px: focal length that the source states, px; None if it does not.
        name: of the video or file, for messages and output files.
        format: of the joints, such as "coco17".
        assumptions: sentences on what the source does not say and was assumed.
        warnings: sentences on what was found wrong and skipped or repaired.
    """

    keypoints: Float[np.ndarray, "n 17 2"]
    confidence: Float[np.ndarray, "n 17"]
    frame: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]
    identity: Int[np.ndarray, " n"]
    time_s: Float[np.ndarray, " t"]
    image_size: tuple[int, int] | None
    name: str
    format: str
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    examined: Bool[np.ndarray, " t"] | None = None
    focal_px: float | None = None

    def __post_init__(self):
        if (np.diff(self.time_s) <= 0).any():
            raise ValueError(f"{self.name}: the times of the frames do not increase.")

    def of_examined_frames(self) -> "Detections":
        """Returns the detections as of a video that has only the frames that were examined."""
        if self.examined is None:
            return self
        return dataclasses.replace(
            self,
            frame=(np.cumsum(self.examined) - 1)[self.frame],
            time_s=self.time_s[self.examined],
            examined=None,
        )
