"""The recording for Rerun, read back with its own reader."""

import sys

import numpy as np
import pytest
from small_motion import small_motion

from repose_jax.motion import rerun

MOTION = small_motion(people=2, frames=30)


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ImportError, match=r"repose-jax\[rerun\]"):
        rerun.write(tmp_path / "motion.rrd", MOTION)
    assert list(tmp_path.iterdir()) == []


def read(path):
    """Returns the table of each entity that changes in time, by its path."""
    reader = pytest.importorskip("rerun.chunk").RrdReader(str(path))
    chunks = [chunk for chunk in reader.stream().to_chunks() if not chunk.is_static]
    return {
        f"{chunk.entity_path} {name}": table
        for chunk in chunks
        for table in [chunk.to_record_batch()]
        for name in table.schema.names
        if ":" in name
    }


@pytest.mark.outside
def test_holds_the_skeletons_at_their_times(tmp_path):
    pytest.importorskip("rerun")
    path = tmp_path / "motion.rrd"
    rerun.write(path, MOTION)
    assert list(tmp_path.iterdir()) == [path]
    tables = read(path)
    for person in MOTION.people:
        column = "Points3D:positions"
        table = tables[f"/world/person_{person.number}/joints {column}"]
        found = np.array(table.column(column).to_pylist())
        np.testing.assert_allclose(found, person.joints_mm / 1000, atol=1e-6)
        assert table.column("frame").to_pylist() == person.frame.tolist()
        seconds = [time.value / 1e9 for time in table.column("time")]
        np.testing.assert_allclose(seconds, person.time_s, atol=1e-6)
        column = "LineStrips2D:strips"
        table = tables[f"/world/camera/image/person_{person.number}/bones {column}"]
        counts = [len(strips) for strips in table.column(column).to_pylist()]
        assert max(counts) == 16
        assert (min(counts) == 16) == (person.number == 1)


@pytest.mark.outside
def test_a_person_disappears_after_the_last_frame(tmp_path):
    pytest.importorskip("rerun")
    rerun.write(tmp_path / "motion.rrd", MOTION)
    tables = read(tmp_path / "motion.rrd")
    cleared = tables["/world/person_2 Clear:is_recursive"]
    assert cleared.column("frame").to_pylist() == [int(MOTION.people[1].frame[-1]) + 1]
    assert "/world/person_1 Clear:is_recursive" not in tables
