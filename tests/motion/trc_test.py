"""TRC files hold the joints of a person under the names of Pose2Sim's markers."""

import numpy as np
import pytest
from small_motion import JOINT, small_motion

from repose_jax.motion import trc
from repose_jax.motion.motion import MISSING

PERSON = small_motion(people=2).people[1]


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[list[str]]:
    path = tmp_path_factory.mktemp("trc") / "person_2.trc"
    trc.write(path, PERSON)
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def test_the_header_counts_frames_and_markers_and_names_the_unit(lines):
    assert lines[0] == ["PathFileType", "4", "(X/Y/Z)", "person_2.trc"]
    header = dict(zip(lines[1], lines[2], strict=True))
    first, count = str(PERSON.frame[0] + 1), str(len(PERSON.frame))
    assert header == {
        "DataRate": "30.0",
        "CameraRate": "30.0",
        "NumFrames": count,
        "NumMarkers": "17",
        "Units": "m",
        "OrigDataRate": "30.0",
        "OrigDataStartFrame": first,
        "OrigNumFrames": count,
    }
    assert lines[4][:6] == ["", "", "X1", "Y1", "Z1", "X2"]
    assert len({len(line) for line in lines[3:]}) == 1


def test_markers_have_the_names_of_pose2sim_where_they_are_the_same_place(lines):
    names = [name for name in lines[3][2:] if name]
    assert names[:4] == ["Hip", "RHip", "RKnee", "RAnkle"]
    assert names[JOINT["thorax"]] == "Neck"
    assert "Nose" not in names
    assert len(set(names)) == 17


def test_frames_have_their_numbers_their_times_and_metres(lines):
    rows = lines[5:]
    np.testing.assert_array_equal([int(row[0]) for row in rows], PERSON.frame + 1)
    np.testing.assert_allclose([float(row[1]) for row in rows], PERSON.time_s, atol=1e-6)
    values = np.array([[float(field or "nan") for field in row[2:-1]] for row in rows])
    values = values.reshape(-1, 17, 3)
    missing = PERSON.status == MISSING
    np.testing.assert_allclose(values[~missing], PERSON.joints_mm[~missing] / 1000, atol=1e-6)
    assert np.isnan(values[missing]).all()
    assert missing.any()


def test_only_missing_joints_are_blank(lines):
    blank = np.array([[field == "" for field in row[2:-1]] for row in lines[5:]])
    np.testing.assert_array_equal(blank, np.repeat(PERSON.status == MISSING, 3, axis=1))
