import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfds_builders.bandai_namco import bandai_namco_dataset_builder as bandai_namco
from tfds_builders.formats import bvh
from tfds_builders.records import JOINTS

# The skeleton of the dataset in centimetres: joint, its parent and position relative to it. OFFSET
# has other values, as the position channels replace it.
BODY = {
    "joint_Root": ("", (0, 0, 0)),
    "Hips": ("joint_Root", (0, 93, 0)),
    "Spine": ("Hips", (0, 16, 0)),
    "Chest": ("Spine", (0, 10, 0)),
    "Neck": ("Chest", (0, 16, 0)),
    "Head": ("Neck", (0, 6, 0)),
    "Shoulder_L": ("Chest", (5, 13, 0)),
    "UpperArm_L": ("Shoulder_L", (6, 0, 0)),
    "LowerArm_L": ("UpperArm_L", (24, 0, 0)),
    "Hand_L": ("LowerArm_L", (22, 0, 0)),
    "Shoulder_R": ("Chest", (-5, 13, 0)),
    "UpperArm_R": ("Shoulder_R", (-6, 0, 0)),
    "LowerArm_R": ("UpperArm_R", (-24, 0, 0)),
    "Hand_R": ("LowerArm_R", (-22, 0, 0)),
    "UpperLeg_L": ("Hips", (7, -3, 0)),
    "LowerLeg_L": ("UpperLeg_L", (0, -39, 0)),
    "Foot_L": ("LowerLeg_L", (0, -41, 0)),
    "UpperLeg_R": ("Hips", (-7, -3, 0)),
    "LowerLeg_R": ("UpperLeg_R", (0, -39, 0)),
    "Foot_R": ("LowerLeg_R", (0, -41, 0)),
}
T_POSE = {
    "pelvis": (0, 90, 0),
    "right_hip": (-7, 90, 0),
    "right_knee": (-7, 51, 0),
    "right_ankle": (-7, 10, 0),
    "left_hip": (7, 90, 0),
    "left_knee": (7, 51, 0),
    "left_ankle": (7, 10, 0),
    "spine": (0, 114, 0),
    "thorax": (0, 135, 0),
    "neck": (0, 141, 0),
    "head": (0, 159, 0),
    "left_shoulder": (11, 132, 0),
    "left_elbow": (35, 132, 0),
    "left_wrist": (57, 132, 0),
    "right_shoulder": (-11, 132, 0),
    "right_elbow": (-35, 132, 0),
    "right_wrist": (-57, 132, 0),
}


def take(frames: int = 12, without: str = "") -> str:
    """A person in a T-pose who bends the left elbow."""

    def joint(name: str) -> str:
        children = [child for child, (parent, _) in BODY.items() if parent == name]
        channels = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
        return (
            f"{'JOINT' if BODY[name][0] else 'ROOT'} {name.replace(without or '?', 'Other')}\n{{\n"
            f"OFFSET 1 2 3\nCHANNELS 6 {channels}\n{''.join(map(joint, children))}}}\n"
        )

    def depth_first(name: str) -> list[str]:
        children = [child for child, (parent, _) in BODY.items() if parent == name]
        return [name] + [below for child in children for below in depth_first(child)]

    text = f"HIERARCHY\n{joint('joint_Root')}MOTION\nFrames: {frames}\nFrame Time: 0.0333333\n"
    for frame in range(frames):
        for name in depth_first("joint_Root"):
            bend = 2 * frame if name == "LowerArm_L" else 0
            text += " ".join(map(str, (*BODY[name][1], bend, 0, 0))) + " "
        text += "\n"
    return text


def data_set(folder: pathlib.Path, names: list[str]) -> pathlib.Path:
    data = folder / "Bandai-Namco-Research-Motiondataset-2" / "data"
    data.mkdir(parents=True)
    for name in names:
        (data / f"{name}.bvh").write_text(take())
    return folder


def takes(source, tmp_path):
    builder = bandai_namco.Builder(source=source, data_dir=tmp_path / "data", config="30fps")
    manager = builder._make_download_manager(tmp_path / "downloads", tfds.download.DownloadConfig())
    splits = builder._takes(manager).items()
    return {split: [each.read() for each in found] for split, found in splits}


def test_the_joints_are_those_of_human36m_in_metres():
    joints, _ = bandai_namco.points_of(bvh.parse_bvh(take(frames=1)))
    expected = np.array([T_POSE[joint] for joint in JOINTS]) / 100
    np.testing.assert_allclose(joints, expected[None], atol=1e-12)


def test_the_top_of_the_head_continues_the_neck():
    text = take(frames=1).replace("0 6 0 0 0 0", "0 0 6 0 0 0")  # the head in front of the neck
    joints, _ = bandai_namco.points_of(bvh.parse_bvh(text))
    head = joints[0, JOINTS.index("head")]
    np.testing.assert_allclose(head, (0, 1.35, 0.24), atol=1e-12)


def test_the_face_turns_with_the_head():
    # The axes of the head: X up, Y to the front, Z to the left. Here Z X Y are -90, 0 and -90.
    text = take(frames=1).replace("0 6 0 0 0 0", "0 6 0 -90 0 -90")
    recording = bvh.parse_bvh(text)
    axes = bvh.forward_kinematics(recording)[1]["Head"][0]
    np.testing.assert_allclose(axes @ (1, 0, 0), (0, 0, 1), atol=1e-12)
    joints, face = bandai_namco.points_of(recording)
    nose, left_ear, right_ear = face[0] - joints[0, [JOINTS.index("neck")]]
    up, front, left = axes.T
    assert nose @ front == pytest.approx(0.11)
    assert (left_ear - right_ear) @ left == pytest.approx(0.15)
    assert (left_ear - nose) @ up == pytest.approx(0.02)


def test_a_file_becomes_a_take(tmp_path):
    name = "dataset-2_raise-up-both-hands_active_006"
    [read] = takes(data_set(tmp_path / "raw", [name]), tmp_path)["train"]
    assert (read.name, read.subject, read.action) == (name, "", "raise-up-both-hands")
    assert read.fps == 30
    assert read.joints.shape == (12, 17, 3)


def test_a_tenth_of_the_takes_of_every_motion_and_style_is_for_testing(tmp_path):
    kinds = [f"dataset-2_{motion}" for motion in ("walk_normal", "run_active")]
    names = [f"{kind}_{take:03}" for kind in kinds for take in range(1, 21)]
    splits = takes(data_set(tmp_path / "raw", names), tmp_path)
    test = [take.name for take in splits["test"]]
    assert test == sorted(f"{kind}_{take}" for kind in kinds for take in ("003", "013"))
    assert sorted(test + [take.name for take in splits["train"]]) == sorted(names)


def test_other_files_are_ignored(tmp_path):
    names = ["dataset-1_walk_normal_001", "dataset-2_walk_normal_001", "walk"]
    folder = data_set(tmp_path / "raw", names)
    (folder / "README.md").write_text("read me")
    assert [take.name for take in takes(folder, tmp_path)["train"]] == [names[1]]


def test_a_skeleton_that_lacks_a_joint_is_refused(tmp_path):
    folder = data_set(tmp_path / "raw", ["dataset-2_walk_normal_001"])
    [file] = folder.rglob("*.bvh")
    file.write_text(take(without="Chest"))
    with pytest.raises(ValueError, match=r"walk_normal_001.bvh: the skeleton has no joint 'Chest'"):
        takes(folder, tmp_path)


def test_the_error_for_missing_data_has_instructions(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no source and no manual_dir.*data.zip"):
        takes(None, tmp_path)
    data_set(tmp_path / "raw", ["dataset-1_walk_normal_001"])
    with pytest.raises(FileNotFoundError, match=r"no such data in .*raw.*data.zip"):
        takes(tmp_path / "raw", tmp_path)


def test_the_dataset_is_built_from_its_archive_and_read_back(tmp_path):
    names = [f"dataset-2_walk_normal_00{take}" for take in (3, 6)]
    folder = data_set(tmp_path / "raw", names)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for file in folder.rglob("*.bvh"):
            archive.write(file, file.relative_to(folder))
    builder = bandai_namco.Builder(
        source=tmp_path / "data.zip", data_dir=tmp_path / "data", config="30fps"
    )
    builder.download_and_prepare()
    assert len(builder.as_data_source(split="train")) == 4
    records = builder.as_data_source(split="test")
    assert [record["name"].decode() for record in records] == [
        f"{names[0]}/view{view}" for view in range(4)
    ]
    assert records[0]["joints_3d"].shape == (12, 17, 3)
    thigh = records[0]["joints_3d"][:, 2] - records[0]["joints_3d"][:, 1]
    np.testing.assert_allclose(np.linalg.norm(thigh, axis=-1), 390, rtol=1e-3)
