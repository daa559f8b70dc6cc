"""The examples of docs/lifting.md, run."""

import pathlib
import re

import numpy as np
import pytest

import repose_jax as rp
from repose_jax import skeleton

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "lifting.md").read_text(encoding="utf-8")
FIRST, CONVERSION = re.findall(r"^```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
RNG = np.random.default_rng(0)


def test_the_first_example_lifts_a_file(trained, tmp_path, monkeypatch):
    predictor = rp.load(trained.workdir)
    monkeypatch.setattr(rp, "load", lambda: predictor)
    monkeypatch.chdir(tmp_path)
    keypoints = RNG.uniform(300, 700, (12, 17, 2))
    confidence = np.full((12, 17), 0.8)
    np.savez("joints.npz", keypoints=keypoints, confidence=confidence)
    exec(FIRST, {})
    np.testing.assert_array_equal(
        np.load("joints_3d.npy"), predictor(keypoints, confidence, image_size=(1920, 1080), fps=30)
    )


def test_the_first_example_has_five_lines():
    assert len([line for line in FIRST.splitlines() if line]) == 5


def test_the_example_of_coco_gives_joints_in_the_order_of_the_models():
    coco = RNG.uniform(100, 400, (5, 17, 2))
    seen = np.ones((5, 17))
    seen[:, skeleton.COCO17.joints.index("left_ear")] = 0
    names = {"coco_keypoints": coco, "coco_confidence": seen}
    exec(CONVERSION, names)
    joints = rp.HUMAN36M.joints
    left = skeleton.COCO17.joints.index("left_knee")
    np.testing.assert_allclose(names["keypoints"][:, joints.index("left_knee")], coco[:, left])
    assert (names["confidence"][:, joints.index("head")] == 0).all()
    assert (names["confidence"][:, joints.index("left_knee")] == 1).all()


@pytest.mark.parametrize("argument", re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
def test_the_table_lists_arguments_of_the_predictor(argument):
    assert argument in rp.Predictor.__call__.__annotations__
