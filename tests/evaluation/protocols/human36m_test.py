import math

import numpy as np
import pytest

from repose_jax.evaluation import protocols
from repose_jax.evaluation.tally import Group
from tests.evaluation.protocols.tallies import tally

IN_IMAGE, CAMERA = protocols.get("human36m_2.5d"), protocols.get("human36m_camera")


def sequence(name, action):
    return Group(name, name[:4], action, 0)


def test_frames_weigh_the_same_in_an_action_and_actions_in_the_mean():
    found = tally(
        {
            sequence("s_09_act_02_subact_01_ca_01", "Direction"): (100, 30.0),
            sequence("s_11_act_02_subact_02_ca_04", "Direction"): (300, 50.0),
            sequence("s_11_act_03_subact_01_ca_04", "Discuss"): (10, 15.0),
        }
    )
    table = IN_IMAGE.table(found)
    assert table.columns == ("Dir.", "Disc.", "Avg")
    np.testing.assert_allclose(table.rows["MPJPE (P1)"], [45, 15, 30])
    assert IN_IMAGE.summary(found)["mpjpe"] == pytest.approx(30)
    assert "mean of 2 actions" in table.title


# `block_list` in `train.py` of MotionBERT, with the actions of its file.
BLOCK_LIST = {
    "s_09_act_05_subact_02": "Greet",
    "s_09_act_10_subact_02": "SittingDown",
    "s_09_act_13_subact_01": "Wait",
}


@pytest.mark.parametrize("camera", ["01", "02", "03", "04"])
@pytest.mark.parametrize(("excluded", "action"), BLOCK_LIST.items())
def test_the_2_5d_protocol_excludes_three_sequences_of_subject_9(excluded, action, camera):
    other = {"01": "02", "02": "01"}[excluded[-2:]]  # the other take of the same action counts
    groups = {
        sequence(f"{excluded}_ca_{camera}", action): (500, 999.0),
        sequence(f"{excluded[:-2]}{other}_ca_{camera}", action): (100, 40.0),
        sequence(f"s_11{excluded[4:]}_ca_{camera}", action): (300, 60.0),
    }
    found = tally(groups)
    assert IN_IMAGE.summary(found)["mpjpe"] == pytest.approx((100 * 40 + 300 * 60) / 400)
    assert CAMERA.summary(found)["mpjpe"] == pytest.approx((500 * 999 + 22_000) / 900)


def test_the_2_5d_protocol_excludes_no_other_sequence():
    names = [
        f"s_{subject:02}_act_{action:02}_subact_{take:02}"
        for subject in (9, 11)
        for action in range(2, 17)
        for take in (1, 2)
    ]
    groups = {sequence(f"{name}_ca_01", name): (10, 1.0) for name in names}
    counted = set(IN_IMAGE.table(tally(groups)).columns) - {"Avg"}
    assert set(names) - counted == BLOCK_LIST.keys()


PRINTED = "Dir. Disc. Eat Greet Phone Photo Pose Purch. Sit SitD. Smoke Wait WalkD. Walk WalkT. Avg"
MOTIONBERT = (
    "Direction Discuss Eating Greet Phone Photo Pose Purchase Sitting SittingDown Smoke Wait "
    "WalkDog Walk WalkTwo"
)
VIDEOPOSE3D = (
    "Directions Discussion Eating Greeting Phoning Photo Posing Purchases Sitting SittingDown "
    "Smoking Waiting WalkDog Walking WalkTogether"
)


@pytest.mark.parametrize("names", [MOTIONBERT, VIDEOPOSE3D])
def test_the_15_actions_of_either_file_are_in_the_order_of_the_papers(names):
    values = {name: float(n) for n, name in enumerate(names.split())}
    groups = {sequence(f"S9/{name}/1", name): (10, values[name]) for name in sorted(values)}
    table = CAMERA.table(tally(groups))
    assert table.columns == tuple(PRINTED.split())
    np.testing.assert_allclose(table.rows["MPJPE (P1)"], [*range(15), 7])


def test_an_unknown_action_comes_last():
    groups = {sequence(name, name): (10, 1.0) for name in ("Juggling", "Walking")}
    assert CAMERA.table(tally(groups)).columns == ("Walk", "Juggling", "Avg")


def test_the_mean_velocity_of_a_sequence_is_weighted_by_its_number_of_frames():
    groups = {sequence("a", "Walking"): (2, 10.0), sequence("b", "Walking"): (10, 30.0)}
    found = CAMERA.summary(tally(groups))
    assert found["mpjve"] == pytest.approx((2 * 10 + 10 * 30) / 12)
    assert found["mpjpe"] == pytest.approx((2 * 10 + 10 * 30) / 12)


def test_a_sequence_of_one_frame_has_no_velocity_and_no_frames_have_no_mean():
    groups = {sequence("a", "Walking"): (1, 10.0), sequence("b", "Walking"): (10, 30.0)}
    assert CAMERA.summary(tally(groups))["mpjve"] == pytest.approx(30)
    nothing = tally({sequence("a", "Walking"): (0, 1.0)})
    assert math.isnan(CAMERA.summary(nothing)["mpjpe"])
