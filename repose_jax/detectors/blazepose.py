"""BlazePose: a network that finds a person, and one that finds the landmarks of the body.

The landmarks of a frame place the square in which the person is looked for in the next one, so the
first network runs for people who come into view. It is made to find one person in an image; several
are found in overlapping tiles of the frame, a few times per second.
"""

import dataclasses
import functools
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.detectors import blazepose_geometry as geometry
from repose_jax.detectors import litert, weights
from repose_jax.detectors.blazepose_geometry import Square
from repose_jax.detectors.detector import Found
from repose_jax.detectors.integers import with_integers
from repose_jax.detectors.litert import Copies, Network
from repose_jax.detectors.onnx_session import MOST_THREADS, default_threads
from repose_jax.detectors.video import USUAL_FPS
from repose_jax.keypoints import formats

SEARCH_S, SEARCH_SELDOM_S = 0.33, 0.99
"""Time from one search of the tiles for other people to the next, s: after one that found somebody,
and at most, as the wait doubles after every search that did not."""
TILE = 0.4
"""Side of a tile, in units of the frame's longer side."""
LEAST_SCORE = 0.5
"""Of the landmarks of a person who was found before."""
LEAST_NEW_SCORE = 0.8
"""Of the landmarks of a person who is found in a search, where furniture is found, too."""
LEAST_VISIBILITY = 0.5
"""Mean of the joints of the body of a person who is found in a search."""
LEAST_HEIGHT = 0.08
"""Of such a person, in units of the frame's height."""
SAME_PERSON = 0.5
"""Similarity of two poses (OKS) above which they are of one person."""
ON_BODY = 0.15
"""Mean distance from a known person's limbs, in torsos, of joints that are found on that body."""
_BODY = slice(11, 29)
_LIMBS = np.array(
    [
        *((11, 13), (13, 15), (12, 14), (14, 16), (23, 25), (25, 27), (24, 26), (26, 28)),
        *((11, 12), (23, 24), (11, 23), (12, 24)),
    ]
)
_JOINTS = np.unique(_LIMBS)
_SPREAD = 0.16  # of a joint of one person in two detections, in units of the person's size
_SAME_SQUARE = 0.5  # overlap of squares that are of one person
_MOST_NEW = 8  # candidates of a search whose landmarks are computed
_LEAST_SIDE = 16.0  # of a square, px
# Numbers of values of the outputs of the landmark network that are used: points, score, heatmaps.
_OUTPUTS = (5 * geometry.POINTS, 1, 64 * 64 * geometry.POINTS)

# Pixels of the maps whose convolutions are of integers: half of the time, and the deep layers.
# Larger and smaller maps, the first and the last, lose more by it than they gain.
_MAPS = 8 * 8, 16 * 16


@dataclasses.dataclass(frozen=True, eq=False)
class Pose:
    """The landmarks of one person in a frame.

    Attributes:
        points: `[33, 2]` px.
        confidence: `[33]` visibility times presence, in [0, 1].
        visibility: `[33]` in [0, 1].
        score: of the person, in [0, 1].
        square: in which to look for the person in the next frame.
    """

    points: Float[np.ndarray, "33 2"]
    confidence: Float[np.ndarray, "33"]
    visibility: Float[np.ndarray, "33"]
    score: float
    square: Square


class Blazepose:
    """The detector BlazePose, for the frames of one video in their order."""

    format = "blazepose33"

    def __init__(
        self,
        detector: Copies,
        landmarks: Copies,
        *,
        people: Literal["all", "one"] = "all",
        warnings: tuple[str, ...] = (),
    ):
        """Combines two networks.

        Args:
            detector: an image in [-1, 1] to `[2254, 12]` and `[2254, 1]`.
            landmarks: an image in [0, 1] to `[195]`, `[1]` and `[h, w, 39]`.
            people: "one" to look for one person, in whole frames alone.
            warnings: on the networks.
        """
        self.warnings = warnings
        self._detector, self._landmarks = detector, landmarks
        self._one = people == "one"
        self._time_s, self._wait_s, self._searched_s = 0.0, SEARCH_S, -np.inf
        self._squares: list[Square] = []

    def detect(self, frame: UInt8[np.ndarray, "h w 3"], time_s: float | None = None) -> Found:
        """Finds the people in an RGB image, the next of a video; of 30 frames/s without a time."""
        now = self._time_s + 1 / USUAL_FPS if time_s is None else time_s
        self._time_s = now
        poses = distinct(self._poses(frame, self._squares, LEAST_SCORE))
        search = not self._one and now - self._searched_s >= self._wait_s
        if search or not poses:
            known = len(poses)
            poses = self._with_others(frame, poses, tiles=search)
            if search:
                found = len(poses) > known
                self._wait_s = SEARCH_S if found else min(2 * self._wait_s, SEARCH_SELDOM_S)
                self._searched_s = now
        if len(poses) < len(self._squares):  # who was lost may be elsewhere
            self._wait_s = SEARCH_S
        self._squares = [pose.square for pose in poses]
        points, confidence = formats.to_human36m(
            np.array([pose.points for pose in poses]).reshape(-1, geometry.LANDMARKS, 2),
            np.array([pose.confidence for pose in poses]).reshape(-1, geometry.LANDMARKS),
            self.format,
        )
        return Found(points, confidence, np.array([pose.score for pose in poses], np.float64))

    def _poses(self, frame: np.ndarray, squares: Sequence[Square], least: float) -> list[Pose]:
        """The people in squares of whom there is one."""

        def pose(network: Network, square: Square) -> Pose | None:
            return _pose(network, frame, square, least)

        possible = [square for square in squares if _is_possible(square, frame)]
        return [found for found in self._landmarks.each(pose, possible) if found is not None]

    def _with_others(self, frame: np.ndarray, poses: list[Pose], *, tiles: bool) -> list[Pose]:
        """Adds the people of the whole frame, and of its tiles, to those known."""
        size = frame.shape[1], frame.shape[0]
        areas = [geometry.whole(size), *(geometry.tiles(size, TILE) if tiles else ())]
        near = self._detector.each(lambda network, area: _people_in(network, frame, area), areas)
        found = [pair for pairs in near for pair in pairs]
        if self._one:
            found = found[:1]
        taken = [pose.square for pose in poses]
        tried = 0
        for _, square in sorted(found, key=lambda pair: -pair[0]):
            if tried == _MOST_NEW or any(overlap(square, other) > _SAME_SQUARE for other in taken):
                continue
            tried += 1
            taken.append(square)
            least = LEAST_SCORE if self._one else LEAST_NEW_SCORE
            for pose in self._poses(frame, [square], least):
                if (self._one or is_person(pose, frame.shape[0])) and not any(
                    similarity(pose, other) > SAME_PERSON or lies_on(pose, other) for other in poses
                ):
                    poses = [*poses, pose]
        return poses


def _is_possible(square: Square, frame: np.ndarray) -> bool:
    """Whether a person may be in a square."""
    height, width = frame.shape[:2]
    reach = square.side / 2
    return bool(
        _LEAST_SIDE <= square.side < 4 * max(width, height)
        and -reach < square.centre[0] < width + reach
        and -reach < square.centre[1] < height + reach
    )


def _pose(landmarks: Network, frame: np.ndarray, square: Square, least: float) -> Pose | None:
    """The person in a square, if there is one."""
    image = square.crop(frame, geometry.LANDMARK_SIZE)
    values, score, heatmaps = _sorted_outputs(landmarks(image.astype(np.float32) / 255), _OUTPUTS)
    if not score.item() >= least:
        return None
    table = values.reshape(geometry.POINTS, 5).astype(np.float64)
    points = geometry.refined(
        table[:, :2] / geometry.LANDMARK_SIZE, heatmaps.reshape(64, 64, geometry.POINTS)
    )
    points = square.to_frame(points)
    logits = np.clip(table[: geometry.LANDMARKS, 3:], -60, 60)
    visibility, presence = (1 / (1 + np.exp(-logits))).T
    return Pose(
        points=points[: geometry.LANDMARKS],
        confidence=visibility * presence,
        visibility=visibility,
        score=min(float(score.item()), 1.0),
        square=geometry.person_square(points[33], points[34]),
    )


def _people_in(detector: Network, frame: np.ndarray, area: Square) -> list[tuple[float, Square]]:
    """Scores and squares of the people that the detector finds in a part of the frame."""
    image = area.crop(frame, geometry.DETECTOR_SIZE)
    values, logits = _sorted_outputs(
        detector(image.astype(np.float32) / 127.5 - 1), (2254 * 12, 2254)
    )
    found = geometry.candidates(values.reshape(2254, 12), logits.reshape(2254))
    ends = zip(area.to_frame(found.hips), area.to_frame(found.edge), strict=True)
    squares = [geometry.person_square(hips, edge) for hips, edge in ends]
    return list(zip(found.score.tolist(), squares, strict=True))


def _sorted_outputs(outputs: list[np.ndarray], sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Outputs by their numbers of values, since releases differ in their order and names."""
    by_size = {output.size: output for output in outputs}
    if missing := [size for size in sizes if size not in by_size]:
        raise ValueError(
            f"This is no network of BlazePose: of the outputs with {', '.join(map(str, by_size))} "
            f"values, none has {missing[0]}."
        )
    return [by_size[size] for size in sizes]


def is_person(pose: Pose, frame_height: int) -> bool:
    """Whether landmarks that were found in a tile are a visible person of some size."""
    ys = pose.points[:, 1]
    return bool(
        pose.visibility[_BODY].mean() > LEAST_VISIBILITY
        and np.ptp(ys) > LEAST_HEIGHT * frame_height
    )


def similarity(pose: Pose, other: Pose) -> float:
    """Similarity of the bodies of two poses in [0, 1]: OKS over the joints from the shoulders."""
    a, b = pose.points[_BODY], other.points[_BODY]
    area = max(np.prod(np.ptp(a, axis=0)), np.prod(np.ptp(b, axis=0)), 1.0)
    squared = ((a - b) ** 2).sum(-1) / area
    return float(np.exp(-squared / (2 * _SPREAD**2)).mean())


def lies_on(pose: Pose, other: Pose) -> bool:
    """Whether all joints of a pose are on the limbs of another one, of whom it then is a part.

    In a tile that shows a part of a person, such as the legs, a smaller person may be found.
    """
    joints = pose.points[_JOINTS]
    start, end = other.points[_LIMBS.T]
    along = end - start
    squared = np.maximum((along**2).sum(-1), 1e-9)
    share = ((joints[:, None] - start) * along).sum(-1) / squared
    nearest = start + np.clip(share, 0, 1)[..., None] * along
    distance = np.linalg.norm(joints[:, None] - nearest, axis=-1).min(axis=1)
    shoulders, hips = (other.points[pair].mean(axis=0) for pair in ([11, 12], [23, 24]))
    return bool(distance.mean() < ON_BODY * np.linalg.norm(shoulders - hips))


def distinct(poses: list[Pose]) -> list[Pose]:
    """Removes poses of a person who has a better one; keeps the order."""
    kept: list[Pose] = []
    for pose in sorted(poses, key=lambda pose: -pose.score):
        if all(similarity(pose, other) < SAME_PERSON for other in kept):
            kept.append(pose)
    return [pose for pose in poses if any(pose is other for other in kept)]


def overlap(square: Square, other: Square) -> float:
    """Intersection over union of two squares, as if both were upright."""
    between = np.abs(square.centre - other.centre)
    sides = np.minimum((square.side + other.side) / 2 - between, min(square.side, other.side))
    shared = np.prod(np.maximum(sides, 0))
    return float(shared / (square.side**2 + other.side**2 - shared))


def create(
    name: str,
    weights_dir: str | os.PathLike[str] | None = None,
    *,
    people: Literal["all", "one"] = "all",
) -> Blazepose:
    """Makes the detector for one video.

    Args:
        name: "blazepose" for the heavy landmark network; "blazepose-int8" for the same with
            weights of 8 bits, which is faster; "blazepose-full" or "blazepose-lite".
        weights_dir: folder with the files of the weights, looked into first.
        people: "one" to look for one person.

    Raises:
        ValueError: a file is damaged.
        OSError: the weights are neither found nor fetched.
        ImportError: LiteRT or OpenCV is missing.
    """
    kind = name.partition("-")[2]
    size = "heavy" if kind in ("", "int8") else kind
    bundle = f"pose_landmarker_{size}.task"
    paths = weights.locate_any(
        [[bundle], ["pose_detection.tflite", f"pose_landmark_{size}.tflite"]], weights_dir
    )
    contents = _members(paths[0]) if len(paths) == 1 else [path.read_bytes() for path in paths]
    # Every core: decoding beside it needs a part of one, and a second thread costs 6 % of CPU time.
    threads = min(default_threads() + 1, MOST_THREADS)
    paths = paths * (2 // len(paths))
    change = functools.partial(with_integers, least=_MAPS[0], most=_MAPS[1])
    landmarks = litert.loader(
        contents[1], str(paths[1]), _OUTPUTS, change if kind == "int8" else None
    )
    detector = Copies(litert.loader(contents[0], str(paths[0])), threads)
    warning = f"{name} swaps front and back of people whose faces are hidden; blazepose does not."
    return Blazepose(
        detector,
        Copies(landmarks, threads),
        people=people,
        warnings=() if size == "heavy" else (warning,),
    )


def _members(bundle: Path) -> list[bytes]:
    """The networks in a `.task` file, which is a zip."""
    try:
        with zipfile.ZipFile(bundle) as opened:
            return [
                opened.read(name)
                for name in ("pose_detector.tflite", "pose_landmarks_detector.tflite")
            ]
    except (*weights.DAMAGED, KeyError) as error:
        raise ValueError(f"{bundle}: not a bundle of the pose landmarker ({error}).") from error
