import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_motions

from repose_jax.config import SimulationConfig
from repose_jax.data.normalise import PERSON_CHANNELS
from repose_jax.simulation import windows
from repose_jax.simulation.simulate import simulate
from repose_jax.skeleton import HUMAN36M

MOTIONS = small_motions.motions()
WINDOWS = windows.MotionWindows(MOTIONS, 9, (15.0, 60.0))
ROWS = windows.sample(WINDOWS, 16, seed=0, step=0, rows=slice(None))
SHARES = (
    *("upper_body", "arms", "handheld", "truncated", "errors", "confidence_laws", "formats"),
    *("known_fps", "known_focal", "known_up"),
)
NOTHING = dict.fromkeys(SHARES, 0.0)
EVERYTHING = dict.fromkeys(SHARES, 1.0)
DEFAULT = {name: getattr(SimulationConfig(), name) for name in SHARES}


@functools.partial(jax.jit, static_argnums=(3, 4))
def _simulate(key, rows, shares, normalise, depth_reference):
    # A configuration of traced numbers, so that all of them share one program.
    config = object.__new__(SimulationConfig)
    for name in SHARES:
        object.__setattr__(config, name, shares[name])
    joints = jnp.asarray(MOTIONS.joints)
    return simulate(
        key,
        joints,
        rows,
        config,
        normalise=normalise,
        flip_share=shares["flip"],
        depth_reference=depth_reference,
    )


def simulated(
    shares=NOTHING, *, normalise="person", flip=0.0, key=0, rows=ROWS, depth="frame", **changes
):
    shares = {
        name: jnp.float32(share) for name, share in (shares | changes | {"flip": flip}).items()
    }
    return jax.device_get(_simulate(jax.random.key(key), rows, shares, normalise, depth))


@pytest.mark.parametrize("normalise", ["person", "image"])
@pytest.mark.parametrize("shares", [NOTHING, DEFAULT, EVERYTHING])
def test_batches_have_the_shapes_of_those_of_recorded_views_and_are_finite(shares, normalise):
    batch = simulated(shares, normalise=normalise, flip=0.5)
    channels = {"person": len(PERSON_CHANNELS), "image": 3}[normalise]
    assert {name: array.shape for name, array in batch.items()} == {
        "inputs": (16, 9, 17, channels),
        "targets": (16, 9, 17, 3),
        "mask": (16, 9, 1),
        "occluded": (16, 9, 17),
    }
    assert 0 < batch["occluded"].mean() < 0.5
    assert all(np.isfinite(array).all() for array in batch.values())
    np.testing.assert_array_equal(batch["mask"][..., 0], ROWS["mask"])


def test_depth_relative_to_the_first_frame_keeps_how_the_body_travels():
    usual, travelling = (simulated(depth=depth)["targets"] for depth in ("frame", "first_frame"))
    root = travelling[:, :, :1]
    np.testing.assert_array_equal(root[..., :2], 0)
    np.testing.assert_array_equal(root[:, 0], 0)
    assert np.ptp(root[..., 2], axis=1).max() > 0.01
    np.testing.assert_allclose(travelling - root, usual, atol=1e-5)


def test_a_batch_depends_on_nothing_but_the_key():
    first, again = simulated(DEFAULT, flip=0.5), simulated(DEFAULT, flip=0.5)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    other = simulated(DEFAULT, flip=0.5, key=1)
    for name in ("inputs", "targets"):
        assert (first[name] != other[name]).any((1, 2, 3)).all()


def test_targets_are_a_body_in_metres_relative_to_the_root_of_each_frame():
    targets = simulated(EVERYTHING)["targets"]
    np.testing.assert_array_equal(targets[:, :, 0], 0)
    bones = np.linalg.norm(targets - targets[:, :, [max(p, 0) for p in HUMAN36M.parents]], axis=-1)
    # Between two recorded frames bones are a little shorter.
    np.testing.assert_allclose(bones, bones[:, :1].repeat(9, 1), atol=3e-3)
    thighs = bones[:, 0, [2, 5]]
    assert ((thighs > 0.3) & (thighs < 0.65)).all()
    # Y is down.
    assert (targets[:, :, 10, 1] < targets[:, :, [3, 6], 1].max(-1)).all()


def residual(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Distance of poses from the rays of their joints, where they fit best, in metres.

    Args:
        inputs: `[n, 17, 2]` image coordinates, from the middle of the image, in focal lengths.
        targets: `[n, 17, 3]`.
    """
    found = []
    for image, pose in zip(inputs.astype(float), targets.astype(float), strict=True):
        rows = np.zeros((2, 17, 5))
        for axis in (0, 1):
            # (u - c) (z + Z) = x + X is linear in X + c Z, Z and c.
            rows[axis, :, axis] = 1
            rows[axis, :, 2] = -image[:, axis]
            rows[axis, :, 3 + axis] = pose[:, 2]
        right = image * pose[:, 2:] - pose[:, :2]
        system, right = rows.reshape(34, 5), right.T.ravel()
        solution, *_ = np.linalg.lstsq(system, right, rcond=None)
        found.append(np.abs(system @ solution - right).max())
    return np.array(found)


@pytest.mark.parametrize("handheld", [0.0, 1.0])
def test_without_errors_inputs_are_projections_of_the_targets(handheld):
    batch = simulated(handheld=handheld, known_focal=1.0)
    inputs = batch["inputs"]
    np.testing.assert_array_equal(channel(inputs, "focal length known"), 1)
    size = np.exp(channel(inputs, "log size") - 2)[..., None]
    centre = inputs[..., [PERSON_CHANNELS.index(f"centre {x}") for x in "xy"]]
    image = inputs[..., :2] * size + centre
    seen = (inputs[..., 2] > 0).all(2)  # frames of which nothing is missing
    assert seen.mean() > 0.3
    assert (residual(image[seen], batch["targets"][seen]) < 2e-3).all()
    # The test can fail: errors are far larger.
    batch = simulated(handheld=handheld, known_focal=1.0, errors=1.0)
    inputs = batch["inputs"]
    image = inputs[..., :2] * np.exp(channel(inputs, "log size") - 2)[..., None] + centre
    assert np.median(residual(image[seen], batch["targets"][seen])) > 5e-3


def channel(inputs, name: str) -> np.ndarray:
    return inputs[..., PERSON_CHANNELS.index(name)]


def test_without_errors_and_laws_whatever_is_found_is_certain():
    confidence = channel(simulated()["inputs"], "confidence")
    assert {*np.unique(confidence).tolist()} <= {0.0, 1.0}
    assert confidence.mean() > 0.8


def test_both_frames_of_reference_show_the_same_joints():
    person, image = (simulated(DEFAULT, normalise=n)["inputs"] for n in ("person", "image"))
    np.testing.assert_allclose(person[..., 2], image[..., 2], atol=1e-5)
    found = person[..., 2] > 0
    for clip in range(16):
        # One is the other, shifted and scaled alike in x and y.
        where = found[clip]
        x, y = (np.float64(inputs[clip][where][:, :2]) for inputs in (person, image))
        x, y = x - x.mean(0), y - y.mean(0)
        scale = (x * y).sum() / (x * x).sum()
        assert scale > 0
        np.testing.assert_allclose(y, scale * x, atol=1e-3)


def test_targets_do_not_depend_on_what_detectors_find_nor_on_what_the_model_is_given():
    wanted = simulated()["targets"]
    for name in ("errors", "confidence_laws", "formats", "known_fps", "known_focal", "known_up"):
        np.testing.assert_array_equal(simulated(**{name: 1.0})["targets"], wanted)
    for name in ("upper_body", "arms", "handheld", "flip"):
        assert not np.array_equal(simulated(**{name: 1.0})["targets"], wanted)


@pytest.mark.parametrize("known", [0.0, 1.0])
def test_the_model_is_given_what_is_known_of_the_camera(known):
    inputs = simulated(known_fps=known, known_focal=known, known_up=known)["inputs"]
    np.testing.assert_array_equal(channel(inputs, "focal length known"), known)
    rate = np.log(ROWS["fps"] / 30)[:, None, None] * known
    np.testing.assert_allclose(
        channel(inputs, "log frame rate"), rate + 0 * inputs[..., 0], atol=1e-5
    )
    up = inputs[:, 0, 0, [PERSON_CHANNELS.index(f"up {axis}") for axis in "xyz"]]
    np.testing.assert_allclose(np.linalg.norm(up, axis=-1), known, atol=1e-5)
    assert (up[:, 1] <= -0.5 * known).all()


def test_the_given_vertical_is_that_of_the_body():
    batch = simulated(known_up=1.0)
    up = batch["inputs"][:, 0, 0, -3:]
    trunk = batch["targets"][:, :, 8].mean(1)
    cosine = (up * trunk).sum(-1) / np.linalg.norm(trunk, axis=-1)
    assert cosine.min() > 0.8  # they stand


def test_a_mirrored_clip_is_one_of_a_mirrored_motion():
    targets, mirrored = (simulated(flip=flip)["targets"] for flip in (0.0, 1.0))

    def legs(poses):
        return np.linalg.norm(poses[:, 0, [2, 5]] - poses[:, 0, [1, 4]], axis=-1)

    np.testing.assert_allclose(legs(mirrored), legs(targets)[:, ::-1], atol=1e-4)
    # The volume that three directions of the body span changes its sign.
    volume, other = (np.linalg.det(targets[:, :, j]) for j in ([1, 8, 13], [4, 8, 16]))
    np.testing.assert_allclose(np.linalg.det(mirrored[:, :, [1, 8, 13]]), -other, atol=1e-5)
    assert np.abs(volume + other).max() > 1e-3  # the person is not symmetric


def test_geometry_is_in_full_precision_whatever_the_default_of_an_accelerator():
    program = functools.partial(
        simulate, config=SimulationConfig(), normalise="person", flip_share=0.5
    )
    with jax.default_matmul_precision("bfloat16"):
        text = str(jax.make_jaxpr(program)(jax.random.key(0), MOTIONS.joints, ROWS))
    found = re.findall(r"precision=(.*)", text)
    assert len(found) > 5
    assert all("HIGHEST" in precision for precision in found)
