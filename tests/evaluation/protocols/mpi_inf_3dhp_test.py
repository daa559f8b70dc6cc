import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax.evaluation import metrics, protocols
from repose_jax.evaluation.protocols import mpi_inf_3dhp
from repose_jax.evaluation.tally import Group
from repose_jax.skeleton import HUMAN36M, MPI_INF_3DHP, convert
from tests.evaluation.protocols.tallies import tally

PROTOCOL, SLIP = protocols.get("mpi_inf_3dhp"), protocols.get("mpi_inf_3dhp_scale_slip")


def group(name, activity=0):
    return Group(name, name, "", activity)


def test_the_14_joints_are_those_of_the_datasets_evaluation():
    one_based = [1, 2, 3, 6, 4, 7, 5, 8, 9, 12, 10, 13, 11, 14]  # as its MATLAB code lists them
    marked = np.zeros((17, 1))
    marked[np.array(one_based) - 1] = 1
    ours = convert(marked, MPI_INF_3DHP, HUMAN36M)[:, 0]
    assert tuple(np.flatnonzero(ours)) == mpi_inf_3dhp.JOINTS
    assert len(mpi_inf_3dhp.JOINTS) == 14


def test_pck_and_auc_count_14_joints_and_mpjpe_17():
    found = tally({group("TS1"): (10, 50.0)})
    left_out = [j for j in range(17) if j not in mpi_inf_3dhp.JOINTS]
    for sums in found.totals.values():
        sums[:, left_out] *= 0
    summary = PROTOCOL.summary(found)
    assert summary["pck"] == summary["auc"] == pytest.approx(50)
    assert summary["mpjpe"] == pytest.approx(50 * 14 / 17)


def test_pck_and_auc_are_strict_and_have_31_thresholds():
    error = np.array([0.0, 4.9, 5.0, 149.9, 150.0])
    target = jnp.zeros((1, 5, 3))
    prediction = target.at[0, :, 0].set(error)
    np.testing.assert_array_equal(metrics.pck(prediction, target).total[0], [100, 100, 100, 100, 0])
    wanted = [100 * sum(e < t for t in range(0, 151, 5)) / 31 for e in error]
    np.testing.assert_allclose(metrics.auc(prediction, target).total[0], wanted, rtol=1e-6)
    assert wanted[0] == pytest.approx(100 * 30 / 31)


def test_every_average_of_the_papers_is_there_and_labelled():
    found = tally(
        {
            group("TS1", 1): (30, 10.0),
            group("TS1", 2): (10, 50.0),
            group("TS2", 2): (60, 80.0),
        }
    )
    rows = PROTOCOL.table(found).rows
    assert list(rows) == [
        *("TS1", "TS2", "mean of frames", "mean of sequences", "Stand/Walk", "Exercise"),
    ]
    mpjpe = {name: row[2] for name, row in rows.items()}
    frames = {name: row[-1] for name, row in rows.items()}
    assert mpjpe == pytest.approx(
        {
            "TS1": 20,
            "TS2": 80,
            "mean of frames": (30 * 10 + 10 * 50 + 60 * 80) / 100,
            "mean of sequences": 50,
            "Stand/Walk": 10,
            "Exercise": (10 * 50 + 60 * 80) / 70,
        }
    )
    assert list(frames.values()) == [40, 60, 100, 100, 30, 70]


def test_the_activities_are_those_of_the_datasets_paper():
    found = tally({group("TS1", number): (10, float(number)) for number in range(1, 8)})
    rows = PROTOCOL.table(found).rows
    activities = {name: row[2] for name, row in rows.items() if row[-1] == 10}
    assert activities == {
        "Stand/Walk": 1,
        "Exercise": 2,
        "Sit on Chair": 3,
        "Crouch/Reach": 4,
        "On the Floor": 5,
        "Sports": 6,
        "Misc.": 7,
    }


def test_unknown_activities_have_no_rows():
    rows = PROTOCOL.table(tally({group("TS1"): (30, 10.0)})).rows
    assert list(rows) == ["TS1", "mean of frames", "mean of sequences"]


def test_the_scale_slip_makes_predictions_of_narrow_images_too_small():
    assert PROTOCOL.scale is None
    assert SLIP.scale
    found = SLIP.scale(np.array([[2048, 2048], [1920, 1080]]))
    np.testing.assert_allclose(found, [1, 960 / 1024])
