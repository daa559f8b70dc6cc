"""A person in metres with Y up, from the joints of a file of any unit and axes."""

import numpy as np

from tfds_builders.bvh_motion import joint_maps
from tfds_builders.bvh_motion.joint_maps import JointMap
from tfds_builders.bvh_motion.recording import Recording
from tfds_builders.mocap import body
from tfds_builders.mocap.face import axes_from_joints, place_face
from tfds_builders.records import JOINTS

STATURES = (1.2, 2.2)  # metres, of the persons by whom a unit is detected
# Metres. No two of them make a plausible stature of the same number.
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "1/0.45 inch, CMU's": 0.0254 / 0.45}
UP_AXES = {"y": np.eye(3), "z": np.array([(1.0, 0, 0), (0, 0, 1), (0, -1, 0)])}
_HEAD = JOINTS.index("head")
_BENT = 0.03  # metres from a knee to the line from hip to ankle, where its direction counts


def convert(
    recording: Recording,
    wanted: JointMap,
    metres_per_unit: float | None = None,
    up: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the joints and the face of the person of a recording.

    Args:
        recording: A recording of t frames.
        wanted: The map of its joints.
        metres_per_unit: Metres of a unit of the file; None to detect it by the stature.
        up: The axis of the file that points up, "y" or "z"; None for Y, if the person stands so.

    Returns:
        `[t, 17, 3]` joints and `[t, 3, 3]` nose and ears, metres, Y up.

    Raises:
        ValueError: If the unit is not plausible, the person does not stand along the axis, or the
            knees bend backwards, as where left and right are swapped.
    """
    joints, axes = joint_maps.apply(wanted, recording)
    turn = UP_AXES[up or "y"]
    joints = joints @ turn.T * (metres_per_unit or detect_unit(joints, wanted.head_top))
    if up is None:
        _check_up(joints)
    axes = axes_from_joints(joints) if axes is None else turn @ axes
    joints[:, _HEAD] += wanted.head_top * axes[..., 1]
    _check_sides(joints)
    return joints, place_face(joints, axes)


def detect_unit(joints: np.ndarray, head_top: float) -> float:
    """Returns the metres of a unit in which the person has a plausible stature.

    Args:
        joints: `[t, 17, 3]`, in the unit.
        head_top: Metres of the head that are not in the joints.

    Raises:
        ValueError: If there is no such unit.
    """
    height = body.stature(joints) - body.ANKLE_HEIGHT
    for metres in UNITS.values():
        if STATURES[0] <= height * metres + body.ANKLE_HEIGHT + head_top <= STATURES[1]:
            return metres
    raise ValueError(
        f"the person is {height:.4g} units tall, which is no adult in {', '.join(UNITS)}; give "
        "metres_per_unit in the settings, or correct the joint map"
    )


def _check_up(joints: np.ndarray) -> None:
    bodies = joints[:, _HEAD] - joints[:, body.ANKLES].mean(axis=1)
    mean = bodies.mean(axis=0) / np.linalg.norm(bodies, axis=-1).mean()
    if np.abs(mean[2]) > 0.8 or mean[1] < -0.8:
        raise ValueError(
            'the person does not stand along the axis Y: give up = "z" in the settings if Z points '
            'up, or up = "y" if the person lies'
        )


def _check_sides(joints: np.ndarray) -> None:
    """Refuses persons whose knees bend backwards: left and right are swapped, or mirrored."""
    left = joints[:, JOINTS.index("left_hip")] - joints[:, JOINTS.index("right_hip")]
    front = np.cross(left, joints[:, JOINTS.index("thorax")] - joints[:, JOINTS.index("pelvis")])
    forwards = []
    for side in ("left", "right"):
        hip, knee, ankle = (
            joints[:, JOINTS.index(f"{side}_{name}")] for name in ("hip", "knee", "ankle")
        )
        bend = knee - (hip + ankle) / 2
        bent = np.linalg.norm(bend, axis=-1) > _BENT
        forwards.append(np.sum(bend * front, axis=-1)[bent] > 0)
    forwards = np.concatenate(forwards)
    if len(forwards) >= 10 and forwards.mean() < 0.3:
        raise ValueError(
            "the knees bend backwards: left and right are swapped in the joint map, or the file is "
            "mirrored"
        )
