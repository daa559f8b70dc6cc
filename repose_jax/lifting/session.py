"""A live session: from the frames of a camera to poses in a world, and the joints to keep."""

import array
import collections
import dataclasses
import time

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.detectors.detector import Detector, Found
from repose_jax.detectors.newest import Frame
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import world
from repose_jax.lifting.camera import camera as make_camera
from repose_jax.lifting.camera import undistorted
from repose_jax.lifting.live import Live
from repose_jax.lifting.live_place import LivePlace
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion.motion import World
from repose_jax.runtime import extras

FRAMES, FPS, DELAY = 27, 15, 2
"""Window of `Live`: a third of the time of a window of the training, and no less accurate; shorter
if the model takes no longer ones."""
IMAGE_SIZE = 320
"""Longest side of the images that are shown, px."""
RATE_S = 2.0
"""Time over which the rate is counted."""
RECENT_S = 1.0
"""Time for which images are kept until the pose of their time is known."""
REACH = 1.0
"""Distance that a person moves from one frame to the next at most, in sizes of the person."""
SMALLER = 0.6
"""Size of the person who is followed below which the largest is followed instead."""


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """A frame of the camera with the pose at its time.

    Attributes:
        time_s: of both, on the clock of the camera.
        image: RGB, its longest side at most `IMAGE_SIZE`.
        keypoints_px: `[17, 2]` of the person in the camera's image, NaN where missing; None if
            nobody was detected.
        joints_mm: `[17, 3]` in the world; None if there is no pose.
        confidence: `[17]` of the joints; 0 where missing.
        world: that of the joints.
        latency_s: from the camera's frame to its pose; NaN without a pose.
        rate: frames per second, over the last `RATE_S`.
    """

    time_s: float
    image: UInt8[np.ndarray, "h w 3"]
    keypoints_px: Float[np.ndarray, "17 2"] | None
    joints_mm: Float[np.ndarray, "17 3"] | None
    confidence: Float[np.ndarray, "17"]
    world: World | None
    latency_s: float
    rate: float


class Session:
    """Detects, lifts and places the largest person in the frames of one camera.

    Attributes:
        name: of the camera.
        camera: the camera.
        latencies_s: of all poses so far.
    """

    def __init__(
        self,
        model: Predictor,
        detector: Detector,
        image_size: tuple[int, int],
        options: Options,
        *,
        name: str = "camera",
    ):
        """Compiles the model.

        Args:
            model: in the frame of the person, such as the shipped weights.
            detector: of people.
            image_size: width and height of the frames, px.
            options: of which the camera, the vertical and the height have influence.
            name: of the camera.

        Raises:
            ValueError: a model or a camera that does not fit.
        """
        self.camera = make_camera(
            image_size, focal=options.focal, fov=options.fov, file=options.camera, video=name
        )
        self.latencies_s = array.array("d")
        self.name, self._detector = name, detector
        self._place = LivePlace(
            self.camera,
            up=None if options.up is None else world.read_up(options.up),
            height_mm=None if options.height is None else 1000 * options.height,
        )
        assumed = self.camera.source.startswith("assumed")
        self._live = Live(
            model,
            image_size,
            focal_length=None if assumed else self.camera.focal_px,
            frames=min(FRAMES, model.config.test_frames),
            fps=FPS,
            delay=DELAY,
        )
        self._found: list[tuple[float, Found]] = []
        self._recent: collections.deque[tuple[float, np.ndarray, np.ndarray | None]]
        self._recent = collections.deque()
        self._taken: collections.deque[float] = collections.deque()
        self._person: np.ndarray | None = None

    def take(self, frame: Frame) -> Shown:
        """Detects and lifts the person in the next frame; returns the newest pose.

        Pose and image are of one time: that of the frame less the delay of the model's window.
        """
        found = self._detector.detect(frame.image, frame.time_s)
        self._found.append((frame.time_s, found))
        keypoints, seen = self._choose(found)
        pose = self._live.push(undistorted(keypoints, self.camera), seen, frame.time_s)
        self._recent.append((frame.time_s, _small(frame.image), keypoints if seen.any() else None))
        while self._recent[0][0] < frame.time_s - RECENT_S:
            self._recent.popleft()
        rate = self._rate()
        if pose is None:
            return Shown(*self._recent[-1], None, seen, None, np.nan, rate)
        joints, place = self._place.place(pose)
        latency = time.monotonic() - frame.came_s + frame.time_s - pose.time_s
        self.latencies_s.append(latency)
        _, image, drawn = min(self._recent, key=lambda one: abs(one[0] - pose.time_s))
        return Shown(pose.time_s, image, drawn, joints, pose.confidence, place, latency, rate)

    def detections(self) -> Detections:
        """Returns the 2D joints of all people that were detected so far."""
        found = list(self._found)
        none = Found(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0))
        columns = [none, *(one for _, one in found)]
        frame = np.repeat(np.arange(len(found)), [len(one.score) for _, one in found])
        return Detections(
            keypoints=np.concatenate([one.keypoints for one in columns]),
            confidence=np.concatenate([one.confidence for one in columns]),
            frame=frame,
            score=np.concatenate([one.score for one in columns]),
            identity=np.full_like(frame, -1),
            time_s=np.array([time_s for time_s, _ in found], np.float64),
            image_size=self.camera.image_size,
            name=self.name,
            format=self._detector.format,
            warnings=tuple(self._detector.warnings),
        )

    def _choose(self, found: Found) -> tuple[Float[np.ndarray, "17 2"], Float[np.ndarray, "17"]]:
        """Returns the joints of the person who is followed, or of the largest; or missing ones."""
        sure = np.where(np.isfinite(found.keypoints).all(-1), found.confidence, 0)
        people = [
            (_size(points[seen > 0]), points, seen)
            for points, seen in zip(found.keypoints, sure, strict=True)
            if (seen > 0).sum() > 1
        ]
        if not people:
            return np.full((17, 2), np.nan), np.zeros(17)
        size, points, seen = max(people, key=lambda one: one[0])
        if self._person is not None:
            near = [(_apart(self._person, one[1]) / max(one[0], 1), *one) for one in people]
            closest = min(near, key=lambda one: one[0])
            if closest[0] < REACH and closest[1] > SMALLER * size:
                _, _, points, seen = closest
            else:
                self._live.reset()
        self._person = np.where((seen > 0)[:, None], points, np.nan)
        return points, seen

    def _rate(self) -> float:
        """Returns the rate of frames, this one included."""
        self._taken.append(time.monotonic())
        while self._taken[-1] - self._taken[0] > RATE_S:
            self._taken.popleft()
        span = self._taken[-1] - self._taken[0]
        return (len(self._taken) - 1) / span if span > 0 else 0.0


def _size(points: np.ndarray) -> float:
    """Returns the length of the diagonal of the box round points, px."""
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the median distance of the joints that two poses share, px."""
    apart = np.linalg.norm(one - other, axis=-1)
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if len(apart) else np.inf


def _small(image: np.ndarray) -> np.ndarray:
    cv2 = extras.require("cv2", "video", "Live lifting")
    height, width = image.shape[:2]
    scale = IMAGE_SIZE / max(height, width)
    if scale >= 1:
        return image
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
