"""The examples of docs/lifting.md, run."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest
from small_motion import small_motion

import repose_jax as rp
from repose_jax import skeleton
from repose_jax.cli import lift as command
from repose_jax.cli.arguments import Parser
from repose_jax.lifting.options import Options
from repose_jax.motion import show

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "lifting.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
RNG = np.random.default_rng(0)


def example(part: str) -> str:
    (found,) = (code for code in EXAMPLES if part in code)
    return found


def test_people_are_lifted_from_a_video_and_from_arrays(tmp_path, monkeypatch):
    motion, calls = small_motion(people=2, frames=6), []
    monkeypatch.setattr(rp, "lift", lambda source, **options: calls.append(options) or motion)
    monkeypatch.setattr(show, "show", lambda shown: calls.append(shown))
    monkeypatch.chdir(tmp_path)
    exec(example("rp.lift("), {"keypoints": None})
    options = {name for call in calls[:2] for name in call}
    assert options <= {field.name for field in dataclasses.fields(Options)}
    assert {path.name for path in tmp_path.iterdir()} == {"clip_1.bvh", "clip_2.bvh"}
    assert calls[2] is motion


FLAGS = re.findall(r"(--[a-z][a-z-]+)", PAGE[: PAGE.index("## In Python")])


@pytest.mark.parametrize("flag", dict.fromkeys(FLAGS))
def test_the_page_names_options_of_the_command(flag):
    parser = Parser()
    command.add_arguments(parser)
    assert flag in parser.format_help()


def test_the_network_lifts_a_file(trained, tmp_path, monkeypatch):
    predictor = rp.load(trained.workdir)
    monkeypatch.setattr(rp, "load", lambda: predictor)
    monkeypatch.chdir(tmp_path)
    keypoints = RNG.uniform(300, 700, (12, 17, 2))
    confidence = np.full((12, 17), 0.8)
    np.savez("joints.npz", keypoints=keypoints, confidence=confidence)
    exec(example("joints.npz"), {})
    np.testing.assert_array_equal(
        np.load("joints_3d.npy"), predictor(keypoints, confidence, image_size=(1920, 1080), fps=30)
    )


def test_the_network_alone_takes_five_lines():
    assert len([line for line in example("joints.npz").splitlines() if line]) == 5


def test_the_example_of_coco_gives_joints_in_the_order_of_the_models():
    coco = RNG.uniform(100, 400, (5, 17, 2))
    seen = np.ones((5, 17))
    seen[:, skeleton.COCO17.joints.index("left_ear")] = 0
    names = {"coco_keypoints": coco, "coco_confidence": seen}
    exec(example("skeleton.convert("), names)
    joints = rp.HUMAN36M.joints
    left = skeleton.COCO17.joints.index("left_knee")
    np.testing.assert_allclose(names["keypoints"][:, joints.index("left_knee")], coco[:, left])
    assert (names["confidence"][:, joints.index("head")] == 0).all()
    assert (names["confidence"][:, joints.index("left_knee")] == 1).all()


@pytest.mark.parametrize("argument", re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
def test_the_table_lists_arguments_of_the_predictor(argument):
    assert argument in rp.Predictor.__call__.__annotations__
