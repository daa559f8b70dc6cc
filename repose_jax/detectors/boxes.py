"""Boxes of people: images of one size for a network, and the way back to the frame.

Coordinates are px of the frame; whole numbers are the centres of pixels. Boxes are left, top,
right, bottom.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int, UInt8

from repose_jax.runtime import extras

PADDING = 114
"""Grey of the border beside a letterboxed frame, as in the training of YOLOX and RTMO."""
MARGIN = 1.25
"""Size of the crop of a person in units of the box, as in the training of top-down networks."""


@dataclasses.dataclass(frozen=True)
class Letterbox:
    """A frame within an image for a network, at its own aspect ratio.

    Attributes:
        image: `[h, w, 3]`, RGB.
        scale: px of the image for a px of the frame, in x and y. The two differ by rounding.
        corner: x and y of the frame's upper left px in the image.
    """

    image: UInt8[np.ndarray, "h w 3"]
    scale: Float[np.ndarray, "2"]
    corner: Int[np.ndarray, "2"]

    def points_in_frame(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Returns points of the image as points of the frame."""
        return (points - self.corner + 0.5) / self.scale - 0.5

    def boxes_in_frame(self, boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Returns boxes in the image as boxes in the frame."""
        return self.points_in_frame(boxes.reshape(-1, 2)).reshape(-1, 4)


def letterbox(
    frame: UInt8[np.ndarray, "h w 3"], size: tuple[int, int], *, centred: bool = False
) -> Letterbox:
    """Scales a frame into an image of this height and width; the rest of it is grey.

    Args:
        frame: an image.
        size: height and width of the image for the network, px.
        centred: grey on both sides, else on the right or below.
    """
    cv2 = extras.require("cv2", "video", "Detecting people")
    height, width = frame.shape[:2]
    ratio = min(size[0] / height, size[1] / width)
    inner = np.maximum(np.round([width * ratio, height * ratio]), 1).astype(int)
    left, top = (np.array([size[1], size[0]]) - inner) // 2 * centred
    image = np.full((*size, 3), PADDING, np.uint8)
    image[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        frame, inner.tolist(), interpolation=cv2.INTER_LINEAR
    )
    return Letterbox(image, inner / [width, height], np.array([left, top]))


def iou(
    boxes: Float[np.ndarray, "n 4"], others: Float[np.ndarray, "m 4"]
) -> Float[np.ndarray, "n m"]:
    """Returns the intersection over union of every box with every other."""
    upper = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    lower = np.maximum(boxes[:, None, :2], others[None, :, :2])
    shared = np.prod(np.maximum(upper - lower, 0), axis=-1)
    area, other_area = (np.prod(b[:, 2:] - b[:, :2], axis=-1) for b in (boxes, others))
    return shared / np.maximum(area[:, None] + other_area - shared, 1e-9)


def distinct(
    boxes: Float[np.ndarray, "n 4"],
    scores: Float[np.ndarray, " n"],
    *,
    least: float,
    most_iou: float,
) -> Int[np.ndarray, " k"]:
    """Selects the boxes of people: scored well, with an area, and not one person twice.

    Args:
        boxes: candidates; rows that are not finite are dropped.
        scores: their scores.
        least: score of a candidate.
        most_iou: overlap with a better box above which a box is the same person.

    Returns:
        Indices, the best first.
    """
    good = np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1) & (scores >= least)
    left = np.flatnonzero(good)
    left = left[np.argsort(-scores[left], kind="stable")]
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[iou(boxes[[best]], boxes[left])[0] <= most_iou]
    return np.array(kept, int)


@dataclasses.dataclass(frozen=True)
class Crops:
    """People cut out of a frame.

    Attributes:
        images: `[p, h, w, 3]`, RGB; black beyond the border of the frame.
        corner: `[p, 2]` point of the frame that is (0, 0) in the crop.
        scale: `[p, 1]` px of the frame for a px of the crop.
    """

    images: UInt8[np.ndarray, "p h w 3"]
    corner: Float[np.ndarray, "p 2"]
    scale: Float[np.ndarray, "p 1"]

    def points_in_frame(self, points: Float[np.ndarray, "p k 2"]) -> Float[np.ndarray, "p k 2"]:
        """Returns points of the crops as points of the frame."""
        return points * self.scale[:, None] + self.corner[:, None]


def crop(
    frame: UInt8[np.ndarray, "h w 3"], boxes: Float[np.ndarray, "p 4"], size: tuple[int, int]
) -> Crops:
    """Cuts people out of a frame, with a margin, widened to the aspect ratio of the crop.

    Args:
        frame: an image.
        boxes: of the people; they may reach beyond the frame.
        size: height and width of a crop, px.
    """
    cv2 = extras.require("cv2", "video", "Detecting people")
    sides = np.array([size[1], size[0]], float)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    scale = (MARGIN * (boxes[:, 2:] - boxes[:, :2]) / sides).max(-1, keepdims=True)
    corner = centre - scale * sides / 2
    images = np.empty((len(boxes), *size, 3), np.uint8)
    for image, (left, top), (step,) in zip(images, corner, scale, strict=True):
        to_frame = np.array([[step, 0, left], [0, step, top]])
        cv2.warpAffine(
            frame,
            to_frame,
            (size[1], size[0]),
            dst=image,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
    return Crops(images, corner, scale)


def around(
    keypoints: Float[np.ndarray, "p k 2"], confidence: Float[np.ndarray, "p k"], least: float
) -> Float[np.ndarray, "p 4"]:
    """Returns the boxes of poses: round their joints of at least this confidence; NaN of none."""
    seen = np.where((confidence >= least)[..., None], keypoints, np.nan)
    boxes = np.full((len(seen), 4), np.nan)
    some = np.isfinite(seen).all(-1).any(-1)
    boxes[some, :2] = np.nanmin(seen[some], axis=1)
    boxes[some, 2:] = np.nanmax(seen[some], axis=1)
    return boxes


def enlarged(boxes: Float[np.ndarray, "n 4"], factor: float) -> Float[np.ndarray, "n 4"]:
    """Scales boxes about their centres."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * factor
    return np.concatenate([centre - half, centre + half], axis=1)
