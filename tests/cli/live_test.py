"""`repose live` and `repose lift --camera`, with a video for a camera and a small model."""

import numpy as np
import pytest
import small_videos
from flax import nnx

from repose_jax import cli, models
from repose_jax.config import DataConfig, EvalConfig, Experiment
from repose_jax.detectors import create
from repose_jax.detectors.detector import Found
from repose_jax.keypoints import read
from repose_jax.lifting import session
from repose_jax.runtime.signals import Interrupted
from repose_jax.weights import file

MODEL = {"name": "repose", "frames": 9, "width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2}


class Two:
    """Finds a small person and a large one."""

    format = "human36m"
    warnings = ()

    def detect(self, frame, time_s=None):
        shape = np.random.default_rng(0).uniform(0, 1, (17, 2))
        return Found(np.stack([8 * shape, 20 + 24 * shape]), np.ones((2, 17)), np.array([0.9, 0.8]))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    config = Experiment(
        model={**MODEL, "representation": 8},
        data=DataConfig(frames=9, stride=3, normalise="person"),
        eval=EvalConfig(),
    )
    _, *variables = nnx.split(models.create(**config.model_fields), nnx.Param, nnx.BatchStat)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    file.write(path, config, tuple(variables), "float32")
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
    assert "latency" in printed
    (found,) = read.read(out)
    assert len(found.frame) == 2 * len(found.time_s) > 2
    assert found.image_size == (64, 48)


def test_ctrl_c_is_the_usual_end_and_loses_nothing(clip, weights, tmp_path, monkeypatch):
    take = session.Session.take

    def taken(self, frame):
        shown = take(self, frame)
        if len(self.latencies_s) == 1:
            raise Interrupted(2, "Stopped by SIGINT.")
        return shown

    monkeypatch.setattr(session.Session, "take", taken)
    plain = ["--no-browser", f"--weights={weights}", f"--out={tmp_path / 'out'}"]
    assert cli.main(["live", str(clip), *plain]) == 0
    assert len(read.read(tmp_path / "out")[0].time_s) >= 1


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
