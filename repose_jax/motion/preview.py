"""A video that shows the 2D joints on the frames beside the motion in 3D."""

import contextlib
import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from repose_jax.motion import drawing, palette
from repose_jax.motion.drawing import Eye, Figure
from repose_jax.motion.motion import Motion, Person, World
from repose_jax.runtime import extras
from repose_jax.runtime.ahead import ahead
from repose_jax.runtime.whole_file import whole

MAX_HEIGHT, MIN_HEIGHT = 960.0, 480.0  # px
PIXELS = 810_000  # of a picture, about; drawing and encoding take time in proportion
TURN_S, PITCH = 20.0, 0.2  # of the point of view; radians above the floor
MOST_FPS = 30
_AHEAD = 4  # pictures that are drawn before they are encoded
_CLOCK = 90_000  # ticks/s: fine enough for every frame rate
_BT601, _LIMITED = 6, 1  # of OpenCV's I420, in the numbers of ITU-T H.273 and of FFmpeg
# 0.6 of the CPU time of the preset alone at CRF 20, and files of no larger size.
_FASTER = {"crf": "22", "x264-params": "subme=1:me=dia:bframes=1"}
_PLAIN = (28, 33, 40)


def write(
    path: str | pathlib.Path,
    motion: Motion,
    video_frames: Iterable[tuple[float, np.ndarray]] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes a video in H.264: each frame with its 2D joints, beside it the 3D motion.

    The times of the frames are kept, also of a variable frame rate. Frames are read, drawn and
    encoded one by one, in threads. The file appears when it is complete.

    Args:
        path: of the file, "preview.mp4" by custom.
        motion: the people.
        video_frames: time, s, and `[h, w, 3]` RGB, uint8, of the video's frames in order, upright,
            of the proportions of the motion's `image_size`, those `apart_s` apart by custom; None
            to draw on a plain background.
        progress: called with the number of the motion's frames that are drawn, and that of all.

    Raises:
        ImportError: the extra `preview` is not installed.
        ValueError: there is no frame.
    """
    cv2 = extras.require("cv2", "preview", "Writing a preview")
    if video_frames is None:
        video_frames = _plain_frames(motion)
    place = _layout(motion.camera.image_size)
    pictures = (
        (time, cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420))
        for time, picture in _pictures(cv2, motion, place, video_frames)
    )
    drawn = ahead(pictures, most=_AHEAD, name="drawing")
    with contextlib.closing(drawn), whole(path) as part:
        shown = drawn if progress is None else _reported(drawn, motion.time_s, progress)
        _encode(part, shown, place.size, motion.fps / _every(motion))


def _reported(
    pictures: Iterable[tuple[float, np.ndarray]],
    times: Float[np.ndarray, " t"],
    progress: Callable[[int, int], None],
) -> Iterator[tuple[float, np.ndarray]]:
    for time, picture in pictures:
        progress(_nearest(times, time) + 1, len(times))
        yield time, picture


def apart_s(motion: Motion) -> float:
    """Returns the least time between two frames of a preview, s.

    It is 0, for all frames, up to `MOST_FPS`; of faster motions every second frame is shown, or
    third, ...
    """
    every = _every(motion)
    return (every - 0.5) / motion.fps if every > 1 else 0.0


def _every(motion: Motion) -> int:
    """Returns of how many frames one is shown; rates in headers are rounded."""
    return max(1, math.ceil(motion.fps / (1.05 * MOST_FPS)))


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Sizes in px, width and height: of the video, of the panel in 3D beside or below, of both."""

    video: tuple[int, int]
    panel: tuple[int, int]
    size: tuple[int, int]


def _layout(image_size: tuple[int, int]) -> _Layout:
    """Returns even sizes, near `PIXELS` in all; the panel is beside all but very wide videos."""
    aspect = image_size[0] / image_size[1]
    below = aspect > 2.4
    # Of the panel, when the video's height (its width, when the panel is below) is 1.
    width = min(1.0, max(aspect, 0.6))
    area = (1 / aspect + 0.5) if below else (aspect + width)
    length = math.sqrt(PIXELS / area)
    if below:
        video = _even(length), _even(length / aspect)
        panel = video[0], _even(length / 2)
        return _Layout(video, panel, (video[0], video[1] + panel[1]))
    length = min(length, MAX_HEIGHT, max(image_size[1], MIN_HEIGHT))
    video, panel = (_even(length * aspect), _even(length)), (_even(length * width), _even(length))
    return _Layout(video, panel, (video[0] + panel[0], video[1]))


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))


class _Stage:
    """The point of view of the 3D panel: it turns about the people, and moves along with them."""

    def __init__(self, motion: Motion, place: _Layout):
        self.size = place.panel
        self.time_s = motion.time_s
        self.centre = _centres(motion)
        away = [
            np.linalg.norm((person.joints_mm[:, 0] - self.centre[person.frame])[:, [0, 2]], axis=-1)
            for person in motion.people
        ]
        # Who strays farthest leaves the picture for a moment rather than making all small.
        reach = float(np.quantile(np.concatenate(away), 0.95)) if away else 1000.0
        tops = [person.joints_mm[..., 1].max() for person in motion.people]
        self.middle = min(float(max(tops, default=1800)), 2200.0) / 2
        self.distance = self._distance(reach)

    def eye(self, index: int) -> Eye:
        """Returns the point of view in a frame; it starts on the camera's side."""
        turn = 2 * np.pi * (self.time_s[index] - self.time_s[0]) / TURN_S
        x, _, z = self.centre[index]
        target = np.array([x, self.middle, z])
        return drawing.orbit(target, turn, PITCH, self.distance, self.size)

    def _distance(self, reach: float) -> float:
        """Returns a distance, mm, from which people this far from the middle are seen whole."""
        focal = drawing.FOCAL * min(self.size)
        width, height = self.size
        beside = focal * (reach + 1000) / (width / 2)
        before = reach + focal * (self.middle + 150 + PITCH * reach) / (height / 2)
        return max(beside, before, 3500.0)


def _centres(motion: Motion) -> Float[np.ndarray, "t 3"]:
    """Returns the smooth middle of the people who are there, mm, for every frame."""
    count = np.zeros(len(motion.time_s))
    total = np.zeros((len(motion.time_s), 3))
    for person in motion.people:
        count[person.frame] += 1
        total[person.frame] += person.joints_mm[:, 0]
    there = np.flatnonzero(count)
    if not len(there):
        return total
    middle = total[there] / count[there, None]
    frames = np.arange(len(count))
    filled = np.stack([np.interp(frames, there, axis) for axis in middle.T], -1)
    return gaussian_filter1d(filled, motion.fps, axis=0, mode="nearest")


def _plain_frames(motion: Motion) -> Iterator[tuple[float, np.ndarray]]:
    width, height = _layout(motion.camera.image_size).video
    blank = np.full((height, width, 3), _PLAIN, np.uint8)
    apart, last = apart_s(motion), -math.inf
    for time in motion.time_s.tolist():
        if time - last >= apart:
            yield time, blank
            last = time


def _pictures(
    cv2: Any,
    motion: Motion,
    place: _Layout,
    video_frames: Iterable[tuple[float, np.ndarray]],
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields times, s, and pictures of the preview, RGB; the next overwrites the last."""
    stage = _Stage(motion, place)
    colours = palette.of_people(len(motion.people))
    scale = place.video[0] / motion.camera.image_size[0]
    canvas = np.empty((place.size[1], place.size[0], 3), np.uint8)
    video = canvas[: place.video[1], : place.video[0]]
    panel = canvas[-place.panel[1] :, -place.panel[0] :]
    for time, frame in video_frames:
        index = _nearest(motion.time_s, time)
        figures = [
            _figure(person, motion.world, index, colour)
            for person, colour in zip(motion.people, colours, strict=True)
            if person.frame[0] <= index <= person.frame[-1]
        ]
        _resize(cv2, frame, video)
        drawing.draw_2d(cv2, video, figures, scale)
        eye = stage.eye(index)
        drawing.draw_3d(cv2, panel, figures, eye)
        if len(motion.people) > 1:
            drawing.draw_numbers(cv2, video, figures, [_top(figure) * scale for figure in figures])
            heads = [
                eye.project(figure.joints_mm[drawing.HEAD] + [0, 60, 0])[0] for figure in figures
            ]
            drawing.draw_numbers(cv2, panel, figures, heads)
        drawing.draw_caption(cv2, panel, f"{time:.2f} s")
        yield time, canvas


def _resize(cv2: Any, frame: np.ndarray, into: np.ndarray) -> None:
    """Resizes a frame: first by a whole factor, which is fast and sharp, then by interpolation."""
    height, width = into.shape[:2]
    factor = max(1, min(frame.shape[0] // height, frame.shape[1] // width))
    if factor > 1:
        rows, columns = (length // factor for length in frame.shape[:2])
        whole = frame[: rows * factor, : columns * factor]
        frame = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    if frame.shape == into.shape:
        into[:] = frame
    else:
        into[:] = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)


def _nearest(times: Float[np.ndarray, " t"], time: float) -> int:
    """Returns the index of the nearest of increasing times."""
    after = int(np.searchsorted(times, time))
    around = range(max(after - 1, 0), min(after + 1, len(times)))
    return min(around, key=lambda index: abs(times[index] - time))


def _figure(person: Person, world: World, index: int, colour: drawing.Colour) -> Figure:
    row = index - int(person.frame[0])
    keypoints = person.keypoints_px[row]
    found = np.where(keypoints[:, 2:] > 0, keypoints[:, :2], np.nan)
    others = world.hypotheses(person, row)
    return Figure(person.number, colour, person.joints_mm[row], person.status[row], found, others)


def _top(figure: Figure) -> np.ndarray:
    """Returns the place for a number: the highest joint that was detected, px."""
    found = np.isfinite(figure.keypoints_px).all(-1)
    if not found.any():
        return np.full(2, np.nan)
    return figure.keypoints_px[found][figure.keypoints_px[found, 1].argmin()]


def _encode(
    path: pathlib.Path,
    pictures: Iterator[tuple[float, np.ndarray]],
    size: tuple[int, int],
    fps: float,
) -> None:
    """Writes pictures in I420 at their times, s, as H.264 in MP4."""
    av = extras.require("av", "preview", "Writing a preview")
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        stream = output.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _CLOCK)
        stream.codec_context.colorspace = _BT601
        stream.codec_context.color_range = _LIMITED
        seconds_2 = str(max(1, round(2 * fps)))  # between key frames, so that players seek well
        stream.options = {"preset": "veryfast", **_FASTER, "g": seconds_2}
        start = last = None
        for time, picture in pictures:
            start = min(time, 0.0) if start is None else start
            ticks = round((time - start) * _CLOCK)
            if last is not None and ticks <= last:
                continue
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base, last = ticks, Fraction(1, _CLOCK), ticks
            output.mux(stream.encode(frame))
        if last is None:
            raise ValueError("The preview was not written: the video has no frame.")
        output.mux(stream.encode())
