"""2D poses of all people in a video."""

import array
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool

from repose_jax.detectors.detector import Detector, Found
from repose_jax.detectors.video import Video, open_video
from repose_jax.keypoints.detections import Detections
from repose_jax.runtime import names
from repose_jax.runtime.ahead import ahead

_AHEAD = 4  # frames that are decoded before they are needed

_Item = TypeVar("_Item")

# Frames done, frames in all if the header promises any, and time of the frame, s.
Progress = Callable[[int, int | None, float], None]


class Incomplete(ValueError):
    """A video that an error ended after some of its frames.

    Attributes:
        found: the people in the frames before it; the first of its warnings is the message.
    """

    def __init__(self, message: str, found: Detections):
        super().__init__(message)
        self.found = found


def detect(
    source: str | Path | int,
    detector: Detector,
    *,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
    slow_motion: float | int = 1,
    fps: float | int | None = None,
    apart_s: float = 0.0,
) -> Detections:
    """Detects the people in the frames of a video.

    Frames are decoded in a thread beside the detection. Few of them are in memory at a time.

    Args:
        source: a video, an image, a folder of images, or the number of a camera.
        detector: of people; one that has seen no other video.
        progress: called after each frame, with the number of frames so far, the number in the
            header or None, and the time of the frame, s.
        stopped: asked after each frame whether to stop there, which a warning says.
        slow_motion: how many times slower than the motion was the video plays: 8 for one of 240
            frames per second that is stored as one of 30. Times are divided by it.
        fps: of a folder of images.
        apart_s: nobody is looked for in frames that come sooner than this after the last one in
            which people were, in s of the motion.

    Raises:
        ValueError: the video is unreadable, or a setting is not positive.
        OSError: there is no such file or camera.
        Incomplete: an error came after some frames, such as an image that is damaged.
    """
    if not 0 < slow_motion < np.inf:
        raise ValueError(f"slow motion is {slow_motion}; it should be a positive number.")
    table = _Table()
    with open_video(source, fps=fps) as video:

        def so_far(*warnings: str) -> Detections:
            return table.detections(video, detector, warnings)

        try:
            frames = video.sampled(apart_s * slow_motion)
            with closing(decoded_ahead(frames)) as decoded:
                for number, (now, frame) in enumerate(decoded, 1):
                    found = None if frame is None else detector.detect(frame, now)
                    table.append(now / slow_motion, found)
                    if progress is not None:
                        progress(number, video.frames_expected, now / slow_motion)
                    if stopped():
                        return so_far(
                            f"Detection was stopped after {number} frames; there are "
                            f"{video.frames_expected or 'more'}."
                        )
        except Exception as error:  # of any library: the frames before it are worth having
            count = len(table.time_s)
            if not count:
                raise
            line = " ".join(str(error).split()).removesuffix(".")
            if not isinstance(error, (ValueError, OSError)):
                line = ": ".join(filter(None, (video.name, type(error).__name__, line)))
            message = f"{line}. Detection ended there, after {names.counted(count, 'frame')}."
            raise Incomplete(message, so_far(message)) from error
        return so_far()


class _Table:
    """The people in the frames so far, a row each, in little memory."""

    def __init__(self):
        self.time_s, self._frame = array.array("d"), array.array("q")
        self._examined = array.array("b")
        self._keypoints, self._confidence, self._score = (array.array("d") for _ in range(3))

    def append(self, time_s: float, found: Found | None) -> None:
        """Adds the people in the next frame; None if nobody was looked for."""
        self._examined.append(found is not None)
        if found is None:
            self.time_s.append(time_s)
            return
        self._frame.extend([len(self.time_s)] * len(found.score))
        self.time_s.append(time_s)
        for column, values in (
            (self._keypoints, found.keypoints),
            (self._confidence, found.confidence),
            (self._score, found.score),
        ):
            column.frombytes(values.astype(np.float64).tobytes())

    def detections(self, video: Video, detector: Detector, warnings: Sequence[str]) -> Detections:
        frame, examined = np.array(self._frame, np.int64), np.array(self._examined, bool)
        left_out = () if examined.all() else (_sampled(examined),)
        return Detections(
            keypoints=np.array(self._keypoints, np.float64).reshape(-1, 17, 2),
            confidence=np.array(self._confidence, np.float64).reshape(-1, 17),
            frame=frame,
            score=np.array(self._score, np.float64),
            identity=np.full_like(frame, -1),
            time_s=np.array(self.time_s, np.float64),
            examined=None if examined.all() else examined,
            image_size=video.size,
            focal_px=video.focal_px,
            name=video.name,
            format=detector.format,
            assumptions=(*video.assumptions, *left_out),
            warnings=(*warnings, *video.warnings, *detector.warnings),
        )


def _sampled(examined: Bool[np.ndarray, " t"]) -> str:
    return (
        f"People were looked for in {examined.sum():,} of {len(examined):,} frames; between them "
        "their joints are interpolated (give --every-frame to look in all)."
    )


def decoded_ahead(frames: Generator[_Item, None, None]) -> Generator[_Item, None, None]:
    """Iterates over frames while a thread decodes the next; close it to stop the thread."""
    return ahead(frames, most=_AHEAD, name="decoding")
