"""The result of lifting: people who move in a world, with where each value comes from."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

SEEN, FILLED, MISSING = 0, 1, 2
STATUS = ("seen", "filled", "missing")
"""Of a joint in a frame: detected; interpolated over a short gap; in a long gap or never seen, so
that its position is the model's guess or an interpolation. In a frame of a fast video in which
nobody was looked for: the worse of those before and after it."""


def usual_step(time_s: Float[np.ndarray, " t"]) -> float:
    """Returns the usual time between frames, s: the mean of the steps near the median.

    Those of stamps in whole ms differ by 1 ms. Where a tenth of the steps are ten times as long,
    most stamps are nearly those of the frame before: then it is a tenth of a long step. Of one
    frame it is 1/30.
    """
    step = np.diff(time_s)
    if not len(step):
        return 1 / 30
    median = np.median(step)
    near = step[np.abs(step - median) <= 0.1 * median]
    return max(float(near.mean() if len(near) else median), float(np.percentile(step, 90)) / 10)


@dataclasses.dataclass(frozen=True, eq=False)
class Person:
    """A person's motion in the frames from first to last sight; all positions are finite.

    Attributes:
        number: of the person in the video, from 1, the same in all outputs.
        frame: `[t]` index of each frame in the video.
        time_s: `[t]` time in the video, s.
        joints_mm: `[t, 17, 3]` in the world, mm.
        joints_camera_mm: `[t, 17, 3]` relative to the pelvis, in camera axes (x right, y down, z
            away from the camera), mm.
        root_mm: `[t, 3]` the pelvis in camera axes from the camera's centre, mm.
        raw_camera_mm: `[t, 17, 3]` as `joints_camera_mm`, before smoothing and before bones were
            made constant: the model's prediction at the stated size of the body.
        confidence: `[t, 17]` of the 2D joints, in [0, 1]; lowered where they were filled.
        status: `[t, 17]` `SEEN`, `FILLED` or `MISSING`.
        keypoints_px: `[t, 17, 3]` x and y in px, and the detector's own confidence; NaN and 0 where
            nothing was detected. Interpolated in frames in which nobody was looked for.
        spread_mm: `[t, 17]` root mean square distance of the hypotheses of a joint from their mean,
            `raw_camera_mm`; None of a model that made one.
        hypotheses_mm: `[t, h, 17, 3]` some of the hypotheses, as `raw_camera_mm`; None likewise.
    """

    number: int
    frame: Int[np.ndarray, " t"]
    time_s: Float[np.ndarray, " t"]
    joints_mm: Float[np.ndarray, "t 17 3"]
    joints_camera_mm: Float[np.ndarray, "t 17 3"]
    root_mm: Float[np.ndarray, "t 3"]
    raw_camera_mm: Float[np.ndarray, "t 17 3"]
    confidence: Float[np.ndarray, "t 17"]
    status: UInt8[np.ndarray, "t 17"]
    keypoints_px: Float[np.ndarray, "t 17 3"]
    spread_mm: Float[np.ndarray, "t 17"] | None = None
    hypotheses_mm: Float[np.ndarray, "t h 17 3"] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera that stands still.

    Attributes:
        focal_px: focal length, px.
        centre_px: `[2]` principal point, px.
        image_size: width and height of the upright image, px.
        source: where the focal length comes from, as a clause: "given", "assumed: ...".
        distortion: `[5]` of the lens, k1 k2 p1 p2 k3 as in OpenCV; None for none.
        up: `[3]` the world's vertical in camera axes, of length 1; None if the source has none.
    """

    focal_px: float
    centre_px: Float[np.ndarray, "2"]
    image_size: tuple[int, int]
    source: str
    distortion: Float[np.ndarray, "5"] | None = None
    up: Float[np.ndarray, "3"] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class World:
    """The world's axes in those of the camera: x to its right, y up, z towards it; right-handed.

    Attributes:
        rotation: `[3, 3]` from camera axes to the world's.
        origin_mm: `[3]` the world's origin in camera axes, mm: on the floor, below the first pelvis
            of the first person.
        source: where the vertical comes from, as a clause.
    """

    rotation: Float[np.ndarray, "3 3"]
    origin_mm: Float[np.ndarray, "3"]
    source: str

    def of_camera(self, points: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 3"]:
        """Converts points in camera axes from the camera's centre, mm, to the world."""
        return (points - self.origin_mm) @ self.rotation.T

    def hypotheses(
        self, person: Person, rows: int | Int[np.ndarray, " t"]
    ) -> Float[np.ndarray, "*t h 17 3"] | None:
        """Returns the hypotheses of a person in one row or in several, in the world, mm.

        They are as far from `joints_mm` as from their mean; None if there are none.
        """
        if person.hypotheses_mm is None:
            return None
        away = person.hypotheses_mm[rows] - person.raw_camera_mm[rows][..., None, :, :]
        return person.joints_mm[rows][..., None, :, :] + away @ self.rotation.T


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
    """The people in one video.

    Attributes:
        people: in the order of their numbers.
        time_s: `[t]` time of every frame of the video, s.
        camera: the camera.
        world: the world of `joints_mm`.
        name: of the video or file.
        format: of the 2D joints.
        assumptions: sentences on what was assumed.
        warnings: sentences on what was found wrong, repaired or skipped.
        settings: what was asked for, and versions; values of JSON.
        frames: opens the video and iterates over its times, s, and upright RGB frames, to draw on
            them, without those that come sooner after the last one than the argument, s; None for
            other sources.
    """

    people: tuple[Person, ...]
    time_s: Float[np.ndarray, " t"]
    camera: Camera
    world: World
    name: str
    format: str
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    frames: Callable[[float], Generator[tuple[float, np.ndarray], None, None]] | None = None

    @property
    def fps(self) -> float:
        """The usual frame rate; 30 for one frame."""
        return 1 / usual_step(self.time_s)

    def save(self, path: str | os.PathLike[str], **options: Any) -> list[pathlib.Path]:
        """Writes the motion to a file of the kind that its suffix names; see `files.save`."""
        from repose_jax.motion import files

        return files.save(self, path, **options)

    def show(self) -> Any:
        """Shows the motion: in a notebook below the cell, else in the browser; see `show.show`."""
        from repose_jax.motion import show

        return show.show(self)
