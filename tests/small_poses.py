"""People in made poses, for tests of rigs: a T pose whose joints are bent and turned."""

import numpy as np
from scipy.spatial.transform import Rotation

from repose_jax.motion.motion import SEEN, Person
from repose_jax.skeleton import HUMAN36M

JOINT = {name: number for number, name in enumerate(HUMAN36M.joints)}
_WAYS = {
    "hip": (120, 0, 0),
    "knee": (0, -430, 0),
    "ankle": (0, -410, 0),
    "spine": (0, 230, 0),
    "thorax": (0, 250, 0),
    "neck": (0, 110, 0),
    "head": (0, 120, 0),
    "shoulder": (170, 0, 0),
    "elbow": (280, 0, 0),
    "wrist": (250, 0, 0),
}


def t_pose(frames: int) -> np.ndarray:
    """Returns `[frames, 17, 3]`, mm: facing +z, the left arm along +x, the pelvis 1 m high."""
    pose = np.zeros((17, 3))
    pose[0] = 0, 1000, 0
    for parent, joint in HUMAN36M.bones:
        side, _, name = HUMAN36M.joints[joint].rpartition("_")
        mirror = (-1 if side == "right" else 1, 1, 1)
        pose[joint] = pose[parent] + np.multiply(_WAYS[name], mirror)
    return np.tile(pose, (frames, 1, 1))


def bent(poses: np.ndarray, joint: str, axis, degrees) -> np.ndarray:
    """Returns poses in which all that hangs on a joint is turned about an axis through it.

    Args:
        poses: `[t, 17, 3]`.
        joint: its name.
        axis: `[3]` in the world.
        degrees: one angle, or one for each frame.
    """
    below = {JOINT[joint]}
    for parent, child in HUMAN36M.bones:
        if parent in below:
            below.add(child)
    angles = np.broadcast_to(np.radians(degrees), len(poses))[:, None]
    turn = Rotation.from_rotvec(angles * np.asarray(axis, float))
    result = poses.copy()
    for child in below:
        centre = poses[:, JOINT[joint]]
        result[:, child] = centre + turn.apply(poses[:, child] - centre)
    return result


def person(joints_mm: np.ndarray, time_s: np.ndarray | None = None, number: int = 1) -> Person:
    """Returns a person with these joints in the world, all seen; 30 frames/s if no times."""
    frames = np.arange(len(joints_mm))
    return Person(
        number=number,
        frame=frames,
        time_s=frames / 30 if time_s is None else time_s,
        joints_mm=joints_mm,
        joints_camera_mm=joints_mm - joints_mm[:, :1],
        root_mm=joints_mm[:, 0],
        raw_camera_mm=joints_mm - joints_mm[:, :1],
        confidence=np.ones(joints_mm.shape[:2]),
        status=np.full(joints_mm.shape[:2], SEEN, np.uint8),
        keypoints_px=np.ones(joints_mm.shape),
    )


def extremes() -> dict[str, np.ndarray]:
    """Returns motions that are hard for rotations, by name, at 30 frames/s."""
    x, y, z = np.eye(3)
    frames = 90
    whole = np.linspace(0, 720, frames)
    pose = t_pose(frames)
    hanging = bent(bent(pose, "left_shoulder", z, -90), "right_shoulder", z, 90)
    there_and_back = np.abs(np.linspace(-180, 180, frames))
    squat = bent(bent(pose, "left_hip", x, -100), "left_knee", x, np.linspace(0, 150, frames))
    return {
        "T pose": pose,
        "two full turns": bent(hanging, "pelvis", y, whole),
        "cartwheel": bent(bent(pose, "pelvis", z, whole), "pelvis", y, 35),
        "somersault": bent(hanging, "pelvis", x, whole),
        "upside down, turning": bent(bent(hanging, "pelvis", x, 180), "pelvis", y, whole),
        "straight arm in a full circle": bent(hanging, "left_shoulder", x, whole),
        "straight leg kicked to the head": bent(hanging, "right_hip", x, there_and_back - 180),
        "squat on one leg": squat,
        "arms overhead": bent(pose, "left_shoulder", z, np.linspace(0, 90, frames)),
    }
