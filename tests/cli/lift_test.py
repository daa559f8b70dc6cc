"""`repose lift` on files of 2D joints, with a small untrained model."""

import json
import signal
import threading
import time

import cv2
import numpy as np
import pytest
import small_keypoints
import small_videos
import small_weights
from small_motion import small_motion

from repose_jax import cli
from repose_jax.cli import lift as command
from repose_jax.detectors import create
from repose_jax.detectors.detector import Found

QUICK = "--files=npz,bvh,html"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return small_weights.write(tmp_path_factory.mktemp("weights") / "small.safetensors")


def write_npz(path, people=2, frames=40):
    """Writes the 2D joints of walkers as a plain array with names."""
    walkers = small_motion(people=people, frames=frames)
    points = np.full((frames, people, 17, 3), np.nan)
    for column, person in enumerate(walkers.people):
        points[person.frame, column] = person.keypoints_px
    from repose_jax.skeleton import HUMAN36M

    np.savez(path, keypoints=points, joint_names=np.array(HUMAN36M.joints), fps=30)
    return path


def lift(weights, *line) -> int:
    return cli.main(["lift", f"--weights={weights}", *map(str, line)])


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_person_has_files_and_the_terminal_says_what_was_assumed(weights, tmp_path, capsys):
    source, out = write_npz(tmp_path / "walkers.npz"), tmp_path / "new" / "out"
    assert lift(weights, source, "--out", out, "--image-size=1280x720", QUICK) == 0
    persons = {f"person_{n}.{kind}" for n in (1, 2) for kind in ("npz", "bvh")}
    assert names(out) == persons | {"index.html", "keypoints.npz", "summary.json"}
    printed = capsys.readouterr().out
    assert (
        "walkers: 2 people in 40 frames (1.30 s at 30 frames/s), 2D joints: named joints" in printed
    )
    assert "Focal length: 1280 px, assumed" in printed
    assert f"open {out / 'index.html'}" in printed
    summary = json.loads((out / "summary.json").read_text())
    assert summary["options"]["weights"] == str(weights)


def test_options_reach_the_result(weights, tmp_path, capsys):
    source, out = write_npz(tmp_path / "walkers.npz"), tmp_path / "out"
    line = (f"--out={out}", "--image_size=1280x720", "--person=2", "--height=1.9", "--fov=60")
    assert lift(weights, source, *line, "--files=npz") == 0
    assert names(out) == {"person_2.npz", "keypoints.npz", "summary.json"}
    options = json.loads((out / "summary.json").read_text())["options"]
    assert (options["person"], options["height"], options["fov"]) == (2, 1.9, 60)
    assert "field of view of 60 degrees" in capsys.readouterr().out


def test_a_result_is_an_input_again(weights, tmp_path):
    source = write_npz(tmp_path / "walkers.npz", people=1)
    first, again = tmp_path / "first", tmp_path / "again"
    assert lift(weights, source, f"--out={first}", "--image-size=1280x720", "--files=npz") == 0
    assert lift(weights, first / "person_1.npz", f"--out={again}", "--files=npz") == 0
    one, other = (np.load(folder / "person_1.npz") for folder in (first, again))
    np.testing.assert_allclose(one["joints_mm"], other["joints_mm"], atol=0.5)


def test_several_inputs_have_a_folder_each_and_a_bad_one_stops_no_other(weights, tmp_path, capsys):
    good = write_npz(tmp_path / "good.npz", people=1)
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    out = tmp_path / "out"
    line = ("--image-size=1280x720", "--files=npz", f"--out={out}")
    assert lift(weights, bad, good, *line) == 2
    assert names(out) == {"good"}
    errors = capsys.readouterr().err.splitlines()
    assert any("bad.json" in line and line.startswith("repose lift: error: ") for line in errors)
    assert errors[-1].startswith("repose lift: error: 1 problem, see above")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["nothing.json"], "There is no file or folder nothing.json"),
        ([], "the following arguments are required: INPUT"),
        (["x.json", "--hight=2"], "There is no flag '--hight'. Did you mean '--height'"),
        (["x.json", "--files=npz,fbx"], "There is no kind of file 'fbx'"),
        (["x.json", "--image-size=big"], "'big' is no size; give it as 1920x1080"),
        (["x.json", "--height=190"], "height is 190.0; it must be a number from 0.5 to 2.5 m"),
        (["x.json", "--people=two"], "There is no choice 'two'"),
    ],
    ids=str,
)
def test_wrong_command_lines_are_answered_with_one_line(weights, line, message, capsys):
    assert lift(weights, *line) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert message in error


def test_an_empty_video_is_answered_with_one_line(weights, tmp_path, capsys):
    (tmp_path / "clip.mp4").write_bytes(b"")
    line = [tmp_path / "clip.mp4", f"--out={tmp_path / 'out'}", "--detector-weights=missing"]
    assert lift(weights, *line) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "clip.mp4: the file is empty" in error  # before weights are looked for


class Walker:
    """Finds a walker in every frame of a video."""

    format, warnings = "human36m", ()

    def detect(self, frame, time_s=None):
        walker = small_motion(people=1, frames=1).people[0].keypoints_px[0, :, :2] / 20
        return Found(walker[None], np.ones((1, 17)), np.ones(1))


class Interrupting(Walker):
    """Is interrupted in one of the frames."""

    def __init__(self, number):
        self.frames, self.number = 0, number

    def detect(self, frame, time_s=None):
        self.frames += 1
        if self.frames == self.number:
            signal.raise_signal(signal.SIGINT)
        return super().detect(frame, time_s)


@pytest.mark.parametrize("number", [1, 4])
def test_ctrl_c_keeps_what_was_detected_and_leaves_no_thread(
    number, weights, tmp_path, capsys, monkeypatch
):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", lambda *_, **__: Interrupting(number))
    out = tmp_path / "out"
    assert lift(weights, path, "--out", out, QUICK) == 128 + signal.SIGINT
    assert "decoding" not in {thread.name for thread in threading.enumerate()}
    said = capsys.readouterr().err
    if number == 1:
        assert "Stopped by SIGINT" in said
        assert not out.exists()
        return
    assert "Detection was stopped after 4 frames; there are 12." in said
    assert f"repose lift {out} --out {out}" in said
    assert names(out) == {"keypoints.npz"}
    assert lift(weights, out, "--out", tmp_path / "again", "--files=npz") == 0
    assert "4 frames" in capsys.readouterr().out


@pytest.mark.parametrize(("line", "examined"), [([], 20), (["--every-frame"], 40)], ids=str)
def test_of_a_fast_video_every_second_frame_is_examined_and_all_are_lifted(
    line, examined, weights, tmp_path, capsys, monkeypatch
):
    times_ms = [round(1000 * frame / 60) for frame in range(40)]
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(40), times_ms)
    detector = Interrupting(0)
    monkeypatch.setattr(create, "create", lambda *_, **__: detector)
    out = tmp_path / "out"
    assert lift(weights, path, "--out", out, "--files=npz", *line) == 0
    assert detector.frames == examined
    said = capsys.readouterr().out
    assert ("People were looked for in 20 of 40 frames" in said) == (examined == 20)
    assert "100% of the joints seen" in said
    first = np.load(out / "person_1.npz")["time_s"]
    last = 38 if examined == 20 else 39
    np.testing.assert_allclose(first, np.array(times_ms[: last + 1]) / 1000, atol=1e-6)
    assert lift(weights, out, "--out", tmp_path / "again", "--files=npz") == 0
    again = np.load(tmp_path / "again" / "person_1.npz")["time_s"]
    np.testing.assert_array_equal(again, first)


def test_people_are_detected_while_the_model_is_loaded(weights, tmp_path, monkeypatch):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))
    detecting, load = threading.Event(), command._load

    class Detecting(Walker):
        def detect(self, frame, time_s=None):
            detecting.set()
            return super().detect(frame, time_s)

    def loaded(options, **known):
        assert detecting.wait(20)
        return load(options, **known)

    monkeypatch.setattr(create, "create", lambda *_, **__: Detecting())
    monkeypatch.setattr(command, "_load", loaded)
    assert lift(weights, path, "--out", tmp_path / "out", "--files=npz") == 0
    assert names(tmp_path / "out") == {"keypoints.npz", "person_1.npz", "summary.json"}


@pytest.mark.parametrize("inputs", [1, 2])
def test_a_model_that_cannot_be_loaded_ends_detection_and_nothing_is_written(
    inputs, tmp_path, capsys, monkeypatch
):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(40))
    detector = Interrupting(0)
    detect = detector.detect

    def slowly(frame, time_s=None):
        time.sleep(0.05)
        return detect(frame, time_s)

    monkeypatch.setattr(detector, "detect", slowly)
    monkeypatch.setattr(create, "create", lambda *_, **__: detector)
    monkeypatch.setattr(command, "_load", lambda *_, **__: command.pathlib.Path("none").stat())
    out = tmp_path / "out"
    assert lift("small", *[path] * inputs, "--out", out, QUICK) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error == "repose lift: error: none: No such file or directory"
    assert detector.frames < 40
    assert not out.exists()


def write_images(folder, names_):
    folder.mkdir()
    for name, image in zip(names_, small_videos.frames(len(names_)), strict=True):
        cv2.imwrite(str(folder / name), image)
    return folder


def test_a_broken_image_amid_a_video_keeps_what_was_detected(
    weights, tmp_path, capsys, monkeypatch
):
    folder = write_images(tmp_path / "frames", [f"{number}.png" for number in range(6)])
    (folder / "4.png").write_bytes(b"broken")
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    out = tmp_path / "out"
    assert lift(weights, folder, "--out", out, QUICK) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith(f"repose lift: error: {folder / '4.png'}: not an image")
    assert "Detection ended there, after 4 frames. The 2D joints are in" in error
    assert error.endswith(f"repose lift {out} --out {out}")
    assert names(out) == {"keypoints.npz"}
    assert lift(weights, out, "--out", tmp_path / "again", "--files=npz") == 0
    printed = capsys.readouterr().out
    assert "4 frames" in printed
    assert "4.png: not an image" in printed  # a warning of the result


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (["--fov=400"], "fov is 400.0; it must be a number from 1 to 170 degrees"),
        (["--focal=1500", "--fov=60"], "The camera is given by focal and fov"),
        (["--focal=0.5"], "A focal length of 0.5 px is impossible"),
        (["--camera=none.toml"], "There is no camera file none.toml."),
    ],
)
def test_a_wrong_camera_is_found_before_anybody_is_looked_for(
    camera, message, weights, tmp_path, capsys, monkeypatch
):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", None)
    assert lift(weights, path, "--out", tmp_path / "out", *camera) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_video_that_cannot_be_lifted_keeps_its_joints_and_says_where(
    weights, tmp_path, capsys, monkeypatch
):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    out = tmp_path / "out"
    assert lift(weights, path, "--out", out, "--person=9") == 2
    assert capsys.readouterr().err.rstrip().endswith(f"repose lift {out} --out {out}")
    assert names(out) == {"keypoints.npz"}
    assert lift(weights, out, "--out", out, QUICK) == 0


def test_keypoints_that_cannot_be_lifted_leave_an_earlier_result_whole(
    weights, tmp_path, monkeypatch
):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    out, other = tmp_path / "out", tmp_path / "other"
    assert lift(weights, path, "--out", out, QUICK) == 0
    assert lift(weights, out, "--out", other, QUICK) == 0
    before = {file.name: file.read_bytes() for file in other.iterdir()}
    assert lift(weights, out, "--out", other, QUICK, "--fps=60", "--person=9") == 2
    assert {file.name: file.read_bytes() for file in other.iterdir()} == before


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("cause", ["signal", "image"])
def test_a_part_of_a_video_does_not_replace_the_joints_of_all_of_it(
    cause, weights, tmp_path, capsys, monkeypatch
):
    folder = write_images(tmp_path / "frames", [f"{number}.png" for number in range(6)])
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    out = tmp_path / "out"
    assert lift(weights, folder, "--out", out, QUICK) == 0
    before = content(out)
    whole = (folder / "4.png").read_bytes()
    if cause == "image":
        (folder / "4.png").write_bytes(b"broken")
    else:
        monkeypatch.setattr(create, "create", lambda *_, **__: Interrupting(4))
    assert lift(weights, folder, "--out", out, QUICK) != 0
    partial = out / "keypoints_partial.npz"
    command_ = f"repose lift {partial} --out {out / 'partial'}"
    assert (
        capsys.readouterr()
        .err.rstrip()
        .endswith(f"joints are in {partial}; lift them with: {command_}")
    )
    assert content(out) == before | {partial.name: partial.read_bytes()}
    assert lift(weights, *command_.split()[2:], QUICK) == 0
    assert ": 1 person in 4 frames" in capsys.readouterr().out
    assert content(out) == before | {partial.name: partial.read_bytes()}
    (folder / "4.png").write_bytes(whole)
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    assert lift(weights, folder, "--out", out, QUICK) == 0
    assert not partial.exists()


class Nobody(Interrupting):
    """Finds nobody."""

    def detect(self, frame, time_s=None):
        super().detect(frame, time_s)
        return Found(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0))


@pytest.mark.parametrize("number", [0, 4])
def test_joints_of_nobody_are_not_stored_nor_recommended(
    number, weights, tmp_path, capsys, monkeypatch
):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", lambda *_, **__: Nobody(number))
    out = tmp_path / "out"
    assert lift(weights, path, "--out", out, QUICK) != 0
    said = capsys.readouterr().err
    assert ("stopped after 4 frames" if number else "nobody was found in 12 frames") in said
    assert "lift them with" not in said
    assert not out.exists()


@pytest.mark.parametrize("name", ["keypoints.npz", "index.html"])
def test_files_of_others_in_the_folder_are_left_and_nobody_is_looked_for(
    name, weights, tmp_path, capsys, monkeypatch
):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    assert lift(weights, path, "--out", tmp_path / "out", QUICK) == 2
    assert f"{name} is not of repose lift and would be overwritten" in capsys.readouterr().err
    assert content(tmp_path / "out") == {name: b"mine"}


def test_a_keypoint_file_is_not_replaced_by_the_joints_that_were_read_from_it(
    weights, tmp_path, capsys
):
    source = write_npz(tmp_path / "keypoints.npz")
    before = source.read_bytes()
    assert lift(weights, source, f"--out={tmp_path}", QUICK) == 2
    assert "keypoints.npz would be overwritten by its result" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_of_several_videos_in_a_file_each_folder_is_checked(weights, tmp_path, capsys):
    source = small_keypoints.videopose3d(tmp_path / "two.npz")
    (tmp_path / "out" / "b").mkdir(parents=True)
    (tmp_path / "out" / "b" / "keypoints.npz").write_text("mine")
    assert lift(weights, source, f"--out={tmp_path / 'out'}", QUICK) == 2
    assert "keypoints.npz is not of repose lift" in capsys.readouterr().err
    assert names(tmp_path / "out") == {"b"}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("..", "video"),
        (".", "video"),
        ("a/../..", "video"),
        ("a\\..", "video"),
        (" .. ", "video"),
        ("cut\0off.mp4", "cut_off"),
        ("long" * 100, "long" * 50),
        ("日" * 100 + ".mp4", "日" * 66),
    ],
    ids=lambda name: ascii(name)[:12],
)
def test_of_videos_of_any_name_the_results_are_in_a_folder_of_out(name, folder, weights, tmp_path):
    source = small_keypoints.videopose3d(tmp_path / "two.npz", first=name)
    out = tmp_path / "below" / "out"
    assert lift(weights, source, f"--out={out}", QUICK) == 0
    assert names(out) == {folder, "b"}
    assert names(out.parent) == {"out"}


def test_a_tilde_in_out_is_the_home_folder(weights, tmp_path, monkeypatch):
    source = write_npz(tmp_path / "walk.npz", people=1)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert lift(weights, source, "--out=~/out", "--files=npz") == 0
    assert names(tmp_path) == {"walk.npz", "home"}


def test_the_folder_above_and_this_one_are_inputs_with_names(weights, tmp_path, monkeypatch):
    (tmp_path / "above" / "here").mkdir(parents=True)
    write_npz(tmp_path / "above" / "walk.npz", people=1)
    write_npz(tmp_path / "above" / "here" / "run.npz", people=1)
    monkeypatch.chdir(tmp_path / "above" / "here")
    out = tmp_path / "out"
    lift(weights, "..", ".", f"--out={out}", "--files=npz")
    assert names(tmp_path) == {"above", "out"}
    assert names(out) == {"above", "here"}


def test_lifting_a_result_again_keeps_its_joints_and_says_nothing_of_former_options(
    weights, tmp_path, capsys
):
    source = write_npz(tmp_path / "walk.npz", people=1)
    with np.load(source) as arrays:
        np.savez(source, **{name: arrays[name] for name in arrays if name != "fps"})
    first, again = tmp_path / "first", tmp_path / "again"
    quick = ("--image-size=1280x720", "--files=npz")
    assert lift(weights, source, f"--out={first}", "--every-frame", *quick) == 0
    said = capsys.readouterr().out
    assert "30 frames/s were assumed" in said
    assert "Without influence on 2D joints: every_frame" in said
    joints = (first / "keypoints.npz").read_bytes()
    for out in (again, first):
        assert lift(weights, first, f"--out={out}", "--fps=25", "--people=one", *quick) == 0
        said = capsys.readouterr().out
        assert "at 25 frames/s" in said
        assert "were assumed" not in said
        assert "every_frame" not in said
    assert (first / "keypoints.npz").read_bytes() == joints
    assert lift(weights, again, f"--out={again}", *quick) == 0
    said = capsys.readouterr().out
    assert "30 frames/s were assumed" in said
    assert "Without influence" not in said


def test_without_out_the_result_of_another_video_is_not_replaced(
    weights, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    joints = write_npz(tmp_path / "joints.npz", frames=12)
    video = small_videos.write(tmp_path / "video.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    assert lift(weights, joints, QUICK) == lift(weights, joints, QUICK) == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "motion").iterdir()}
    monkeypatch.setattr(create, "create", None)  # nobody is looked for
    assert lift(weights, video, QUICK) == 2
    assert capsys.readouterr().err.endswith(
        "motion has the result of joints. Give another --out for that of video.mp4, or "
        "--out=motion to replace it.\n"
    )
    write_npz(tmp_path / "other.npz", frames=12)
    assert lift(weights, "other.npz", QUICK) == 2
    assert {file.name: file.read_bytes() for file in (tmp_path / "motion").iterdir()} == before
    assert lift(weights, "other.npz", QUICK, "--out=motion") == 0


def test_without_out_the_joints_of_another_video_are_not_replaced(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video = small_videos.write(tmp_path / "video.mp4", small_videos.frames(12))
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    assert lift(weights, video, "--person=9") == 2
    assert names(tmp_path / "motion") == {"keypoints.npz"}
    write_npz(tmp_path / "joints.npz", frames=12)
    assert lift(weights, "joints.npz", QUICK) == 2
    assert names(tmp_path / "motion") == {"keypoints.npz"}
    assert lift(weights, "motion", QUICK) == 0


def test_a_broken_photograph_stops_no_other(weights, tmp_path, capsys, monkeypatch):
    folder = write_images(tmp_path / "photos", ["anna.png", "bert.png", "carl.png"])
    (folder / "bert.png").write_bytes(b"")
    monkeypatch.setattr(create, "create", lambda *_, **__: Walker())
    out = tmp_path / "out"
    assert lift(weights, folder, "--out", out, "--files=npz") == 2
    assert names(out) == {"anna", "carl"}
    for name in ("anna", "carl"):
        assert names(out / name) == {"keypoints.npz", "person_1.npz", "summary.json"}
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert "bert.png: the file is empty (0 bytes)" in errors[0]
    assert "1 problem, see above" in errors[1]
