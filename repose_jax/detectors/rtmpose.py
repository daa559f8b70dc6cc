"""RTMPose: poses of people, cut out of the frame by the boxes of a detector."""

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.detectors import boxes as boxes_lib
from repose_jax.detectors.detector import Found
from repose_jax.detectors.onnx_session import Session
from repose_jax.detectors.yolox import Yolox
from repose_jax.keypoints import formats

BINS = 2
"""Bins of SimCC for a px of the crop."""
CROPS_AT_ONCE = 16
LEAST_CONFIDENCE = 0.3
"""Mean of a person, and of a joint, that count for the box in the next frame."""
GROWTH = 1.15
"""Of the box round the joints, to the outline of the person."""
SAME_PERSON = 0.8
"""Overlap of boxes from poses above which two poses are one person."""
_MEAN = np.array([123.675, 116.28, 103.53], np.float32)  # of ImageNet, RGB
_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


def is_simcc(session: Session) -> bool:
    """Recognises a pose model by its outputs, the bins in x and in y of every joint."""
    height, width = session.size
    return [shape[-1] for shape in session.outputs] == [BINS * width, BINS * height] and all(
        len(shape) == 3 for shape in session.outputs
    )


class Rtmpose:
    """A detector of poses: boxes of people first, then the pose in each.

    With `every` above 1 the boxes come from the poses of the previous frame, but for every n-th
    frame and for frames after one without people. So the cost of the detector of boxes is divided;
    who comes into view is found a few frames later.
    """

    warnings: tuple[str, ...] = ()

    def __init__(self, pose: Session, people: Yolox, *, every: int = 1):
        """Combines two models.

        Args:
            pose: a SimCC model: normalised RGB crops to `[p, k, 2 w]` and `[p, k, 2 h]`.
            people: the detector of boxes.
            every: frames from one detection of boxes to the next.

        Raises:
            ValueError: the model has an unknown number of joints.
        """
        if every < 1:
            raise ValueError(f"every is {every}; expected 1 frame or more between detections.")
        self.format = pose.format_of(pose.outputs[0][1])
        self._pose, self._people, self._every = pose, people, every
        self._since = 0
        self._boxes, self._scores = np.zeros((0, 4)), np.zeros(0)

    def detect(self, frame: UInt8[np.ndarray, "h w 3"], time_s: float | None = None) -> Found:
        """Finds the people in an RGB image; their scores are those of their boxes."""
        if self._since % self._every == 0 or not len(self._boxes):
            self._boxes, self._scores = self._people.find(frame)
            self._since = 0
        self._since += 1
        keypoints, confidence = self.poses(frame, self._boxes)
        scores = self._scores
        if self._every > 1:
            self._follow(frame, keypoints, confidence)
        keypoints, confidence = formats.to_human36m(keypoints, confidence, self.format)
        return Found(keypoints, confidence, scores)

    def poses(
        self, frame: UInt8[np.ndarray, "h w 3"], boxes: Float[np.ndarray, "p 4"]
    ) -> tuple[Float[np.ndarray, "p k 2"], Float[np.ndarray, "p k"]]:
        """Finds the joints of people, in the order of the model, px, with confidence in [0, 1]."""
        parts = [
            self._poses(
                boxes_lib.crop(frame, boxes[first : first + CROPS_AT_ONCE], self._pose.size)
            )
            for first in range(0, len(boxes), CROPS_AT_ONCE)
        ]
        if not parts:
            count = self._pose.outputs[0][1]
            return np.zeros((0, count, 2)), np.zeros((0, count))
        keypoints, confidence = zip(*parts, strict=True)
        return np.concatenate(keypoints), np.concatenate(confidence)

    def _poses(
        self, crops: boxes_lib.Crops
    ) -> tuple[Float[np.ndarray, "p k 2"], Float[np.ndarray, "p k"]]:
        images = (crops.images - _MEAN) / _DEVIATION
        in_x, in_y = self._pose.run(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        (x, best_x), (y, best_y) = peak(in_x), peak(in_y)
        keypoints = crops.points_in_frame(np.stack([x, y], axis=-1) / BINS)
        # Raw maxima pass 1.
        confidence = np.clip(np.nan_to_num((best_x + best_y) / 2), 0, 1).astype(np.float64)
        keypoints[confidence <= 0] = np.nan
        return keypoints, confidence

    def _follow(
        self,
        frame: UInt8[np.ndarray, "h w 3"],
        keypoints: Float[np.ndarray, "p k 2"],
        confidence: Float[np.ndarray, "p k"],
    ):
        """Takes the boxes of the next frame from these poses; who is lost or left has none."""
        found = boxes_lib.around(keypoints, confidence, LEAST_CONFIDENCE)
        boxes = boxes_lib.enlarged(found, GROWTH)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((centre >= 0) & (centre < frame.shape[1::-1])).all(1)
        certain = confidence.mean(1) >= LEAST_CONFIDENCE
        kept = boxes_lib.distinct(
            np.where((inside & certain)[:, None], boxes, np.nan),
            self._scores,
            least=0.0,
            most_iou=SAME_PERSON,
        )
        self._boxes, self._scores = boxes[kept], self._scores[kept]


def peak(
    bins: Float[np.ndarray, "p k b"],
) -> tuple[Float[np.ndarray, "p k"], Float[np.ndarray, "p k"]]:
    """Returns the place of the maximum, by a parabola through it and its neighbours, and its value.

    The place is a fraction of a bin: whole bins, half a px of the crop, would make slow motion a
    staircase.
    """
    best = bins.argmax(-1)
    inside = (best > 0) & (best < bins.shape[-1] - 1)
    before, value, after = (
        np.take_along_axis(bins, np.where(inside, best + step, best)[..., None], -1)[..., 0]
        for step in (-1, 0, 1)
    )
    curvature = before - 2 * value + after
    curved = inside & (curvature < 0)
    shift = np.where(curved, (before - after) / np.where(curved, 2 * curvature, 1), 0)
    return best + shift.astype(np.float64), value
