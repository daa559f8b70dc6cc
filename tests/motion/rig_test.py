"""A rig moves as its person does, with bones that bend and twist as those of people."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from small_motion import small_motion
from small_poses import JOINT, bent, extremes, person, t_pose

from repose_jax.motion import rig, twist
from repose_jax.skeleton import HUMAN36M

X, Y, Z = np.eye(3)
EXTREMES = extremes()
both_kinds = pytest.mark.parametrize("kind", ["full", "simple"])


def local(fitted: rig.Rig, joint: str) -> Rotation:
    return Rotation.from_quat(fitted.rotations[:, fitted.names.index(joint)])


def steps(rotations: Rotation) -> np.ndarray:
    """Angles from frame to frame, degrees."""
    return np.degrees((rotations[:-1].inv() * rotations[1:]).magnitude())


@pytest.mark.parametrize(
    "walker", small_motion(people=3).people, ids=lambda p: f"person {p.number}"
)
def test_joints_of_a_walking_person_are_exact(walker):
    error = rig.human36m(rig.fit(walker)) - walker.joints_mm
    assert np.linalg.norm(error, axis=-1).max() < 1e-6


@both_kinds
@pytest.mark.parametrize("name", EXTREMES)
def test_joints_of_extreme_motions_are_exact(name, kind):
    # Arms that are lifted overhead at the shoulder alone, and straight hips, suit both rigs.
    error = rig.human36m(rig.fit(person(EXTREMES[name]), kind)) - EXTREMES[name]
    assert np.linalg.norm(error, axis=-1).max() < 1e-6


def test_in_the_simple_rig_hips_and_legs_of_a_walking_person_are_exact_and_the_rest_is_near():
    walker = small_motion(people=1).people[0]
    error = np.linalg.norm(rig.human36m(rig.fit(walker, "simple")) - walker.joints_mm, axis=-1)
    legs = [JOINT[f"{s}_{j}"] for s in ("left", "right") for j in ("hip", "knee", "ankle")]
    assert error[:, legs].max() < 1e-6
    assert error.max() < 10


@both_kinds
def test_a_t_pose_is_the_rest_pose(kind):
    fitted = rig.fit(person(t_pose(3)), kind)
    np.testing.assert_allclose(
        fitted.rotations,
        np.broadcast_to([0, 0, 0, 1], (3, 22, 4))[:, : len(fitted.names)],
        atol=1e-9,
    )
    moved = rig.rest_positions(fitted) - fitted.offsets_mm[0]
    np.testing.assert_allclose(rig.positions(fitted)[0] - fitted.root_mm[0], moved, atol=1e-6)


def test_the_rest_pose_stands_on_the_floor():
    fitted = rig.fit(person(bent(t_pose(2), "pelvis", X, 180)))
    rest = rig.rest_positions(fitted)
    foot = fitted.names.index("LeftFoot")
    assert rest[foot, 1] + fitted.ends_mm[foot][1] == pytest.approx(0)
    assert rest[:, 1].min() == rest[foot, 1] > 0


def test_only_the_full_rig_has_bones_without_length():
    for kind, expected in (("full", 6), ("simple", 0)):
        fitted = rig.fit(person(t_pose(2)), kind)
        assert (np.linalg.norm(fitted.offsets_mm, axis=-1) < 1).sum() == expected


def test_bones_have_the_median_length_of_both_sides():
    poses = bent(t_pose(5), "left_elbow", Y, 20)
    poses[:, JOINT["left_wrist"]] += 0.04 * (
        poses[:, JOINT["left_wrist"]] - poses[:, JOINT["left_elbow"]]
    )
    poses[0, JOINT["right_wrist"]] += 500
    fitted = rig.fit(person(poses))
    for name in ("LeftHand", "RightHand"):
        length = np.linalg.norm(fitted.offsets_mm[fitted.names.index(name)])
        assert length == pytest.approx(250 * 1.02)


@both_kinds
@pytest.mark.parametrize(
    "name", ["two full turns", "cartwheel", "somersault", "upside down, turning"]
)
def test_a_turn_of_the_whole_body_turns_the_hips_alone(name, kind):
    fitted = rig.fit(person(EXTREMES[name]), kind)
    others = [n for n in fitted.names if n != "Hips"]
    assert max(steps(local(fitted, n)).max() for n in others) < 1e-4
    np.testing.assert_allclose(steps(local(fitted, "Hips")), 720 / 89, rtol=1e-6)


@pytest.mark.parametrize("name", EXTREMES)
def test_quaternions_have_no_jumps_in_sign_and_steps_are_small(name):
    rotations = rig.fit(person(EXTREMES[name])).rotations
    assert (rotations[1:] * rotations[:-1]).sum(-1).min() > np.cos(np.radians(12) / 2)


@pytest.mark.parametrize("plane", [0, 45, 90, 135, -60])
@pytest.mark.parametrize("limb", ["left_elbow", "right_elbow", "left_knee", "right_knee"])
def test_a_bent_limb_bends_about_its_hinge_alone(limb, plane):
    hinge = rig.HINGES[limb][0]
    axis = Rotation.from_rotvec(np.radians(plane) * rig.REST[limb]).apply(hinge)
    fitted = rig.fit(person(bent(t_pose(40), limb, axis, 70)))
    side = limb.split("_")[0].capitalize()
    lower = local(fitted, side + ("ForeArm" if "elbow" in limb else "Leg"))
    np.testing.assert_allclose(
        lower.as_rotvec(degrees=True), np.tile(70 * hinge, (40, 1)), atol=2.5
    )


def test_an_arm_that_straightens_does_not_spin():
    rng = np.random.default_rng(0)
    bend = np.concatenate([np.linspace(80, 0, 30), np.zeros(30), np.linspace(0, 80, 30)])
    poses = bent(t_pose(90), "left_elbow", Z, bend)  # the forearm goes up
    poses[:, JOINT["left_elbow"]] += rng.normal(scale=3, size=(90, 3))
    fitted = rig.fit(person(poses))
    assert steps(local(fitted, "LeftArm")).max() < 5
    assert not fitted.slowed


def test_a_bend_whose_plane_turns_at_once_is_followed_at_a_bounded_speed_and_reported():
    poses = bent(t_pose(60), "left_elbow", Z, 80)
    poses[30:] = bent(t_pose(30), "left_elbow", -Z, 80)
    fitted = rig.fit(person(poses))
    turned = steps(local(fitted, "LeftArm"))
    assert turned.max() == pytest.approx(np.degrees(twist.FASTEST_TWIST) / 30)
    assert turned.sum() == pytest.approx(180, abs=5)
    assert list(fitted.slowed) == ["LeftArm"]
    assert 0 < fitted.slowed["LeftArm"] < 20


@pytest.mark.parametrize(
    ("joint", "upper"), [("left_elbow", "LeftArm"), ("right_knee", "RightUpLeg")]
)
def test_a_joint_bent_the_wrong_way_does_not_twist_the_limb(joint, upper):
    fitted = rig.fit(person(bent(t_pose(60), joint, -rig.HINGES[joint][0], 40)))
    assert local(fitted, upper).magnitude().max() < 1e-6


def test_a_mirrored_person_has_the_mirrored_rotations():
    walker = small_motion(people=1).people[0]
    mirrored = walker.joints_mm[:, list(HUMAN36M.flip)] * (-1, 1, 1)
    one = rig.fit(walker)
    other = rig.fit(dataclasses.replace(walker, joints_mm=mirrored))
    swap = {"Left": "Right", "Right": "Left", "LHip": "RHip", "RHip": "LHip"}
    for name in one.names:
        start = next((s for s in swap if name.startswith(s)), "")
        twin = swap.get(start, "") + name[len(start) :]
        turned = local(one, name).as_quat() * (1, -1, -1, 1)
        assert np.abs((turned * local(other, twin).as_quat()).sum(-1)).min() > 1 - 1e-9, name


def test_resampled_rotations_lie_on_the_arc_between():
    fitted = rig.fit(person(EXTREMES["two full turns"]))
    middle = (fitted.time_s[1:] + fitted.time_s[:-1]) / 2
    between = rig.resample(fitted, middle)
    np.testing.assert_allclose(steps(local(between, "Hips")), 720 / 89, rtol=1e-6)
    np.testing.assert_allclose(between.root_mm, fitted.root_mm[1:])


@both_kinds
@pytest.mark.parametrize("poses", [t_pose(1), np.zeros((4, 17, 3))], ids=["one frame", "one point"])
def test_degenerate_motions_give_finite_rotations(poses, kind):
    fitted = rig.fit(person(poses), kind)
    np.testing.assert_allclose(np.linalg.norm(fitted.rotations, axis=-1), 1)
    assert np.isfinite(rig.positions(fitted)).all()


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="rig must be one of full, simple, found 'mixamo'"):
        rig.fit(person(t_pose(2)), "mixamo")
