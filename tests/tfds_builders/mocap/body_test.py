import numpy as np
import pytest

from tests.tfds_builders.mocap.person import standing, walking
from tfds_builders.mocap.body import (
    ANKLE_HEIGHT,
    ANKLES,
    BONE_CLASSES,
    STATURE_RANGE,
    bone_lengths,
    randomise_body,
    scale_bones,
    stature,
)
from tfds_builders.records import PARENTS


def _draw(seed):
    return randomise_body(np.random.default_rng(seed), walking(40, 30))


def test_the_stature_of_a_standing_person_is_their_height():
    assert stature(standing()[None]) == pytest.approx(1.71)


def test_the_stature_does_not_depend_on_the_pose():
    assert stature(walking(30, 30)) == pytest.approx(stature(standing()[None]))


def test_factors_of_one_change_nothing():
    joints = walking(40, 30)
    np.testing.assert_allclose(scale_bones(joints, np.ones(17)), joints, atol=1e-12)


def test_each_bone_has_its_factor_and_keeps_its_direction():
    joints = walking(40, 30)
    factors = np.linspace(0.8, 1.3, 17)
    scaled = scale_bones(joints, factors)
    bones, scaled_bones = (x - x[:, PARENTS] for x in (joints, scaled))
    np.testing.assert_allclose(scaled_bones[:, 1:], bones[:, 1:] * factors[1:, None], atol=1e-12)


def test_random_bodies_are_symmetric_and_constant_over_time():
    for seed in range(10):
        lengths = bone_lengths(_draw(seed))
        np.testing.assert_allclose(lengths, np.broadcast_to(lengths[:1], lengths.shape), atol=1e-9)
        for right, left in ((1, 4), (2, 5), (3, 6), (14, 11), (15, 12), (16, 13)):
            assert BONE_CLASSES[right] == BONE_CLASSES[left]
            np.testing.assert_allclose(lengths[:, right], lengths[:, left], atol=1e-9)


def test_random_bodies_cover_the_statures_of_adults():
    statures = [stature(_draw(seed)) for seed in range(200)]
    assert min(statures) >= STATURE_RANGE[0] - 1e-9
    assert max(statures) <= STATURE_RANGE[1] + 1e-9
    assert np.ptp(statures) > 0.8 * np.ptp(STATURE_RANGE)


def test_random_bodies_differ_in_proportions_too():
    lengths = np.stack([bone_lengths(_draw(seed))[0] for seed in range(50)])
    shares = lengths[:, 1:] / lengths[:, [2, 3, 7, 8, 9, 10]].sum(axis=1, keepdims=True)
    assert (shares.std(axis=0) / shares.mean(axis=0) > 0.02).all()


def test_the_same_seed_samples_the_same_body():
    np.testing.assert_array_equal(_draw(3), _draw(3))
    assert not np.allclose(_draw(3), _draw(4))


def test_a_planted_foot_stays_planted_when_the_legs_grow():
    joints = np.repeat(standing()[None], 30, axis=0)
    forward = np.linspace(0, 0.3, 30)
    joints[..., 2] += forward[:, None]
    joints[:, 3] = joints[0, 3]  # the right foot does not move while the body passes over it
    joints[:, 2, 2] = forward / 2
    factors = np.where(np.isin(np.arange(17), (1, 2, 3, 4, 5, 6)), 1.2, 1.05)
    moved = scale_bones(joints, factors)[:, 3]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:1], moved.shape), atol=1e-12)


def test_the_lowest_foot_stays_on_its_ground():
    joints = walking(40, 30) + np.array([0, 2.5, 0])  # a floor is not always at zero
    for seed in range(10):
        body = randomise_body(np.random.default_rng(seed), joints)
        lowest = body[:, ANKLES, 1].min()
        assert lowest == pytest.approx(2.5 + ANKLE_HEIGHT)


def test_longer_legs_walk_farther():
    joints = walking(40, 30)
    path = np.ptp(joints[:, 0, 2])
    assert np.ptp(scale_bones(joints, np.full(17, 1.25))[:, 0, 2]) == pytest.approx(1.25 * path)
