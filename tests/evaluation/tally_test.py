import math

import pytest

from repose_jax.evaluation.tally import Group
from tests.evaluation.protocols.tallies import tally

WALK, WAVE, EMPTY = (
    Group(name, "S1", action, number)
    for number, (name, action) in enumerate(
        [("one", "walk"), ("two", "wave"), ("three", "walk")], start=1
    )
)
TALLY = tally({WALK: (10, 30.0), WAVE: (30, 50.0), EMPTY: (0, 1.0)})


def test_every_frame_has_the_same_weight_in_a_mean():
    assert TALLY.mean("mpjpe") == pytest.approx((10 * 30 + 30 * 50) / 40)
    assert TALLY.mean("mpjpe", where=lambda group: group.action == "walk") == pytest.approx(30)
    assert TALLY.mean("mpjve") == pytest.approx((9 * 30 + 29 * 50) / 38)


def test_a_choice_of_joints_and_visibility_is_averaged_alone():
    found = tally({WALK: (10, 30.0)})
    found.totals["mpjpe"][:, 3] *= 2
    assert found.mean("mpjpe", joint=3) == pytest.approx(60)
    assert found.mean("mpjpe", joint=(3, 4)) == pytest.approx(45)
    assert found.mean("mpjpe", joint=4, visibility="unknown") == pytest.approx(30)


def test_a_mean_over_no_frames_is_not_a_number():
    assert math.isnan(TALLY.mean("mpjpe", where=lambda group: group.sequence == "three"))
    assert math.isnan(TALLY.mean("mpjpe", visibility="visible"))


def test_frames_are_those_with_a_weight_and_actions_are_sorted():
    assert TALLY.frames() == 40
    assert TALLY.frames(lambda group: group.activity == 2) == 30
    assert TALLY.actions == ("walk", "wave")


def test_a_summary_has_the_mean_of_every_metric():
    summary = TALLY.summary(where=lambda group: group.action == "wave")
    assert summary["mpjpe"] == summary["pck"] == pytest.approx(50)
    assert list(summary) == list(TALLY.totals)
