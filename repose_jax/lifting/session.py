"""A live session: from the frames of a camera to poses in a world, and the joints to keep."""

import array
import collections
import contextlib
import dataclasses
import math
import time
from collections.abc import Generator, Iterator

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.detectors.detector import Detector, Found
from repose_jax.detectors.newest import Frame, Newest
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import world
from repose_jax.lifting.ahead import ahead
from repose_jax.lifting.camera import camera as make_camera
from repose_jax.lifting.camera import undistorted
from repose_jax.lifting.follower import Follower
from repose_jax.lifting.live import Live
from repose_jax.lifting.live_place import LivePlace
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion.motion import World
from repose_jax.runtime import extras

IMAGE_SIZE = 320
"""Longest side of the images that are shown, px."""
RATE_S = 2.0
"""Time over which the rate is counted."""
RECENT_S = 1.0
"""Time for which images are kept until the pose of their time is known."""


@dataclasses.dataclass(frozen=True, eq=False)
class Detected:
    """A frame of the camera and the people in it.

    Attributes:
        time_s: on the clock of the camera.
        image: RGB, its longest side at most `IMAGE_SIZE`.
        found: the people.
        came_s: when the frame came, by `time.monotonic`, s.
        dropped: number of frames before it that came and were not used.
    """

    time_s: float
    image: UInt8[np.ndarray, "h w 3"]
    found: Found
    came_s: float
    dropped: int


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
        dropped: number of frames that came and were not used so far.
    """

    time_s: float
    image: UInt8[np.ndarray, "h w 3"]
    keypoints_px: Float[np.ndarray, "17 2"] | None
    joints_mm: Float[np.ndarray, "17 3"] | None
    confidence: Float[np.ndarray, "17"]
    world: World | None
    latency_s: float
    rate: float
    dropped: int


class Session:
    """Detects, lifts and places the largest person in the frames of one camera.

    Attributes:
        name: of the camera.
        camera: the camera.
        times_s: of all frames so far, on the clock of the camera.
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
        keep: bool = False,
    ):
        """Compiles the model.

        Args:
            model: in the frame of the person, such as the shipped weights.
            detector: of people.
            image_size: width and height of the frames, px.
            options: of which the camera, the vertical and the height have influence.
            name: of the camera.
            keep: keep the 2D joints of everybody, for `detections`.

        Raises:
            ValueError: a model or a camera that does not fit.
        """
        self.camera = make_camera(
            image_size, focal=options.focal, fov=options.fov, file=options.camera, video=name
        )
        self.times_s, self.latencies_s = array.array("d"), array.array("d")
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
        )
        self._kept: list[Found] | None = [] if keep else None
        self._recent: collections.deque[tuple[float, np.ndarray, np.ndarray | None]]
        self._recent = collections.deque()
        self._taken: collections.deque[float] = collections.deque()
        self._follower = Follower()

    def poses(self, frames: Newest, *, silence_s: float = math.inf) -> Generator[Shown, None, None]:
        """Iterates over the newest poses; close it to end its thread.

        While a frame is lifted a thread detects the people in the next one, which it takes when the
        lifter has taken the last one. So a pose comes no later after its frame than it takes to
        detect and to lift it, and to lift the one before; and the delay of the window.

        Args:
            frames: of the camera.
            silence_s: time without a frame after which the camera is no longer waited for.

        Raises:
            OSError: no frame came for that time.
            Exception: an error of the camera or the detector.
        """

        def detected() -> Iterator[Detected]:
            for number, frame in enumerate(frames, 1):
                yield self.detect(frame, dropped=frames.read - number)

        read, last_s = -1, 0.0

        def waiting() -> None:
            nonlocal read, last_s
            if frames.read != read:
                read, last_s = frames.read, time.monotonic()
            elif time.monotonic() - last_s > silence_s:
                raise OSError(
                    f"{self.name}: no frame came for {silence_s:g} s; is it still connected?"
                )

        with contextlib.closing(ahead(detected(), waiting=waiting)) as people:
            for one in people:
                yield self.lift(one)

    def detect(self, frame: Frame, *, dropped: int = 0) -> Detected:
        """Detects the people in the next frame; may run in a thread beside `lift`."""
        found = self._detector.detect(frame.image, frame.time_s)
        return Detected(frame.time_s, _small(frame.image), found, frame.came_s, dropped)

    def lift(self, frame: Detected) -> Shown:
        """Lifts the person who is followed in the next frame; returns the newest pose.

        Pose and image are of one time: that of the frame less the delay of the model's window.
        """
        self.times_s.append(frame.time_s)
        if self._kept is not None:
            self._kept.append(frame.found)
        keypoints, seen, other = self._follower.choose(frame.found, frame.time_s)
        if other:
            self._live.reset()
            self._place.reset()
        pose = self._live.push(undistorted(keypoints, self.camera), frame.time_s, seen)
        self._recent.append((frame.time_s, frame.image, keypoints if seen.any() else None))
        while self._recent[0][0] < frame.time_s - RECENT_S:
            self._recent.popleft()
        rate = self._rate()
        if pose is None:
            return Shown(*self._recent[-1], None, seen, None, np.nan, rate, frame.dropped)
        joints, place = self._place.place(pose)
        latency = time.monotonic() - frame.came_s + frame.time_s - pose.time_s
        self.latencies_s.append(latency)
        _, image, drawn = min(self._recent, key=lambda one: abs(one[0] - pose.time_s))
        return Shown(
            *(pose.time_s, image, drawn, joints, pose.confidence, place),
            *(latency, rate, frame.dropped),
        )

    def detections(self) -> Detections:
        """Returns the 2D joints of all people that were detected so far, if they are kept."""
        assert self._kept is not None
        none = Found(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0))
        columns = [none, *self._kept]
        frame = np.repeat(np.arange(len(self._kept)), [len(one.score) for one in self._kept])
        return Detections(
            keypoints=np.concatenate([one.keypoints for one in columns]),
            confidence=np.concatenate([one.confidence for one in columns]),
            frame=frame,
            score=np.concatenate([one.score for one in columns]),
            identity=np.full_like(frame, -1),
            time_s=np.array(self.times_s, np.float64),
            image_size=self.camera.image_size,
            name=self.name,
            format=self._detector.format,
            warnings=tuple(self._detector.warnings),
        )

    def _rate(self) -> float:
        """Returns the rate of frames, this one included."""
        self._taken.append(time.monotonic())
        while self._taken[-1] - self._taken[0] > RATE_S:
            self._taken.popleft()
        span = self._taken[-1] - self._taken[0]
        return (len(self._taken) - 1) / span if span > 0 else 0.0


def _small(image: np.ndarray) -> np.ndarray:
    cv2 = extras.require("cv2", "video", "Live lifting")
    height, width = image.shape[:2]
    scale = IMAGE_SIZE / max(height, width)
    if scale >= 1:
        return image
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
