"""RTMO: the poses of all people in a frame by one network."""

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.detectors import boxes as boxes_lib
from repose_jax.detectors.detector import Found
from repose_jax.detectors.onnx_session import Session
from repose_jax.detectors.yolox import bgr_input
from repose_jax.keypoints import formats

LEAST_SCORE = 0.3
MOST_IOU = 0.65


def is_rtmo(session: Session) -> bool:
    """Recognises RTMO by its outputs: boxes with scores, and joints with confidence."""
    return sorted((len(shape), shape[-1]) for shape in session.outputs) == [(3, 5), (4, 3)]


class Rtmo:
    """A detector of poses in one stage; its cost does not depend on the number of people."""

    warnings: tuple[str, ...] = ()

    def __init__(self, session: Session):
        """Takes a model.

        Args:
            session: BGR images of values up to 255, letterboxed, to `[1, n, 5]` boxes and scores
                and `[1, n, k, 3]` joints and confidence.

        Raises:
            ValueError: the model has an unknown number of joints.
        """
        self.format = session.format_of(max(session.outputs, key=len)[2])
        self._session = session

    def detect(self, frame: UInt8[np.ndarray, "h w 3"], time_s: float | None = None) -> Found:
        """Finds the people in an RGB image."""
        view = boxes_lib.letterbox(frame, self._session.size)
        people, poses = sorted(self._session.run(bgr_input(view.image)), key=np.ndim)
        boxes, scores = people[0, :, :4], people[0, :, 4]
        kept = boxes_lib.distinct(boxes, scores, least=LEAST_SCORE, most_iou=MOST_IOU)
        return poses_in_frame(view, poses[0, kept], scores[kept], self.format)


def poses_in_frame(
    view: boxes_lib.Letterbox,
    poses: Float[np.ndarray, "p k 3"],
    scores: Float[np.ndarray, " p"],
    format: str,
) -> Found:
    """Returns the poses of people that a network found in one stage.

    Args:
        view: the frame, as the network saw it.
        poses: joints in px of that image, and their confidence.
        scores: of the people.
        format: of the joints.
    """
    poses = poses.astype(np.float64)
    confidence = np.clip(np.nan_to_num(poses[..., 2]), 0, 1)
    found = (confidence > 0)[..., None]
    keypoints = np.where(found, view.points_in_frame(poses[..., :2]), np.nan)
    keypoints, confidence = formats.to_human36m(keypoints, confidence, format)
    return Found(keypoints, confidence, np.clip(scores, 0, 1).astype(np.float64))
