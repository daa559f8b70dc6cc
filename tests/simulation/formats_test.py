import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax.data.motions import LANDMARKS
from repose_jax.simulation.formats import FORMATS, to_human36m
from repose_jax.skeleton import HUMAN36M, MAPS

RNG = np.random.default_rng(0)
COUNT, FRAMES = 400, 3
FOUND = RNG.normal(size=(COUNT, FRAMES, 20, 2)).astype(np.float32)
CONFIDENCE = RNG.uniform(size=(COUNT, FRAMES, 20)).astype(np.float32)
LIMBS = [j for j, n in enumerate(HUMAN36M.joints) if n.startswith(("left", "right"))]
JOINT = {name: number for number, name in enumerate(HUMAN36M.joints)}


@functools.cache
def converted(share: float):
    make = jax.jit(to_human36m)
    return jax.device_get(
        make(jax.random.key(0), jnp.asarray(FOUND), jnp.asarray(CONFIDENCE), share)
    )


def formats_of(joints: np.ndarray) -> np.ndarray:
    """The format of each clip, by its joints."""
    wanted = np.einsum("fjl,ctlk->fctjk", FORMATS, FOUND)
    return np.abs(wanted - joints).max((2, 3, 4)).argmin(0)


def test_the_first_format_is_human36ms():
    np.testing.assert_array_equal(FORMATS[0], np.eye(17, 20))


def test_a_joint_is_a_weighted_mean_of_landmarks_or_missing():
    assert FORMATS.shape[1:] == (17, len(LANDMARKS))
    sums = FORMATS.sum(-1)
    missing = (FORMATS == 0).all(-1)
    np.testing.assert_allclose(sums, ~missing, atol=1e-6)


def test_no_two_formats_are_the_same():
    assert len(np.unique(FORMATS, axis=0)) == len(FORMATS)


def test_every_format_has_the_limbs_the_pelvis_and_the_thorax():
    np.testing.assert_array_equal(
        FORMATS[:, LIMBS], np.tile(np.eye(17, 20)[LIMBS], (len(FORMATS), 1, 1))
    )
    for joint in ("pelvis", "thorax"):
        assert (FORMATS[:, JOINT[joint]] != 0).any(-1).all()


def test_left_and_right_have_the_same_weight_in_the_middle_of_the_body():
    flip = [
        LANDMARKS.index(n.replace("left", "?").replace("right", "left").replace("?", "right"))
        for n in LANDMARKS
    ]
    middle = [j for j in range(17) if j not in LIMBS]
    np.testing.assert_array_equal(FORMATS[:, middle], FORMATS[:, middle][:, :, flip])


# Halpe-26's and BODY_25B's top of the head and BODY_25's and Halpe's neck are Human3.6M's.
NAMES = {"head_top": "head"}


@pytest.mark.parametrize(
    ("source", "own"),
    [
        ("coco17", {}),
        ("openpose_body25b", {}),
        ("openpose_body25", {"neck": "thorax"}),
        ("halpe26", {"neck": "thorax"}),
    ],
)
def test_the_maps_of_detectors_are_among_the_formats(source, own):
    rows = np.zeros((17, 20), np.float32)
    for joint, recipe in MAPS[source, "human36m"].items():
        for name, weight in recipe:
            rows[JOINT[joint], LANDMARKS.index((NAMES | own).get(name, name))] += weight
    assert (np.abs(FORMATS - rows).max((1, 2)) < 1e-6).any()


def test_without_a_share_everything_stays_as_it_is():
    joints, confidence = converted(0.0)
    np.testing.assert_allclose(joints, FOUND[:, :, :17], atol=1e-6)
    np.testing.assert_array_equal(confidence, CONFIDENCE[:, :, :17])


def test_joints_and_confidence_are_those_of_one_format_in_a_clip():
    joints, confidence = converted(1.0)
    used = formats_of(joints)
    np.testing.assert_allclose(
        joints, np.einsum("cjl,ctlk->ctjk", FORMATS[used], FOUND), rtol=1e-4, atol=1e-5
    )
    for clip, rows in enumerate(FORMATS[used] != 0):
        for joint, row in enumerate(rows):
            least = CONFIDENCE[clip][:, row].min(1) if row.any() else 0
            np.testing.assert_array_equal(confidence[clip, :, joint], least)
    # All but Human3.6M's occur.
    assert {*used.tolist()} == {*range(1, len(FORMATS))}


def test_a_missing_landmark_makes_the_joints_that_need_it_missing():
    confidence = CONFIDENCE.copy()
    confidence[:, :, LANDMARKS.index("left_ear")] = 0
    make = jax.jit(to_human36m)
    joints, found = make(jax.random.key(0), jnp.asarray(FOUND), jnp.asarray(confidence), 1.0)
    needs = FORMATS[formats_of(np.asarray(joints))][:, :, LANDMARKS.index("left_ear")] != 0
    assert needs.any()
    needs = np.broadcast_to(needs[:, None], found.shape)
    assert (np.asarray(found)[needs] == 0).all()
    np.testing.assert_array_equal(np.asarray(found)[~needs], converted(1.0)[1][~needs])


def test_the_share_is_of_clips():
    joints, _ = converted(0.5)
    other = (np.abs(joints - FOUND[:, :, :17]) > 1e-5).any((1, 2, 3))
    assert 0.4 < other.mean() < 0.6
