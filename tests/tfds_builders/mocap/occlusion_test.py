import numpy as np
import pytest

from tests.tfds_builders.mocap.person import arms_spread, standing
from tfds_builders.mocap import occlusion
from tfds_builders.mocap.cameras import look_at
from tfds_builders.mocap.occlusion import visible
from tfds_builders.records import JOINTS


def _hidden(joints, azimuth, distance=5.0, height=1.0, **kwargs):
    """Names of the joints that a camera at an azimuth (degrees from the front) does not see."""
    angle = np.deg2rad(azimuth)
    position = np.array([distance * np.sin(angle), height, distance * np.cos(angle)])
    points = (joints - position) @ look_at(position, np.array([0, height, 0])).T
    seen = visible(1000 * points[None], **kwargs)[0]
    assert seen.dtype == np.int8
    assert set(seen) <= {0, 1}
    return {JOINTS[joint] for joint in np.flatnonzero(seen == 0)}


@pytest.mark.parametrize("azimuth", [0, 180])
def test_with_arms_spread_all_is_seen_from_the_front_and_from_behind(azimuth):
    assert _hidden(arms_spread(), azimuth) == set()


@pytest.mark.parametrize("azimuth", [0, 180, 25, -25])
def test_a_person_standing_at_ease_hides_nothing_from_about_the_front_or_behind(azimuth):
    assert _hidden(standing(), azimuth) == set()


def test_from_the_side_the_far_limbs_are_hidden_and_the_near_ones_seen():
    for azimuth, near, far in ((90, "left", "right"), (-90, "right", "left")):
        hidden = _hidden(standing(), azimuth)
        limbs = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        assert {f"{far}_{limb}" for limb in limbs} <= hidden
        # The near arm hangs before its own hip.
        assert {f"{near}_{limb}" for limb in limbs} & hidden <= {f"{near}_hip"}
        assert {"neck", "head", "thorax"} & hidden == set()


def test_from_the_side_the_near_hip_is_seen_once_the_arm_is_out_of_the_way():
    joints = standing()
    joints[[12, 13], 2] = 0.2, 0.4
    hidden = _hidden(joints, 90)
    assert "right_hip" in hidden
    assert {"left_hip", "pelvis", "spine"} & hidden == set()


def test_from_the_side_the_trunk_hides_the_far_arm_but_not_one_that_is_held_in_front():
    joints = standing()
    joints[[15, 16]] = [(-0.17, 1.43, 0.28), (-0.17, 1.43, 0.53)]
    hidden = _hidden(joints, 90)
    assert "right_shoulder" in hidden
    assert {"right_elbow", "right_wrist"} & hidden == set()


@pytest.mark.parametrize("side", [0.0, 0.1, -0.1])
def test_a_hand_before_the_chest_is_hidden_from_behind_and_seen_from_the_front(side):
    joints = standing()
    joints[[15, 16]] = [(-0.25, 1.2, 0.1), (side, 1.3, 0.3)]
    assert "right_wrist" in _hidden(joints, 180)
    assert "right_wrist" not in _hidden(joints, 0)


def test_a_hand_before_the_face_hides_the_face_alone():
    joints = standing()
    joints[[15, 16]] = [(-0.35, 1.5, 0.1), (0.0, 1.6, 0.3)]
    assert _hidden(joints, 0, height=1.58) == {"neck"}


def test_the_hips_of_a_person_who_sits_facing_the_camera_are_behind_the_knees():
    joints = standing()
    for side, (knee, ankle) in ((-1, (2, 3)), (1, (5, 6))):
        joints[knee] = (side * 0.13, 0.98, 0.45)
        joints[ankle] = (side * 0.13, 0.53, 0.45)
    assert _hidden(joints, 0) == {"right_hip", "left_hip"}


def test_crossing_the_arms_hides_the_arm_behind_only():
    joints = standing()
    joints[[15, 16]] = [(-0.2, 1.2, 0.2), (0.2, 1.2, 0.2)]  # the right forearm, in front
    joints[[12, 13]] = [(0.22, 1.2, 0.05), (-0.1, 1.2, 0.1)]
    hidden = _hidden(joints, 0, height=1.2)
    assert "left_wrist" in hidden
    assert "right_wrist" not in hidden


def test_thicker_persons_hide_more():
    joints = standing()
    joints[16] = (-0.25, 0.9, -0.1)
    assert "right_wrist" not in _hidden(joints, 0)
    assert "right_wrist" in _hidden(joints, 0, stature=4 * 1.7)


def test_each_frame_is_independent_of_the_others():
    rng = np.random.default_rng(0)
    frames = 2 * occlusion._CHUNK + 3
    joints = standing() + 0.1 * rng.standard_normal((frames, 17, 3))
    points = 1000 * (joints * [1, -1, 1] + [0, 1, 5])
    together = visible(points)
    some = [0, 1, occlusion._CHUNK, frames - 1]
    np.testing.assert_array_equal(
        together[some], np.concatenate([visible(points[[i]]) for i in some])
    )
    assert 0.3 < together.mean() < 0.99


def test_distances_between_segments_agree_with_a_search():
    rng = np.random.default_rng(1)
    ends = rng.normal(size=(40, 1, 3)) + np.array([0, 0, 4])
    starts = ends * rng.uniform(0, 1.5, (40, 1, 1)) + 0.5 * rng.normal(size=(40, 1, 3))
    stops = starts + rng.normal(size=(40, 1, 3))
    starts[0], stops[0] = 0.2 * ends[0], 0.7 * ends[0]  # parallel, one in the other
    stops[1] = starts[1]  # a point
    steps = np.linspace(0, 1, 401)
    for i in range(40):
        first = steps[:, None] * ends[i]
        second = starts[i] + steps[:, None] * (stops[i] - starts[i])
        found = np.linalg.norm(first[:, None] - second[None], axis=-1).min()
        exact = np.sqrt(np.maximum(occlusion._squared_distance(ends, starts, stops)[i, 0, 0], 0))
        assert exact <= found + 1e-4
        assert exact == pytest.approx(found, abs=0.01)
