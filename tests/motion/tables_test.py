import csv
import json

import numpy as np
from small_motion import small_motion

from repose_jax.motion import angles, tables
from repose_jax.skeleton import HUMAN36M

MOTION = small_motion(people=2, frames=30)
PERSON = MOTION.people[1]  # whose forearm is missing in some frames


def test_the_arrays_are_those_of_the_person_and_describe_themselves(tmp_path):
    tables.write_npz(tmp_path / "person.npz", MOTION, PERSON)
    with np.load(tmp_path / "person.npz", allow_pickle=False) as found:
        for name in tables.UNITS:
            np.testing.assert_array_equal(found[name], getattr(PERSON, name))
        assert tuple(found["joint_names"]) == HUMAN36M.joints
        assert found["bones"].tolist() == [[*bone] for bone in HUMAN36M.bones]
        assert found["image_size"].tolist() == [1280, 720]
        place = found["joints_camera_mm"] + found["root_mm"][:, None]
        world = (place - found["world_origin_mm"]) @ found["world_rotation"].T
        np.testing.assert_allclose(world, found["joints_mm"], atol=1e-6)


def test_json_has_the_same_with_null_for_what_was_not_detected(tmp_path):
    tables.write_json(tmp_path / "person.json", MOTION, PERSON)
    found = json.loads((tmp_path / "person.json").read_text())
    assert found["units"]["joints_mm"].startswith("mm")
    np.testing.assert_allclose(found["joints_mm"], PERSON.joints_mm, atol=0.006)
    np.testing.assert_allclose(found["time_s"], PERSON.time_s, atol=1e-6)
    keypoints = np.array(found["keypoints_px"], float)
    np.testing.assert_array_equal(np.isnan(keypoints), np.isnan(PERSON.keypoints_px))


def test_long_motions_are_written_in_blocks_to_the_same_bytes(tmp_path, monkeypatch):
    for name, block in (("whole", 1000), ("blocks", 7)):
        monkeypatch.setattr(tables, "BLOCK", block)
        tables.write_json(tmp_path / f"{name}.json", MOTION, PERSON)
        tables.write_csv(tmp_path / f"{name}.csv", PERSON)
    for kind in ("json", "csv"):
        blocks = (tmp_path / f"blocks.{kind}").read_bytes()
        assert blocks == (tmp_path / f"whole.{kind}").read_bytes()


def test_csv_has_a_row_for_each_frame(tmp_path):
    tables.write_csv(tmp_path / "person.csv", PERSON)
    with (tmp_path / "person.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [int(row["frame"]) for row in rows] == PERSON.frame.tolist()
    wrist = HUMAN36M.joints.index("left_wrist")
    height = [float(row["left_wrist_y_mm"]) for row in rows]
    np.testing.assert_allclose(height, PERSON.joints_mm[:, wrist, 1], atol=0.006)
    states = [row["left_wrist_status"] for row in rows]
    assert {"seen", "filled", "missing"} == {*states}


def test_angles_have_a_column_each(tmp_path):
    tables.write_angles(tmp_path / "angles.csv", PERSON)
    with (tmp_path / "angles.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    knee = angles.angles(PERSON.joints_mm.astype(float))["left_knee_flexion"]
    found = [float(row["left_knee_flexion_deg"]) for row in rows]
    np.testing.assert_allclose(found, knee, atol=0.006)
