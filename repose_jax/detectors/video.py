"""Frames of a video, a camera or images, one by one, with their times."""

import functools
import os
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from repose_jax.detectors import lens
from repose_jax.keypoints import images
from repose_jax.runtime import extras, folders

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_SUFFIXES = """.3gp .asf .avi .flv .gif .h264 .h265 .hevc .m2ts .m4v .mjpeg .mjpg .mkv .mov .mp4
.mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv .y4m"""
VIDEOS = frozenset(_SUFFIXES.split())
USUAL_FPS = 30.0

Frame = UInt8[np.ndarray, "h w 3"]
_Take = Callable[[], np.ndarray | None]  # returns the RGB frame; None if it cannot be converted
_Stamped = tuple[float, _Take]  # the time is in s, NaN if the source has none


def is_video(path: str | Path) -> bool:
    """Whether a file's name is that of a video or image, or a folder holds images but no JSON."""
    path = Path(path)
    if not path.is_dir():
        return path.suffix.lower() in VIDEOS | IMAGES
    suffixes = {file.suffix.lower() for file in path.iterdir()}
    return bool(suffixes & IMAGES) and ".json" not in suffixes


def videos_in(path: str | Path) -> list[Path]:
    """Returns the videos of a folder in the order of their numbers; none if it holds JSON.

    Of a folder without videos, whose images are not the frames of one, each image.
    """
    path = Path(path)
    files = [*path.iterdir()] if path.is_dir() else []
    if any(file.suffix.lower() == ".json" for file in files):
        return []
    videos = [file for file in files if file.suffix.lower() in VIDEOS and file.is_file()]
    if not videos:
        photos = [file for file in files if file.suffix.lower() in IMAGES]
        videos = [] if images.are_one_video([file.name for file in photos]) else photos
    return sorted(videos, key=_natural)


class Video:
    """An open video: a context manager that iterates once over `(time_s, frame)`.

    Frames are upright, RGB. Times increase, in s from the first frame. Few frames are in memory at
    a time, whatever the length of the video.

    Attributes:
        name: of the file or folder, or of the camera.
        size: width and height of the upright frames, px.
        fps_expected: frame rate in the header, or None.
        frames_expected: number of frames that the header promises, which is often wrong, or None.
        focal_px: focal length that the file states, px, or None.
    """

    def __init__(
        self,
        name: str,
        stamped: Iterator[_Stamped],
        *,
        fps_expected: float | None = None,
        frames_expected: int | None = None,
        assumptions: tuple[str, ...] = (),
        files: Sequence[str] = (),
        path: Path | None = None,
        close: Callable[[], None] = lambda: None,
    ):
        """Reads the first frame.

        Args:
            stamped: in the order of the frames, the time, s, NaN if the source has none, and what
                returns the frame, or None if it is broken; called before the next one is asked for.
            assumptions: sentences on what the source does not say.
            files: their names, if each frame has one.
            path: of the file, or of the first.
            close: releases the source.

        Raises:
            ValueError: there is no frame.
        """
        self.name = name.encode("utf-8", "replace").decode()  # of a file, of any bytes
        self.fps_expected = fps_expected
        self.frames_expected = frames_expected
        self._close, self._files = close, files
        self._stamped = stamped
        start, take = next(stamped, (0.0, lambda: None))
        first = take()
        if first is None:
            close()
            raise ValueError(f"{name}: no frame of it can be decoded.")
        self._start, self._first = start, first
        self.size: tuple[int, int] = (first.shape[1], first.shape[0])
        self.focal_px = None if path is None else lens.focal_px(path, self.size)
        self._assumptions = list(assumptions)
        self._repaired = 0
        self._other_size = ""
        self._short = ""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Sentences on what the source does not say and was assumed."""
        return tuple(self._assumptions)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what was found wrong in the frames so far."""
        repaired = f"{self.name}: the times of {self._repaired} frames did not increase and were "
        repaired = f"{repaired}replaced by ones between their neighbours." if self._repaired else ""
        return tuple(filter(None, (repaired, self._other_size, self._short)))

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Releases the file or camera."""
        self._close()

    def __iter__(self) -> Iterator[tuple[float, Frame]]:
        return self.frames()

    def frames(self, apart_s: float = 0.0) -> Generator[tuple[float, Frame], None, None]:
        """Iterates once over times, s, and frames, without those that `sampled` leaves out."""
        for now, frame in self.sampled(apart_s):
            if frame is not None:
                yield now, frame

    def sampled(self, apart_s: float) -> Generator[tuple[float, Frame | None], None, None]:
        """Iterates once over the times, s, of all frames, and frames that are `apart_s` apart.

        Args:
            apart_s: for frames that come sooner than this after the last one there is None, which
                takes less time: they are decoded, but not converted to RGB.
        """
        first, self._first = self._first, None
        if first is None:
            return
        last = 0.0
        yield last, first
        for number, (now, take) in enumerate(self._increasing(), 1):
            if now - last < apart_s:
                yield now, None
                continue
            frame = take()
            if frame is None:
                self._note_end(number, now)
                return
            if (frame.shape[1], frame.shape[0]) != self.size:
                self._note_size(number, frame)
                return
            yield now, frame
            last = now

    def _increasing(self) -> Iterator[_Stamped]:
        """Iterates over all frames after the first, with times from it that increase."""
        step = 1 / (self.fps_expected or USUAL_FPS)
        count, run, last = 1, 0, 0.0
        for stamp, take in self._stamped:
            now = stamp - self._start
            if now > last:
                step, run = min(step, now - last) if run else now - last, 0
            else:
                # Half a step after the last frame, so that the next time can be as it is; whole
                # steps if more of them are wrong.
                now, run = last + step * (1.0 if run else 0.5), run + 1
                self._repaired += 1
            last, count = now, count + 1
            yield now, take
        self._note_end(count, last)

    def _note_size(self, frames: int, frame: np.ndarray) -> None:
        height, width = frame.shape[:2]
        which = f"frame {frames}" + (f" ({self._files[frames]})" if self._files else "")
        self._other_size = (
            f"{self.name}: {which} is of {width}x{height} px, those before it of "
            f"{self.size[0]}x{self.size[1]}: it and all later ones are left out."
        )

    def _note_end(self, frames: int, last: float) -> None:
        """Notes that a video was shorter than promised, both in frames and in time.

        Many headers count too many frames: containers that store a duration only, at a variable
        rate, and edited videos.
        """
        if self.frames_expected is None or self.fps_expected is None:
            return
        missing = self.frames_expected - frames
        seconds = (self.frames_expected - 1) / self.fps_expected
        if missing > 0 and seconds - last > 0.5 / self.fps_expected:
            self._short = (
                f"{self.name}: its header promises {self.frames_expected} frames, {frames} came; "
                "the file may be truncated."
            )


def open_video(source: str | Path | int, *, fps: float | int | None = None) -> Video:
    """Opens a video, a camera, an image, or a folder of images in the order of their numbers.

    Args:
        source: a path, or the number of a camera.
        fps: of a folder of images, which has no times; 30 is assumed if None. Videos and cameras
            have times of their own.

    Raises:
        ValueError: the file is empty or not a video, or nothing in it can be decoded.
        OSError: there is no such file, or no such camera.
        ImportError: OpenCV is missing.
    """
    if fps is not None and not 0 < fps < np.inf:
        raise ValueError(f"fps is {fps}; it should be a positive number.")
    # FFmpeg and OpenCV would write about a bad file on stderr, beside the one line of the error.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2 = extras.require("cv2", "video", "Reading a video")
    if isinstance(source, int):
        return _open_camera(cv2, source)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder.")
    if path.is_dir():
        return _open_folder(cv2, path, fps)
    folders.check_readable(path)
    if not path.stat().st_size:
        raise ValueError(f"{path}: the file is empty (0 bytes).")
    if path.suffix.lower() in IMAGES:
        take = functools.partial(_image, cv2, path)
        return Video(path.name, iter([(0.0, take)]), frames_expected=1, path=path)
    return _open_file(cv2, path)


def _open_file(cv2, path: Path) -> Video:
    with _silence(cv2):
        # An absolute path: FFmpeg reads what stands before a colon as a protocol.
        capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(
            f"{path}: not a video that OpenCV can read, or truncated before its index of frames."
        )
    fps = capture.get(cv2.CAP_PROP_FPS)
    frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)

    def stamped() -> Iterator[_Stamped]:
        while capture.grab():
            yield capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, take

    take = functools.partial(_retrieve, cv2, capture)
    try:
        return Video(
            path.name,
            stamped(),
            fps_expected=fps if 0 < fps <= 1000 else None,
            frames_expected=int(frames) if 0 < frames < 1e9 else None,
            path=path,
            close=capture.release,
        )
    except ValueError:
        raise ValueError(f"{path}: no frame of it can be decoded.") from None


def _open_camera(cv2, number: int) -> Video:
    if not 0 <= number < 1 << 31:  # as OpenCV counts
        raise ValueError(f"camera {number}: cameras are numbered from 0.")
    with _silence(cv2):
        capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise OSError(f"camera {number}: it cannot be opened; is it connected, and free?")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # no old frames when detection is slower than it
    fps = capture.get(cv2.CAP_PROP_FPS)

    def stamped() -> Iterator[_Stamped]:
        while capture.grab():
            yield time.monotonic(), take

    take = functools.partial(_retrieve, cv2, capture)
    return Video(
        f"camera {number}",
        stamped(),
        fps_expected=fps if 0 < fps <= 1000 else None,
        close=capture.release,
    )


def _open_folder(cv2, folder: Path, fps: float | int | None) -> Video:
    files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGES]
    if not files:
        raise ValueError(f"{folder}: the folder holds no images ({', '.join(sorted(IMAGES))}).")
    if not images.are_one_video([file.name for file in files]):
        raise ValueError(
            f"{folder}: by their names the {len(files)} images are not the frames of one video, "
            "which are numbered in order; take them one by one."
        )
    files.sort(key=_natural)
    rate = float(fps or USUAL_FPS)
    assumption = f"{folder.name}: images have no times; {rate:g} frames per second were assumed."
    return Video(
        folder.name,
        ((i / rate, functools.partial(_image, cv2, file)) for i, file in enumerate(files)),
        fps_expected=rate,
        frames_expected=len(files),
        assumptions=() if fps or len(files) == 1 else (assumption,),
        files=[file.name for file in files],
        path=files[0],
    )


def _natural(file: Path) -> list[int | str]:
    """Returns text and numbers of a name, alternately, beginning with text."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", file.name)]


def _retrieve(cv2, capture) -> np.ndarray | None:
    try:
        came, frame = capture.retrieve()
    except cv2.error:  # of a frame that OpenCV cannot convert
        return None
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if came else None


def _image(cv2, path: Path) -> np.ndarray:
    """An image as RGB, turned as its EXIF orientation says."""
    try:
        data = path.read_bytes()  # OpenCV cannot open every name of Windows
    except OSError as error:
        raise OSError(f"{path}: the image cannot be read ({error.strerror}).") from error
    if not data:
        raise ValueError(f"{path}: the file is empty (0 bytes); replace it, or leave it out.")
    # Of a PNG that is cut off libpng would write on stderr.
    cut = data.startswith(b"\x89PNG") and b"IEND" not in data
    try:
        with _silence(cv2):
            coded = np.frombuffer(data, np.uint8)
            image = None if cut else cv2.imdecode(coded, cv2.IMREAD_COLOR)
    except cv2.error:  # it has too many pixels
        image = None
    if image is None:
        raise ValueError(
            f"{path}: not an image that OpenCV can read, or cut off; replace it, or leave it out."
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class _silence:
    """Keeps OpenCV from writing log lines."""

    def __init__(self, cv2):
        # Until OpenCV 4.12 it is in the module itself.
        self._log = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging

    def __enter__(self):
        self._level = self._log.getLogLevel()
        self._log.setLogLevel(0)

    def __exit__(self, *_):
        self._log.setLogLevel(self._level)
