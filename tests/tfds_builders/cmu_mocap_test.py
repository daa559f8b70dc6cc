import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfds_builders.cmu_mocap import cmu_mocap_dataset_builder as cmu
from tfds_builders.cmu_mocap import trials
from tfds_builders.formats import amc, asf
from tfds_builders.mocap.face import place_face
from tfds_builders.records import JOINTS

# A person in a T-pose, facing +Z with the left on +X: bone, its parent, direction and length in
# inches.
BONES = [
    ("lhipjoint", "root", (1, 0, 0), 4),
    ("lfemur", "lhipjoint", (0, -1, 0), 17),
    ("ltibia", "lfemur", (0, -1, 0), 16),
    ("rhipjoint", "root", (-1, 0, 0), 4),
    ("rfemur", "rhipjoint", (0, -1, 0), 17),
    ("rtibia", "rfemur", (0, -1, 0), 16),
    ("lowerback", "root", (0, 1, 0), 8),
    ("upperback", "lowerback", (0, 1, 0), 5),
    ("thorax", "upperback", (0, 1, 0), 5),
    ("lowerneck", "thorax", (0, 1, 0), 2),
    ("upperneck", "lowerneck", (0, 1, 0), 2),
    ("head", "upperneck", (0, 1, 0), 6),
    ("lclavicle", "thorax", (1, 0, 0), 7),
    ("lhumerus", "lclavicle", (1, 0, 0), 11),
    ("lradius", "lhumerus", (1, 0, 0), 9),
    ("lwrist", "lradius", (1, 0, 0), 1),
    ("rclavicle", "thorax", (-1, 0, 0), 7),
    ("rhumerus", "rclavicle", (-1, 0, 0), 11),
    ("rradius", "rhumerus", (-1, 0, 0), 9),
    ("rwrist", "rradius", (-1, 0, 0), 1),
]
# The T-pose in inches, the root at the origin.
T_POSE = {
    "pelvis": (0, 0, 0),
    "right_hip": (-4, 0, 0),
    "right_knee": (-4, -17, 0),
    "right_ankle": (-4, -33, 0),
    "left_hip": (4, 0, 0),
    "left_knee": (4, -17, 0),
    "left_ankle": (4, -33, 0),
    "spine": (0, 8, 0),
    "thorax": (0, 18, 0),
    "neck": (0, 21, 0),
    "head": (0, 28, 0),
    "left_shoulder": (7, 18, 0),
    "left_elbow": (18, 18, 0),
    "left_wrist": (27.5, 18, 0),
    "right_shoulder": (-7, 18, 0),
    "right_elbow": (-18, 18, 0),
    "right_wrist": (-27.5, 18, 0),
}


def asf_text(without: str = "") -> str:
    """The skeleton in the database's units, 1/0.45 inch."""
    bones = [bone for bone in BONES if bone[0] != without]
    text = (
        ":units\n length 0.45\n angle deg\n:root\n order TX TY TZ RX RY RZ\n axis XYZ\n"
        " position 0 0 0\n orientation 0 0 0\n:bonedata\n"
    )
    for name, _, (x, y, z), inches in bones:
        dof = " dof rx\n" if name == "lfemur" else ""
        text += f" begin\n name {name}\n direction {x} {y} {z}\n length {inches * 0.45}\n"
        text += f" axis 0 0 0 XYZ\n{dof} end\n"
    return text + ":hierarchy\n begin\n" + "".join(f" {p} {n}\n" for n, p, *_ in bones) + " end\n"


def amc_text(frames: int = 60) -> str:
    """A step on the spot; the root half a metre along X and one up."""
    inch = 0.45 / 0.0254
    text = ":FULLY-SPECIFIED\n:DEGREES\n"
    for i in range(frames):
        knee = 30 * np.sin(i / 10)
        text += f"{i + 1}\nroot {0.5 * inch} {inch} 0 0 0 0\nlfemur {knee:.6g}\n"
    return text


def database(folder: pathlib.Path, names=("02_01", "03_01", "07_02")) -> pathlib.Path:
    for name in names:
        subject = folder / "all_asfamc" / "subjects" / name[:2]
        subject.mkdir(parents=True, exist_ok=True)
        (subject / f"{name[:2]}.asf").write_text(asf_text())
        (subject / f"{name}.amc").write_text(amc_text())
    return folder


def zipped(folder: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.a*"):
            archive.write(file, file.relative_to(folder))
    return path


def takes(source, tmp_path, **options):
    builder = cmu.Builder(source=source, data_dir=tmp_path / "data", config="30fps", **options)
    manager = builder._make_download_manager(tmp_path / "downloads", tfds.download.DownloadConfig())
    return {
        split: [each.read() for each in takes] for split, takes in builder._takes(manager).items()
    }


def test_the_joints_are_those_of_human36m_in_metres():
    skeleton = asf.parse_asf(asf_text())
    joints, _ = cmu.points_of(skeleton, amc.parse_amc(amc_text(1), skeleton))
    expected = np.array([T_POSE[joint] for joint in JOINTS]) * 0.0254 + (0.5, 1, 0)
    np.testing.assert_allclose(joints, expected[None], atol=1e-12)


def test_the_nose_is_in_front_and_the_left_ear_at_the_left():
    skeleton = asf.parse_asf(asf_text())
    joints, face = cmu.points_of(skeleton, amc.parse_amc(amc_text(1), skeleton))
    np.testing.assert_array_equal(face, place_face(joints, np.eye(3)[None]))
    turned = amc_text(1).replace(" 0 0 0 0\n", " 0 0 90 0\n")  # about Y: faces +X
    joints, face = cmu.points_of(skeleton, amc.parse_amc(turned, skeleton))
    nose, left_ear, right_ear = face[0] - joints[0, JOINTS.index("neck")]
    assert nose[0] > 0.1
    assert left_ear[2] < -0.07
    assert right_ear[2] > 0.07


def test_a_trial_becomes_a_take(tmp_path):
    [take] = takes(database(tmp_path / "raw"), tmp_path)["train"]
    assert (take.name, take.subject, take.action) == ("03_01", "03", "walk on uneven terrain")
    assert take.fps == 120
    assert take.joints.shape == (60, 17, 3)


def test_the_splits_share_no_subject(tmp_path):
    names = [f"{subject:02}_01" for subject in range(1, 13)]
    splits = takes(database(tmp_path / "raw", names), tmp_path)
    assert {take.subject for take in splits["test"]} == {"02", "07", "12"}
    subjects = {take.subject for take in splits["train"]}
    assert subjects == {"01", "03", "04", "05", "06", "08", "09", "10", "11"}


def test_a_folder_its_archive_and_a_part_of_it_give_the_same_takes(tmp_path):
    folder = database(tmp_path / "raw")
    archive = zipped(folder, tmp_path / "allasfamc.zip")
    by_source = [
        takes(source, tmp_path)
        for source in (folder, archive, tmp_path, folder / "all_asfamc" / "subjects")
    ]
    for splits in by_source:
        assert [take.name for take in splits["test"]] == ["02_01", "07_02"]
        np.testing.assert_array_equal(splits["test"][0].joints, by_source[0]["test"][0].joints)
    (tmp_path / "part").mkdir()
    zipped(folder, tmp_path / "part" / "any name.zip")
    assert [take.name for take in takes(tmp_path / "part", tmp_path)["train"]] == ["03_01"]


def test_a_split_without_takes_is_omitted(tmp_path):
    assert list(takes(database(tmp_path / "raw", ["02_01"]), tmp_path)) == ["test"]


def test_the_known_trials_are_those_whose_rate_is_verified():
    counts = {
        subject: sum(name[:2] == subject for name in trials.LISTED)
        for subject in ("01", "02", "03")
    }
    assert counts == {"01": 14, "02": 10, "03": 4}
    assert len(trials.LISTED) == 28


def test_an_unlisted_trial_has_120_frames_per_second_and_a_warning(tmp_path):
    known, unknown = takes(database(tmp_path / "raw"), tmp_path)["test"]
    assert (known.name, known.fps, known.warnings) == ("02_01", 120, ())
    assert (unknown.name, unknown.fps) == ("07_02", 120)
    [warning] = unknown.warnings
    assert "the frame rate is unknown and assumed to be 120; list it in trials.csv" in warning


def test_a_rate_in_the_header_of_a_file_is_used_unless_the_user_lists_another(tmp_path):
    folder = database(tmp_path / "raw")
    for name in ("02_01", "07_02"):
        path = folder / "all_asfamc" / "subjects" / name[:2] / f"{name}.amc"
        path.write_text(path.read_text().replace(":DEG", ":SAMPLES-PER-SECOND 60\n:DEG"))
    known, other = takes(folder, tmp_path)["test"]
    assert (known.fps, known.action, other.fps, other.warnings) == (60, "walk", 60, ())
    (folder / "trials.csv").write_text("trial,fps,action\n7_2,90,run\n")
    assert [take.fps for take in takes(folder, tmp_path)["test"]] == [60, 90]


def test_files_of_any_encoding_and_names_without_zeros_are_read(tmp_path):
    folder = database(tmp_path / "raw")
    wanted = takes(folder, tmp_path)
    for path in folder.rglob("*.a?[cf]"):
        path.write_bytes(path.read_text().replace("\n", "\r\n").encode("utf-16"))
    subjects = folder / "all_asfamc" / "subjects"
    (subjects / "07" / "07_02.amc").rename(subjects / "07" / "07_2.amc")
    (folder / "trials.csv").write_text("trial,fps\n7_02,60\n")
    found = takes(folder, tmp_path)
    assert [(take.name, take.fps) for take in found["test"]] == [("02_01", 120), ("07_2", 60)]
    np.testing.assert_array_equal(found["test"][0].joints, wanted["test"][0].joints)


def test_a_list_of_trials_gives_rates_and_actions(tmp_path):
    folder = database(tmp_path / "raw")
    (folder / "trials.csv").write_text('trial,fps,action\n07_02,60,"walk, slow"\n')
    test = takes(folder, tmp_path)["test"]
    assert [(take.fps, take.action) for take in test] == [(120, "walk"), (60, "walk, slow")]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbftrial,fps,action\r\n07_02,60,caf\xc3\xa9\r\n\r\n",
        b"trial,fps,action\n07_02,60,caf\xe9\n",
        "trial,fps,action\n07_02,60,caf\xe9\n".encode("utf-16"),
        b"trial; fps; action\n07_02; 60; caf\xe9\n",
        b"sep=;\nTrial;FPS;Action;\n07_02;60,0;caf\xe9;\n;;;\n",
        b"trial\tfps\taction\n7_2\t60\tcaf\xe9\n",
        b"action,fps,trial\ncaf\xe9,60,7_02\ncaf\xe9,60.0,07_2\n",
        b"by,trial,fps,action\nme,07_02,60,caf\xe9\n",
    ],
)
def test_a_list_of_trials_is_read_as_spreadsheet_programs_write_it(tmp_path, data):
    path = tmp_path / "trials.csv"
    path.write_bytes(data)
    assert trials.read_trials(path) == {"07_02": trials.Trial(60, "café")}


def test_actions_of_a_list_of_trials_may_be_left_out(tmp_path):
    (tmp_path / "trials.csv").write_text("trial,fps\n07_02,59.94\n")
    assert trials.read_trials(tmp_path / "trials.csv") == {"07_02": trials.Trial(59.94)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "trials.csv, line 1: expected trial,fps,action, found ''"),
        ("trial,fps,fps\n", "trials.csv, line 1: expected trial,fps,action"),
        ("trial,fps,action\n\nrun,60,run\n", "trials.csv, line 3: .* found 'run,60,run'"),
        ("trial,fps\n07_02,59,94\n07_2,60\n", "trials.csv, line 3: 07_2 a second time, and diff"),
        ("name,fps\n", "trials.csv, line 1: expected trial,fps,action"),
        ("trial,fps,action\n07_02,fast,walk\n", "trials.csv, line 2: .* found '07_02,fast,walk'"),
        ("trial,fps,action\n07_01,60,run\n07_02,0,run\n", "trials.csv, line 3"),
        ("trial,fps,action\n07_02,60\n", "trials.csv, line 2"),
    ],
)
def test_a_faulty_list_of_trials_is_refused(tmp_path, text, message):
    folder = database(tmp_path / "raw")
    (folder / "trials.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        takes(folder, tmp_path)


def test_a_trial_without_its_skeleton_is_refused(tmp_path):
    folder = database(tmp_path / "raw")
    (folder / "all_asfamc/subjects/07/07.asf").unlink()
    with pytest.raises(ValueError, match=r"07_02.amc: its skeleton 07.asf is not in the source"):
        takes(folder, tmp_path)


def test_a_skeleton_that_lacks_a_bone_is_refused(tmp_path):
    folder = database(tmp_path / "raw", ["02_01"])
    (folder / "all_asfamc/subjects/02/02.asf").write_text(asf_text(without="head"))
    with pytest.raises(ValueError, match=r"02.asf: the skeleton has no bone 'head'"):
        takes(folder, tmp_path)


def test_a_source_without_the_data_is_refused_with_instructions(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no such data in .*raw. Download .*allasfamc.zip"):
        takes(tmp_path / "raw", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        takes(tmp_path / "absent.zip", tmp_path)


def test_without_source_the_manual_directory_is_read_before_anything_is_downloaded(
    tmp_path, monkeypatch
):
    archive = zipped(database(tmp_path / "raw"), tmp_path / "allasfamc.zip")
    downloads = []

    def download(manager, url):
        downloads.append(url)
        return archive

    monkeypatch.setattr(tfds.download.DownloadManager, "download", download)
    assert [take.name for take in takes(None, tmp_path)["train"]] == ["03_01"]
    assert downloads == [cmu.URL]
    database(tmp_path / "downloads" / "manual", ["04_01"])
    assert [take.name for take in takes(None, tmp_path)["train"]] == ["04_01"]
    assert len(downloads) == 1


def test_the_error_for_a_failed_download_has_instructions(tmp_path, monkeypatch):
    def download(manager, url):
        raise ConnectionError("the host is unreachable")

    monkeypatch.setattr(tfds.download.DownloadManager, "download", download)
    with pytest.raises(FileNotFoundError, match=r"Download http.*as the source.*unreachable"):
        takes(None, tmp_path)


def test_the_dataset_is_built_and_read_back(tmp_path):
    archive = zipped(database(tmp_path / "raw"), tmp_path / "allasfamc.zip")
    builder = cmu.Builder(source=archive, data_dir=tmp_path / "data", config="30fps")
    builder.download_and_prepare()
    assert len(builder.as_data_source(split="train")) == 4
    records = builder.as_data_source(split="test")
    assert [record["name"].decode() for record in records] == [
        f"{take}/view{view}" for take in ("02_01", "07_02") for view in range(4)
    ]
    record = records[0]
    assert record["action"] == b"walk"
    assert record["joints_3d"].shape == (15, 17, 3)
    thigh = np.linalg.norm(record["joints_3d"][:, 2] - record["joints_3d"][:, 1], axis=-1)
    np.testing.assert_allclose(thigh, 17 * 25.4, rtol=1e-3)
