"""One person's motion, from the track of their 2D joints."""

import dataclasses

import numpy as np

from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import contacts, hypotheses, resample, scale, smooth, trajectory, world
from repose_jax.lifting.bones import with_constant_lengths
from repose_jax.lifting.camera import undistorted
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion.motion import Camera, Person
from repose_jax.runtime import names
from repose_jax.tracking import gaps, outliers, sides
from repose_jax.tracking.track import Track


def of_track(
    track: Track,
    number: int,
    detections: Detections,
    model: Predictor,
    camera: Camera,
    options: Options,
) -> tuple[Person, list[str]]:
    """Lifts one track: mends it, lifts it at a uniform frame rate, filters it, and places it.

    Args:
        track: the person in the frames in which people were looked for, which the network sees.
        number: of the person, from 1.
        detections: all of the video, whose frames the person has.
        model: a predictor whose unit is mm.
        camera: the camera.
        options: what is asked for.

    Returns:
        The person, whose `joints_mm` are those in camera axes, for a world is found from all
        people; and warnings.

    Raises:
        ValueError: the person cannot be lifted.
    """
    track, warnings = _mended(track, options)
    whole = resample.to_all_frames(track, detections)
    clock = resample.without_long_gaps(track.time_s)
    seen, sure, times = resample.to_uniform(
        undistorted(track.keypoints, camera), track.confidence, clock
    )
    clock = np.interp(whole.time_s, track.time_s, clock)
    fps = float(1 / np.diff(times).mean()) if len(times) > 1 else None
    spread = kept = None
    if options.hypotheses:
        made = hypotheses.lift(
            model, seen, sure, camera.image_size, count=options.hypotheses, flip=options.flip
        )
        raw, kept = made.mean, resample.back(made.kept, times, clock)
        spread = np.maximum(resample.back(made.spread, times, clock), 0)
    else:
        raw = model(
            seen,
            sure,
            camera.image_size,
            fps=fps,
            focal_length=None if camera.source.startswith("assumed") else camera.focal_px,
            constant_bones=False,
            flip=options.flip,
        )
    raw = raw.astype(np.float64)
    filtered, problem = raw, None
    if options.smooth:
        parts = smooth.segments(np.any(sure > 0, axis=-1))
        filtered, problem = smooth.butterworth(raw, times, float(options.smooth), segments=parts)
    raw, filtered = (resample.back(values, times, clock) for values in (raw, filtered))
    joints = with_constant_lengths(filtered.astype(np.float32))
    if options.height is not None:
        scaled = scale.scale_to_height(joints, 1000 * options.height)
        factor = 1000 * options.height / scale.height_of(joints)
        raw *= factor
        if spread is not None and kept is not None:
            spread, kept = spread * factor, kept * factor
        joints = scaled
    keypoints = undistorted(whole.keypoints, camera)
    root = trajectory.root_trajectory(joints, keypoints, whole.confidence, camera, whole.time_s)
    person = Person(
        number=number,
        frame=whole.frame,
        time_s=whole.time_s,
        joints_mm=joints.astype(np.float32),
        joints_camera_mm=joints.astype(np.float32),
        root_mm=root.astype(np.float32),
        raw_camera_mm=raw.astype(np.float32),
        confidence=whole.confidence.astype(np.float32),
        status=whole.status,
        keypoints_px=whole.detected.astype(np.float32),
        spread_mm=None if spread is None else spread.astype(np.float32),
        hypotheses_mm=None if kept is None else kept.astype(np.float32),
    )
    return person, warnings if problem is None else [*warnings, problem]


def with_locked_feet(person: Person, camera: Camera, place: world.World) -> tuple[Person, str]:
    """Returns a person whose standing feet do not slide, and a sentence on it."""
    found = contacts.lock_feet(
        person.joints_mm,
        undistorted(person.keypoints_px[..., :2], camera),
        person.confidence,
        person.root_mm[:, 2] / camera.focal_px,
        person.time_s,
    )
    if not found.touching.any():
        return person, f"Person {person.number}: no foot was seen to stand, so none is locked."
    shift = found.shift_mm[:, None]
    person = dataclasses.replace(
        person,
        joints_mm=(person.joints_mm + shift).astype(np.float32),
        root_mm=(person.root_mm + found.shift_mm @ place.rotation).astype(np.float32),
    )
    return person, (
        f"Person {person.number}: the path is corrected so that standing feet do not slide "
        f"({found.sliding:.0f} mm/s before, {found.sliding_locked:.0f} after)."
    )


def _mended(track: Track, options: Options) -> tuple[Track, list[str]]:
    """Returns a track without exchanged sides, outliers and short gaps, and warnings."""
    track, warnings = sides.mend_sides(track)
    track, count = outliers.without_outliers(track)
    if count:
        warnings.append(f"Left out: {names.counted(count, 'joint')} that jumped for one frame.")
    return gaps.fill_gaps(track, float(options.max_gap)), warnings
