import functools
import subprocess
import sys

import numpy as np
import pytest

from tfds_builders.mocap.builder import mocap_config
from tfds_builders.mocap.face import place_face
from tfds_builders.mocap.take import Take
from tfds_builders.records import JOINTS, PARENTS
from tfds_builders.synthetic_motion import body, curves, gait, motion, person
from tfds_builders.synthetic_motion import synthetic_motion_dataset_builder as dataset

ACTIVITIES = tuple(motion.ACTIVITIES)
J = {name: i for i, name in enumerate(JOINTS)}
ANKLES = [J["right_ankle"], J["left_ankle"]]


@functools.cache
def someone(seed: int = 0) -> person.Person:
    return person.sample("someone", np.random.default_rng([seed, 99]))


@functools.cache
def take(activity: str, seed: int = 0, seconds: float = 6.0) -> np.ndarray:
    return motion.generate(someone(seed), activity, seconds, np.random.default_rng(seed))[0]


def bend(joints: np.ndarray, a: str, b: str, c: str) -> np.ndarray:
    """How far the bone from b to c is bent from the bone from a to b, in degrees."""
    first, second = joints[:, J[b]] - joints[:, J[a]], joints[:, J[c]] - joints[:, J[b]]
    cos = np.sum(first * second, -1) / np.linalg.norm(first, axis=-1)
    return np.rad2deg(np.arccos(np.clip(cos / np.linalg.norm(second, axis=-1), -1, 1)))


def facing(joints: np.ndarray) -> np.ndarray:
    """The horizontal direction [t, 3] that the pelvis faces."""
    left = joints[:, J["left_hip"]] - joints[:, J["right_hip"]]
    forward = np.cross(left, [0, 1, 0])
    return forward / np.linalg.norm(forward, axis=-1, keepdims=True)


def controls_of(**changes) -> body.Controls:
    """One frame of the mean body that stands straight, but for the given controls."""
    ankles = np.zeros((1, 2, 3))
    ankles[0, :, 0] = (-0.13, 0.13)
    ankles[0, :, 1] = body.ANKLE_HEIGHT
    controls = dict(
        heading=np.zeros(1),
        root=np.array([[0, body.Body().standing, 0]]),
        pelvis=np.zeros((1, 3)),
        trunk=np.zeros((1, 3)),
        head=np.zeros((1, 3)),
        arms=np.zeros((1, 2, 4)),
        ankles=ankles,
        splay=np.zeros((1, 2)),
    )
    controls |= {key: np.asarray(value, float)[None] for key, value in changes.items()}
    return body.Controls(**controls)


def posed(**changes) -> np.ndarray:
    """The joints [17, 3] of `controls_of`."""
    return body.joints(body.Body(), controls_of(**changes))[0]


def test_a_person_faces_z_with_the_left_at_x():
    joints = posed()
    assert joints[J["left_hip"], 0] == pytest.approx(0.133)
    assert joints[J["left_wrist"], 0] > 0.1 > -0.1 > joints[J["right_wrist"], 0]
    assert joints[J["right_knee"], 2] > 0.02  # knees bend to the front
    assert joints[J["head"], 1] == pytest.approx(1.7, abs=0.05)


@pytest.mark.parametrize(("side", "name"), [(body.RIGHT, "right"), (body.LEFT, "left")])
def test_arms_follow_the_names_of_their_angles(side, name):
    arms = np.zeros((2, 4))
    hand = {}
    for motion_name, angles in {
        "flexion": (90, 0, 0, 0),
        "abduction": (0, 90, 0, 0),
        "elbow": (0, 0, 0, 90),
        "turned_out": (0, 0, 70, 90),
    }.items():
        arms[side] = angles
        joints = posed(arms=arms)
        hand[motion_name] = joints[J[f"{name}_wrist"]] - joints[J[f"{name}_shoulder"]]
    out = body.SIGN[side]
    arm = body.Body().upper_arm + body.Body().forearm
    np.testing.assert_allclose(hand["flexion"], [0, 0, arm], atol=0.03)
    np.testing.assert_allclose(hand["abduction"], [out * arm, 0, 0], atol=0.03)
    np.testing.assert_allclose(hand["elbow"], [0, -0.279, 0.252], atol=0.03)
    assert hand["turned_out"][0] * out > 0.2


def test_bends_follow_the_names_of_their_angles():
    def chest(**changes):
        joints = posed(**changes)
        return joints[J["thorax"]] - joints[J["pelvis"]]

    assert chest(trunk=(40, 0, 0))[2] > 0.15
    assert chest(pelvis=(40, 0, 0))[2] > 0.15
    assert chest(trunk=(0, 30, 0))[0] > 0.1
    turned = posed(trunk=(0, 0, 40))
    assert turned[J["right_shoulder"], 2] > turned[J["left_shoulder"], 2] + 0.1


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_bones_keep_their_lengths(activity):
    joints = take(activity)
    bones = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
    b = someone().body
    leg, arm = [b.hip, b.thigh, b.shin], [b.clavicle, b.upper_arm, b.forearm]
    wanted = [*leg, *leg, b.spine, b.thorax, b.neck, b.head, *arm, *arm]
    np.testing.assert_allclose(bones, np.broadcast_to(wanted, bones.shape), atol=1e-9)


@pytest.mark.parametrize("activity", ACTIVITIES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_knees_and_elbows_bend_one_way_and_within_their_range(activity, side):
    joints = take(activity)
    knee = bend(joints, f"{side}_hip", f"{side}_knee", f"{side}_ankle")
    assert body.KNEE_LIMITS[0] - 0.1 <= knee.min() <= knee.max() <= body.KNEE_LIMITS[1] + 0.1
    elbow = bend(joints, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
    assert elbow.max() <= body.ARM_LIMITS[3, 1] + 0.1

    # The shin goes behind the thigh: seen from the side, the hinge turns one way.
    thigh = joints[:, J[f"{side}_knee"]] - joints[:, J[f"{side}_hip"]]
    shin = joints[:, J[f"{side}_ankle"]] - joints[:, J[f"{side}_knee"]]
    left = joints[:, J["left_hip"]] - joints[:, J["right_hip"]]
    assert np.all(np.sum(np.cross(thigh, shin) * left, axis=-1) > 0)


def test_angles_beyond_the_limits_are_clamped():
    arms = np.full((2, 4), 0.0)
    arms[:, 3] = (-60, 240)
    joints = posed(arms=arms, trunk=(200, 0, 0))[None]
    assert bend(joints, "right_shoulder", "right_elbow", "right_wrist")[0] < 2
    elbow = bend(joints, "left_shoulder", "left_elbow", "left_wrist")[0]
    assert elbow == pytest.approx(150, abs=2)
    assert joints[0, J["thorax"], 1] > joints[0, J["pelvis"], 1]


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_nothing_goes_under_the_ground(activity):
    joints = take(activity)
    assert joints[:, ANKLES, 1].min() >= someone().body.ankle_height - 1e-6
    assert joints[..., 1].min() > 0.05


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_motion_is_smooth(activity):
    joints = take(activity)
    assert np.isfinite(joints).all()
    velocity = np.diff(joints, axis=0) * curves.FPS
    acceleration = np.diff(velocity, axis=0) * curves.FPS
    assert np.linalg.norm(velocity, axis=-1).max() < 13  # m/s; a teleport of 1 m would be 60
    assert np.linalg.norm(acceleration, axis=-1).max() < 300  # m/s^2; it would be 3600


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_people_move(activity):
    joints = take(activity)
    spread = (joints - joints[:, :1]).std(axis=0)
    assert np.linalg.norm(spread, axis=-1).max() > 0.08


@pytest.mark.parametrize("activity", ["walk", "run"])
def test_limbs_swing_in_counter_phase(activity):
    joints = take(activity)
    ahead = np.einsum("tjc,tc->tj", joints - joints[:, :1], facing(joints))
    right_leg, left_leg = ahead[:, J["right_knee"]], ahead[:, J["left_knee"]]
    right_arm, left_arm = ahead[:, J["right_wrist"]], ahead[:, J["left_wrist"]]
    assert np.corrcoef(right_leg, left_leg)[0, 1] < -0.7
    assert np.corrcoef(right_arm, left_arm)[0, 1] < -0.7
    assert np.corrcoef(right_leg - left_leg, right_arm - left_arm)[0, 1] < -0.7


@pytest.mark.parametrize("activity", ["walk", "run"])
def test_walkers_go_where_they_face(activity):
    joints = take(activity)
    velocity = np.diff(joints[:, 0], axis=0)[:, [0, 2]] * curves.FPS
    speed = np.linalg.norm(velocity, axis=-1).mean()
    assert (1.0 if activity == "walk" else 1.8) < speed < (1.8 if activity == "walk" else 3.2)
    along = np.sum(velocity * facing(joints)[:-1, [0, 2]], axis=-1).mean()
    assert along > 0.97 * speed


@pytest.mark.parametrize("seed", range(3))
def test_feet_that_stand_do_not_slide_in_walking(seed):
    joints = take("walk", seed)
    ankles = joints[:, ANKLES]
    flat = ankles[..., 1] < someone(seed).body.ankle_height + 0.015
    assert flat.any(axis=1).mean() > 0.6  # there is nearly always a foot flat on the ground
    slide = np.linalg.norm(np.diff(ankles[..., [0, 2]], axis=0), axis=-1) * curves.FPS
    assert slide[flat[1:] & flat[:-1]].max() < 0.1  # m/s, of a walk of over 1 m/s


def test_running_has_a_flight_and_walking_has_none():
    def flight(activity):
        ankles = take(activity)[:, ANKLES, 1] - someone().body.ankle_height
        return (ankles > 0.045).all(axis=1).mean()

    assert flight("walk") < 0.1 < flight("run")


def test_jumps_leave_the_ground_as_projectiles():
    joints = take("jump")
    height = joints[:, ANKLES, 1].min(axis=1) - someone().body.ankle_height
    flying = np.convolve(height > 0.12, np.ones(5), "same") == 5
    assert 0.05 < height.max() < 0.6
    fall = np.diff(joints[:, 0, 1], 2)[flying[1:-1]] * curves.FPS**2
    np.testing.assert_allclose(np.median(fall), -gait.GRAVITY, rtol=0.05)


def test_sitting_is_low_and_squatting_goes_down():
    def pelvis(activity):
        return take(activity)[:, 0, 1] / someone().body.standing

    assert pelvis("sit").max() < 0.65
    assert pelvis("sit_down").min() < 0.65 < 0.95 < pelvis("sit_down").max()
    assert pelvis("squat").min() < 0.65 < 0.95 < pelvis("squat").max()


def test_a_raised_hand_waves_above_the_shoulder():
    joints = take("wave")
    hand = "right" if someone().side == body.RIGHT else "left"
    rise = joints[:, J[f"{hand}_wrist"], 1] - joints[:, J[f"{hand}_shoulder"], 1]
    assert rise.max() > 0.2 > -0.3 > rise.min()


def test_hands_reach_for_the_floor():
    joints = take("pick_up")
    assert joints[:, [J["left_wrist"], J["right_wrist"]], 1].min() < 0.4


def test_the_nose_points_where_the_person_walks():
    joints, face = motion.generate(someone(), "walk", 6, np.random.default_rng(0))
    nose = face[:, 0] - face[:, 1:].mean(axis=1)
    assert np.all(np.sum(nose * facing(joints), axis=-1) > 0.08)
    hips = joints[:, J["left_hip"]] - joints[:, J["right_hip"]]
    assert np.all(np.sum((face[:, 1] - face[:, 2]) * hips, axis=-1) > 0)


def test_the_face_follows_the_head():
    controls = controls_of(head=(0, 0, 60))  # turned to the left
    joints = body.joints(body.Body(), controls)
    nose = place_face(joints, body.head_axes(controls))[0, 0] - joints[0, J["neck"]]
    assert nose[0] > 0.08


def test_motion_is_a_function_of_the_seed():
    rng = np.random.default_rng
    first, _ = motion.generate(someone(), "walk", 2, rng(5))
    np.testing.assert_array_equal(first, motion.generate(someone(), "walk", 2, rng(5))[0])
    assert np.abs(first - motion.generate(someone(), "walk", 2, rng(6))[0]).max() > 0.1
    assert np.abs(first - motion.generate(someone(1), "walk", 2, rng(5))[0]).max() > 0.01
    assert first.shape == (2 * curves.FPS, 17, 3)


def test_an_unknown_activity_is_named():
    with pytest.raises(ValueError, match=r"unknown activity 'swim'; known: walk, run"):
        motion.generate(someone(), "swim", 2, np.random.default_rng(0))


def test_a_curve_passes_through_its_points_without_overshoot():
    points = [(0, (0, 1)), (0.2, (1, 1)), (0.7, (1, 3)), (1, (0, 4))]
    at = curves.curve(np.array([0, 0.2, 0.7, 1, 2]), points)
    np.testing.assert_allclose(at, [(0, 1), (1, 1), (1, 3), (0, 4), (0, 4)], atol=1e-12)
    x = np.linspace(0, 1, 500)
    assert 0 <= curves.curve(x, points)[:, 0].min() <= curves.curve(x, points)[:, 0].max() <= 1
    assert np.all(np.diff(curves.curve(x, points)[:, 1]) >= 0)
    wave = [(0.1, 0), (0.5, 1)]
    np.testing.assert_allclose(
        curves.curve(x, wave, periodic=True), curves.curve(x + 3, wave, periodic=True), atol=1e-12
    )


def test_no_subject_is_in_both_splits_and_none_equals_another():
    assert not set(dataset.SUBJECTS["train"]) & set(dataset.SUBJECTS["test"])
    everyone = [s for subjects in dataset.SUBJECTS.values() for s in subjects]
    people = [person.sample(s, np.random.default_rng([0, int(s[1:])])) for s in everyone]
    legs = [p.body.leg for p in people]
    assert len(set(legs)) == len(people)
    assert np.std(legs) > 0.02


@pytest.fixture
def short(monkeypatch):
    """Short takes: half a second, standing still in one place."""

    def generate(who, activity, seconds, rng):
        return generate_fully(who, activity, seconds / 16, rng)

    generate_fully = motion.generate
    monkeypatch.setattr(motion, "generate", generate)


def test_every_activity_has_as_many_training_subjects(short):
    takes = list(dataset.takes("train"))
    counts = {activity: 0 for activity in ACTIVITIES}
    for one in takes:
        assert isinstance(one, Take)
        counts[one.action] += 1
    assert set(counts.values()) == {len(takes) // len(ACTIVITIES)}
    assert len({one.name for one in takes}) == len(takes) == 60
    test = list(dataset.takes("test"))
    assert {(one.subject, one.action) for one in test} == {
        (subject, activity) for subject in ("S11", "S12") for activity in ACTIVITIES
    }


def test_the_motion_depends_on_the_seed_of_the_config(short):
    first, again, other = (next(dataset.takes("test", seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.joints, again.joints)
    frames = min(len(first.joints), len(other.joints))
    assert np.abs(first.joints[:frames] - other.joints[:frames]).max() > 0.01


def test_it_builds_and_reads_back(short, tmp_path):
    builder = dataset.Builder(data_dir=tmp_path, config=mocap_config(30, views=1, seed=3))
    builder.download_and_prepare()
    sources = {split: builder.as_data_source(split) for split in ("train", "test")}
    assert {split: len(source) for split, source in sources.items()} == {"train": 60, "test": 30}
    record = sources["test"][0]
    name, action = record["name"], record["action"]
    assert (np.asarray(name).item(), np.asarray(action).item()) == (b"S11_walk/view0", b"walk")
    assert record["joints_3d"].shape == (*record["keypoints_2d"].shape[:2], 3)
    assert np.isfinite(record["joints_3d"]).all()
    assert builder.info.citation.startswith("@software")


def test_it_needs_no_tensorflow():
    code = (
        "import sys\n"
        "from tfds_builders.synthetic_motion import synthetic_motion_dataset_builder as d\n"
        "print(next(d.takes('test')).name, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["S11_walk", "False"]
