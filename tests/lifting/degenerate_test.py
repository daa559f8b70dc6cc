"""People of no size, times that make no sense, single joints: every number written is one."""

import dataclasses
import warnings

import numpy as np
import pytest
from small_motion import small_motion

from repose_jax.keypoints.detections import Detections
from repose_jax.lifting.lift import motion_of
from repose_jax.lifting.options import Options
from repose_jax.motion import files
from repose_jax.motion.motion import MISSING
from tests.lifting.person_frame_test import PREDICTOR

WALK = small_motion(people=1, frames=40).people[0].keypoints_px[..., :2]
KINDS = ("npz", "json", "csv", "angles", "bvh", "glb", "trc", "html")
FRAMES = np.arange(len(WALK))


def detections(keypoints=WALK, confidence=1.0, time_s=FRAMES / 30, **changes) -> Detections:
    rows = len(keypoints)
    seen = np.full((rows, 17), confidence) * np.isfinite(keypoints).all(-1)
    found = Detections(
        keypoints=keypoints,
        confidence=seen,
        frame=np.arange(rows),
        score=np.ones(rows),
        identity=np.zeros(rows, int),
        time_s=time_s,
        image_size=(1280, 720),
        name="degenerate",
        format="human36m",
    )
    return dataclasses.replace(found, **changes)


def only(joint: int) -> np.ndarray:
    keypoints = np.full(WALK.shape, np.nan)
    keypoints[:, joint] = WALK[0, joint]  # were it to move, each frame would be another person
    return keypoints


def times(*steps: float) -> np.ndarray:
    """Returns times of frames with these steps, again and again."""
    return np.concatenate([[0], np.cumsum(np.resize(steps, len(WALK) - 1))])


INPUTS = {
    "a point": detections(np.broadcast_to(WALK[:1, :1], WALK.shape).copy()),
    "a line": detections(WALK * [0, 1] + [640.0, 0]),
    "a still pose": detections(np.broadcast_to(WALK[:1], WALK.shape).copy()),
    "a wrist": detections(only(13)),
    "far away": detections(WALK / 1000 + [640.0, 360.0]),
    "hardly any confidence": detections(confidence=1e-6),
    "one frame": detections(WALK[:1], time_s=np.zeros(1)),
    "two frames": detections(WALK[:2], time_s=np.array([0, 1e-6])),
    "times in another unit": detections(time_s=times(1e-9)),
    "frames a quarter of an hour apart": detections(time_s=times(1000.0)),
    "frames doubled": detections(time_s=times(1e-7, 1 / 30)),
    "steps of all sizes": detections(time_s=times(1e-6, 1.0, 1 / 30)),
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
def test_every_number_is_one(given, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        motion = motion_of(given, PREDICTOR, Options(lock_feet=True, height=1.7))
        for person in motion.people:
            for name in ("joints_mm", "joints_camera_mm", "root_mm", "raw_camera_mm", "confidence"):
                assert np.isfinite(getattr(person, name)).all(), name
            np.testing.assert_array_equal(person.status == MISSING, person.confidence == 0)
        files.write(tmp_path, motion, KINDS)
    for name in ("person_1.bvh", "person_1.trc"):
        assert "nan" not in (tmp_path / name).read_text().lower()


def test_a_cutoff_that_is_too_low_for_the_frame_rate_is_said():
    given = detections(time_s=times(1e-6))
    found = motion_of(given, PREDICTOR, Options(smooth=0.01))
    assert any("too low" in warning for warning in found.warnings)


def test_a_gap_of_a_day_is_lifted_as_one_of_seconds():
    gap = FRAMES / 30 + np.where(FRAMES < 20, 0, 86_400)
    (person,) = motion_of(detections(time_s=gap), PREDICTOR, Options()).people
    assert len(person.frame) == len(WALK)
    assert np.isfinite(person.joints_mm).all()


def test_a_false_detection_in_the_corner_stops_nobody_else():
    corner = np.random.default_rng(0).uniform(0, 2, WALK[:1].shape)
    both = np.concatenate([WALK, np.broadcast_to(corner, WALK.shape)])
    found = detections(both, time_s=FRAMES / 30)
    found = dataclasses.replace(
        found, frame=np.tile(FRAMES, 2), identity=np.repeat([0, 1], len(WALK))
    )
    motion = motion_of(found, PREDICTOR, Options())
    assert len(motion.people) == 1
    (said,) = [warning for warning in motion.warnings if "left out" in warning]
    assert "within 2 px of the upper left corner" in said
    alone = dataclasses.replace(found, keypoints=np.concatenate([both[len(WALK) :]] * 2))
    with pytest.raises(ValueError, match="within 2 px of the upper left corner"):
        motion_of(alone, PREDICTOR, Options())
