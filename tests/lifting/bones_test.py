"""Bones keep one length, and joints move little for it."""

import numpy as np
import pytest

from repose_jax.lifting import bones
from repose_jax.lifting.bones import bone_lengths, with_constant_lengths, with_lengths
from repose_jax.skeleton import HUMAN36M

PARENTS, CHILDREN = np.array(HUMAN36M.bones).T


def lengths(poses):
    return np.linalg.norm(poses[:, CHILDREN] - poses[:, PARENTS], axis=-1)


def motion(frames: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns a body of symmetric, constant bones in random poses, and the same with noise, mm."""
    rng = np.random.default_rng(0)
    size = rng.uniform(100, 450, HUMAN36M.size)
    size = (size + size[list(HUMAN36M.flip)]) / 2
    poses = np.zeros((frames, HUMAN36M.size, 3))
    for parent, child in HUMAN36M.bones:
        way = rng.normal(size=(frames, 3))
        way /= np.linalg.norm(way, axis=-1, keepdims=True)
        poses[:, child] = poses[:, parent] + size[child] * way
    noisy = poses + noise * rng.normal(size=poses.shape)
    return poses.astype(np.float32), (noisy - noisy[:, :1]).astype(np.float32)


def test_every_bone_has_one_length_and_both_sides_the_same():
    _, noisy = motion(50, noise=20)
    found = lengths(with_constant_lengths(noisy))
    assert lengths(noisy).std(axis=0).min() > 5
    np.testing.assert_allclose(found, np.broadcast_to(found[:1], found.shape), atol=0.1)
    both = np.zeros(HUMAN36M.size)
    both[CHILDREN] = found[0]
    np.testing.assert_allclose(both, both[list(HUMAN36M.flip)], atol=0.1)


def test_a_body_of_constant_bones_stays_as_it_is():
    poses, _ = motion(50, noise=0)
    np.testing.assert_allclose(with_constant_lengths(poses), poses, atol=1e-2)


def test_joints_are_nearer_to_the_truth_than_before():
    poses, noisy = motion(200, noise=20)
    before, after = (
        np.linalg.norm(found - poses, axis=-1).mean()
        for found in (noisy, with_constant_lengths(noisy))
    )
    assert after < before


def test_the_pelvis_stays_the_origin():
    _, noisy = motion(5, noise=20)
    assert np.all(with_constant_lengths(noisy)[:, HUMAN36M.root] == 0)


@pytest.mark.parametrize("frames", [1, 2])
def test_short_videos_and_joints_in_one_point_give_finite_poses(frames):
    assert np.isfinite(with_constant_lengths(np.zeros((frames, 17, 3), np.float32))).all()


def test_a_pose_takes_the_lengths_that_it_is_given():
    poses, noisy = motion(50, noise=20)
    given = bone_lengths(poses)
    np.testing.assert_allclose(lengths(with_lengths(noisy[:1], given))[0], given, atol=0.1)


def test_no_smaller_move_gives_the_lengths():
    poses, noisy = motion(1, noise=1)
    given = bone_lengths(poses)
    move = np.linalg.norm(with_lengths(noisy, given) - noisy, axis=(1, 2))
    assert move < np.linalg.norm(poses - noisy, axis=(1, 2))


def test_a_video_in_blocks_is_as_one_as_a_whole(monkeypatch):
    _, noisy = motion(50, noise=20)
    lengths = bone_lengths(noisy)
    whole = with_lengths(noisy, lengths)
    monkeypatch.setattr(bones, "BLOCK", 7)
    np.testing.assert_array_equal(with_lengths(noisy, lengths), whole)
