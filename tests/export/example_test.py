"""The example of docs/export.md lifts a video."""

import pathlib
import re

import numpy as np
import onnxruntime
from small_export import contents

import repose_jax as rp
from repose_jax.export import onnx, program

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "export.md"


def test_the_example_for_onnxruntime_lifts_a_video_of_any_length(tmp_path, monkeypatch):
    model = contents("repose", data={"normalise": "person"})
    path = tmp_path / "lift.onnx"
    path.write_bytes(onnx.content(program.make(model)))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(import numpy.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    space = {}
    exec(example, space)
    assert isinstance(space["session"], onnxruntime.InferenceSession)
    rng = np.random.default_rng(0)
    for frames in (3, 9, 25):
        keypoints = rng.normal(600, 100, (frames, 17, 2)).astype(np.float32)
        confidence = rng.uniform(0.2, 1, (frames, 17)).astype(np.float32)
        joints = space["lift"](keypoints, confidence, (1920, 1080), 50)
        assert joints.shape == (frames, 17, 3)
        assert np.isfinite(joints).all()
        if frames == 9:  # one clip
            wanted = rp.Predictor(*model)(
                keypoints, confidence, (1920, 1080), fps=50, constant_bones=False
            )
            np.testing.assert_allclose(joints, wanted, atol=1e-5 * np.abs(wanted).max())
