import dataclasses
import json

import numpy as np
import pytest
from flax import nnx

from repose_jax import models
from repose_jax.config import DataConfig, EvalConfig, Experiment
from repose_jax.lifting import hypotheses
from repose_jax.lifting.lift import motion_of
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion import files, tables
from tests.lifting.lift_test import CAMERA, TRUTH, detections, exact_keypoints

SIZES = {"frames": 9, "width": 8, "depth": 1, "heads": 2}
PERSON = TRUTH.people[0]
SIZE = TRUTH.camera.image_size


def made(name: str = "d3dp", notes=None, **data) -> Predictor:
    config = Experiment(
        model={"name": name, **SIZES},
        data=DataConfig(frames=9, stride=9, **data),
        eval=EvalConfig(sampling_steps=2),
    )
    graphdef, variables = nnx.split(models.create(**config.model_fields))
    return Predictor(config, graphdef, (variables,), notes or {})


MODEL = made()


def lift(model: Predictor = MODEL, frames: int = 21, count: int = 3, **options):
    seen = exact_keypoints(PERSON)[:frames]
    return hypotheses.lift(model, seen, None, SIZE, count=count, flip=False, **options)


@pytest.fixture(scope="module")
def lifted():
    return lift()


def test_a_video_has_the_hypotheses_their_mean_and_the_spread_of_every_joint(lifted):
    mean, spread, kept = dataclasses.astuple(lifted)
    assert kept.shape == (21, 3, 17, 3)
    assert (kept[:, :, 0] == 0).all()
    np.testing.assert_allclose(mean, kept.mean(1), atol=1e-2)
    np.testing.assert_allclose(spread, np.sqrt(kept.var(1).sum(-1)), atol=1e-2)
    assert (spread[:, 1:] > 0).all()
    assert 1 < spread.mean() < 1000  # mm


def test_the_first_of_many_hypotheses_are_kept(lifted):
    many = lift(frames=9, count=12)
    assert many.kept.shape == (9, hypotheses.KEPT, 17, 3)
    np.testing.assert_allclose(many.kept[:, :3], lifted.kept[:9], rtol=1e-3, atol=1e-2)
    assert np.abs(many.mean - many.kept.mean(1)).max() > 0.1


def test_a_seed_gives_the_same_and_another_one_others(lifted):
    for again, first in zip(*map(dataclasses.astuple, (lift(), lifted)), strict=True):
        np.testing.assert_array_equal(again, first)
    assert np.abs(lift(seed=1).mean - lifted.mean).max() > 0.1


def test_clips_beside_a_clip_have_no_influence_on_it(lifted):
    # Nine frames are in a batch of one clip, 21 in one of four.
    for short, whole in zip(*map(dataclasses.astuple, (lift(frames=9), lifted)), strict=True):
        np.testing.assert_allclose(short, whole[:9], rtol=1e-3, atol=1e-2)


def test_the_factor_of_the_evaluation_calibrates_the_spread(lifted):
    calibrated = dataclasses.replace(MODEL, notes={"spread_factor": 1.5})
    np.testing.assert_allclose(lift(calibrated).spread, 1.5 * lifted.spread, rtol=1e-5)
    np.testing.assert_array_equal(lift(calibrated).kept, lifted.kept)
    assert "not calibrated" in hypotheses.describe(MODEL, 3)
    assert "of 3 hypotheses, multiplied by 1.50, so that 1.24" in hypotheses.describe(calibrated, 3)


def test_people_of_a_video_have_hypotheses_in_the_files(tmp_path):
    motion = motion_of(detections(), MODEL, Options(**CAMERA, hypotheses=3))
    assert any(line.startswith("Spread: of 3 hypotheses") for line in motion.assumptions)
    tall = motion_of(detections(), MODEL, Options(**CAMERA, hypotheses=3, height=2.0))
    for person, other in zip(motion.people, tall.people, strict=True):
        assert person.spread_mm.shape == person.confidence.shape
        scale = other.raw_camera_mm[:, 1:].std() / person.raw_camera_mm[:, 1:].std()
        np.testing.assert_allclose(other.spread_mm, scale * person.spread_mm, rtol=1e-2)
        mean = other.hypotheses_mm.mean(1)
        np.testing.assert_allclose(mean, other.raw_camera_mm, atol=1e-2)
    files.write(tmp_path, motion, ("npz", "json"))
    with np.load(tmp_path / "person_1.npz") as found:
        for name in tables.HYPOTHESES:
            np.testing.assert_array_equal(found[name], getattr(motion.people[0], name))
    read = json.loads((tmp_path / "person_1.json").read_text())
    assert np.array(read["spread_mm"]).shape == motion.people[0].confidence.shape
    assert "hypotheses_mm" not in {*read, *read["units"]}  # too large for text
    for name in (read, json.loads((tmp_path / files.SUMMARY).read_text())):
        assert name["units"]["spread_mm"] == tables.HYPOTHESES["spread_mm"]


def test_in_the_world_hypotheses_are_around_the_person():
    motion = motion_of(detections(), MODEL, Options(**CAMERA, hypotheses=3))
    person, world = motion.people[0], motion.world
    placed = world.hypotheses(person, np.arange(len(person.frame)))
    np.testing.assert_allclose(placed.mean(1), person.joints_mm, atol=0.1)
    away = (placed - person.joints_mm[:, None]) @ world.rotation  # in camera axes
    expected = person.hypotheses_mm - person.raw_camera_mm[:, None]
    np.testing.assert_allclose(away, expected, atol=0.1)
    np.testing.assert_allclose(world.hypotheses(person, 5), placed[5], atol=1e-3)


def test_people_without_hypotheses_have_no_spread():
    (person, *_) = motion_of(detections(), MODEL, Options(**CAMERA)).people
    assert person.spread_mm is None
    assert person.hypotheses_mm is None
    assert not tables.HYPOTHESES.keys() & tables.arrays(TRUTH, person).keys()
    assert TRUTH.world.hypotheses(person, 0) is None


def test_a_model_of_one_prediction_is_refused_before_anything_is_lifted():
    with pytest.raises(ValueError, match="the model 'mixste' makes one prediction; give the"):
        motion_of(detections(), made("mixste"), Options(**CAMERA, hypotheses=3))
    with pytest.raises(ValueError, match="inputs in the frame of the image"):
        hypotheses.check(made(normalise="person"))
    for count in (1, -1):
        with pytest.raises(ValueError, match=f"hypotheses is {count}; it must be a whole number f"):
            Options(hypotheses=count)


def test_an_hour_without_frames_does_not_change_the_spread():
    frames = len(PERSON.frame)
    time = TRUTH.time_s + 3600.0 * (np.arange(len(TRUTH.time_s)) >= frames // 2)
    found = detections([PERSON], identity=np.zeros(frames, int), time_s=time)
    (person,) = motion_of(found, MODEL, Options(**CAMERA, hypotheses=3)).people
    assert len(person.frame) == frames
    assert person.spread_mm.max() < 2000
