"""The accuracy of weights: on a prepared split as `repose eval` has it, and on a recording."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import small_recording
from small_recording import FRAMES

import repose_jax
from benchmarks.accuracy import __main__ as accuracy
from benchmarks.accuracy import detectors, recording, report, stored, takes, video
from repose_jax.evaluation import tables
from repose_jax.skeleton import HUMAN36M
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint

NECK, SPINE, HEAD, WRIST = map(HUMAN36M.joints.index, ("neck", "spine", "head", "left_wrist"))
SPLIT = "small/30fps:test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_recording.write(tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="module")
def views(folder):
    return recording.read(folder)


# --- the recording ------------------------------------------------------------------------------


def test_a_view_has_the_truth_in_camera_axes_in_mm_relative_to_the_pelvis(views):
    assert [view.name for view in views] == ["cam01", "cam07"]
    names = small_recording.OPENPOSE_BODY25B.joints
    hips = [names.index("left_hip"), names.index("right_hip")]
    for view, number in zip(views, (1, 7), strict=True):
        joints = 1000 * small_recording.camera(number, small_recording.world())
        wrist = joints[:, names.index("left_wrist")] - joints[:, hips].mean(axis=1)
        np.testing.assert_allclose(view.truth[:, WRIST], wrist, atol=1e-6)
        own = np.delete(view.own - view.own[:, :1], HEAD, axis=1)  # COCO's has to be estimated
        np.testing.assert_allclose(own, np.delete(view.truth, HEAD, axis=1), atol=1e-3)
        np.testing.assert_allclose(view.up, [0, -1, 0], atol=1e-9)
        assert (view.fps, view.image_size, view.focal) == (50, (600, 800), 700)


def test_the_largest_person_is_read_and_a_missing_joint_has_no_place(views):
    for view in views:
        assert view.reprojection < 1e-3
        found = view.openpose
        wrist = found.skeleton.joints.index("left_wrist")
        missing = np.zeros((FRAMES, 25), bool)
        missing[-1, wrist] = True
        np.testing.assert_array_equal(np.isnan(found.keypoints).all(-1), missing)
        np.testing.assert_array_equal(found.confidence, np.where(missing, 0, 0.8))


def test_the_neck_is_tried_as_nose_as_middle_and_as_missing(views):
    made = {name: rest for name, *rest in video.inputs(views[0].openpose)}
    nose, middle, without, measured = made.values()
    names = small_recording.OPENPOSE_BODY25B.joints
    pixels = small_recording.pixels(1)
    np.testing.assert_allclose(nose[0][:, NECK], pixels[:, names.index("nose")], atol=1e-6)
    shoulders = [names.index("left_shoulder"), names.index("right_shoulder")]
    between = (pixels[:, shoulders].mean(axis=1) + pixels[:, names.index("head_top")]) / 2
    np.testing.assert_allclose(middle[0][:, NECK], between, atol=1e-6)
    others = [joint for joint in range(17) if joint not in (NECK, SPINE)]
    for (keypoints, confidence), missing in ((without, [NECK]), (measured, [NECK, SPINE])):
        assert np.isnan(keypoints[:, missing]).all()
        assert (confidence[:, missing] == 0).all()
        np.testing.assert_array_equal(keypoints[:, others], nose[0][:, others])
    # COCO has no top of the head.
    *_, (name, keypoints, _) = video.inputs(views[0].blazepose)
    assert name == "no neck, spine, head"
    assert np.isnan(keypoints[:, [NECK, SPINE, HEAD]]).all()


def test_errors_of_poses_by_hand(views):
    truth = views[0].truth
    assert video.errors(truth, truth)["mpjpe"] == 0
    off = truth.copy()
    off[:, WRIST] += [0, 30, 40]
    off[:, [NECK, SPINE]] += 1000  # the truth has neither
    found = video.errors(off, truth)
    assert found["mpjpe"] == pytest.approx(50 / 15, rel=1e-4)
    assert found["mpjpe_hands"] == pytest.approx(25, rel=1e-4)
    assert found["mpjve"] == pytest.approx(0, abs=1e-3)
    turned = 1.2 * truth[..., [1, 2, 0]]
    found = video.errors(turned, truth)
    assert found["pa_mpjpe"] == pytest.approx(0, abs=1e-2)
    assert found["pa_mpjpe_12"] == pytest.approx(0, abs=1e-2)
    lengths = np.linalg.norm(np.delete(truth, [NECK, SPINE], axis=1), axis=-1)
    assert found["ra_mpjpe"] == pytest.approx(0.2 * lengths.mean(), rel=1e-3)


def test_the_bones_are_those_between_joints_of_the_truth(views):
    truth = views[0].truth
    measured = [bone for bone in HUMAN36M.bones if not {NECK, SPINE} & set(bone)]
    assert len(measured) == 12
    start, end = np.array(measured).T
    deviation = np.linalg.norm(truth[:, end] - truth[:, start], axis=-1).std(axis=0, ddof=1)
    found = video.errors(truth, truth)["bone_variation"]
    assert found == pytest.approx(deviation.mean(), rel=1e-3)


def test_a_model_is_given_what_is_known(views):
    calls = []

    class Model:
        def __call__(self, keypoints, confidence, image_size, fps=0, focal_length=0, up=None):
            calls.append((image_size, fps, focal_length, up))
            return views[0].truth

    for known in ((), ("fps",), ("focal", "up")):
        video.lift(Model(), views[0], np.zeros((FRAMES, 17, 2)), np.ones((FRAMES, 17)), known)
    assert calls[0] == ((600, 800), 0, 0, None)
    assert calls[1] == ((600, 800), 50, 0, None)
    assert calls[2][:3] == ((600, 800), 0, 700)
    np.testing.assert_allclose(calls[2][3], [0, -1, 0], atol=1e-9)


# --- the detectors ------------------------------------------------------------------------------


def test_errors_of_a_detector_are_found(views):
    """A known offset, white noise, a gross error, a lag and a confidence that knows the noise."""
    frames = np.arange(200)
    time = frames[:, None, None] / 50
    rng = np.random.default_rng(0)
    path = 300 + 60 * np.sin(3 * time + rng.uniform(0, 6, (25, 2)))
    view = dataclasses.replace(
        views[0], truth=np.zeros((200, 17, 3)), torso=100.0, projected=path, fps=50
    )
    late = np.stack([np.interp(frames - 2, frames, x) for x in path.reshape(200, -1).T], axis=-1)
    noise = rng.normal(0, 2, (200, 25, 2))
    keypoints = late.reshape(path.shape) + np.array([3, 4]) + noise
    keypoints[50:60, 15] += 40  # left ankle
    confidence = np.exp(-np.linalg.norm(noise, axis=-1) / 5)
    confidence[0, 0] = 0
    keypoints[0, 0] = np.nan
    detection = recording.Detection(small_recording.OPENPOSE_BODY25B, keypoints, confidence)
    view = dataclasses.replace(view, openpose=detection, blazepose=detection)
    found = detectors.fit([(view, detection)])
    assert found["all joints"]["lag (s)"] == 2 / 50
    assert found["all joints"]["correlation of confidence and log error"] < -0.8
    rows = found["joints"].items()
    values = {kind: dict(zip(detectors.COLUMNS, v, strict=True)) for kind, v in rows}
    assert values["elbow"]["without lag %"] == pytest.approx(2, rel=0.1)
    assert values["elbow"]["noise %"] > 4
    assert values["elbow"]["offset %"] == pytest.approx(5, abs=1.5)
    assert values["nose"]["missing %"] == 0.5
    assert values["knee"]["gross %"] == 0
    assert values["ankle"]["gross %"] == pytest.approx(2.5)  # of 2 x 200


def test_the_offset_of_a_joint_is_that_of_most_frames(views):
    still = dataclasses.replace(views[0], projected=np.full((FRAMES, 25, 2), 300.0), torso=50.0)
    keypoints = np.full((FRAMES, 25, 2), 300.0) + np.array([3, 4])
    keypoints[:2] += 100
    ones = np.ones((FRAMES, 25))
    detection = recording.Detection(small_recording.OPENPOSE_BODY25B, keypoints, ones)
    error = detectors.errors(still, detection, 0)["left_hip"]
    np.testing.assert_allclose(np.median(error, axis=0), [0.06, 0.08])


# --- the command --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def copy(trained, tmp_path_factory):
    """The small run again."""
    workdir = tmp_path_factory.mktemp("copy") / "workdir"
    shutil.copytree(trained.workdir, workdir)
    return workdir


def test_all_tests_in_one_command(trained, copy, folder, data_dir, tmp_path, capsys):
    path = tmp_path / "accuracy.json"
    line = ["all", SPLIT, f"--data_dir={data_dir}", f"--folder={folder}", f"--json={path}"]
    line += ["--mean_pose=small/30fps:train", "--weights", str(trained.workdir), str(copy)]
    accuracy.main(line)
    printed = capsys.readouterr().out
    found = json.loads(path.read_text())
    assert found["weights"] == [str(trained.workdir), str(copy)]
    assert found["known"] == ["fps"]
    assert set(found["environment"]) == {"cpu", "devices", "jax", "python"}
    assert list(found["results"]) == ["stored", "video", "detectors"]
    stored, recorded = found["results"]["stored"][SPLIT], found["results"]["video"].values()
    tally = evaluate_checkpoint(trained.config, copy, "best")
    first, second, both = stored.values()
    assert both == [*first, *second]
    (values,) = first
    assert set(values) == set(report.HEADS) - {"pa_mpjpe_12"}
    assert values["mpjpe"] == pytest.approx(tally.mean("mpjpe"), rel=1e-5)
    occluded = tally.mean("pa_mpjpe", visibility="occluded")
    assert values["pa_mpjpe_occluded"] == pytest.approx(occluded, rel=1e-5)
    wrists = [tally.mean("mpjpe", joint=joint) for joint in (13, 16)]
    assert values["mpjpe_hands"] == pytest.approx(np.mean(wrists), rel=1e-5)
    assert "| all models |" in printed
    assert "± 0.0" in printed  # the same weights twice

    assert len(recorded) == 2
    for rows in recorded:
        assert len(rows) == 2 * 4 + 3
        assert len(rows["OpenPose, nose as neck"]) == 2
        assert rows["BlazePose's own 3D"][0]["pa_mpjpe_12"] == pytest.approx(0, abs=0.01)
        assert rows["mean pose"][0]["mpjpe"] > 100
        assert rows["mean pose"][0]["bone_variation"] == pytest.approx(0, abs=1e-3)


def test_a_split_that_fails_leaves_the_results_of_those_before(trained, data_dir, tmp_path, capsys):
    path = tmp_path / "accuracy.json"
    line = ["stored", SPLIT, "small/30fps:tset", f"--data_dir={data_dir}", f"--json={path}"]
    with pytest.raises(SystemExit, match="2"):
        accuracy.main([*line, "--weights", str(trained.workdir)])
    assert list(json.loads(path.read_text())["results"]["stored"]) == [SPLIT]
    assert SPLIT in capsys.readouterr().out


def test_the_errors_of_takes_add_up_to_those_of_all(trained, data_dir):
    model = repose_jax.load(str(trained.workdir))
    options = {"data_dir": str(data_dir), "known": ("fps",)}
    found = takes.measure({"a": model}, SPLIT, **options)["a"]
    tally = stored.tally(model, SPLIT, **options)
    assert set(found) == {group.sequence.rpartition("/")[0] for group in tally.groups}
    frames = {
        take: tally.frames(lambda group, take=take: group.sequence.startswith(f"{take}/"))
        for take in found
    }
    whole = np.average([found[take]["mpjpe"] for take in found], weights=[*frames.values()])
    assert whole == pytest.approx(tally.mean("mpjpe"), rel=1e-5)


def test_differences_are_paired_by_take():
    first = {"x": {"mpjpe": 10.0}, "y": {"mpjpe": 50.0}, "z": {"mpjpe": np.nan}}
    other = {"z": {"mpjpe": np.nan}, "y": {"mpjpe": 52.0}, "x": {"mpjpe": 11.0}}
    table = takes.table("Split", {"a": first, "b": other})
    assert table.rows == {"a": [30.0], "b": [1.5]}
    width = 12.706 * np.std([1, 2], ddof=1) / np.sqrt(2)  # Student's t of two takes
    assert table.spreads["b"] == pytest.approx([width], rel=1e-3)


def test_the_standard_deviation_is_that_of_the_models():
    rows = {"a": [{"mpjpe": 1.0}], "all": [{"mpjpe": 1.0}, {"mpjpe": 2.0}, {"mpjpe": 6.0}]}
    table = report.table("Split", rows)
    assert table.columns == ("MPJPE ↓",)
    assert table.cells() == {"a": ["1.0"], "all": ["3.0 ± 2.6"]}
    assert "mean ± standard deviation of the models" in tables.markdown(table)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "the following arguments are required: TEST"),
        (["vidio"], "Did you mean 'video'?"),
        (["stored"], "the following arguments are required: SPLIT"),
        (["takes"], "the following arguments are required: SPLIT"),
        (["video"], "the following arguments are required: --folder"),
        (["video", "--folder=absent"], "pose has no folder camNN_json"),
        (["stored", SPLIT, "--known=fps,focus"], "There is no hint 'focus'. Did you mean 'focal'?"),
        (["stored", "small/30fps:tset"], "tset"),
        (["stored", SPLIT, "--data_dir=absent"], "absent"),
        (["stored", "human36m/2.5d:test"], "has 2.5D labels"),
        (["stored", SPLIT, "--weights", "none"], "There are no weights 'none'"),
    ],
)
def test_a_wrong_command_line_ends_in_one_line(line, message, trained, data_dir, capsys):
    if line and "--weights" not in line:
        line = [*line, "--weights", str(trained.workdir)]
    if line[:1] == ["stored"] and "--data_dir=absent" not in line:
        line = [*line, f"--data_dir={data_dir}"]
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        accuracy.main(line)
    (error,) = capsys.readouterr().err.splitlines()
    assert message in error


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("pose-3d/trial.trc", "pose-3d must have one file *.trc; found none."),
        ("calibration/cameras.toml", "calibration must have one file *.toml; found none."),
        ("blazepose_heavy/cam07.npz", "cam07.npz is missing."),
        ("pose/cam07_json/f0003.json", "cam07_json has 11 frames, the triangulated joints 12"),
    ],
)
def test_a_missing_file_is_named(path, message, folder, tmp_path, trained, capsys):
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / path).unlink()
    with pytest.raises(SystemExit, match="2"):
        accuracy.main(["video", f"--folder={tmp_path / 'copy'}", "--weights", str(trained.workdir)])
    (error,) = capsys.readouterr().err.splitlines()
    assert message in error


def test_files_of_another_format_are_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    trc = tmp_path / "copy" / "pose-3d" / "trial.trc"
    content = trc.read_text()
    trc.write_text(content.replace("\tm\n", "\tmm\n"))
    with pytest.raises(ValueError, match=r"trial.trc: the unit is 'mm'; expected 'm'"):
        recording.read(tmp_path / "copy")
    trc.write_text(content.replace("LKnee", "LPatella"))
    with pytest.raises(ValueError, match="trial.trc has no marker LKnee; found"):
        recording.read(tmp_path / "copy")
    trc.write_text(content)
    person = tmp_path / "copy" / "pose" / "cam01_json" / "f0000.json"
    person.write_text(json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 54}]}))
    with pytest.raises(ValueError, match=r"f0000.json has 18 joints; expected 25"):
        recording.read(tmp_path / "copy")
    toml = tmp_path / "copy" / "calibration" / "cameras.toml"
    toml.write_text(toml.read_text().replace("cam_07", "cam_08"))
    person.write_text(json.dumps({"people": []}))
    with pytest.raises(ValueError, match=r"The calibration has no camera 7, of .*cam07"):
        recording.read(tmp_path / "copy")
