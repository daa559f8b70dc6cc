"""A recording for the Rerun viewer: skeletons in 3D and 2D, the camera, and the times; metres."""

import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float

from repose_jax.motion import palette
from repose_jax.motion.motion import SEEN, Motion, Person
from repose_jax.runtime import extras
from repose_jax.runtime.whole_file import whole
from repose_jax.skeleton import HUMAN36M

WORLD, CAMERA, IMAGE = "world", "world/camera", "world/camera/image"


def write(path: str | pathlib.Path, motion: Motion) -> None:
    """Writes a recording of a motion.

    The world has y up, its unit is the metre. A person's joints are `world/person_1/joints`, their
    bones `world/person_1/bones`; the 2D joints lie below `world/camera/image`. Two timelines:
    `time`, s, and `frame`. The file appears when it is complete.

    Args:
        path: of the file, "motion.rrd" by custom.
        motion: the people.

    Raises:
        ImportError: the extra `rerun` is not installed.
    """
    rr = extras.require("rerun", "rerun", "Writing a recording for Rerun")
    with whole(path) as part:
        recording = rr.RecordingStream("repose_jax")
        recording.save(str(part), default_blueprint=_blueprint())
        _log(rr, recording, motion)
        recording.flush()
        recording.disconnect()


def _blueprint() -> Any:
    rrb = extras.require("rerun.blueprint", "rerun", "Writing a recording for Rerun")
    beside = rrb.Vertical(
        rrb.Spatial2DView(origin=IMAGE, name="2D joints"),
        rrb.TextDocumentView(origin="about", name="About"),
        row_shares=[3, 2],
    )
    scene = rrb.Spatial3DView(origin=WORLD, name="Motion")
    return rrb.Blueprint(rrb.Horizontal(scene, beside, column_shares=[3, 2]), collapse_panels=True)


def _log(rr: Any, recording: Any, motion: Motion) -> None:
    camera, world = motion.camera, motion.world
    recording.log(WORLD, rr.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)
    eye = world.of_camera(np.zeros(3)) / 1000
    recording.log(CAMERA, rr.Transform3D(translation=eye, mat3x3=world.rotation), static=True)
    pinhole = rr.Pinhole(
        focal_length=camera.focal_px,
        principal_point=camera.centre_px,
        resolution=camera.image_size,
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=0.7,
    )
    recording.log(IMAGE, pinhole, static=True)
    notes = [f"# {motion.name}", *motion.assumptions, *motion.warnings]
    document = rr.TextDocument("\n\n".join(notes), media_type=rr.MediaType.MARKDOWN)
    recording.log("about", document, static=True)
    for person, colour in zip(motion.people, palette.of_people(len(motion.people)), strict=True):
        _log_person(rr, recording, motion, person, colour)


def _log_person(
    rr: Any, recording: Any, motion: Motion, person: Person, colour: tuple[int, int, int]
) -> None:
    name = f"person_{person.number}"
    joint_colours = [palette.SIDES.get(joint, colour) for joint in range(HUMAN36M.size)]
    bone_colours = [joint_colours[joint] for _, joint in HUMAN36M.bones]
    bones = np.array(HUMAN36M.bones)
    times = [
        rr.TimeColumn("time", duration=person.time_s),
        rr.TimeColumn("frame", sequence=person.frame),
    ]
    count = len(person.frame)

    def send(entity: str, archetype: Any, lengths: np.ndarray, **values: Any) -> None:
        columns = archetype.columns(**values).partition(lengths)
        recording.send_columns(entity, indexes=times, columns=columns)

    joints = person.joints_mm / 1000
    entity = f"{WORLD}/{name}"
    style = rr.Points3D.from_fields(colors=joint_colours, labels=HUMAN36M.joints, show_labels=False)
    recording.log(f"{entity}/joints", style, static=True)
    # Joints that were not seen are smaller.
    radii = np.where(person.status == SEEN, 0.025, 0.012).reshape(-1)
    every = np.full(count, HUMAN36M.size)
    send(f"{entity}/joints", rr.Points3D, every, positions=joints.reshape(-1, 3), radii=radii)
    style = rr.LineStrips3D.from_fields(colors=bone_colours, radii=[0.012])
    recording.log(f"{entity}/bones", style, static=True)
    strips = joints[:, bones].reshape(-1, 2, 3)
    send(f"{entity}/bones", rr.LineStrips3D, np.full(count, len(bones)), strips=strips)

    pixels, found = _pixels(person)
    entity_2d = f"{IMAGE}/{name}"
    whole = found[:, bones].all(-1)
    strips = pixels[:, bones][whole]
    colours = np.array(bone_colours, np.uint8)[np.nonzero(whole)[1]]
    if len(strips):
        send(f"{entity_2d}/bones", rr.LineStrips2D, whole.sum(-1), strips=strips, colors=colours)
        points = pixels[found]
        send(f"{entity_2d}/joints", rr.Points2D, found.sum(-1), positions=points)
    # The viewer shows the last value until the next: there is none after the last frame.
    after = int(person.frame[-1]) + 1
    if after < len(motion.time_s):
        recording.set_time("frame", sequence=after)
        recording.set_time("time", duration=float(motion.time_s[after]))
        for cleared in (entity, entity_2d):
            recording.log(cleared, rr.Clear(recursive=True))


def _pixels(person: Person) -> tuple[Float[np.ndarray, "t 17 2"], np.ndarray]:
    """Returns the detected joints, px, and which of them were detected."""
    keypoints = person.keypoints_px
    found = (keypoints[..., 2] > 0) & np.isfinite(keypoints).all(axis=-1)
    return keypoints[..., :2], found
