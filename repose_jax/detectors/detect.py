"""2D poses of all people in a video."""

import array
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import numpy as np

from repose_jax.detectors.detector import Detector
from repose_jax.detectors.video import Frame, Video, open_video
from repose_jax.keypoints.detections import Detections
from repose_jax.runtime.ahead import ahead

_AHEAD = 4  # frames that are decoded before they are needed

# Frames done, frames in all if the header promises any, and time of the frame, s.
Progress = Callable[[int, int | None, float], None]


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
    """
    if not 0 < slow_motion < np.inf:
        raise ValueError(f"slow motion is {slow_motion}; it should be a positive number.")
    time_s, frames, keypoints, confidence, score = (array.array(c) for c in "dqddd")
    warnings: list[str] = []
    with open_video(source, fps=fps) as video, closing(decoded_ahead(video)) as decoded:
        for number, (now, frame) in enumerate(decoded):
            found = detector.detect(frame, now)
            time_s.append(now / slow_motion)
            frames.extend([number] * len(found.score))
            for column, values in (
                (keypoints, found.keypoints),
                (confidence, found.confidence),
                (score, found.score),
            ):
                column.frombytes(values.astype(np.float64).tobytes())
            if progress is not None:
                progress(number + 1, video.frames_expected, now / slow_motion)
            if stopped():
                warnings.append(
                    f"Detection was stopped after {number + 1} frames; there are "
                    f"{video.frames_expected or 'more'}."
                )
                break
    frame_of = np.array(frames, np.int64)
    return Detections(
        keypoints=np.array(keypoints, np.float64).reshape(-1, 17, 2),
        confidence=np.array(confidence, np.float64).reshape(-1, 17),
        frame=frame_of,
        score=np.array(score, np.float64),
        identity=np.full_like(frame_of, -1),
        time_s=np.array(time_s, np.float64),
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
