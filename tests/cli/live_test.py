"""`repose live` and `repose lift --camera`, with a video for a camera and a small model."""

import re
import threading

import numpy as np
import pytest
import small_live
import small_videos

from repose_jax import cli
from repose_jax.cli import live
from repose_jax.detectors import create, newest, video
from repose_jax.detectors.detector import Found
from repose_jax.keypoints import read, store
from repose_jax.lifting import ahead, session
from repose_jax.runtime.signals import Interrupted
from repose_jax.weights import file


class Two:
    """Finds a small person and a large one."""

    format = "human36m"
    warnings = ()

    def detect(self, frame, time_s=None):
        shape = np.random.default_rng(0).uniform(0, 1, (17, 2))
        return Found(np.stack([8 * shape, 20 + 24 * shape]), np.ones((2, 17)), np.array([0.9, 0.8]))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    model = small_live.predictor()
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    file.write(path, model.config, model.variables, "float32")
    return path


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.setattr(create, "create", lambda *_, **__: Two())
    return small_videos.write(tmp_path / "a.mp4", small_videos.frames(12))


@pytest.mark.parametrize("line", [["live"], ["lift", "--camera"]])
def test_shows_a_clip_and_keeps_the_joints_of_everybody(line, clip, weights, tmp_path, capsys):
    out = tmp_path / "out"
    plain = ["--no-browser", f"--weights={weights}", f"--out={out}"]
    assert cli.main([*line, str(clip), *plain]) == 0
    printed = capsys.readouterr().out
    assert "http://127.0.0.1:" in printed
    assert "a.mp4: the video has ended." in printed
    assert re.search(r"a.mp4: \d+ of 12 frames lifted", printed)
    (found,) = read.read(out)
    assert len(found.frame) == 2 * len(found.time_s) > 2
    assert found.image_size == (64, 48)


def test_a_folder_that_cannot_be_written_is_refused_before_the_session(
    clip, weights, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(create, "create", None)
    plain = ["live", str(clip), "--no-browser", f"--weights={weights}"]
    (tmp_path / "file").write_text("")
    assert cli.main([*plain, f"--out={tmp_path / 'file'}"]) == 2
    assert f"{tmp_path / 'file'} is a file" in capsys.readouterr().err
    earlier = tmp_path / "session" / "keypoints.npz"
    earlier.parent.mkdir()
    earlier.write_text("notes")
    assert cli.main([*plain, f"--out={earlier.parent}"]) == 2
    assert f"{earlier} is not of repose lift" in capsys.readouterr().err
    assert earlier.read_text() == "notes"
    earlier.unlink()
    earlier.symlink_to("unmounted")
    assert cli.main([*plain, f"--out={earlier.parent}"]) == 2
    assert f"{earlier} is not of repose lift" in capsys.readouterr().err
    earlier.unlink()
    np.savez(earlier, **{store.VERSION: 1})
    assert cli.main([*plain, f"--out={earlier.parent}"]) == 2
    assert f"{earlier} has the joints of an earlier session" in capsys.readouterr().err
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main([*plain, "--out=~/session"]) == 2
    assert f"{earlier} has the joints of an earlier session" in capsys.readouterr().err


def test_ctrl_c_is_the_usual_end_and_loses_nothing(clip, weights, tmp_path, monkeypatch):
    lift = session.Session.lift

    def lifted(self, frame):
        shown = lift(self, frame)
        if len(self.latencies_s) == 1:
            raise Interrupted(2, "Stopped by SIGINT.")
        return shown

    monkeypatch.setattr(session.Session, "lift", lifted)
    plain = ["--no-browser", f"--weights={weights}", f"--out={tmp_path / 'out'}"]
    assert cli.main(["live", str(clip), *plain]) == 0
    assert len(read.read(tmp_path / "out")[0].time_s) >= 1


@pytest.fixture
def camera(clip, monkeypatch):
    """A function that makes the first camera one of these frames."""

    def make(frames, before=lambda frame: None, detector=small_live.Detector):
        monkeypatch.setattr(create, "create", lambda *_, **__: detector())
        made = small_live.camera(frames, before)
        monkeypatch.setattr(video, "open_video", lambda source: {0: made}[source])

    return make


def failed(weights, capsys) -> str:
    """Runs the command, which fails; returns its one line."""
    assert cli.main(["live", "--no-browser", f"--weights={weights}"]) == 2
    out, error = capsys.readouterr()
    assert "frames lifted" in out
    assert error.count("\n") == 1
    return error


def test_a_camera_that_is_unplugged_is_an_error(camera, weights, capsys):
    camera(5)
    assert "camera 0: no more frames came; is it still connected?" in failed(weights, capsys)


def test_a_camera_that_falls_silent_is_an_error(camera, weights, monkeypatch, capsys):
    monkeypatch.setattr(live, "SILENCE_S", 0.1)
    monkeypatch.setattr(ahead, "_CLOSING_S", 0.1)
    plugged = threading.Event()
    monkeypatch.setattr(newest, "_CLOSING_S", 0.1)
    camera(5, lambda frame: frame == 3 and plugged.wait(10))
    assert "camera 0: no frame came for 0.1 s" in failed(weights, capsys)
    plugged.set()


def test_an_error_of_the_detector_ends_the_program(camera, weights, capsys):
    class Broken(small_live.Detector):
        def detect(self, frame, time_s=None):
            raise ValueError("pose.tflite: damaged")

    camera(5, detector=Broken)
    assert "pose.tflite: damaged" in failed(weights, capsys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["lift", "--camera=0", "a.mp4"], "INPUT has no influence"),
        (["lift", "--camera=0", "--rig=simple"], "--rig has no influence"),
        (["lift", "--camera=a.toml"], "required: INPUT"),
        (["lift", "a.mp4", "--port=9"], "of the live view"),
        (["live", "-1"], "-1"),
        (["live", "missing.mp4"], "no such file"),
    ],
)
def test_what_is_wrong_is_one_line(line, message, capsys):
    assert cli.main(line) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
