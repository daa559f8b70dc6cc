import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_motions

from repose_jax.data.motions import LANDMARKS
from repose_jax.simulation import body
from repose_jax.skeleton import HUMAN36M
from tfds_builders.mocap import body as builder

COUNT, FRAMES = 8, 30
OWN, UPPER, ARMS = (jnp.asarray(small_motions.clips(COUNT, FRAMES, seed=s)) for s in range(3))
LOWER_BODY = [joint for joint in range(20) if joint not in body.UPPER_BODY]
KEY = jax.random.key(0)

recombine = jax.jit(body.recombine)
randomise = jax.jit(body.randomise)
mirror = jax.jit(body.mirror)


def lengths(points) -> np.ndarray:
    points = np.asarray(points)
    return np.linalg.norm(points - points[:, :, [max(p, 0) for p in body.PARENTS]], axis=-1)


def recombined(upper=UPPER, arms=ARMS, upper_share=0.0, arms_share=0.0, own=OWN, key=KEY):
    found = recombine(key, own, upper, arms, upper_share=upper_share, arms_share=arms_share)
    return np.asarray(found)


def heading(points) -> np.ndarray:
    across = np.asarray(points)[:, :, 4] - np.asarray(points)[:, :, 1]
    return np.arctan2(across[..., 2], across[..., 0])


def trunk_axes(points):
    """As columns; up the spine, to the left, and forward."""
    points = np.asarray(points, float)
    up = points[:, :, 8] - points[:, :, 0]
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    left = points[:, :, 11] - points[:, :, 14]
    left -= (left * up).sum(-1, keepdims=True) * up
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


# Recombination


def test_without_a_share_nothing_changes():
    np.testing.assert_array_equal(recombined(), OWN)


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_partner_equal_to_oneself_changes_nothing(shares):
    np.testing.assert_allclose(recombined(OWN, OWN, *shares), OWN, atol=2e-6)


def test_every_bone_keeps_the_length_that_it_has_in_its_take():
    stretched, long = 1.1 * UPPER, 1.3 * ARMS
    found = lengths(recombined(stretched, long, 1.0, 1.0))
    arms = [*body.ARMS]
    upper = [joint for joint in body.UPPER_BODY if joint not in arms]
    for part, of in ((LOWER_BODY, OWN), (upper, stretched), (arms, long)):
        np.testing.assert_allclose(found[:, :, part], lengths(of)[:, :, part], atol=2e-6)


def test_the_upper_body_is_turned_about_the_vertical_alone_so_that_the_hips_point_the_same_way():
    found = recombined(upper_share=1.0)
    np.testing.assert_array_equal(found[:, :, LOWER_BODY], OWN[:, :, LOWER_BODY])
    upper = [*body.UPPER_BODY]
    there = np.asarray(UPPER[:, :, upper] - UPPER[:, :, :1])
    here = found[:, :, upper] - np.asarray(OWN[:, :, :1])
    np.testing.assert_allclose(here[..., 1], there[..., 1], atol=2e-6)  # no lean is added
    angle = heading(OWN) - heading(UPPER)
    turned = np.exp(1j * angle)[..., None] * (there[..., 0] + 1j * there[..., 2])
    np.testing.assert_allclose(here[..., 0] + 1j * here[..., 2], turned, atol=5e-6)
    # As the hips are to the shoulders in the upper body's own take, so they are now.
    np.testing.assert_allclose(
        np.cos(heading(found) - _shoulders(found)),
        np.cos(heading(UPPER) - _shoulders(UPPER)),
        atol=1e-5,
    )


def _shoulders(points) -> np.ndarray:
    across = np.asarray(points)[:, :, 11] - np.asarray(points)[:, :, 14]
    return np.arctan2(across[..., 2], across[..., 0])


def test_arms_follow_the_trunk_rigidly():
    found = recombined(arms_share=1.0)
    arms = [*body.ARMS]
    others = [joint for joint in range(20) if joint not in arms]
    np.testing.assert_array_equal(found[:, :, others], OWN[:, :, others])
    for points, axes in ((found, trunk_axes(OWN)),):
        here = np.einsum("btij,btli->btlj", axes, points[:, :, arms] - points[:, :, 8:9])
    there = np.asarray(ARMS[:, :, arms] - ARMS[:, :, 8:9])
    there = np.einsum("btij,btli->btlj", trunk_axes(ARMS), there)
    np.testing.assert_allclose(here, there, atol=5e-6)
    np.testing.assert_allclose(trunk_axes(found), trunk_axes(OWN), atol=1e-5)


def test_arms_follow_the_upper_body_that_they_hang_on():
    found = recombined(upper_share=1.0, arms_share=1.0)
    without = recombined(upper_share=1.0)
    np.testing.assert_allclose(trunk_axes(found), trunk_axes(without), atol=1e-5)
    arms_alone = recombined(own=jnp.asarray(without), arms_share=1.0)
    np.testing.assert_allclose(found, arms_alone, atol=1e-5)


def test_motion_stays_smooth_where_a_heading_passes_the_back():
    assert (np.abs(np.diff(heading(OWN), axis=1)) > 6).any()  # from pi to -pi
    steps = [np.abs(np.diff(np.asarray(x), axis=1)).max() for x in (OWN, UPPER, ARMS)]
    found = recombined(upper_share=1.0, arms_share=1.0)
    assert np.abs(np.diff(found, axis=1)).max() < 1.2 * sum(steps)


def test_shares_are_of_whole_clips():
    found = recombined(upper_share=0.5, arms_share=0.5)
    is_upper, is_arms = (
        (found[:, :, joint] != np.asarray(OWN)[:, :, joint]).any((1, 2)) for joint in (9, 13)
    )
    both, neither = recombined(upper_share=1.0, arms_share=1.0), np.asarray(OWN)
    assert 0 < is_upper.sum() < COUNT
    assert (is_arms | ~is_upper).all()  # arms are a part of the upper body
    for clip in np.flatnonzero(is_upper):
        np.testing.assert_array_equal(found[clip, :, 7:11], both[clip, :, 7:11])
    for clip in np.flatnonzero(~is_arms):
        np.testing.assert_array_equal(found[clip], neither[clip])


# Bodies


@functools.cache
def persons():
    """Many bodies in motions of which each is there twice."""
    points = jnp.concatenate([OWN, OWN, UPPER, UPPER, ARMS, ARMS])
    return np.asarray(points), np.asarray(randomise(KEY, points))


def test_a_bone_has_one_factor_for_the_clip_and_keeps_its_direction():
    before, after = persons()
    ratio = lengths(after)[:, :, 1:] / lengths(before)[:, :, 1:]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=2e-4)
    parents = list(body.PARENTS[1:])
    bones = [(x[:, :, 1:] - x[:, :, parents]) for x in (before, after)]
    directions = [bone / np.linalg.norm(bone, axis=-1, keepdims=True) for bone in bones]
    np.testing.assert_allclose(*directions, atol=1e-4)


def test_both_sides_have_one_factor():
    before, after = persons()
    factor = lengths(after)[:, 0, 1:] / lengths(before)[:, 0, 1:]
    flipped = [joint - 1 for joint in body.FLIP[1:]]
    np.testing.assert_allclose(factor, factor[:, flipped], rtol=1e-4)


def test_proportions_vary_and_statures_are_those_of_adults():
    before, after = persons()
    found = np.asarray(body.stature(jnp.asarray(after)))
    low, high = body.STATURE
    assert (found > low - 1e-3).all()
    assert (found < high + 1e-3).all()
    assert found.max() - found.min() > 0.2
    wanted = [builder.stature(joints[:, :17].astype(float)) for joints in after]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    factor = lengths(after)[:, 0, 1:] / lengths(before)[:, 0, 1:]
    relative = factor / factor.mean(1, keepdims=True)
    assert (relative.std(0) > 0.01).all()
    assert (np.abs(relative - 1) < 0.6).all()
    # One motion makes two persons.
    assert np.abs(found[:COUNT] - found[COUNT : 2 * COUNT]).max() > 0.02


def test_feet_stay_on_the_floor():
    before, after = persons()
    floor = [points[:, :, body.ANKLES, 1].min((1, 2)) for points in (before, after)]
    np.testing.assert_allclose(*floor, atol=2e-6)


def test_bones_are_scaled_as_the_builders_of_views_do():
    rng = np.random.default_rng(0)
    factors = rng.uniform(0.8, 1.2, (COUNT, 20)).astype(np.float32)
    length = jnp.median(jnp.asarray(lengths(OWN)), axis=1)
    found = jax.jit(body.scale_bones)(OWN, jnp.asarray(factors), length)
    for clip in range(COUNT):
        joints = np.asarray(OWN[clip, :, :17], float)
        wanted = builder.scale_bones(joints, factors[clip, :17].astype(float))
        np.testing.assert_allclose(found[clip, :, :17], wanted, atol=1e-5)


# Left and right


def test_the_mirror_image_of_the_mirror_image_is_the_motion():
    once = mirror(KEY, OWN, 1.0)
    np.testing.assert_allclose(mirror(KEY, once, 1.0), OWN, atol=0)
    np.testing.assert_array_equal(mirror(KEY, OWN, 0.0), OWN)


def test_a_mirrored_person_does_with_the_left_what_the_person_does_with_the_right():
    once = np.asarray(mirror(KEY, OWN, 1.0))
    for joint, name in enumerate(LANDMARKS):
        other = name.replace("left_", "?").replace("right_", "left_").replace("?", "right_")
        wanted = np.asarray(OWN)[:, :, LANDMARKS.index(other)] * [-1, 1, 1]
        np.testing.assert_array_equal(once[:, :, joint], wanted.astype(np.float32))
    assert body.FLIP[:17] == HUMAN36M.flip
    # A person, not only an image of one: the face is still in front.
    forward = trunk_axes(once)[..., 2]
    nose = once[:, :, LANDMARKS.index("nose")] - once[:, :, 9]
    assert ((forward * nose).sum(-1) > 0).all()


def test_some_clips_are_mirrored():
    many = jnp.concatenate([OWN] * 8)
    found = np.asarray(mirror(KEY, many, 0.25))
    changed = (found != np.asarray(many)).any((1, 2, 3))
    assert 4 < changed.sum() < 32


def test_the_axes_of_the_trunk_are_a_rotation():
    axes = np.asarray(jax.jit(body.trunk)(OWN))
    np.testing.assert_allclose(axes, np.swapaxes(trunk_axes(OWN), -1, -2), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-5)
    standing = jnp.asarray(small_motions.STANDING[None, None], jnp.float32)
    np.testing.assert_allclose(body.trunk(standing)[0, 0], np.eye(3), atol=1e-6)
