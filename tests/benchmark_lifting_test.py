"""The benchmark of lifting, on a synthetic recording and a lifter that costs nothing."""

import argparse
import functools

import numpy as np
import pytest
import small_recording

from benchmarks.accuracy import recording
from benchmarks.lifting import __main__ as lifting
from benchmarks.lifting import accuracy, memory, speed
from repose_jax.keypoints.read import from_arrays
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from tests.lifting.person_frame_test import PREDICTOR


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_recording.write(tmp_path_factory.mktemp("recording"))


def walk(frames: int = 12):
    time = np.arange(frames)[:, None, None]
    pose = np.random.default_rng(0).uniform(100, 500, (17, 2))
    return from_arrays(pose + 2.0 * time, format="human36m", fps=25, image_size=(640, 480))


class Oracle(Predictor):
    """Returns the truth of the first view, trembling."""

    def __call__(self, keypoints_2d, confidence=None, image_size=None, **known):
        found = np.nan_to_num(self.notes["truth"]).astype(np.float32)
        return found + 20 * (-1.0) ** np.arange(len(found))[:, None, None].astype(np.float32)


def test_every_input_has_the_errors_of_every_filter(folder, monkeypatch):
    monkeypatch.setattr(accuracy, "CUTOFFS", (0, 6))
    # Random joints do not show their order.
    monkeypatch.setattr(accuracy, "Options", functools.partial(Options, format="openpose_body25b"))
    found = dict(accuracy.of_recording(folder, PREDICTOR))
    assert set(found) == {
        f"{v}, {s}" for v in ("cam01", "cam07") for s in ("OpenPose", "BlazePose")
    }
    rows = found["cam01, OpenPose"]
    assert set(rows) == {"no filter", "6 Hz", "no filter, flip", "6 Hz, flip"}
    assert rows["6 Hz"]["acceleration"] < rows["no filter"]["acceleration"]
    assert rows["6 Hz"]["frames"] == small_recording.FRAMES
    assert rows["6 Hz"]["bones"] < 0.1


def test_a_right_path_has_no_error(folder):
    view = recording.read(folder)[0]
    person = argparse.Namespace(root_mm=view.root + 30.0, frame=np.arange(len(view.root)))
    errors = accuracy._path_errors(person, view, "path")
    assert errors["path"] == pytest.approx(30 * 3**0.5)
    assert errors["path, without its mean"] == pytest.approx(0, abs=1e-9)


def test_a_jump_at_a_seam_is_found():
    truth = np.zeros((60, 17, 3), np.float32)
    cut = truth.copy()
    cut[20:40] += 10
    view = accuracy.Lifted(truth, raw=truth, cut=cut, frames=20, seen=[(0, 60)], fps=30.0)
    rows = accuracy.of_seams(view)
    assert rows["side by side"]["at seams"] > 1
    assert rows["side by side"]["elsewhere"] == 0
    assert rows["overlapping and blended"] == {"at seams": 0, "elsewhere": 0}


def test_the_acceleration_of_a_fall():
    time = np.arange(10)[:, None, None] / 50
    joints = 1000 * 9.81 / 2 * time**2 * np.array([0, 1.0, 0]) + np.zeros((1, 17, 1))
    np.testing.assert_allclose(accuracy.accelerations(joints, 50.0), 9.81, rtol=1e-6)


def test_detections_are_played_to_and_fro():
    long = speed.repeated(walk(3), 7)
    x = long.keypoints[:, 0, 0] - walk(3).keypoints[0, 0, 0]
    np.testing.assert_allclose(x, [0, 2, 4, 2, 0, 2, 4])
    np.testing.assert_allclose(long.time_s, np.arange(7) / 25)


def test_memory_is_taken_of_the_lift_and_of_every_file():
    rows = dict(memory.measure(walk(), PREDICTOR, 40, 2, network=False))
    assert set(rows) == {"detections to people", *memory.KINDS}
    assert all(row["peak MB"] > 10 for row in rows.values())
    assert all(rows[kind]["MB written"] > 0 for kind in memory.KINDS)


def test_people_side_by_side_are_an_image_apart():
    two = memory.side_by_side(walk(3), 2)
    assert two.image_size == (1280, 480)
    np.testing.assert_allclose(two.keypoints[1::2] - two.keypoints[::2], [[[640, 0]] * 17] * 3)
    assert two.identity.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    ("argv", "problem"), [(["accuracy", "--folder=missing"], "missing"), ([], "--folder")]
)
def test_bad_arguments_are_one_line(argv, problem, capsys, monkeypatch):
    monkeypatch.setattr(lifting.repose_jax, "load", lambda weights: PREDICTOR)
    with pytest.raises(SystemExit) as stop:
        lifting.main(argv)
    assert stop.value.code == 2
    assert problem in capsys.readouterr().err
