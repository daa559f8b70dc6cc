"""Other programs open the files of a motion and find the same joints.

Each test runs a program of another installation, which an environment variable names; without it
the test is skipped. `docs/outputs.md` has the commands that install them.
"""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from small_motion import small_motion
from small_poses import extremes, person

from repose_jax.motion import bvh, glb, rig, trc
from repose_jax.motion.motion import MISSING
from repose_jax.skeleton import HUMAN36M

pytestmark = pytest.mark.outside

PEOPLE = small_motion(people=2).people
MOTIONS = {"person 1": PEOPLE[0], "person 2": PEOPLE[1]} | {
    name: person(poses) for name, poses in extremes().items()
}
TOLERANCE_MM = 0.01
"""Far below the millimetre that is promised."""


def program(variable: str, what: str) -> str:
    """Returns the value of an environment variable; skips the test if it has none."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} does not name {what}")
    return value


def run(*command: str | pathlib.Path, cwd=None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[pathlib.Path, list[rig.Rig]]:
    """Files by path, with the rigs of the people in them."""
    folder = tmp_path_factory.mktemp("files")
    written = {}
    for kind in ("full", "simple"):
        rigs = {name: rig.fit(each, kind) for name, each in MOTIONS.items()}
        for name, fitted in rigs.items():
            for writer, ending in ((bvh, "bvh"), (glb, "glb")):
                path = folder / f"{name}, {kind}.{ending}"
                writer.write(path, fitted)
                written[path] = [fitted]
        both = [rigs["person 1"], rigs["person 2"]]
        glb.write(folder / f"people, {kind}.glb", both)
        written[folder / f"people, {kind}.glb"] = both
    return written


def test_blender_shows_the_joints_of_bvh_and_glb_files(files, tmp_path):
    python = program("REPOSE_BLENDER_PYTHON", "a Python with bpy")
    times = {}
    for path, rigs in files.items():
        # A BVH file begins at 0; in a file of several people those look still before and after.
        start = rigs[0].time_s[0] if path.suffix == ".bvh" else 0
        shared = set.intersection(*(set(each.time_s.tolist()) for each in rigs))
        times[path] = np.array(sorted(shared)), start
    request = {str(path): (at - start).tolist() for path, (at, start) in times.items()}
    (tmp_path / "request.json").write_text(json.dumps(request))
    script = pathlib.Path(__file__).parent / "in_blender.py"
    run(python, script, tmp_path / "request.json", tmp_path / "result.npz")
    result = np.load(tmp_path / "result.npz")
    for path, rigs in files.items():
        found = result[str(path)] * 1000
        names = [*result[f"{path} names"], "top of the head"]
        assert len(found) == len(rigs)
        for each, seen in zip(rigs, found, strict=True):
            frames = np.isin(each.time_s, times[path][0])
            top = rig.human36m(each)[frames, 10]
            expected = dict(
                zip(each.names, rig.positions(each)[frames].swapaxes(0, 1), strict=True)
            )
            if path.suffix == ".bvh":  # a joint of glTF has no end
                expected["top of the head"] = top
            for name, places in expected.items():
                x, y, z = seen[:, names.index(name)].T
                error = np.linalg.norm(np.stack([x, z, -y], axis=-1) - places, axis=-1)
                assert error.max() < TOLERANCE_MM, (path.name, name, error.argmax())


def test_bvhio_reads_the_joints_of_bvh_files(files):
    python = program("REPOSE_BVHIO_PYTHON", "a Python with bvhio")
    code = """if True:
        import bvhio, json, sys
        found = {}
        for path in sys.argv[1:]:
            root = bvhio.readAsHierarchy(path)
            frames = bvhio.readAsBvh(path).FrameCount
            found[path] = []
            for frame in range(frames):
                root.loadPose(frame)
                found[path].append({j.Name: list(j.PositionWorld) for j, _, _ in root.layout()})
        print("RESULT" + json.dumps(found))
    """
    some = [path for path in files if path.name.startswith("person") and path.suffix == ".bvh"]
    found = json.loads(run(python, "-c", code, *some).split("RESULT")[1])
    for path in some:
        (fitted,) = files[path]
        frames = found[str(path)]
        assert len(frames) == len(fitted.time_s)
        for j, name in enumerate(fitted.names):
            places = 10 * np.array([frame[name] for frame in frames])
            np.testing.assert_allclose(places, rig.positions(fitted)[:, j], atol=TOLERANCE_MM)


def test_the_validator_of_gltf_finds_nothing_to_say(files):
    folder = program("REPOSE_GLTF_VALIDATOR", "a folder with the npm package gltf-validator")
    code = """
        const validator = require("gltf-validator"), fs = require("fs");
        Promise.all(process.argv.slice(1).map(async path => {
            const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(path)));
            return [path, report.issues];
        })).then(all => console.log(JSON.stringify(Object.fromEntries(all))));
    """
    paths = [path for path in files if path.suffix == ".glb"]
    issues = json.loads(run("node", "-e", code, "--", *paths, cwd=folder))
    assert list(issues) == [str(path) for path in paths]
    for path, found in issues.items():
        assert found["messages"] == [], path
        counts = [found[f"num{kind}"] for kind in ("Errors", "Warnings", "Infos", "Hints")]
        assert counts == [0, 0, 0, 0]


def test_opensim_reads_the_markers_of_trc_files(tmp_path):
    python = program("REPOSE_OPENSIM_PYTHON", "a Python with opensim")
    code = """if True:
        import json, opensim, sys
        table = opensim.TimeSeriesTableVec3(sys.argv[1])
        columns = range(table.getNumColumns())
        rows = [table.getRowAtIndex(row) for row in range(table.getNumRows())]
        points = [[row[column].to_numpy().tolist() for column in columns] for row in rows]
        print("RESULT" + json.dumps({
            "labels": list(table.getColumnLabels()),
            "units": table.getTableMetaDataAsString("Units"),
            "time": list(table.getIndependentColumn()),
            "points": points,
        }))
    """
    for each in PEOPLE:
        path = tmp_path / f"person_{each.number}.trc"
        trc.write(path, each)
        found = json.loads(run(python, "-c", code, path).split("RESULT")[1])
        assert found["labels"] == [trc.MARKERS[joint] for joint in HUMAN36M.joints]
        assert found["units"] == "m"
        np.testing.assert_allclose(found["time"], each.time_s, atol=1e-6)
        points = np.array(found["points"])
        missing = each.status == MISSING
        np.testing.assert_allclose(points[~missing], each.joints_mm[~missing] / 1000, atol=1e-6)
        assert np.isnan(points[missing]).all()
