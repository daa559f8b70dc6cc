"""Options of `lift`, beside the source."""

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Literal

from repose_jax.lifting.scale import STATURES
from repose_jax.lifting.world import read_up


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `lift`; None for what is found in the source, or assumed and said.

    Attributes:
        weights: shipped weights, a `.safetensors` file or the workdir of a run; None for the
            shipped weights that are the default.
        checkpoint: of a run, "best" (the default) or "latest".
        format: of the keypoints, such as "coco17"; see `docs/keypoints.md`.
        joints: names of the joints of an array or table, in their order, where `format` is none.
        fps: frames per second of keypoints, or of a folder of images.
        image_size: width and height of the image that keypoints are in, px.
        slow_motion: how many times slower than the motion was a video plays.
        detector: "blazepose", "blazepose-int8", "rtmpose", "rtmo", or the path of an ONNX file.
        detector_weights: folder of the detector's files.
        every_frame: look for people in every frame, also of videos of more than 45 frames/s.
        people: "one" if a video shows one person, who is then detected faster.
        person: number of the only person to lift, from 1.
        largest: lift the largest person alone.
        min_length: shorter appearances of people are dropped, s.
        max_gap: missing joints and frames are filled over gaps of at most so long, s.
        smooth: cutoff of the low-pass filter of the 3D joints, Hz; 0 for none.
        flip: average with the prediction of the mirrored video, which takes twice the time.
        hypotheses: of a model that makes several (`d3dp`), how many to take the mean of; 0 for its
            single prediction.
        height: standing height of every person, m; None for the size that the model predicts.
        focal: focal length, px.
        fov: field of view of the longer side of the image, degrees.
        camera: a calibration of Pose2Sim, `FILE.toml` or `FILE.toml:NAME`.
        up: the vertical: "camera", or "x,y,z" in camera axes.
        lock_feet: move the body so that feet on the floor stand still.

    Raises:
        ValueError: a value out of its range, or two that contradict each other.
    """

    weights: str | os.PathLike[str] | None = None
    checkpoint: str | None = None
    format: str | None = None
    joints: Sequence[str] | None = None
    fps: int | float | None = None
    image_size: tuple[int, int] | None = None
    slow_motion: int | float = 1
    detector: str = "blazepose"
    detector_weights: str | os.PathLike[str] | None = None
    every_frame: bool = False
    people: Literal["all", "one"] = "all"
    person: int | None = None
    largest: bool = False
    min_length: int | float = 0.3
    max_gap: int | float = 0.5
    smooth: int | float = 6
    flip: bool = False
    hypotheses: int = 0
    height: int | float | None = None
    focal: int | float | None = None
    fov: int | float | None = None
    camera: str | os.PathLike[str] | None = None
    up: str | None = None
    lock_feet: bool = False

    def __post_init__(self):
        if self.hypotheses == 1:
            raise ValueError("hypotheses is 1; give 2 or more, which have a spread, or 0.")
        for name, least, most, unit in _RANGES:
            value = getattr(self, name)
            if value is not None and not (least <= value <= most and math.isfinite(value)):
                upper = f"to {most:,}" if math.isfinite(most) else "or more"
                raise ValueError(f"{name} is {value:g}; it should be {least:g} {upper}{unit}.")
        if self.up is not None:
            read_up(self.up)
        if self.person is not None and self.largest:
            raise ValueError("person and largest both choose a person; give one of them.")
        if self.image_size is not None and not (
            len(self.image_size) == 2 and all(16 <= length <= 100_000 for length in self.image_size)
        ):
            raise ValueError(
                f"image_size is {self.image_size}; give width and height, 16 to 100,000 px each."
            )


_RANGES = (
    ("fps", 0.1, 1000, " frames per second"),
    ("slow_motion", 0.01, 1000, " (1 is real time)"),
    ("person", 1, math.inf, ""),
    ("min_length", 0, math.inf, " s"),
    ("max_gap", 0, 60, " s"),
    ("smooth", 0, 1000, " Hz (0 for none)"),
    ("hypotheses", 0, 1000, ""),
    ("height", *(mm / 1000 for mm in STATURES), " m"),
)
