import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_motions

from repose_jax.simulation import body, detector
from repose_jax.simulation.detector import Scene
from repose_jax.simulation.noise import bursts, correlated

COUNT, FRAMES = 512, 24
MM = 1 / 4000  # of the longer side of the image, at the person
LIMBS = (detector.LEGS, detector.ARMS)


def scene(hidden: bool = False) -> Scene:
    """Persons who stand with their legs and arms apart, in the middle of a wide image."""
    image = small_motions.STANDING[:, :2] * [-1000 * MM, -1000 * MM] * 1.0 + [0.5, 0.6]
    image = np.tile(image, (COUNT, FRAMES, 1, 1))
    drift = np.linspace(-0.05, 0.05, FRAMES)[:, None, None] * [1, 0]  # 400 mm in 0.8 s
    return Scene(
        image=jnp.asarray(image + drift, jnp.float32),
        scale=jnp.full((COUNT, FRAMES), MM),
        hidden=jnp.full((COUNT, FRAMES, 20), hidden),
        size=jnp.ones((COUNT, 2)),
        fps=jnp.full(COUNT, 30.0),
    )


SEEN, HIDDEN = scene(), scene(hidden=True)


@functools.cache
def detected(errors=1.0, laws=0.9, hidden=False):
    make = jax.jit(lambda key, scene, e, c: detector.detect(key, scene, errors=e, laws=c))
    return jax.device_get(make(jax.random.key(0), HIDDEN if hidden else SEEN, errors, laws))


@functools.cache
def sampled_errors(hidden=False):
    """Errors in mm, their expected deviation, and which are far."""
    make = jax.jit(detector._errors)
    return jax.device_get(make(jax.random.key(1), HIDDEN if hidden else SEEN))


# Where landmarks are found


def test_without_errors_landmarks_are_found_where_they_are():
    for hidden in (False, True):
        found, _ = detected(errors=0.0, hidden=hidden)
        np.testing.assert_array_equal(found, SEEN.image)


def test_errors_grow_with_their_factor():
    sizes = [np.median(np.abs(detected(errors=e)[0] - SEEN.image)) for e in (0.5, 1.0, 2.0)]
    np.testing.assert_allclose(sizes, sizes[1] * np.array([0.5, 1, 2]), rtol=0.15)


def test_the_usual_error_is_within_the_declared_range():
    error, expected, _ = sampled_errors()
    low, high = detector.SIGMA
    ordinary = [joint for joint in range(17) if joint not in (3, 6, 13, 16)]
    sigma = expected[:, :, ordinary]
    assert (sigma >= 0.8 * low - 1e-3).all()
    assert (sigma <= 1.3 * high + 1e-3).all()
    # One detector finds all of a clip: its joints differ by little.
    clips = np.log(sigma.mean((1, 2)))
    np.testing.assert_allclose(clips.mean(), np.log(1.05 * np.sqrt(low * high)), atol=0.1)
    assert clips.std() > 0.3
    # Over the frames of a clip the error varies as expected; its mean is a constant besides.
    about = (error - error.mean(1, keepdims=True))[:, :, ordinary]
    ratio = np.median(about.std((1, 3)) / sigma.mean(1))
    assert 0.5 < ratio < 1.1
    np.testing.assert_allclose(np.median(error), 0, atol=0.5)


def test_a_landmark_has_a_constant_error_in_a_clip():
    mean = sampled_errors()[0].mean(1)  # of the clip
    low, high = detector.PLACE
    spread = 1.4826 * np.median(np.abs(mean))
    assert low < spread < high + detector.SIGMA[1]
    first, second = (half.mean(1) for half in np.split(sampled_errors()[0], 2, axis=1))
    assert (
        np.corrcoef(np.clip(first, -60, 60).ravel(), np.clip(second, -60, 60).ravel())[0, 1] > 0.25
    )


def test_hidden_landmarks_have_larger_errors():
    seen, hidden = sampled_errors()[1], sampled_errors(hidden=True)[1]
    low, high = detector.HIDDEN_FACTOR
    np.testing.assert_allclose((hidden / seen).mean(), (low + high) / 2, rtol=0.05)
    assert (hidden >= seen - 1e-4).all()
    assert sampled_errors(hidden=True)[2].mean() > 1.5 * sampled_errors()[2].mean()


def test_far_errors_are_rare_and_far():
    error, _, far = sampled_errors()
    low, high = (rate * detector.FAR_SECONDS for rate in detector.FAR_RATE)
    share = far.mean((0, 1))
    others = [joint for joint in range(20) if joint not in (3, 6, 13, 16)]
    assert 0.5 * low < share[others].mean() < 1.5 * high
    np.testing.assert_allclose(share[[3, 6, 13, 16]].mean() / share[others].mean(), 3, rtol=0.3)
    size = np.abs(error[far])
    np.testing.assert_allclose(np.median(size), 0.67 * detector.FAR_SIZE, rtol=0.2)


def test_some_detections_lag_behind_by_up_to_the_declared_time():
    lag = np.asarray(jax.jit(detector._lag)(jax.random.key(2), SEEN))
    np.testing.assert_array_equal(lag[:, 0], 0)  # nothing is known of the frame before
    speed = np.diff(np.asarray(SEEN.image), axis=1)[..., 0].mean() * 30
    seconds = lag[:, 1:, :, 0] / speed
    np.testing.assert_allclose(seconds, seconds[:, :1, :1] + 0 * seconds, atol=1e-4)
    share, most = detector.LAG
    seconds = seconds[:, 0, 0]
    np.testing.assert_allclose(np.mean(seconds > 1e-4), share, atol=0.07)
    assert 0.9 * most < seconds.max() < most + 1e-4
    assert seconds.min() > -1e-4


# Left and right


def test_swaps_exchange_left_and_right_of_whole_limbs():
    crossing = SEEN.image.at[:, :, [1, 2, 3, 14, 15, 16]].set(
        SEEN.image[:, :, [4, 5, 6, 11, 12, 13]]
    )
    for image, expected in ((SEEN.image, detector.SWAP), (crossing, detector.CROSSING_SWAP)):
        made = jax.jit(detector._swaps)(
            jax.random.key(3), Scene(image, SEEN.scale, SEEN.hidden, SEEN.size, SEEN.fps)
        )
        swapped = np.asarray(made)
        flipped = swapped[:, :, list(body.FLIP)]
        np.testing.assert_array_equal(swapped, flipped)
        for right, left in LIMBS:
            limb = swapped[:, :, [*right, *left]]
            np.testing.assert_array_equal(limb, np.broadcast_to(limb[:, :, :1], limb.shape))
            assert 0.5 * expected < limb.mean() < 4 * expected + 4 * detector.TURN


def test_a_swapped_landmark_is_where_its_counterpart_is():
    found, _ = detected(errors=1e-3)  # errors of a hundredth of a millimetre
    image = np.asarray(SEEN.image)
    right = np.abs(found - image).max(-1) < 0.01
    exchanged = np.abs(found - image[:, :, list(body.FLIP)]).max(-1) < 0.01
    assert (right | exchanged).all()
    assert 1e-4 < np.mean(exchanged & ~right) < 0.02


# Confidence


@pytest.mark.parametrize("laws", [0.0, 1.0])
def test_confidence_is_from_0_to_1_and_0_for_what_is_missing_alone(laws):
    _, confidence = detected(laws=laws)
    assert (confidence >= 0).all()
    assert (confidence <= 1).all()
    missing = confidence == 0
    assert 0.005 < missing.mean() < 0.15
    assert confidence[~missing].min() >= 0.03 - 1e-6
    assert (missing.mean((1, 2)) < 0.6).all()


def test_the_exact_law_falls_with_the_error_and_knows_of_no_other():
    found, confidence = detected(laws=0.0)
    _, perfect = detected(errors=0.0, laws=0.0)
    assert {*np.unique(perfect).tolist()} == {0.0, 1.0}
    error = np.linalg.norm(found - np.asarray(SEEN.image), axis=-1) / MM
    seen = confidence > 0
    near, far = seen & (error < 10), seen & (error > 300)
    assert np.median(confidence[near]) > 0.75
    assert np.median(confidence[far]) < 0.3


def test_with_laws_of_their_own_most_detectors_know_little_of_their_errors():
    found, confidence = detected(laws=1.0)
    error = np.linalg.norm(found - np.asarray(SEEN.image), axis=-1) / MM

    def correlation(clip):
        seen = (confidence[clip] > 0) & (error[clip] < 100)
        if seen.sum() < 10 or confidence[clip][seen].std() < 1e-4:
            return 0.0
        return np.corrcoef(confidence[clip][seen], error[clip][seen])[0, 1]

    known = np.array([correlation(clip) for clip in range(COUNT)])
    assert np.mean(np.abs(known) < 0.2) > 0.5
    assert np.mean(known < -0.2) > 0.05  # some do know


def test_some_detectors_have_one_confidence_for_everything():
    _, confidence = detected(laws=1.0)
    values = [np.unique(clip[clip > 0]) for clip in confidence]
    constant = [value[0] for value in values if len(value) == 1]
    assert 0.2 < len(constant) / COUNT < 0.4
    assert 0.45 < np.mean(np.array(constant) == 1) < 0.75


def test_what_is_out_of_the_image_is_mostly_missing():
    away = Scene(SEEN.image.at[:, :, 3, 1].set(1.2), SEEN.scale, SEEN.hidden, SEEN.size, SEEN.fps)
    make = jax.jit(detector._missing)
    missing = np.asarray(make(jax.random.key(5), away, away.image))
    assert 0.65 < missing[:, :, 3].mean() < 0.9
    assert missing[:, :, [0, 7, 8]].mean() < 0.1


# Definitions


def test_definitions_are_alike_on_both_sides_and_constant_in_a_clip():
    people = jnp.asarray(small_motions.clips(16, 6))
    redefine = jax.jit(detector.redefine)
    moved = np.asarray(redefine(jax.random.key(0), people, 1.0)) - np.asarray(people)
    inside = np.einsum("btij,btlj->btli", np.asarray(body.trunk(people)), moved)
    np.testing.assert_allclose(inside, inside[:, :1] + 0 * inside, atol=1e-5)
    mirrored = inside[:, :, list(body.FLIP)] * [-1, 1, 1]
    np.testing.assert_allclose(inside, mirrored, atol=1e-5)
    assert np.abs(inside[:, 0, [1, 4], 0]).max() > 1e-3
    np.testing.assert_array_equal(redefine(jax.random.key(0), people, 0.0), people)
    twice = np.asarray(redefine(jax.random.key(0), people, 2.0)) - np.asarray(people)
    np.testing.assert_allclose(twice, 2 * moved, atol=1e-5)


def test_definitions_are_of_the_declared_size():
    people = jnp.asarray(np.tile(small_motions.clips(1, 1), (2000, 1, 1, 1)))
    moved = np.asarray(jax.jit(detector.redefine)(jax.random.key(0), people, 1.0)) - np.asarray(
        people
    )
    low, high = detector.DEFINITION
    knees = 1000 * moved[:, 0, 2]
    spread = np.sqrt((knees**2).mean())
    wanted = np.sqrt((high**2 - low**2) / 2 / np.log(high / low))  # of a log-uniform deviation
    np.testing.assert_allclose(spread, wanted, rtol=0.1)
    hips = 1000 * moved[:, 0, 1]
    assert np.sqrt((hips**2).mean()) > 1.5 * spread


# Random processes


def test_correlated_noise_has_unit_variance_and_the_declared_correlation():
    fps = jnp.full(4000, 20.0)
    noise = np.asarray(jax.jit(lambda k: correlated(k, (4000, 15, 2), fps, 0.2))(jax.random.key(0)))
    np.testing.assert_allclose(noise.std((0, 2)), 1, atol=0.04)
    for lag in (1, 4):
        found = (noise[:, lag:] * noise[:, :-lag]).mean()
        np.testing.assert_allclose(found, np.exp(-lag / 20 / 0.2), atol=0.03)


def test_bursts_take_their_share_of_the_time_and_last_several_frames():
    fps = jnp.full(2000, 30.0)
    share = jnp.broadcast_to(jnp.array([0.02, 0.3]), (2000, 20, 2))
    on = np.asarray(jax.jit(lambda k: bursts(k, share, fps, 0.3))(jax.random.key(0)))
    np.testing.assert_allclose(on.mean((0, 1)), [0.02, 0.3], rtol=0.15)
    stays = (on[:, 1:] & on[:, :-1]).sum((0, 1)) / on[:, :-1].sum((0, 1))
    assert (stays > [0.3, 0.6]).all()
