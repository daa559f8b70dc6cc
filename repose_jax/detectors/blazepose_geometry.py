"""From the outputs of the two networks of BlazePose to points in the frame.

Points and sizes are normalised in the square that a network sees, 0 at its upper left and 1 at its
lower right corner, or px of the frame.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.detectors.boxes import iou
from repose_jax.runtime import extras

DETECTOR_SIZE = 224
LANDMARK_SIZE = 256
POINTS = 39
"""33 landmarks, 2 points that place the square of the next frame, 4 that are not used."""
LANDMARKS = 33
_GRIDS = ((28, 2), (14, 2), (7, 6))  # cells in a row, and anchors of a cell
_LEAST_SCORE = 0.5
_SAME_FACE = 0.3  # overlap of boxes that are averaged
_MARGIN = 1.25  # of the square about a person, over the circle round the body
_WINDOW = 7  # cells of a heatmap about a landmark


@dataclasses.dataclass(frozen=True, eq=False)
class Square:
    """A square in the frame, which may reach beyond it.

    Attributes:
        centre: px.
        side: px.
        angle: from the frame's axes to those of the square, radians, clockwise on the screen.
    """

    centre: Float[np.ndarray, "2"]
    side: float
    angle: float = 0.0

    @property
    def axes(self) -> Float[np.ndarray, "2 2"]:
        """Directions of the square's x and y in the frame, as columns."""
        sin, cos = np.sin(self.angle), np.cos(self.angle)
        return np.array([[cos, -sin], [sin, cos]])

    def to_frame(self, points: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b 2"]:
        """Returns normalised points as px of the frame."""
        return (points - 0.5) * self.side @ self.axes.T + self.centre

    def crop(self, frame: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "s s 3"]:
        """Cuts the square out of a frame, scaled to this size; black beyond the frame."""
        cv2 = extras.require("cv2", "video", "Detecting people")
        to_frame = np.empty((2, 3))
        to_frame[:, :2] = self.axes * self.side / size
        to_frame[:, 2] = self.to_frame(np.zeros(2))
        return cv2.warpAffine(
            frame, to_frame, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )


def whole(size: tuple[int, int]) -> Square:
    """Returns the square about a frame of this width and height."""
    return Square(np.array(size) / 2, float(max(size)))


def tiles(size: tuple[int, int], share: float) -> list[Square]:
    """Returns squares that cover a frame and overlap by a half or more.

    Args:
        size: width and height of the frame, px.
        share: of the frame's longer side.
    """
    side = share * max(size)
    centres = []
    for extent in size:
        count = max(1, 1 + int(np.ceil(2 * (extent - side) / side)))
        inner = min(side, extent) / 2
        centres.append(np.linspace(inner, extent - inner, count))
    return [Square(np.array([x, y]), side) for y in centres[1] for x in centres[0]]


def person_square(hips: Float[np.ndarray, "2"], edge: Float[np.ndarray, "2"]) -> Square:
    """Returns the square about a person, turned so that the person is upright in it.

    Args:
        hips: centre of the hips, px.
        edge: point of the circle round the body in the direction of the head, px.
    """
    x, y = edge - hips
    return Square(hips, float(2 * _MARGIN * np.hypot(x, y)), float(np.pi / 2 - np.arctan2(-y, x)))


def anchors() -> Float[np.ndarray, "2254 2"]:
    """Returns the points to which the boxes of the detector are relative."""
    rows = []
    for cells, count in _GRIDS:
        y, x = np.mgrid[:cells, :cells]
        centres = np.stack([x, y], axis=-1).reshape(-1, 2)
        rows.append(np.repeat((centres + 0.5) / cells, count, axis=0))
    return np.concatenate(rows)


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """People that the detector found in a square, the best first.

    Attributes:
        score: `[n]` in [0, 1].
        hips: `[n, 2]` centre of the hips, normalised.
        edge: `[n, 2]` point of the circle round the body, normalised.
    """

    score: Float[np.ndarray, " n"]
    hips: Float[np.ndarray, "n 2"]
    edge: Float[np.ndarray, "n 2"]


def candidates(
    values: Float[np.ndarray, "2254 12"], logits: Float[np.ndarray, "2254"]
) -> Candidates:
    """Decodes the output of the detector: boxes of faces, each with points of the body.

    Overlapping boxes and their points are averaged, weighted by their scores.
    """
    score = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    good = np.flatnonzero(score >= _LEAST_SCORE)
    good = good[np.argsort(-score[good], kind="stable")]
    found, score = values[good].astype(np.float64) / DETECTOR_SIZE, score[good]
    origin = anchors()[good]
    centre, size = found[:, :2] + origin, found[:, 2:4]
    points = found[:, 4:8].reshape(-1, 2, 2) + origin[:, None]
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    left, best, merged = np.arange(len(good)), [], []
    while len(left):
        same = iou(boxes[left[:1]], boxes[left])[0] > _SAME_FACE
        same[0] = True  # also a box without an area
        group, left = left[same], left[~same]
        best.append(score[group[0]])
        merged.append(np.average(points[group], axis=0, weights=score[group]))
    pairs = np.array(merged).reshape(-1, 2, 2)
    return Candidates(np.array(best, np.float64), pairs[:, 0], pairs[:, 1])


def refined(
    points: Float[np.ndarray, "p 2"], heatmaps: Float[np.ndarray, "h w p"]
) -> Float[np.ndarray, "p 2"]:
    """Moves normalised points to the centroids of the heatmaps about them, where those are clear.

    Args:
        points: normalised.
        heatmaps: of each point, logits.
    """
    height, width, count = heatmaps.shape
    scale = np.array([width, height])
    # A point may be far outside: its window is then empty.
    cell = np.clip(np.nan_to_num(points) * scale, -_WINDOW, scale + _WINDOW).astype(int)
    offset = np.arange(_WINDOW) - _WINDOW // 2
    x, y = cell[:, 0, None] + offset, cell[:, 1, None] + offset
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    logits = heatmaps[
        np.clip(y, 0, height - 1)[:, :, None],
        np.clip(x, 0, width - 1)[:, None, :],
        np.arange(count)[:, None, None],
    ]
    weight = np.where(inside, 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60))), 0)
    total = np.maximum(weight.sum((1, 2)), 1e-12)
    centroid = np.stack([(weight.sum(1) * x).sum(1), (weight.sum(2) * y).sum(1)], axis=1)
    clear = weight.max((1, 2)) >= 0.5
    return np.where(clear[:, None], centroid / total[:, None] / scale, points)
