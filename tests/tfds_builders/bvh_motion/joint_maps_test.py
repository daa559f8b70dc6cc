import numpy as np
import pytest

from tests.tfds_builders.bvh_motion import rigs
from tfds_builders.bvh_motion import joint_maps, person
from tfds_builders.bvh_motion.recording import read_bvh
from tfds_builders.records import JOINTS

J = {name: i for i, name in enumerate(JOINTS)}
LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")


def recognised(text: str) -> str:
    names = list(read_bvh(text, "a.bvh").positions)
    found = joint_maps.recognise(names, joint_maps.JOINT_MAPS)
    return next(key for key, each in joint_maps.JOINT_MAPS.items() if each is found)


@pytest.mark.parametrize("name", rigs.RIGS)
def test_every_convention_is_recognised_by_its_names(name):
    assert recognised(rigs.bvh(rigs.RIGS[name])) == name


def test_every_known_map_has_an_example():
    assert {*rigs.RIGS, "cmu_asf"} == set(joint_maps.JOINT_MAPS)


@pytest.mark.parametrize("name", rigs.RIGS)
@pytest.mark.parametrize("units_per_metre", [1, 100, 1 / 0.0254])
def test_every_convention_gives_an_upright_person_with_left_on_the_left(name, units_per_metre):
    recording = read_bvh(rigs.bvh(rigs.RIGS[name], units_per_metre=units_per_metre), "a.bvh")
    joints, face = person.convert(recording, joint_maps.JOINT_MAPS[name])
    assert joints.shape == (3, 17, 3)
    for side, sign in rigs.SIDES.items():
        for limb in LIMBS:
            wanted = np.array(rigs.PLACES[limb]) * (sign, 1, 1)
            if (name, limb) == ("cmu", "wrist"):
                wanted[0] = sign * 0.72  # the midpoint of the hand and the fingers
            np.testing.assert_allclose(joints[0, J[f"{side}_{limb}"]], wanted, atol=1e-5)
    np.testing.assert_allclose(joints[0, J["pelvis"]], (0, 0.93, 0), atol=1e-5)
    np.testing.assert_allclose(joints[0, J["thorax"]], rigs.PLACES["neck"], atol=1e-5)
    trunk = joints[0, [J[joint] for joint in ("pelvis", "spine", "thorax", "neck", "head")]]
    assert np.all(np.diff(trunk[:, 1]) > 0.05)
    np.testing.assert_allclose(trunk[:, 0], 0, atol=1e-5)
    assert 1.7 < trunk[-1, 1] < 1.8
    nose, left_ear, right_ear = face[0]
    assert nose[2] > 0.1
    np.testing.assert_allclose(left_ear - right_ear, (0.15, 0, 0), atol=1e-5)


def test_the_head_of_daz_is_along_its_own_axis():
    recording = read_bvh(rigs.bvh(rigs.RIGS["daz"]), "a.bvh")
    joints, _ = person.convert(recording, joint_maps.JOINT_MAPS["daz"])
    head, eyes = np.array(rigs.PLACES["skull"]), np.array(rigs.PLACES["eye"]) * (0, 1, 1)
    np.testing.assert_allclose(joints[0, J["head"]] - head, (0, 0.15, 0), atol=1e-5)
    np.testing.assert_allclose(joints[0, J["neck"]], (head + eyes) / 2, atol=1e-5)


def test_the_head_of_cmu_ends_at_its_end_site():
    recording = read_bvh(rigs.bvh(rigs.RIGS["cmu"]), "a.bvh")
    joints, _ = person.convert(recording, joint_maps.JOINT_MAPS["cmu"])
    np.testing.assert_allclose(joints[0, J["head"]], (0, 1.74, 0), atol=1e-5)
    np.testing.assert_allclose(joints[0, J["neck"]], (0, 1.545, 0), atol=1e-5)
    np.testing.assert_allclose(joints[0, J["spine"]], rigs.PLACES["spine2"], atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mixamorig:", ""),
        ("mixamorig:", "mixamorig1:"),
        ("mixamorig:", "mixamorig_"),
        ("mixamorig:", "Armature:mixamorig:"),
    ],
)
def test_prefixes_of_all_joints_do_not_count(old, new):
    assert recognised(rigs.bvh(rigs.RIGS["mixamo"]).replace(old, new)) == "mixamo"


def test_spaces_and_underscores_are_the_same():
    text = rigs.bvh(rigs.RIGS["biped"])
    assert recognised(text.replace("Bip01 ", "Bip001_").replace("_L ", "_L_")) == "biped"


def test_an_unknown_skeleton_is_refused_with_its_joints_and_the_nearest_map():
    text = rigs.bvh(rigs.RIGS["cmu"], without="Neck1")
    text = text.replace("FingerBase", "Knuckles").replace("Spine1", "Torso")
    with pytest.raises(
        ValueError, match="none of cmu_asf, cmu, .*nearest is 'motionbuilder', .* lacks Spine1. "
    ) as error:
        recognised(text)
    assert "Its joints are Hips, LowerBack, Spine, Torso, Neck, Other" in str(error.value)
    assert "[skeletons.NAME] in a TOML file" in str(error.value)


def test_without_a_rest_pose_that_stands_the_head_looks_where_the_shoulders_face():
    lying = rigs.bvh(rigs.RIGS["lafan1"])  # read without knowledge of its axes
    recording = read_bvh(lying, "a.bvh")
    joints, axes = joint_maps.apply(joint_maps.JOINT_MAPS["motionbuilder"], recording)
    # Legs and spine point the same way in the rest pose of such files: here they do not.
    assert axes is not None
    recording.rest["LeftFoot"][:] = recording.rest["RightFoot"][:] = recording.rest["Head"]
    _, axes = joint_maps.apply(joint_maps.JOINT_MAPS["motionbuilder"], recording)
    assert axes is None
    _, face = person.convert(recording, joint_maps.JOINT_MAPS["motionbuilder"])
    assert face[0, 0, 2] > 0.1
    assert len(joints) == 3
