"""Options of `lift`, beside the source."""

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any, Literal

from repose_jax.config import COUNT, FLAG, POSITIVE, TEXT, Rule, choice, setting
from repose_jax.lifting.camera import FIELDS_OF_VIEW
from repose_jax.lifting.scale import STATURES
from repose_jax.lifting.world import DIRECTION, read_up
from repose_jax.runtime.names import unknown

_LEAST_M, _MOST_M = (mm / 1000 for mm in STATURES)


def _number(least: int | float, most: int | float, unit: str) -> Rule:
    """Returns the rule of a finite number between two."""
    bounds = f"from {least:g} to {most:,g} {unit}"
    if most == math.inf:
        bounds = f"of {least:g} {unit} or more"
    return Rule(float, f"a number {bounds}", lambda x: least <= x <= most and math.isfinite(x))


def _is_direction(value: Any) -> bool:
    try:
        read_up(value)
    except ValueError:
        return False
    return True


_PATH = Rule(
    object,
    "a path or a name, as text or as a pathlib.Path",
    lambda path: isinstance(path, (str, os.PathLike)) and os.fspath(path) not in ("", b""),
)
_JOINTS = Rule(
    tuple,
    'a list of the names of the joints in their order, such as ["nose", "left_eye"]; a known order '
    "is named by format",
    lambda names: bool(names) and all(isinstance(name, str) for name in names),
)
_IMAGE_SIZE = Rule(
    tuple,
    "width and height of the image, two whole numbers from 16 to 100,000 px",
    lambda size: (
        len(size) == 2
        and all(type(x) in (int, float) and 16 <= x <= 100_000 and x == int(x) for x in size)
    ),
)
_HYPOTHESES = Rule(
    int,
    "a whole number from 2 to 1,000, which have a spread, or 0 for the single prediction",
    lambda count: count == 0 or 2 <= count <= 1000,
)
_DIRECTION = Rule(object, DIRECTION, _is_direction)


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
        up: the vertical in camera axes, three numbers, also as the text "x,y,z"; or "camera".
        lock_feet: move the body so that feet on the floor stand still.

    Raises:
        ValueError: a value of another type or out of its range, or two that contradict each other.
    """

    weights: str | os.PathLike[str] | None = setting(None, _PATH)
    checkpoint: str | None = setting(None, choice("best", "latest"))
    format: str | None = setting(None, TEXT)
    joints: tuple[str, ...] | None = setting(None, _JOINTS)
    fps: int | float | None = setting(None, _number(0.1, 1000, "frames per second"))
    image_size: tuple[int, int] | None = setting(None, _IMAGE_SIZE)
    slow_motion: int | float = setting(1, _number(0.01, 1000, "(1 is real time)"))
    detector: str | os.PathLike[str] = setting("blazepose", _PATH)
    detector_weights: str | os.PathLike[str] | None = setting(None, _PATH)
    every_frame: bool = setting(False, FLAG)
    people: Literal["all", "one"] = setting("all", choice("all", "one"))
    person: int | None = setting(None, COUNT)
    largest: bool = setting(False, FLAG)
    min_length: int | float = setting(0.3, _number(0, math.inf, "s"))
    max_gap: int | float = setting(0.5, _number(0, 60, "s"))
    smooth: int | float = setting(6, _number(0, 1000, "Hz (0 for none)"))
    flip: bool = setting(False, FLAG)
    hypotheses: int = setting(0, _HYPOTHESES)
    height: int | float | None = setting(None, _number(_LEAST_M, _MOST_M, "m"))
    focal: int | float | None = setting(None, POSITIVE)
    fov: int | float | None = setting(None, _number(*FIELDS_OF_VIEW, "degrees"))
    camera: str | os.PathLike[str] | None = setting(None, _PATH)
    up: str | tuple[int | float, ...] | None = setting(None, _DIRECTION)
    lock_feet: bool = setting(False, FLAG)

    def __post_init__(self):
        for name, value in _checked(vars(self)).items():
            object.__setattr__(self, name, value)
        if self.person is not None and self.largest:
            raise ValueError("person and largest both choose a person; give one of them.")


def options_of(given: Mapping[str, Any]) -> Options:
    """Makes options of values of any type; numbers and arrays may be those of NumPy.

    Args:
        given: some of the fields of `Options`.

    Raises:
        ValueError: as by `Options`.
        TypeError: an option that does not exist.
    """
    known = [field.name for field in dataclasses.fields(Options)]
    for name in given:
        if name not in known:
            raise TypeError(unknown("option", name, known))
    return Options(**_checked(given))


def of_flags(flags: Mapping[str, Any]) -> Options:
    """Makes options of the flags of a command that are options; None is one that is not given."""
    known = (field.name for field in dataclasses.fields(Options))
    return options_of({name: flags[name] for name in known if flags.get(name) is not None})


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options as their types, each of which its rule allows."""
    checked = {}
    for field in dataclasses.fields(Options):
        if field.name in given:
            value = given[field.name]
            if value is not None or field.default is not None:
                value = field.metadata["rule"].check(field.name, value)
            checked[field.name] = value
    if checked.get("image_size") is not None:  # floats, where a library of videos gives them
        checked["image_size"] = tuple(map(int, checked["image_size"]))
    return checked
