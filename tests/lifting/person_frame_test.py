"""Lifting by a model that reads the person's frame."""

import dataclasses

import numpy as np
import pytest
from flax import nnx

import repose_jax as rp
from repose_jax import models
from repose_jax.config import DataConfig, EvalConfig, Experiment
from repose_jax.weights import file

FRAMES = 9
MODEL = {"name": "repose", "frames": FRAMES, "width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2}


def make(model, **options) -> rp.Predictor:
    config = Experiment(
        model=model,
        data=DataConfig(frames=FRAMES, stride=3, normalise="person"),
        eval=EvalConfig(**options),
    )
    graphdef, *variables = nnx.split(models.create(**config.model_fields), nnx.Param, nnx.BatchStat)
    return rp.Predictor(config, graphdef, tuple(variables))


PREDICTOR = make({**MODEL, "representation": 8})
RNG = np.random.default_rng(0)
SIZES = {"landscape": (640, 480), "portrait": (480, 640)}


def walk(frames: int, seed: int = 0) -> np.ndarray:
    """Joints that move about, px."""
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.normal(0, 2, (frames, 17, 2)), axis=0)
    return 240 + 100 * np.sin(steps / 100) + rng.uniform(-80, 80, (17, 2))


def with_missing(frames: int, seed: int) -> np.ndarray:
    """Confidences of single missing joints, one that is always missing, and missing frames."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.2, 1, (frames, 17))
    confidence[rng.random((frames, 17)) < 0.2] = 0
    confidence[:, rng.integers(17)] = 0
    confidence[rng.random(frames) < 0.2] = 0
    confidence[0] = 1  # some joint is seen
    return confidence


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_missing_joints_have_no_influence_wherever_they_are(seed, size):
    keypoints, confidence = walk(25, seed), with_missing(25, seed)
    found = PREDICTOR(keypoints, confidence, size, fps=30)
    assert np.isfinite(found).all()
    missing = (confidence == 0)[..., None]
    rng = np.random.default_rng(seed)
    elsewhere = np.where(missing, rng.normal(0, 1e5, keypoints.shape), keypoints)
    np.testing.assert_array_equal(PREDICTOR(elsewhere, confidence, size, fps=30), found)
    absent = np.where(missing, np.nan, keypoints)
    np.testing.assert_array_equal(PREDICTOR(absent, confidence, size, fps=30), found)
    unknown = np.where(confidence == 0, np.nan, confidence)
    np.testing.assert_array_equal(PREDICTOR(keypoints, unknown, size, fps=30), found)


def test_a_joint_that_is_seen_has_influence():
    keypoints = walk(25)
    moved = keypoints.copy()
    moved[3, 3] += 50
    size = SIZES["landscape"]
    assert (PREDICTOR(moved, image_size=size) != PREDICTOR(keypoints, image_size=size)).any()


def test_all_joints_missing_in_all_frames_are_refused():
    with pytest.raises(ValueError, match="all joints are missing in all frames"):
        PREDICTOR(walk(25), np.zeros((25, 17)), (640, 480))


@pytest.mark.parametrize("frames", [1, 2, FRAMES - 1, FRAMES, FRAMES + 1, 10_000])
def test_videos_have_any_length(frames):
    joints = PREDICTOR(walk(frames), image_size=(640, 480))
    assert joints.shape == (frames, 17, 3)
    assert np.isfinite(joints).all()
    np.testing.assert_allclose(joints[:, rp.HUMAN36M.root], 0, atol=1e-3)


@pytest.mark.parametrize("known", [{"fps": 20}, {"focal_length": 900}, {"up": (0, -1, 0.2)}])
def test_what_is_known_of_the_camera_has_influence(known):
    found = PREDICTOR(walk(12), image_size=(640, 480), **known)
    assert np.abs(found - PREDICTOR(walk(12), image_size=(640, 480))).max() > 1e-2


def test_the_length_of_the_vertical_has_none():
    short, long = (PREDICTOR(walk(12), None, (640, 480), up=up) for up in ((0, -1, 1), (0, -9, 9)))
    np.testing.assert_allclose(short, long, atol=1e-3)


def test_the_person_may_be_anywhere_in_an_image_of_any_size():
    """With a known focal length, place and size in px are those in the units of the camera."""
    small = PREDICTOR(walk(12), None, (640, 480), focal_length=700)
    large = PREDICTOR(2 * walk(12), None, (1280, 960), focal_length=1400)
    np.testing.assert_allclose(large, small, atol=0.05)


def lifted_alone(keypoints: np.ndarray) -> np.ndarray:
    """One clip, as the network alone lifts it."""
    assert len(keypoints) == FRAMES
    return PREDICTOR(keypoints, image_size=(640, 480), constant_bones=False)


def test_one_clip_is_faded_into_the_next():
    stride = 5  # the last clip ends with the video
    keypoints = walk(FRAMES + stride)
    first, second = lifted_alone(keypoints[:FRAMES]), lifted_alone(keypoints[stride:])
    share = np.arange(1, FRAMES - stride + 1) / (FRAMES - stride + 1)
    middle = (1 - share[:, None, None]) * first[stride:] + share[:, None, None] * second[:4]
    joints = PREDICTOR(keypoints, image_size=(640, 480), constant_bones=False)
    np.testing.assert_allclose(joints[:stride], first[:stride], atol=1e-2)
    np.testing.assert_allclose(joints[stride:FRAMES], middle, atol=1e-2)
    np.testing.assert_allclose(joints[FRAMES:], second[4:], atol=1e-2)


def test_a_gap_that_is_longer_than_a_clip_is_interpolated():
    confidence = np.ones((60, 17))
    confidence[20:40] = 0
    joints = PREDICTOR(walk(60), confidence, (640, 480), constant_bones=False)
    assert np.isfinite(joints).all()
    # The clips of 9 frames start every 6: 18 to 26 and 36 to 44 have joints that are seen.
    change = np.diff(joints[26:37], axis=0)
    np.testing.assert_allclose(change, np.broadcast_to(change[:1], change.shape), atol=1e-3)


def test_bones_have_one_length_in_the_whole_video_unless_that_is_not_wanted():
    """The network is untrained, so its bones vary much."""
    parents, children = np.array(rp.HUMAN36M.bones).T

    def variation(**choice):
        joints = PREDICTOR(walk(60), None, (640, 480), **choice)
        return np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1).std(axis=0)

    assert variation().max() < 0.02
    assert variation(constant_bones=False).max() > 0.2


def test_the_frames_of_a_fast_video_are_lifted_in_turns():
    keypoints, plain = walk(50), {"constant_bones": False}
    joints = PREDICTOR(keypoints, image_size=(640, 480), fps=100, **plain)
    for first in range(2):
        part = PREDICTOR(keypoints[first::2], image_size=(640, 480), fps=50, **plain)
        np.testing.assert_array_equal(joints[first::2], part)
    few = PREDICTOR(keypoints[:3], image_size=(640, 480), fps=1000)
    assert np.isfinite(few).all()


def test_a_mirrored_video_has_the_mirrored_poses_with_test_time_augmentation():
    keypoints = walk(12)
    mirrored = keypoints[:, list(rp.HUMAN36M.flip)] * [-1, 1] + [640, 0]
    found = PREDICTOR(mirrored, None, (640, 480), up=(-0.1, -1, 0.2))
    expected = PREDICTOR(keypoints, None, (640, 480), up=(0.1, -1, 0.2))
    expected = expected[:, list(rp.HUMAN36M.flip)] * [-1, 1, 1]
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_without_test_time_augmentation_the_clips_are_lifted_once():
    keypoints, size = walk(12), (640, 480)
    found = PREDICTOR(keypoints, image_size=size, flip=False)
    assert np.abs(found - PREDICTOR(keypoints, image_size=size, flip=True)).max() > 1e-2
    config = dataclasses.replace(PREDICTOR.config, eval=EvalConfig(flip=False))
    as_evaluated = dataclasses.replace(PREDICTOR, config=config)(keypoints, image_size=size)
    np.testing.assert_array_equal(found, as_evaluated)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "mixer", "frames": FRAMES, "width": 16, "depth": 1},
        {"name": "videopose3d", "filter_widths": (3, 3), "width": 16},
    ],
    ids=lambda model: model["name"],
)
def test_every_kind_of_model_is_lifted(model):
    joints = make(model)(walk(25), with_missing(25, 0), (640, 480), fps=25)
    assert np.isfinite(joints).all()


def test_batches_do_not_matter():
    one = dataclasses.replace(
        PREDICTOR, config=dataclasses.replace(PREDICTOR.config, eval=EvalConfig(batch_size=8))
    )
    keypoints = walk(200)
    np.testing.assert_allclose(
        one(keypoints, image_size=(640, 480)),
        PREDICTOR(keypoints, image_size=(640, 480)),
        atol=0.05,
    )


def test_a_file_of_weights_has_the_channels_of_the_persons_frame(tmp_path):
    path = tmp_path / "model.safetensors"
    file.write(path, PREDICTOR.config, PREDICTOR.variables, "float32")
    keypoints = walk(12)
    found = rp.load(path)(keypoints, image_size=(640, 480))
    np.testing.assert_array_equal(found, PREDICTOR(keypoints, image_size=(640, 480)))
