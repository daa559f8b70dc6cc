"""YOLOX: the boxes of the people in a frame."""

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.detectors import boxes as boxes_lib
from repose_jax.detectors.onnx_session import Session

STRIDES = (8, 16, 32)
LEAST_SCORE = 0.3
MOST_IOU = 0.45


def is_yolox(session: Session) -> bool:
    """Recognises YOLOX by its outputs, with or without non-maximum suppression inside."""
    first, *others = session.outputs
    return len(first) == 3 and (
        (first[-1] == 5 and all(len(shape) == 2 for shape in others))
        or (not others and first[-1] > 5 and first[1] == len(_cells(session.size)))
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Yolox:
    """A detector of people's boxes.

    Attributes:
        session: the model: BGR images of values up to 255, letterboxed, to `[1, n, 5]` boxes and
            scores (and maybe `[1, n]` classes), or to the raw `[1, cells, 5 + classes]`. Class 0
            is people.
    """

    session: Session

    def find(
        self, frame: UInt8[np.ndarray, "h w 3"]
    ) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, " n"]]:
        """Finds people in an RGB image.

        Returns:
            Boxes (left, top, right, bottom; px) and their scores in [0, 1], the best first. A box
            may reach beyond the image.
        """
        view = boxes_lib.letterbox(frame, self.session.size)
        found, *classes = self.session.run(bgr_input(view.image))
        if found.shape[-1] == 5:
            boxes, scores = found[0, :, :4], found[0, :, 4]
            if classes:
                scores = np.where(classes[0][0] == 0, scores, 0)
        else:
            boxes, scores = _decoded(found[0], self.session.size)
        kept = boxes_lib.distinct(boxes, scores, least=LEAST_SCORE, most_iou=MOST_IOU)
        boxes = view.boxes_in_frame(boxes[kept].astype(np.float64))
        return boxes, np.clip(scores[kept], 0, 1).astype(np.float64)


def bgr_input(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "1 3 h w"]:
    """Returns an RGB image as a network reads it that was trained on BGR without normalisation."""
    return np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1), np.float32)[None]


def _cells(size: tuple[int, int]) -> Float[np.ndarray, "a 3"]:
    """Returns x, y and stride of the cells of the three grids, row by row."""
    cells = []
    for stride in STRIDES:
        y, x = np.mgrid[: size[0] // stride, : size[1] // stride].reshape(2, -1)
        cells.append(np.stack([x, y, np.full_like(x, stride)], axis=-1))
    return np.concatenate(cells).astype(np.float64)


def _decoded(
    raw: Float[np.ndarray, "a c"], size: tuple[int, int]
) -> tuple[Float[np.ndarray, "a 4"], Float[np.ndarray, " a"]]:
    """Returns the boxes in the image and the scores that the cells predict."""
    cells = _cells(size)
    stride = cells[:, 2:]
    centre = (raw[:, :2] + cells[:, :2]) * stride
    half = np.exp(np.minimum(raw[:, 2:4], 20)) * stride / 2
    return np.concatenate([centre - half, centre + half], axis=1), raw[:, 4] * raw[:, 5]
