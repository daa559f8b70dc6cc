import numpy as np
import pytest
from small_keypoints import points, wanted

from repose_jax.keypoints.formats import FORMATS, find_format, joints_of, match_names, to_human36m
from repose_jax.skeleton import HUMAN36M, SKELETONS

JOINT = {name: number for number, name in enumerate(HUMAN36M.joints)}


def score(order: str) -> np.ndarray:
    return np.full((6, len(FORMATS[order])), 0.5)


@pytest.mark.parametrize("order", [name for name in SKELETONS if name != "human36m"])
def test_every_order_becomes_human36ms_by_its_map(order):
    keypoints, confidence = to_human36m(points(order), score(order), order)
    np.testing.assert_allclose(keypoints, wanted(order))
    np.testing.assert_array_equal(confidence, 0.5)


@pytest.mark.parametrize(
    ("order", "beginning"),
    [("halpe136", "halpe26"), ("openpose_body135", "openpose_body25b")],
)
def test_orders_with_hands_and_faces_begin_with_the_body(order, beginning):
    keypoints, _ = to_human36m(points(order), score(order), order)
    np.testing.assert_allclose(keypoints, wanted(beginning))


def test_a_missing_source_makes_a_joint_missing_and_confidence_is_the_least():
    keypoints, confidence = points("coco17"), score("coco17")
    joints = FORMATS["coco17"]
    confidence[:, joints.index("left_hip")] = 0
    confidence[:, joints.index("left_shoulder")] = 0.2
    keypoints[:, joints.index("left_ear")] = np.nan
    found, least = to_human36m(keypoints, confidence, "coco17")
    missing = {JOINT[name] for name in ("left_hip", "pelvis", "spine", "head")}
    assert {*np.flatnonzero(np.isnan(found[0, :, 0]))} == missing
    assert {*np.flatnonzero(least[0] == 0)} == missing
    assert least[0, JOINT["thorax"]] == 0.2


def test_joints_that_a_list_of_names_lacks_are_missing():
    names = ["LHip", "RHip", "LKnee", "RKnee", "tail"]
    keypoints, confidence = to_human36m(np.ones((1, 5, 2)), np.ones((1, 5)), names)
    known = {"left_hip", "right_hip", "left_knee", "right_knee", "pelvis"}
    assert {HUMAN36M.joints[j] for j in np.flatnonzero(confidence[0])} == known
    assert np.isnan(keypoints[0, JOINT["head"]]).all()


@pytest.mark.parametrize(
    "spellings",
    [
        ["LHip", "RKnee", "LShoulder", "RWrist", "Head", "Neck"],
        ["left_hip", "right_knee", "left_shoulder", "right_wrist", "head", "neck"],
        ["Left Hip", "Right Knee", "Left Shoulder", "Right Wrist", "Head", "Neck"],
        ["hip_l", "knee_r", "shoulder_l", "wrist_r", "HEAD", "NECK"],
        ["L_Hip", "R_Knee", "L_Shoulder", "R_Wrist", "head", "neck"],
        ["hipLeft", "kneeRight", "shoulderLeft", "wristRight", "head", "neck"],
        ["L. Hip", "R. Knee", "L. Shoulder", "R. Wrist", "head", "neck"],
        ["PoseLandmark.LEFT_HIP", "RIGHT_KNEE", "LEFT_SHOULDER", "RIGHT_WRIST", "head", "neck"],
        ["LHIP", "RKNE", "LSHO", "RWRI", "head", "neck"],
    ],
)
def test_names_are_known_in_any_usual_spelling(spellings):
    wanted = ("left_hip", "right_knee", "left_shoulder", "right_wrist", "head", "neck")
    assert match_names(spellings) == wanted


def test_a_foot_is_the_ankle_only_where_there_is_no_ankle():
    limbs = ["LHip", "RHip", "LKnee", "RKnee"]
    assert match_names([*limbs, "LFoot"])[-1] == "left_ankle"
    assert match_names([*limbs, "LFoot", "LAnkle"])[-2:] == (None, "left_ankle")


def test_the_hip_without_a_side_is_the_pelvis():
    assert match_names(["Hip", "LHip", "RHip", "LKnee", "RKnee"])[0] == "pelvis"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["LHip", "left_hip", "RHip", "LKnee"], "'LHip' and 'left_hip' are both 'left_hip'"),
        (["snout", "tail", "LHip"], "'snout', 'tail', 'LHip'; too few"),
    ],
)
def test_names_that_do_not_make_a_person_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        match_names(names)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("BODY_25", "openpose_body25"),
        ("body_25b", "openpose_body25b"),
        ("OpenPose COCO", "openpose_coco18"),
        ("H36M", "human36m"),
        ("Halpe-26", "halpe26"),
        ("coco", "coco17"),
        ("mediapipe", "blazepose33"),
        ("smpl", None),
    ],
)
def test_formats_have_their_usual_names(name, format):
    assert find_format(name) == format


def test_errors_name_the_formats():
    with pytest.raises(ValueError, match="no joint order 'smpl'.*coco17"):
        joints_of("smpl")
    with pytest.raises(ValueError, match=r"17 joints, but the format 'halpe26' has 26.*coco17"):
        to_human36m(points("coco17"), score("coco17"), "halpe26")
