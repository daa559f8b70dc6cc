"""The 2D joints of a video or keypoint file, and the frames of the video; without JAX."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Generator, Sequence

import numpy as np

from repose_jax.detectors import create, detect, video
from repose_jax.keypoints import read as keypoint_files
from repose_jax.keypoints import store
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting.camera import camera as make_camera
from repose_jax.lifting.options import Options

APART_S = 0.0215
"""Least time between two frames in which people are looked for, s of the motion: in all of a video
of up to 45 frames/s, in every second one at 48 to 60. Stamps in whole ms do not change that."""
_IGNORED = "Without influence on "
_OF_DETECTING = "detector", "detector_weights", "every_frame", "people"  # options of videos alone

Stage = Callable[[str, int, int], None]
"""Called with the name of a stage, the units of it that are done, and their number (0: unknown)."""


def detections_of(
    path: pathlib.Path,
    options: Options,
    *,
    progress: Stage | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Detections]:
    """Reads the 2D joints of a keypoint file or folder, or detects those of a video.

    Args:
        path: of the file or folder.
        options: how to read it.
        progress: called after each frame of a video.
        stopped: asked after each frame of a video whether to stop there.

    Raises:
        ValueError: an unreadable or unknown source.
        Incomplete: an error amid a video; see `detect.detect`.
        FileNotFoundError: there is no such file.
        ImportError: a video without the extra that reads it.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    if not video.is_video(path):
        return _read(path, options)

    def report(done: int, total: int | None, _: float) -> None:
        if progress is not None:
            progress("detecting", done, total or 0)

    # Nothing is fetched, and nobody looked for, in a video that cannot be read or lifted.
    with video.open_video(path, fps=options.fps) as opened:
        make_camera(
            opened.size,
            focal=options.focal,
            fov=options.fov,
            file=options.camera,
            video=opened.name,
        )
    detector = create.create(options.detector, options.detector_weights, people=options.people)
    found = detect.detect(
        path,
        detector,
        progress=report,
        stopped=stopped,
        slow_motion=options.slow_motion,
        fps=options.fps,
        apart_s=0.0 if options.every_frame else APART_S,
    )
    if options.detector not in create.BLAZEPOSE:
        found = _with_ignored(found, options, ("people",), f"the detector {options.detector}")
    own_times = () if path.is_dir() else ("fps",)
    ignored = ("format", "joints", "image_size", *own_times)
    return [_with_ignored(found, options, ignored, "a video")]


def _read(path: pathlib.Path, options: Options) -> list[Detections]:
    """Returns the detections of a keypoint file or folder."""
    found = keypoint_files.read(
        path,
        format=options.format,
        fps=options.fps,
        image_size=options.image_size,
        joints=options.joints,
    )
    if store.find(path) is None:
        return [of_joints(one, options) for one in found]
    ignored, source = (*_OF_DETECTING, "slow_motion"), "joints of an earlier result"
    return [_with_ignored(one, options, ignored, source) for one in found]


def of_joints(detections: Detections, options: Options) -> Detections:
    """Returns 2D joints at the times of the motion, with a warning of options of detectors."""
    timed = dataclasses.replace(detections, time_s=detections.time_s / options.slow_motion)
    return _with_ignored(timed, options, _OF_DETECTING, "2D joints")


def _with_ignored(
    detections: Detections, options: Options, ignored: Sequence[str], source: str
) -> Detections:
    """Returns detections with a warning of options that were given and have no influence."""
    given = [name for name in ignored if getattr(options, name) != getattr(Options, name)]
    if not given:
        return detections
    said = f"{_IGNORED}{source}: {', '.join(given)}."
    return dataclasses.replace(detections, warnings=(*detections.warnings, said))


def to_store(detections: Detections) -> Detections:
    """Returns detections as they are kept: without warnings of the options of this command."""
    kept = tuple(said for said in detections.warnings if not said.startswith(_IGNORED))
    return dataclasses.replace(detections, warnings=kept)


def frames_of(
    path: pathlib.Path, options: Options, apart_s: float = 0.0
) -> Generator[tuple[float, np.ndarray], None, None]:
    """Iterates over the frames of a video at the times of its detections.

    Frames that come less than `apart_s` after the last one are left out.
    """
    with (
        video.open_video(path, fps=options.fps) as opened,
        contextlib.closing(
            detect.decoded_ahead(opened.frames(apart_s * options.slow_motion))
        ) as frames,
    ):
        for time_s, frame in frames:
            yield time_s / options.slow_motion, frame
