"""The newest frame of a camera, for work that is slower than the camera."""

import dataclasses
import threading
import time
from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8

from repose_jax.detectors.video import Video

_CLOSING_S = 2.0  # a camera that was unplugged may block a read for ever


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A frame as it came.

    Attributes:
        time_s: on the clock of the video, s.
        image: RGB.
        came_s: when it came, by `time.monotonic`, s.
    """

    time_s: float
    image: UInt8[np.ndarray, "h w 3"]
    came_s: float


class Newest:
    """Iterates over the newest frames of a video; those in between are dropped.

    A context manager, in which a thread reads the video: a camera from the beginning, a file from
    when frames are asked for. Each frame is newer than the last one; the iterator waits for it, and
    ends with the video.

    Attributes:
        read: number of frames that were read so far.
    """

    def __init__(self, video: Video, *, paced: bool = False):
        """Prepares the thread.

        Args:
            video: a camera, or a file that is shown as one.
            paced: read a file no faster than it plays.
        """
        self.read = 0
        self._video, self._paced = video, paced
        self._change = threading.Condition()
        self._newest: Frame | None = None
        self._error: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def __enter__(self) -> "Newest":
        if not self._paced:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSING_S)
        if not self._thread.is_alive():  # releasing a camera during a read crashes
            self._video.close()

    def __iter__(self) -> Iterator[Frame]:
        if self._thread.ident is None:
            self._thread.start()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._newest is not None or self._ended.is_set())
                frame, self._newest = self._newest, None
            if frame is None:
                if self._error is not None:
                    raise self._error
                return
            yield frame

    def _read(self) -> None:
        start = None
        try:
            for time_s, image in self._video:
                start = time.monotonic() if start is None else start
                if self._paced and self._ended.wait(max(start + time_s - time.monotonic(), 0)):
                    return
                self.read += 1
                with self._change:
                    self._newest = Frame(time_s, image, time.monotonic())
                    self._change.notify_all()
                if self._ended.is_set():
                    return
        except Exception as error:
            self._error = error
        finally:
            self._ended.set()
            with self._change:
                self._change.notify_all()
