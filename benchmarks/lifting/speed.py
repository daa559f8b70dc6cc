"""Time and memory of lifting: by stage, and of the whole command."""

import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from repose_jax.detectors import create, detect
from repose_jax.detectors.video import open_video
from repose_jax.keypoints import store
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import lift, resample, sources
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion import files
from repose_jax.tracking import gaps, outliers, sides, tracks

REPEATS = 3
_MEASURE = """
import json, resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
wall, used = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
LONG = 108_000
"""Frames of an hour at 30 frames/s."""
_EVERY, _ONE, _INTEGERS = "--every-frame", "--people=one", "--detector=blazepose-int8"
_MORE = {
    1: ((_EVERY,), (_ONE, _EVERY), (_ONE, _EVERY, _INTEGERS)),
    3: ((_EVERY,), (_EVERY, _INTEGERS), (_INTEGERS,)),
}
"""Options by the number of people in the video."""


def stages(video: pathlib.Path, model: Predictor, frames: int) -> dict[str, float]:
    """Returns the CPU time of each stage for a video of one person, ms per frame.

    The stages of a video are those of its frames, the others those of its detections, repeated to
    so many frames. Each is the least of `REPEATS`, after one run that compiles.
    """
    found: dict[str, float] = {}

    def note(name: str, count: int, run: Callable[[], Any], repeats: int = REPEATS) -> Any:
        seconds, result = [], None
        for _ in range(repeats):
            start = time.process_time()
            result = run()
            seconds.append(time.process_time() - start)
        found[name] = 1000 * min(seconds) / count
        print(f"{name}: {found[name]:.2f} ms", flush=True)
        return result

    with open_video(video) as opened:
        images = list(opened)
    note("decode", len(images), lambda: _decode(video))
    many: tuple[Literal["all", "one"], ...] = ("all", "one")
    for people in many:

        def run(people: Literal["all", "one"] = people) -> None:
            detector = create.create("blazepose", people=people)
            for time_s, image in images:
                detector.detect(image, time_s)

        note(f"detect, people={people}", len(images), run)
    detections = repeated(detect.detect(video, create.create("blazepose")), frames)
    options = Options(largest=True)
    people = note("track", frames, lambda: tracks.track(detections))
    track = tracks.largest(people)

    def mend() -> Any:
        mended, _ = outliers.without_outliers(sides.mend_sides(track)[0])
        return gaps.fill_gaps(mended, 0.5)

    mended = note("mend", frames, mend)
    seen, sure, times = resample.to_uniform(mended.keypoints, mended.confidence, mended.time_s)
    fps = float(1 / np.diff(times).mean())
    size = detections.image_size
    known = {"fps": fps, "constant_bones": False, "flip": False}
    model(seen, sure, size, **known)
    note("network", frames, lambda: model(seen, sure, size, **known))
    motion = note("all after detection", frames, lambda: lift.motion_of(detections, model, options))
    with tempfile.TemporaryDirectory() as folder:
        for kind in (kind for kind in files.KINDS if kind != "mp4" and kind in files.available()):
            where = pathlib.Path(folder) / kind
            note(kind, frames, lambda where=where, kind=kind: files.write(where, motion, [kind]))
        if "mp4" in files.available():
            where, short = pathlib.Path(folder) / "mp4", detect_again(video, model)

            def preview() -> None:
                files.write(where, short, ["mp4"])

            note("mp4, with decoding", len(images), preview)
    return found


def detect_again(video: pathlib.Path, model: Predictor) -> Any:
    """Returns the motion of a video."""
    found, options = detect.detect(video, create.create("blazepose")), Options()
    frames = functools.partial(sources.frames_of, video, options)
    return lift.motion_of(found, model, options, frames=frames)


def _decode(video: pathlib.Path) -> int:
    with open_video(video) as opened:
        return sum(1 for _ in opened)


def repeated(detections: Detections, frames: int) -> Detections:
    """Returns detections played forwards and backwards up to so many frames."""
    count = len(detections.time_s)
    order = np.arange(frames) % (2 * count - 2)
    order = np.where(order < count, order, 2 * count - 2 - order)
    first, after = (
        np.searchsorted(detections.frame, order, side=side) for side in ("left", "right")
    )
    rows = np.concatenate([np.arange(a, b) for a, b in zip(first, after, strict=True)])
    columns = ("keypoints", "confidence", "score", "identity")
    return dataclasses.replace(
        detections,
        frame=np.repeat(np.arange(frames), after - first),
        time_s=np.arange(frames) * float(np.median(np.diff(detections.time_s))),
        **{name: getattr(detections, name)[rows] for name in columns},
    )


def write_video(source: pathlib.Path, path: pathlib.Path, frames: int, people: int = 1) -> None:
    """Writes a video of so many frames: the source forwards and backwards.

    Several people are copies of the picture side by side, each a third of a second ahead of the
    last.
    """
    import av
    import cv2

    with open_video(source) as opened:
        images = [frame for _, frame in opened]
        rate = round(opened.fps_expected or 30)
    order = [*range(len(images)), *range(len(images) - 2, 0, -1)]
    height, width = images[0].shape[:2]
    if people > 1:
        height, width = (2 * (side // people // 2) for side in (height * 2, width * 2))
        images = [cv2.resize(image, (width, height)) for image in images]
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = people * width, height, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        for number in range(frames):
            ahead = (number + rate // 3 * one for one in range(people))
            picture: Any = np.hstack([images[order[index % len(order)]] for index in ahead])
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def command(*arguments: str, cores: str | None = None) -> dict[str, float]:
    """Runs `repose lift`; returns its wall and CPU time, s, peak memory, MB, and the load.

    The load is the mean number of running processes of the machine, with its own, in the minute
    before the end: wall time is that of an idle machine if it is not above the number of cores.

    Args:
        arguments: of the command.
        cores: that it may use, such as "0,1".

    Raises:
        RuntimeError: the command fails.
    """
    words = [sys.executable, "-m", "repose_jax", "lift", *arguments]
    words = words if cores is None else ["taskset", "-c", cores, *words]
    # A program's peak begins with the memory of the one that starts it, so a small one does.
    small = subprocess.run(
        [sys.executable, "-c", _MEASURE, *words], stdout=subprocess.PIPE, check=True
    )
    status, wall, used, peak = json.loads(small.stdout)
    if status:
        raise RuntimeError(f"{' '.join(words)} ended with status {status}.")
    return {"wall s": wall, "CPU s": used, "peak MB": peak, "load": os.getloadavg()[0]}


def commands(video: pathlib.Path, frames: int, long: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields names and costs of runs of `repose lift`.

    Args:
        video: of one person.
        frames: of videos made of it; one of three times as many shows the growth of the memory.
        long: frames of keypoints; one of a tenth shows the growth of the memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)

        def cost(path: pathlib.Path, count: int, *more: str) -> dict[str, float]:
            used = command(str(path), f"--out={here / 'out'}", *more)
            return {"frames": count, **used, "frames/s": count / used["wall s"]}

        cost(video, 100)  # compiles
        for people, count in ((1, frames), (1, 3 * frames), (3, frames)):
            path = here / f"{people}_{count}.mp4"
            write_video(video, path, count, people)
            yield f"video, people in it: {people}", cost(path, count)
            if people == 1:
                yield "video, --people=one", cost(path, count, _ONE)
            for more in _MORE[people] if count == frames else ():
                yield f"video, people in it: {people}, {' '.join(more)}", cost(path, count, *more)
            path.unlink()
        found = detect.detect(video, create.create("blazepose"))
        for count in (long // 10, long):
            path = here / f"{count}.npz"
            store.write(path, repeated(found, count))
            yield "2D joints, no preview", cost(path, count, "--largest", "--files=npz,bvh,html")
