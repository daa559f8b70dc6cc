import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax.data.normalise import (
    ASSUMED_FOCAL,
    PERSON_CHANNELS,
    from_person_frame,
    mirror_inputs,
    to_image_frame,
    to_person_frame,
    weighted_median,
)
from repose_jax.skeleton import HUMAN36M, flip

RNG = np.random.default_rng(0)
SIZE = np.array([[1920, 1080], [900, 1600]])
FOCAL = np.array([1500.0, np.nan])
FPS = np.array([50.0, np.nan])
UP = np.array([[0.1, -0.98, -0.17], [np.nan] * 3])
KEYPOINTS = np.float32([[700, 500], [400, 900]])[:, None, None] + 120 * RNG.normal(
    size=(2, 8, 17, 2)
).astype(np.float32)
CONFIDENCE = RNG.uniform(0.1, 1, (2, 8, 17)).astype(np.float32)
CONFIDENCE[0, 3] = 0  # a frame without detections
CONFIDENCE[:, :, 5] = 0  # a joint that is never found
CHANNEL = {name: number for number, name in enumerate(PERSON_CHANNELS)}


def person(keypoints=KEYPOINTS, confidence=CONFIDENCE, size=SIZE, focal=FOCAL, fps=FPS, up=UP):
    return to_person_frame(keypoints, confidence, size, focal, fps, up)


def channels(inputs, *names: str):
    return inputs[..., [CHANNEL[name] for name in names]]


def xy(inputs):
    return channels(inputs, "x", "y")


# The frame of the image


def test_the_width_of_the_image_spans_minus_one_to_one_and_the_aspect_is_kept():
    corners = np.float32([[0, 0], [1000, 500], [500, 250], [1000, 0]])
    found = to_image_frame(corners, np.array([1000, 500]))
    np.testing.assert_allclose(found, [[-1, -0.5], [1, 0.5], [0, 0], [1, -0.5]])


# The frame of the person


def test_the_channels_are_those_of_a_joint_and_then_those_of_the_clip():
    inputs = person()
    assert inputs.shape == (2, 8, 17, len(PERSON_CHANNELS))
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(channels(inputs, "confidence")[..., 0], CONFIDENCE)
    np.testing.assert_array_equal(
        inputs[..., 3:], np.broadcast_to(inputs[:, :1, :1, 3:], (2, 8, 17, 8))
    )


def test_a_symmetric_clip_by_hand():
    # Eight joints 30 px left and eight right of the ninth, at (1000, 300); 40 frames a second.
    keypoints = np.full((2, 17, 2), [1000, 300], np.float32)
    keypoints[:, :8, 0] -= 30
    keypoints[:, 9:, 0] += 30
    inputs = to_person_frame(
        keypoints, np.ones((2, 17)), np.array([1600, 800]), np.array(500.0), np.array(40.0), UP[0]
    )
    np.testing.assert_allclose(inputs[:, :8, :2], np.broadcast_to([-1, 0], (2, 8, 2)), atol=1e-6)
    np.testing.assert_allclose(inputs[:, 8, :2], 0, atol=1e-6)
    wanted = [
        (1000 - 800) / 500,
        (300 - 400) / 500,
        np.log(30 / 500) + 2,
        1,
        np.log(40 / 30),
        *UP[0],
    ]
    np.testing.assert_allclose(inputs[0, 0, 3:], wanted, rtol=1e-5)


def test_numpy_and_jax_agree():
    arrays = KEYPOINTS, CONFIDENCE, SIZE, FOCAL, FPS, UP
    found = to_person_frame(*map(jnp.asarray, arrays))
    assert isinstance(found, jnp.ndarray)
    np.testing.assert_allclose(found, person(), rtol=1e-5, atol=1e-6)
    back = from_person_frame(found, jnp.asarray(SIZE), jnp.asarray(FOCAL))
    assert isinstance(back, jnp.ndarray)
    np.testing.assert_allclose(back, from_person_frame(person(), SIZE, FOCAL), atol=1e-2)
    for values, weights in ((KEYPOINTS[..., 0], CONFIDENCE), (KEYPOINTS[..., 0], CONFIDENCE > 0.5)):
        jax_median = weighted_median(jnp.asarray(values), jnp.asarray(weights, jnp.float32))
        np.testing.assert_allclose(jax_median, weighted_median(values, weights * np.float32(1)))


def test_the_joints_that_are_found_can_be_had_back():
    found = from_person_frame(person(), SIZE, FOCAL)
    np.testing.assert_allclose(found[CONFIDENCE > 0], KEYPOINTS[CONFIDENCE > 0], atol=2e-3)


@pytest.mark.parametrize("value", [0.0, 1e6, np.nan, np.inf])
@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
def test_a_missing_joint_has_no_influence_wherever_it_is(value, convert):
    changed = np.where(CONFIDENCE[..., None] == 0, value, KEYPOINTS).astype(np.float32)
    inputs = person(keypoints=convert(changed), confidence=convert(CONFIDENCE))
    np.testing.assert_allclose(inputs, person(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(xy(np.asarray(inputs))[CONFIDENCE == 0], 0)


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
def test_a_clip_without_any_joint_is_finite(convert):
    unseen = convert(np.full_like(KEYPOINTS, np.nan)), convert(np.zeros_like(CONFIDENCE))
    inputs = np.asarray(person(*unseen))
    assert np.isfinite(inputs).all()
    np.testing.assert_array_equal(inputs[..., :5], 0)


def test_a_gross_error_of_a_frame_moves_place_and_size_little():
    changed = KEYPOINTS.copy()
    changed[:, 2, 16] += 1e5  # a wrist
    found, wanted = person(keypoints=changed), person()
    log_size = channels(wanted, "log size")[:, 0, 0]
    size = np.exp(log_size - 2)
    assert (np.abs(channels(found, "log size")[:, 0, 0] - log_size) < 0.2).all()
    moved = channels(found, "centre x", "centre y") - channels(wanted, "centre x", "centre y")
    assert (np.abs(moved[:, 0, 0]) < 0.2 * size).all()
    assert (np.abs(xy(found)[:, 2, 16]) > 100).all()  # it stays where it was found


def test_a_joint_of_little_confidence_has_little_influence():
    changed, unsure = KEYPOINTS.copy(), CONFIDENCE.copy()
    changed[:, :, 16] += 400
    unsure[:, :, 16] = 1e-4
    absent = unsure.copy()
    absent[:, :, 16] = 0
    found, without = (xy(person(changed, c))[:, :, :16] for c in (unsure, absent))
    np.testing.assert_allclose(found, without, atol=2e-2)


@pytest.mark.parametrize(("factor", "shift"), [(2.0, (0, 0)), (0.25, (0, 0)), (1.0, (300, -200))])
def test_neither_place_nor_size_in_the_image_matter_to_x_and_y(factor, shift):
    inputs = person(keypoints=factor * KEYPOINTS + np.float32(shift))
    np.testing.assert_allclose(xy(inputs), xy(person()), atol=1e-4)


def test_place_and_size_are_in_units_of_the_focal_length():
    place = channels(person(), "centre x", "centre y", "log size")
    # A camera that sees everything twice as large, about the middle of the image.
    zoomed = 2 * (KEYPOINTS - SIZE[:, None, None] / 2) + SIZE[:, None, None] / 2
    same = person(keypoints=zoomed.astype(np.float32), focal=2 * FOCAL)
    np.testing.assert_allclose(
        channels(same, "centre x", "centre y", "log size")[0], place[0], atol=1e-5
    )
    # An image of more pixels, focal length unknown.
    same = person(keypoints=2 * KEYPOINTS, size=2 * SIZE)
    np.testing.assert_allclose(
        channels(same, "centre x", "centre y", "log size")[1], place[1], atol=1e-5
    )


def test_what_is_unknown_is_assumed_and_only_the_focal_length_is_marked():
    inputs = person()
    assumed = person(focal=ASSUMED_FOCAL * SIZE.max(1), fps=np.array([50.0, 30.0]))
    np.testing.assert_allclose(channels(inputs[1], "focal length known"), 0)
    np.testing.assert_allclose(channels(assumed[1], "focal length known"), 1)
    same = [n for n in PERSON_CHANNELS if n != "focal length known"]
    np.testing.assert_allclose(channels(inputs[1], *same), channels(assumed[1], *same), atol=1e-5)
    np.testing.assert_array_equal(channels(inputs[1], "up x", "up y", "up z"), 0)
    np.testing.assert_allclose(channels(inputs[0], "up x", "up y", "up z")[0, 0], UP[0], rtol=1e-6)


# The confidence that is the same for all joints is a frequent case, and an even number of frames.
@pytest.mark.parametrize("confidence", [CONFIDENCE, np.full_like(CONFIDENCE, 0.7)])
def test_mirrored_inputs_are_those_of_the_mirrored_image(confidence):
    mirrored = SIZE[:, None, None] * [1, 0] + KEYPOINTS * [-1, 1]
    order = list(HUMAN36M.flip)
    found = person(
        mirrored[:, :, order].astype(np.float32), confidence[:, :, order], up=UP * [-1, 1, 1]
    )
    np.testing.assert_allclose(mirror_inputs(person(confidence=confidence)), found, atol=1e-5)


def test_inputs_in_the_frame_of_the_image_are_mirrored_as_poses_are():
    inputs = RNG.normal(size=(3, 17, 3)).astype(np.float32)
    np.testing.assert_array_equal(mirror_inputs(inputs), flip(inputs))
    np.testing.assert_array_equal(mirror_inputs(mirror_inputs(inputs)), inputs)


# The weighted median


def test_the_weighted_median_by_hand():
    values = np.array([3.0, 1.0, 10.0, 2.0])
    for weights, wanted in (
        ([1, 1, 1, 0], 3),  # of 1, 3 and 10
        ([1, 0, 5, 1], 10),
        ([0.2, 0.2, 0.2, 0.2], 2.5),
        ([0, 1, 0, 0], 1),
        ([2, 1, 0, 1], 2.5),  # half of the weight lies below 3, half above 2
        ([0, 0, 0, 0], 0),
    ):
        assert weighted_median(values, np.float32(weights)) == wanted


def test_the_weighted_median_has_half_of_the_weight_on_either_side():
    values, weights = RNG.normal(size=(50, 31)), RNG.uniform(size=(50, 31))
    median = weighted_median(values, weights)[:, None]
    total = weights.sum(1)
    assert (np.where(values <= median, weights, 0).sum(1) >= total / 2 - 1e-6).all()
    assert (np.where(values >= median, weights, 0).sum(1) >= total / 2 - 1e-6).all()
    np.testing.assert_allclose(weighted_median(-values, weights), -median[:, 0])
    unweighted = weighted_median(values, np.ones_like(values))
    np.testing.assert_allclose(unweighted, np.median(values, axis=1))
