"""The stature of a body follows from its bones, and poses are scaled to a known one."""

import numpy as np
import pytest
from small_bodies import standing

from repose_jax.lifting.scale import height_of, scale_to_height
from repose_jax.skeleton import HUMAN36M


def test_the_stature_of_someone_who_stands_is_from_the_sole_to_the_top_of_the_head():
    joints = standing()
    top = joints[HUMAN36M.joints.index("head"), 1]
    ankle = joints[HUMAN36M.joints.index("left_ankle"), 1]
    # The body of the tests stands straighter than people do.
    assert height_of(joints[None]) == pytest.approx(top - ankle + 70, abs=40)


def test_the_stature_does_not_depend_on_the_pose_nor_on_a_wild_frame():
    rng = np.random.default_rng(0)
    joints = np.repeat(standing()[None], 50, axis=0)
    sitting = joints.copy()
    for side in ("left", "right"):
        for joint in ("knee", "ankle"):
            sitting[:, HUMAN36M.joints.index(f"{side}_{joint}")] += [0, 450, 450]
    assert height_of(sitting) == pytest.approx(height_of(joints))
    joints[7] = rng.normal(0, 5000, (17, 3))
    assert height_of(joints) == pytest.approx(height_of(sitting))


def test_poses_are_scaled_as_a_whole():
    joints = np.repeat(standing()[None] + 10, 3, axis=0).astype(np.float32)
    scaled = scale_to_height(joints, 1500)
    assert scaled.dtype == np.float32
    assert height_of(scaled) == pytest.approx(1500, rel=1e-5)
    np.testing.assert_allclose(scaled / joints, 1500 / height_of(joints), rtol=1e-4)


@pytest.mark.parametrize("height", [1.78, 178, 0, -1700, float("nan"), 17_800])
def test_a_stature_in_another_unit_is_refused(height):
    with pytest.raises(
        ValueError, match="is impossible; give the height of the person, 0.5 to 2.5"
    ):
        scale_to_height(standing()[None], height)


def test_a_body_without_size_is_refused():
    with pytest.raises(ValueError, match="in one point"):
        scale_to_height(np.zeros((2, 17, 3)), 1700)
