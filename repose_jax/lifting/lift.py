"""From a video or 2D joints to the 3D motion of people, from end to end."""

import dataclasses
import functools
import importlib.metadata
import os
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import repose_jax
from repose_jax.detectors import video
from repose_jax.keypoints import masked
from repose_jax.keypoints import read as keypoint_files
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import hypotheses, predictor, world
from repose_jax.lifting.camera import camera as make_camera
from repose_jax.lifting.options import Options, options_of
from repose_jax.lifting.person import of_track, with_locked_feet
from repose_jax.lifting.predictor import Predictor
from repose_jax.lifting.sources import Stage, detections_of, frames_of, of_joints
from repose_jax.motion.motion import Camera, Motion, Person
from repose_jax.runtime import folders, names
from repose_jax.tracking import tracks
from repose_jax.tracking.track import Track


def lift(
    source: str | os.PathLike[str] | ArrayLike,
    confidence: ArrayLike | None = None,
    **options: object,
) -> Motion:
    """Lifts the people in a video or keypoint file, or the joints of arrays.

        motion = rp.lift("clip.mp4", height=1.78)
        motion.save("clip.bvh")
        motion = rp.lift(keypoints, format="coco17", image_size=(1920, 1080), fps=30)

    Args:
        source: path of a video, of a keypoint file or of a folder of them; or `[t, j, 2 or 3]` or
            `[t, p, j, 2 or 3]` joints of one or p people, px, the third value a confidence, in
            the order of `format` (or of the option `joints`); NaN or masked where missing.
        confidence: `[t, j]` or `[t, p, j]` in [0, 1], of an array without it.
        **options: fields of `Options`.

    Raises:
        ValueError: an unreadable or unknown source, one with several videos, or with nobody.
        Incomplete: an error amid a video; it has the detections before it, for `motion_of`.
        TypeError: an option that does not exist.
        FileNotFoundError: there is no such file.
        ImportError: the source needs an extra that is not installed.
    """
    asked = options_of(options)
    frames = None
    if isinstance(source, (str, os.PathLike)):
        if confidence is not None:
            raise ValueError("confidence is that of an array; a file has its own, so leave it out.")
        path = folders.expand(source)
        model = load_model(asked)  # not after minutes of detecting
        found = detections_of(path, asked)
        if len(found) > 1:
            listed = ", ".join(one.name for one in found[:5])
            raise ValueError(
                f"{os.fspath(source)} has {len(found)} videos ({listed}...); lift one file of "
                "them, or all of them with the command repose lift."
            )
        detections = found[0]
        if video.is_video(path):
            frames = functools.partial(frames_of, path, asked)
    else:
        detections = _of_arrays(_array("source", source, np.nan), confidence, asked)
        model = load_model(asked)
    return motion_of(detections, model, asked, frames=frames)


def load_model(options: Options) -> Predictor:
    """Loads the model of options.

    Raises:
        ValueError: a damaged file, or a model that cannot lift people into a world or does not make
            the hypotheses that are asked for.
        FileNotFoundError: there is no such model.
    """
    model = predictor.load(options.weights, options.checkpoint)
    _check_model(model, options)
    return model


def _check_model(model: Predictor, options: Options) -> None:
    if model.unit != "mm":
        raise ValueError(
            "The model was trained on 2.5D labels and predicts px; lifting people into a world "
            "needs one in mm, such as the shipped weights."
        )
    if options.hypotheses:
        hypotheses.check(model)


def _array(name: str, values: Any, hidden: int | float) -> np.ndarray:
    """Returns numbers as an array, with `hidden` in place of masked ones."""
    try:
        return masked.filled(values, hidden)
    except (TypeError, ValueError) as error:
        path = "the path of a file, or " if name == "source" else ""
        raise ValueError(
            f"{name} is a {type(values).__name__} that is no array of numbers; give {path}rows of "
            "one length, with NaN for what is missing."
        ) from error


def _of_arrays(values: np.ndarray, confidence: ArrayLike | None, options: Options) -> Detections:
    if options.joints is None and options.format is None:
        raise ValueError('The order of the joints is unknown; give format="coco17", for example.')
    if values.ndim not in (3, 4) or values.shape[-1] not in (2, 3):
        raise ValueError(
            f"The joints have the shape {values.shape}; expected [t, j, 2 or 3], or "
            "[t, p, j, 2 or 3] for several people."
        )
    sure = None if confidence is None else _array("confidence", confidence, 0)
    if values.shape[-1] == 3:
        if sure is not None:
            raise ValueError("The joints have a third value, and confidence is given as well.")
        sure = values[..., 2]
    found = keypoint_files.from_arrays(
        values[..., :2],
        sure,
        format=options.format,
        joints=options.joints,
        fps=options.fps,
        image_size=options.image_size,
    )
    return of_joints(found, options)


def motion_of(
    detections: Detections,
    model: Predictor,
    options: Options,
    *,
    frames: Callable[[float], Generator[tuple[float, np.ndarray], None, None]] | None = None,
    progress: Stage | None = None,
) -> Motion:
    """Lifts the people of detections.

    Follows people over time, mends left and right, rejects outliers and fills short gaps; lifts
    each person with the model at a uniform frame rate; filters the joints, makes bones constant;
    places the person in front of the camera, and all of them on one floor.

    Args:
        detections: 2D joints of all people.
        model: a predictor whose unit is mm.
        options: what is asked for; what concerns reading the source has no influence.
        frames: opens the video, for drawing on its frames; see `sources.frames_of`.
        progress: called as each person is lifted.

    Raises:
        ValueError: nobody was detected, nobody can be lifted, or there is no person of the number
            asked for.
    """
    _check_model(model, options)
    assumptions, warnings = [*detections.assumptions], [*detections.warnings]
    size = detections.image_size or options.image_size
    if size is None:
        size = keypoint_files.estimate_image_size(detections)
        assumptions.append(
            f"Size of the image: {size[0]}x{size[1]} px, estimated from the joints "
            "(give it with --image-size)."
        )
    _check_inside(detections, size)
    camera = make_camera(
        size,
        focal=options.focal,
        fov=options.fov,
        file=options.camera,
        video=detections.name,
        stated=detections.focal_px,
    )
    people, left_out = _people(detections, model, camera, options, progress)
    up = None if options.up is None else world.read_up(options.up)
    people, place, tilted = _in_the_world(people, camera, up)
    warnings += left_out + tilted
    if options.lock_feet:
        locked = [with_locked_feet(person, camera, place) for person in people]
        people = [person for person, _ in locked]
        assumptions += [sentence for _, sentence in locked]
    return Motion(
        people=tuple(people),
        time_s=detections.time_s,
        camera=camera,
        world=place,
        name=detections.name,
        format=detections.format,
        assumptions=(*assumptions, *_assumed(camera, place.source, model, options)),
        warnings=tuple(warnings),
        settings=_settings(options),
        frames=frames,
    )


def _people(
    detections: Detections,
    model: Predictor,
    camera: Camera,
    options: Options,
    progress: Stage | None,
) -> tuple[list[Person], list[str]]:
    """Returns the people, whose joints in the world are still to be computed, and warnings.

    Raises:
        ValueError: nobody was found, or nobody can be lifted.
    """
    chosen = _chosen(detections.of_examined_frames(), options)
    people: list[Person] = []
    warnings: list[str] = []
    problems: list[tuple[int, str]] = []
    refused: list[ValueError] = []
    for done, (number, track) in enumerate(chosen):
        if progress is not None:
            progress("lifting", done, len(chosen))
        try:
            person, found = of_track(track, number, detections, model, camera, options)
        except ValueError as error:
            # A false detection, such as one whose joints all lie in a corner, stops nobody else.
            refused.append(error)
            warnings.append(f"Person {number} was left out: {error}")
            continue
        problems += [(number, sentence) for sentence in found]
        people.append(person)
    if not people:
        raise refused[0]
    if progress is not None:
        progress("lifting", len(chosen), len(chosen))
    return people, warnings + _by_person(problems)


def _in_the_world(
    people: Sequence[Person], camera: Camera, up: np.ndarray | None
) -> tuple[list[Person], world.World, list[str]]:
    """Returns people with joints in the world, that world, and warnings."""
    placed = [
        world.Placed(
            person.joints_camera_mm + person.root_mm[:, None], person.confidence, person.time_s
        )
        for person in people
    ]
    place, warnings = world.upright(placed, camera, up=up)
    moved = [
        dataclasses.replace(person, joints_mm=place.of_camera(one.joints_mm).astype(np.float32))
        for person, one in zip(people, placed, strict=True)
    ]
    return moved, place, warnings


def _by_person(problems: Sequence[tuple[int, str]]) -> list[str]:
    """Returns each sentence once, with the numbers of the people whom it is about."""
    numbers: dict[str, list[int]] = {}
    for number, sentence in problems:
        numbers.setdefault(sentence, []).append(number)
    said = []
    for sentence, people in numbers.items():
        listed = ", ".join(map(str, people[:5]))
        more = f" and {len(people) - 5} more" if len(people) > 5 else ""
        said.append(f"{'Person' if len(people) == 1 else 'People'} {listed}{more}: {sentence}")
    return said


def _check_inside(detections: Detections, size: tuple[int, int]) -> None:
    """Refuses joints that are mostly far outside of the image."""
    found = detections.keypoints[detections.confidence > 0]
    outside = np.abs(found / size - 0.5).max(axis=-1) > 1
    if len(outside) and outside.mean() > 0.5:
        raise ValueError(
            f"{detections.name}: {outside.mean():.0%} of the joints are far outside of the image "
            f"of {size[0]}x{size[1]} px; is its size right (--image-size)?"
        )


def _chosen(detections: Detections, options: Options) -> list[tuple[int, Track]]:
    """Returns the tracks to lift with their numbers."""
    found = tracks.track(detections, min_length_s=float(options.min_length))
    if not found:
        raise ValueError(
            f"{detections.name}: nobody was found in "
            f"{names.counted(len(detections.time_s), 'frame')}."
        )
    if options.largest:
        largest = tracks.largest(found)
        return [(number, one) for number, one in enumerate(found, 1) if one is largest]
    if options.person is not None:
        if options.person > len(found):
            raise ValueError(
                f"{detections.name}: there is no person {options.person}; "
                f"{names.counted(len(found), 'person was', 'people were')} found, numbered from 1."
            )
        return [(options.person, found[options.person - 1])]
    return [*enumerate(found, 1)]


def _assumed(camera: Camera, vertical: str, model: Predictor, options: Options) -> list[str]:
    """Returns sentences on the camera, the size of people, the vertical and the spread."""
    height = (
        "as the model predicts it, that of a usual adult (give it with --height); all distances "
        "are proportional to it"
        if options.height is None
        else f"{options.height:g} m, as given"
    )
    return [
        f"Focal length: {camera.focal_px:.0f} px, {camera.source}; distances from the camera are "
        "proportional to it.",
        f"Height of people: {height}.",
        f"Vertical: {vertical}.",
        *([hypotheses.describe(model, options.hypotheses)] if options.hypotheses else []),
    ]


def _settings(options: Options) -> dict[str, object]:
    """Returns the options and versions as values of JSON."""
    values = dataclasses.asdict(options)
    for name in ("weights", "detector", "detector_weights", "camera"):
        values[name] = None if values[name] is None else os.fspath(values[name])
    packages = ("jax", "flax", "numpy", "scipy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"options": values, "versions": {"repose_jax": repose_jax.__version__, **versions}}
