"""YOLO's models for poses, as Ultralytics exports them: all people in a frame by one network."""

import numpy as np
from jaxtyping import UInt8

from repose_jax.detectors import boxes as boxes_lib
from repose_jax.detectors.detector import Found
from repose_jax.detectors.onnx_session import Session
from repose_jax.detectors.rtmo import poses_in_frame
from repose_jax.keypoints import formats

LEAST_SCORE = 0.3
MOST_IOU = 0.7


def is_yolo_pose(session: Session) -> bool:
    """Recognises a model by its only output: a box, a score and joints of a known number."""
    return len(session.outputs) == 1 and bool(_layout(session.outputs[0])[0])


class YoloPose:
    """A detector of poses in one stage; its cost does not depend on the number of people."""

    warnings: tuple[str, ...] = ()

    def __init__(self, session: Session):
        """Takes a model.

        Args:
            session: RGB images in [0, 1], letterboxed in the middle, to `[1, 5 + 3 k, n]` raw
                boxes (middle and size, px), scores, joints and confidence; or, with the selection
                inside as in YOLO26, to `[1, n, 6 + 3 k]` boxes (corners), scores, classes, joints
                and confidence. Class 0 is people.

        Raises:
            ValueError: the model has a number of joints that several formats have.
        """
        self._joints, self._raw = _layout(session.outputs[0])
        self.format = session.format_of(self._joints)
        self._session = session

    def detect(self, frame: UInt8[np.ndarray, "h w 3"], time_s: float | None = None) -> Found:
        """Finds the people in an RGB image."""
        view = boxes_lib.letterbox(frame, self._session.size, centred=True)
        image = np.ascontiguousarray(view.image.transpose(2, 0, 1), np.float32)[None] / 255
        (found,) = self._session.run(image)
        if self._raw:
            rows = found[0].T
            half = rows[:, 2:4] / 2
            boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
            scores, joints = rows[:, 4], rows[:, 5:]
        else:
            boxes, joints = found[0, :, :4], found[0, :, 6:]
            scores = np.where(found[0, :, 5] == 0, found[0, :, 4], 0)
        kept = boxes_lib.distinct(boxes, scores, least=LEAST_SCORE, most_iou=MOST_IOU)
        poses = joints[kept].reshape(-1, self._joints, 3)
        return poses_in_frame(view, poses, scores[kept], self.format)


def _layout(shape: tuple[int, ...]) -> tuple[int, bool]:
    """Returns the number of joints, 0 if it is no such model, and whether the output is raw."""
    if len(shape) == 3:
        for size, before, raw in ((shape[1], 5, True), (shape[2], 6, False)):
            joints, rest = divmod(size - before, 3)
            if not rest and joints > 0 and formats.with_size(joints):
                return joints, raw
    return 0, False
