import pathlib
import re
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.tfds_builders.bvh_motion import rigs
from tfds_builders.bvh_motion import bvh_motion_dataset_builder as bvh_motion
from tfds_builders.records import JOINTS


def collection(folder: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    """A folder of files; a value is a convention, or the text of the file."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rigs.bvh(rigs.RIGS[content]) if content in rigs.RIGS else content)
    return folder


def takes(tmp_path, source, toml: str | None = None):
    path = None
    if toml is not None:
        path = tmp_path / "settings.toml"
        path.write_text(toml)
    builder = bvh_motion.Builder(source=source, settings=path, data_dir=tmp_path / "data",
                                 config="30fps")  # fmt: skip
    manager = builder._make_download_manager(tmp_path / "downloads", tfds.download.DownloadConfig())
    return {
        split: [each.read() for each in found] for split, found in builder._takes(manager).items()
    }


def test_a_file_becomes_a_take_named_after_its_path(tmp_path):
    source = collection(tmp_path / "raw", {"salsa/01.bvh": "daz", "walk/a/b.BVH": "cmu"})
    salsa, walk = takes(tmp_path, source)["train"]
    assert (salsa.name, salsa.subject, salsa.action, salsa.fps) == ("salsa/01", "", "salsa", 30)
    assert (walk.name, walk.action) == ("walk/a/b", "a")
    assert salsa.joints.shape == (3, 17, 3)


def test_a_single_file_is_read(tmp_path):
    source = collection(tmp_path / "raw", {"a/walk.bvh": "cmu", "a/02_01.amc": rigs.amc()})
    [take] = takes(tmp_path, source / "a" / "walk.bvh")["train"]
    assert take.name == "walk"
    with pytest.raises(ValueError, match="02_01.amc: its skeleton must be beside it in the source"):
        takes(tmp_path, source / "a" / "02_01.amc")


def test_settings_give_splits_rates_subjects_and_what_is_left_out(tmp_path):
    source = collection(
        tmp_path / "raw", {f"{name}.bvh": "cmu" for name in ("a/1", "a/2", "b/1", "b/2")}
    )
    toml = (
        '[splits]\ntest = "a/1*"\n[[files]]\nmatch = "b/*"\nfps = 60\nsubject = "Bo"\n'
        'action = "walk"\n[[files]]\nmatch = "b/2.bvh"\nskip = true'
    )
    splits = takes(tmp_path, source, toml)
    assert [take.name for take in splits["test"]] == ["a/1"]
    first, second = splits["train"]
    assert (first.name, first.fps) == ("a/2", 30)
    assert (second.name, second.fps, second.subject, second.action) == ("b/1", 60, "Bo", "walk")


def test_several_folders_and_archives_are_read_together(tmp_path):
    folder = collection(tmp_path / "raw", {"a/1.bvh": "cmu"})
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("b/1.bvh", rigs.bvh(rigs.RIGS["mixamo"]))
        archive.writestr("__MACOSX/b/._1.bvh", "not a motion")
        archive.writestr("clips.csv", "1,2")
    found = takes(tmp_path, [folder, tmp_path / "b.zip"])["train"]
    assert [take.name for take in found] == ["a/1", "b/1"]


def test_a_joint_map_of_the_user_reads_an_unknown_skeleton(tmp_path):
    text = rigs.bvh(rigs.RIGS["cmu"]).replace("JOINT ", "JOINT x").replace("ROOT ", "ROOT x")
    text = text.replace("xSpine\n", "xMiddle\n").replace("xSpine1", "xUpper")
    source = collection(tmp_path / "raw", {"odd.bvh": text})
    with pytest.raises(ValueError, match=r"odd.bvh: its skeleton is none of cmu_asf, cmu"):
        takes(tmp_path, source)
    toml = "[skeletons.odd]\n" + "\n".join(
        f'{side}_{joint} = "x{side.title()}{name}"'
        for side in ("left", "right")
        for joint, name in dict(hip="UpLeg", knee="Leg", ankle="Foot", shoulder="Arm",
                                elbow="ForeArm", wrist="Hand").items()
    )  # fmt: skip
    toml += '\nspine = "xMiddle"\nthorax = "xNeck"\nneck = "xHead"\nhead = "xHead"'
    toml += '\nhead_joint = "xHead"\nhead_top = 0.15'
    [take] = takes(tmp_path, source, toml)["train"]
    wanted = np.array(rigs.PLACES["skull"]) + (0, 0.15, 0)  # noqa: RUF005 (adds numbers)
    np.testing.assert_allclose(take.joints[0, JOINTS.index("head")], wanted, atol=1e-5)


def test_the_example_of_the_documentation_reads_a_collection(tmp_path):
    page = pathlib.Path(__file__).parents[3] / "docs" / "bvh_motion.md"
    [toml] = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    z_up = rigs.bvh(rigs.RIGS["cmu"], z_up=True)
    files = {"studio/anna_1.bvh": z_up, "studio/anna_2.bvh": z_up, "studio/calibration.bvh": "?"}
    games = {
        f"game/{name}.bvh": rigs.bvh(rigs.RIGS["rokoko"])
        .replace("Spine", "Torso")
        .replace("Head", "Skull")
        for name in ("run", "walk_07")
    }
    splits = takes(tmp_path, collection(tmp_path / "raw", files | games), toml)
    assert [take.name for take in splits["test"]] == ["game/walk_07", "studio/anna_2"]
    run, anna = splits["train"]
    assert (run.name, run.fps, run.subject, run.action) == ("game/run", 30, "", "game")
    assert (anna.name, anna.fps, anna.subject, anna.action) == ("studio/anna_1", 60, "anna", "act")
    for take in (run, anna):
        assert 1.7 < take.joints[0, JOINTS.index("head"), 1] < 1.8
        assert take.face[0, 0, 2] > 0.1


@pytest.mark.parametrize("frame_time", ["0.016667", "0.0166667", "0.01666"])
def test_rounded_frame_times_are_whole_rates(tmp_path, frame_time):
    text = rigs.bvh(rigs.RIGS["cmu"]).replace("0.0333333", frame_time)
    [take] = takes(tmp_path, collection(tmp_path / "raw", {"a.bvh": text}))["train"]
    assert take.fps == (60 if frame_time != "0.01666" else 60.024)


def test_motions_of_asf_skeletons_are_read_with_the_rate_of_the_settings(tmp_path):
    source = collection(tmp_path / "raw", {"02/02.asf": rigs.asf(), "02/02_01.amc": rigs.amc()})
    with pytest.raises(ValueError, match=r"02_01.amc: its header has no frame rate"):
        takes(tmp_path, source)
    [take] = takes(tmp_path, source, '[[files]]\nmatch = "*.amc"\nfps = 120')["train"]
    assert (take.name, take.fps, take.action) == ("02/02_01", 120, "02")
    with_rate = rigs.amc().replace(":DEGREES", ":SAMPLES-PER-SECOND 60\n:DEGREES")
    (source / "02" / "02_01.amc").write_text(with_rate)
    assert takes(tmp_path, source)["train"][0].fps == 60
    for side, sign in rigs.SIDES.items():
        for joint in ("hip", "knee", "ankle", "shoulder", "elbow"):
            wanted = np.array(rigs.PLACES[joint]) * (sign, 1, 1)
            found = take.joints[0, JOINTS.index(f"{side}_{joint}")]
            np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert take.face[0, 0, 2] > 0.1


def test_a_motion_without_its_skeleton_is_refused(tmp_path):
    source = collection(tmp_path / "raw", {"02/02_01.amc": rigs.amc(), "03/03.asf": rigs.asf()})
    with pytest.raises(ValueError, match=r"02_01.amc: its skeleton must be beside it.*found none"):
        takes(tmp_path, source)


def test_faults_name_the_file(tmp_path):
    source = collection(tmp_path / "raw", {"a.bvh": rigs.bvh(rigs.RIGS["cmu"], z_up=True)})
    with pytest.raises(ValueError, match=r"a.bvh: the person does not stand along the axis Y"):
        takes(tmp_path, source)
    [take] = takes(tmp_path, source, '[[files]]\nmatch = "*"\nup = "z"')["train"]
    assert take.joints[0, JOINTS.index("head"), 1] > 1.7


def test_sources_without_motions_and_splits_without_files_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty: there are no .bvh or .amc files in it"):
        takes(tmp_path, tmp_path / "empty")
    with pytest.raises(ValueError, match="bvh_motion is read from files of yours.*--source"):
        takes(tmp_path, None)
    source = collection(tmp_path / "raw", {"a.bvh": "cmu"})
    with pytest.raises(ValueError, match=r"settings.toml: the split 'test' has no file: .* b/\*"):
        takes(tmp_path, source, '[splits]\ntest = "b/*"')


@pytest.mark.parametrize("splits", ["", '[splits]\ntest = "a*"\n'])
def test_settings_that_leave_out_every_file_are_refused(tmp_path, splits):
    source = collection(tmp_path / "raw", {"a.bvh": "cmu", "b.bvh": "cmu"})
    with pytest.raises(ValueError, match=r"settings.toml: .*skip = true leave out all files"):
        takes(tmp_path, source, f'{splits}[[files]]\nmatch = "*"\nskip = true')
