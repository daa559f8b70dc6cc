"""The sample in `examples/`: its files belong together, and lifting it gives about the truth."""

import json

import numpy as np
import processes
import pytest

import repose_jax
from examples import errors, render_walk
from examples.scene.figure import figure
from examples.scene.view import View
from repose_jax.detectors import create, detect
from repose_jax.detectors.video import open_video
from repose_jax.keypoints import read
from repose_jax.motion import tables

EXAMPLES = processes.ROOT / "examples"
VIDEO, KEYPOINTS = EXAMPLES / "walk.mp4", EXAMPLES / "walk_alphapose.json"
SIZE = (768, 432)


@pytest.fixture(scope="module")
def truth():
    with np.load(EXAMPLES / "walk_truth.npz") as file:
        return dict(file)


def test_the_script_makes_the_truth_and_the_keypoints(truth, tmp_path):
    view, (joints, face) = View(), render_walk.walk()
    render_walk.write_truth(tmp_path / "truth.npz", view, joints)
    with np.load(tmp_path / "truth.npz") as file:
        made = dict(file)
    assert made.keys() == truth.keys()
    for name, values in truth.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(made[name], values, atol=0.11, rtol=0)
        else:
            np.testing.assert_array_equal(made[name], values)
    figures = [figure(*frame) for frame in zip(joints, face, strict=True)]
    found = render_walk.detected(view, figures, joints)
    render_walk.write_alphapose(tmp_path / "found.json", found)
    stored, made = (
        np.array([entry["keypoints"] for entry in json.loads(path.read_text())])
        for path in (KEYPOINTS, tmp_path / "found.json")
    )
    np.testing.assert_allclose(made, stored, atol=0.02, rtol=0)


def test_true_joints_are_projections_and_inside_the_image(truth):
    joints, pixels = truth["joints_camera_mm"], truth["keypoints_px"]
    projected = truth["focal_px"] * joints[..., :2] / joints[..., 2:] + truth["image_size"] / 2
    np.testing.assert_allclose(projected, pixels, atol=0.05)
    assert (pixels > 0).all()
    assert (pixels < truth["image_size"]).all()
    assert joints[..., 2].min() > 2000


def test_the_video_is_as_long_and_as_large_as_the_truth(truth):
    assert VIDEO.stat().st_size < 400_000
    with open_video(VIDEO) as video:
        assert video.size == tuple(truth["image_size"]) == SIZE
        times = [time for time, _ in video]
    np.testing.assert_allclose(times, truth["time_s"], atol=1e-3)


def test_the_keypoint_file_is_recognised_and_near_the_truth(truth):
    (found,) = read.read(KEYPOINTS, image_size=SIZE, fps=30.0)
    assert found.format == "halpe26"
    away = np.linalg.norm(found.keypoints - truth["keypoints_px"], axis=-1)[:, errors.LIMBS]
    assert 1 < away.mean() < 5


@pytest.mark.slow
def test_lifting_the_keypoints_gives_about_the_true_motion(truth):
    motion = repose_jax.lift(KEYPOINTS, image_size=SIZE, fps=30)
    (person,) = motion.people
    found = errors.errors(tables.arrays(motion, person), truth)
    assert found["MPJPE, 17 joints"] < 40
    assert found["PA-MPJPE, 17 joints"] < 33
    assert found["path, scaled"] < 200
    assert found["vertical, degrees"] < 5


@pytest.mark.outside
def test_the_real_detector_finds_the_joints_of_the_video(truth):
    try:
        detector = create.create("blazepose")
    except (OSError, ImportError) as error:
        pytest.skip(str(error))
    found = detect.detect(VIDEO, detector)
    assert len(found.frame) == len(found.time_s) == len(truth["time_s"])  # one person in each frame
    away = np.linalg.norm(found.keypoints - truth["keypoints_px"], axis=-1)
    assert away[:, errors.LIMBS].mean() < 6
    assert (away[:, errors.LIMBS] < 25).mean() > 0.98
