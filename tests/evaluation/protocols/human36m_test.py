import math

import numpy as np
import pytest

from protocols.tallies import tally
from repose_jax.evaluation import protocols
from repose_jax.evaluation.protocols import human36m
from repose_jax.evaluation.tally import Group

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


@pytest.mark.parametrize("camera", ["01", "04"])
@pytest.mark.parametrize("excluded", human36m.EXCLUDED)
def test_the_2_5d_protocol_leaves_three_sequences_of_subject_9_out(excluded, camera):
    groups = {
        sequence(f"{excluded}_ca_{camera}", "Greet"): (100, 999.0),
        sequence("s_09_act_05_subact_01_ca_01", "Greet"): (100, 40.0),
        sequence("s_11_act_05_subact_02_ca_01", "Greet"): (100, 50.0),
    }
    assert IN_IMAGE.summary(tally(groups))["mpjpe"] == pytest.approx(45)
    assert CAMERA.summary(tally(groups))["mpjpe"] == pytest.approx((999 + 90) / 3)


@pytest.mark.parametrize("position", [1, 2])
def test_all_15_actions_stand_in_the_papers_order_under_either_files_names(position):
    names = [action[position] for action in human36m.ACTIONS]
    assert len(set(names)) == 15
    groups = {sequence(f"S9/{name}/1", name): (10, 1.0) for name in sorted(names)}
    columns = CAMERA.table(tally(groups)).columns
    assert columns == (*(short for short, *_ in human36m.ACTIONS), "Avg")


def test_an_action_that_is_not_known_comes_last():
    groups = {sequence(name, name): (10, 1.0) for name in ("Juggling", "Walking")}
    assert CAMERA.table(tally(groups)).columns == ("Walk", "Juggling", "Avg")


def test_the_mean_velocity_of_a_sequence_weighs_as_many_frames_as_it_has():
    groups = {sequence("a", "Walking"): (2, 10.0), sequence("b", "Walking"): (10, 30.0)}
    found = CAMERA.summary(tally(groups))
    assert found["mpjve"] == pytest.approx((2 * 10 + 10 * 30) / 12)
    assert found["mpjpe"] == pytest.approx((2 * 10 + 10 * 30) / 12)


def test_a_sequence_of_one_frame_has_no_velocity_and_nothing_has_no_mean():
    groups = {sequence("a", "Walking"): (1, 10.0), sequence("b", "Walking"): (10, 30.0)}
    assert CAMERA.summary(tally(groups))["mpjve"] == pytest.approx(30)
    nothing = tally({sequence("a", "Walking"): (0, 1.0)})
    assert math.isnan(CAMERA.summary(nothing)["mpjpe"])
