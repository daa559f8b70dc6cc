import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from repose_jax.motion.angles import angles
from repose_jax.skeleton import HUMAN36M

PARENTS = HUMAN36M.parents
JOINTS = HUMAN36M.joints
FORWARD, UP, RIGHT = np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), np.array([-1.0, 0, 0])


def standing():
    """Offsets of the joints from their parents of one who stands and faces the camera, mm."""
    offsets = np.zeros((17, 3))
    for name, value in {
        "right_hip": 130 * RIGHT,
        "left_hip": -130 * RIGHT,
        "right_knee": -440 * UP,
        "left_knee": -440 * UP,
        "right_ankle": -430 * UP,
        "left_ankle": -430 * UP,
        "spine": 240 * UP,
        "thorax": 250 * UP,
        "neck": 110 * UP + 60 * FORWARD,
        "head": 120 * UP - 60 * FORWARD,
        "right_shoulder": 170 * RIGHT,
        "left_shoulder": -170 * RIGHT,
        "right_elbow": -290 * UP,
        "left_elbow": -290 * UP,
        "right_wrist": -250 * UP,
        "left_wrist": -250 * UP,
    }.items():
        offsets[JOINTS.index(name)] = value
    return offsets


def posed(**turns):
    """Joints `[1, 17, 3]` with rotations, as (axis, degrees), of all that hangs on some joints."""
    offsets, joints, total = standing(), np.zeros((17, 3)), [Rotation.identity()] * 17
    for joint, parent in enumerate(PARENTS):
        total[joint] = total[parent] if parent >= 0 else Rotation.identity()
        if parent >= 0:
            joints[joint] = joints[parent] + total[joint].apply(offsets[joint])
        for axis, degrees in turns.get(JOINTS[joint], ()):
            total[joint] = total[joint] * Rotation.from_rotvec(np.radians(degrees) * axis)
    return joints[None]


def check(joints, **expected):
    """Compares angles with those expected, and all others with 0."""
    for name, values in angles(joints).items():
        assert values[0] == pytest.approx(expected.pop(name, 0), abs=1e-4), name
    assert not expected


def test_all_angles_are_zero_in_standing():
    check(posed())


# About the axis to the right, a positive rotation turns what hangs down forwards.
@pytest.mark.parametrize("side", ["left", "right"])
def test_flexion_of_limbs(side):
    check(posed(**{f"{side}_hip": [(RIGHT, 40)]}), **{f"{side}_hip_flexion": 40})
    check(posed(**{f"{side}_hip": [(RIGHT, -15)]}), **{f"{side}_hip_flexion": -15})
    check(posed(**{f"{side}_knee": [(RIGHT, -70)]}), **{f"{side}_knee_flexion": 70})
    check(posed(**{f"{side}_elbow": [(RIGHT, 100)]}), **{f"{side}_elbow_flexion": 100})
    for degrees in (-40, 30, 150):
        check(
            posed(**{f"{side}_shoulder": [(RIGHT, degrees)]}),
            **{f"{side}_shoulder_flexion": degrees, f"{side}_shoulder_elevation": abs(degrees)},
        )


@pytest.mark.parametrize(("side", "outwards"), [("left", -1), ("right", 1)])
def test_limbs_to_the_side(side, outwards):
    out = -outwards * FORWARD
    check(posed(**{f"{side}_hip": [(out, -20)]}), **{f"{side}_hip_adduction": 20})
    for degrees in (90, 130):
        check(
            posed(**{f"{side}_shoulder": [(out, degrees)]}),
            **{f"{side}_shoulder_abduction": degrees, f"{side}_shoulder_elevation": degrees},
        )


def test_hip_angles_are_a_sequence_of_flexion_and_adduction():
    thigh = [(RIGHT, 60), (FORWARD, 25)]
    check(posed(right_hip=thigh), right_hip_flexion=60, right_hip_adduction=25)


def test_the_trunk_against_the_pelvis():
    check(
        posed(spine=[(RIGHT, -30), (FORWARD, 20), (UP, 35)]),
        trunk_flexion=30,
        trunk_lateral_bend=20,
        trunk_rotation=35,
        trunk_lean=angles(posed(spine=[(RIGHT, -30), (FORWARD, 20), (UP, 35)]))["trunk_lean"][0],
    )


def test_the_pelvis_in_the_world():
    turned = angles(posed(pelvis=[(UP, 50), (FORWARD, -10), (RIGHT, -15)]))
    assert turned["pelvis_heading"][0] == pytest.approx(50)
    assert turned["pelvis_obliquity"][0] == pytest.approx(10)
    assert turned["pelvis_tilt"][0] == pytest.approx(15)
    for name, values in turned.items():
        if not name.startswith(("pelvis", "trunk_lean")):
            assert values[0] == pytest.approx(0, abs=1e-4)


def test_lean_is_the_angle_of_the_trunk_to_the_vertical():
    assert angles(posed(pelvis=[(RIGHT, -25)]))["trunk_lean"][0] == pytest.approx(25)


def test_the_neck_against_the_thorax():
    check(posed(thorax=[(RIGHT, -20)]), neck_flexion=20, **hanging(-20))


def hanging(degrees):
    """Angles of arms that move with the thorax joint."""
    return {
        f"{side}_shoulder_{name}": value
        for side in ("left", "right")
        for name, value in (("flexion", degrees), ("elevation", abs(degrees)))
    }


def test_a_mirror_image_has_left_and_right_exchanged():
    joints = np.random.default_rng(0).normal(size=(5, 17, 3))
    mirrored = joints[:, HUMAN36M.flip] * (-1, 1, 1)
    found, image = angles(joints[:1]), angles(mirrored[:1])
    negated = {"pelvis_heading", "pelvis_obliquity", "trunk_lateral_bend", "trunk_rotation"}
    negated |= {"neck_lateral_bend"}
    for name, values in found.items():
        other = name.replace("left_", "LEFT_").replace("right_", "left_").replace("LEFT_", "right_")
        sign = -1 if name in negated else 1
        np.testing.assert_allclose(image[other], sign * values, atol=1e-9, err_msg=name)


def test_the_heading_of_one_who_turns_twice_has_no_jump():
    turns = np.arange(0, 721, 10)
    joints = np.concatenate([posed(pelvis=[(UP, degrees)]) for degrees in turns])
    np.testing.assert_allclose(angles(joints)["pelvis_heading"], turns, atol=1e-6)


def test_a_missing_joint_makes_its_angles_missing_and_no_others():
    joints = np.concatenate([posed(), posed(), posed()])
    joints[1, JOINTS.index("left_wrist")] = np.nan
    found = angles(joints)
    assert np.isnan(found.pop("left_elbow_flexion")).tolist() == [False, True, False]
    assert all(np.isfinite(values).all() for values in found.values())
