"""2D poses of all people in a video."""

import array
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from repose_jax.detectors.detector import Detector, Found
from repose_jax.detectors.video import Frame, Video, open_video
from repose_jax.keypoints.detections import Detections
from repose_jax.runtime import names
from repose_jax.runtime.ahead import ahead

_AHEAD = 4  # frames that are decoded before they are needed

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
) -> Detections:
    """Detects the people in all frames of a video.

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
            with closing(decoded_ahead(video)) as decoded:
                for number, (now, frame) in enumerate(decoded, 1):
                    table.append(now / slow_motion, detector.detect(frame, now))
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
        self._keypoints, self._confidence, self._score = (array.array("d") for _ in range(3))

    def append(self, time_s: float, found: Found) -> None:
        """Adds the people in the next frame."""
        self._frame.extend([len(self.time_s)] * len(found.score))
        self.time_s.append(time_s)
        for column, values in (
            (self._keypoints, found.keypoints),
            (self._confidence, found.confidence),
            (self._score, found.score),
        ):
            column.frombytes(values.astype(np.float64).tobytes())

    def detections(self, video: Video, detector: Detector, warnings: Sequence[str]) -> Detections:
        frame = np.array(self._frame, np.int64)
        return Detections(
            keypoints=np.array(self._keypoints, np.float64).reshape(-1, 17, 2),
            confidence=np.array(self._confidence, np.float64).reshape(-1, 17),
            frame=frame,
            score=np.array(self._score, np.float64),
            identity=np.full_like(frame, -1),
            time_s=np.array(self.time_s, np.float64),
            image_size=video.size,
            name=video.name,
            format=detector.format,
            assumptions=video.assumptions,
            warnings=(*warnings, *video.warnings, *detector.warnings),
        )


def decoded_ahead(video: Video, apart_s: float = 0.0) -> Generator[tuple[float, Frame], None, None]:
    """Iterates over a video while a thread decodes the next frames; close it to stop the thread.

    Frames that come less than `apart_s` after the last one are left out.
    """
    return ahead(video.frames(apart_s), most=_AHEAD, name="decoding")
