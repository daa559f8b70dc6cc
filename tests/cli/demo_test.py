import numpy as np
import pytest
from PIL import Image

import repose_jax as rp
from repose_jax import cli
from repose_jax.data import sequences
from repose_jax.evaluation import pictures
from repose_jax.lifting import predictor
from tests.lifting.hypotheses_test import MODEL

SPLIT = "small/30fps:test"


@pytest.fixture
def demo(trained, data_dir):
    """The command on the small dataset and the run that was trained on it."""
    line = ["demo", f"--model={trained.workdir}", f"--split={SPLIT}", f"--data_dir={data_dir}"]
    return lambda *more: cli.main([*line, *more])


def test_the_middle_sequence_is_lifted_and_drawn(demo, tmp_path, capsys):
    assert demo(f"--out={tmp_path / 'new' / 'folder'}") == 0
    still, moving = (tmp_path / "new" / "folder" / f"test2_view0{end}" for end in (".png", ".gif"))
    printed = capsys.readouterr().out
    assert "test2/view0: MPJPE " in printed
    assert " over 4 frames" in printed
    assert f"Written: {still}, {moving}" in printed
    assert Image.open(still).format == "PNG"
    assert Image.open(moving).n_frames == 4


def test_the_error_is_that_of_the_detections_lifted_by_the_model(
    demo, trained, data_dir, tmp_path, capsys
):
    assert demo("--sequence=test0/view0", f"--out={tmp_path}") == 0
    found = sequences.load([SPLIT], str(data_dir))
    rows = slice(*found.offsets[:2])
    joints = rp.load(trained.workdir)(
        found.keypoints_2d[rows], found.confidence[rows], image_size=(1000, 900)
    )
    truth = found.joints_3d[rows] - found.joints_3d[rows][:, :1]
    error = np.linalg.norm(joints - truth, axis=-1).mean()
    assert f"test0/view0: MPJPE {error:.1f} mm over 20 frames" in capsys.readouterr().out


def test_hypotheses_are_drawn_around_their_mean(demo, data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(predictor, "load", lambda source: MODEL)
    clips = []
    monkeypatch.setattr(pictures, "still", lambda path, clip, title: clips.append((clip, title)))
    assert demo("--hypotheses=3", f"--out={tmp_path}") == 0
    ((clip, title),) = clips
    assert title.endswith(": the mean of 3 hypotheses")
    np.testing.assert_allclose(clip.hypotheses.mean(1), clip.prediction, atol=1e-2)
    assert np.abs(clip.hypotheses - clip.prediction[:, None]).max() > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hypotheses=3"], "makes one prediction; give the weights of a run of 'd3dp'"),
        (["--hypotheses=1"], "hypotheses is 1; it must be a whole number from 2"),
        (["--sequence=test9/view0"], f"{SPLIT} has no sequence 'test9/view0'; it has 'test"),
        (["--model=nothing"], "nothing"),
        (["--split=small/30fps:tset"], "tset"),
        (["--out=/dev/null"], "--out is /dev/null, but /dev/null is a file"),
    ],
)
def test_a_wrong_command_line_ends_in_one_line(demo, options, message, tmp_path, capsys):
    assert demo(f"--out={tmp_path / 'demo'}", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "demo").exists()
