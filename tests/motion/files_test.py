import dataclasses
import json

import numpy as np
import pytest
from small_motion import small_motion

from repose_jax.keypoints import store
from repose_jax.keypoints.detections import Detections
from repose_jax.motion import files
from repose_jax.runtime import extras
from repose_jax.runtime.signals import Interrupted

MOTION = small_motion(people=2, frames=12)
QUICK = ("npz", "csv", "bvh", "html")


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_person_has_a_set_and_all_have_a_page_and_a_summary(tmp_path):
    stages = []
    written = files.write(
        tmp_path / "new" / "folder", MOTION, QUICK, progress=lambda *now: stages.append(now)
    )
    persons = {f"person_{n}.{kind}" for n in (1, 2) for kind in ("npz", "csv", "bvh")}
    assert names(tmp_path / "new" / "folder") == persons | {"index.html", "summary.json"}
    assert {path.name for path in written} == persons | {"index.html", "summary.json"}
    assert stages[0] == ("writing", 0, 8)
    assert stages[-1] == ("writing", 8, 8)


def test_the_page_links_the_other_files_and_not_itself(tmp_path, monkeypatch):
    linked = []
    monkeypatch.setattr(files.page, "write", lambda path, motion, names: linked.extend(names))
    files.write(tmp_path, small_motion(people=1, frames=3), ("npz", "html"))
    assert linked == ["person_1.npz"]


def test_the_summary_says_what_was_found_and_assumed(tmp_path):
    files.write(tmp_path, MOTION, ("npz",))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["assumptions"] == [*MOTION.assumptions]
    assert summary["warnings"] == [*MOTION.warnings]
    assert summary["frames"] == 12
    assert summary["fps"] == 30
    assert not summary["variable_frame_rate"]
    first, second = summary["people"]
    assert first["joints"] == {"seen": 1, "filled": 0, "missing": 0}
    assert second["joints"]["filled"] > 0
    assert summary["files"] == ["person_1.npz", "person_2.npz"]


def test_nothing_of_an_earlier_motion_remains_but_files_of_others_do(tmp_path):
    files.write(tmp_path, MOTION, QUICK)
    (tmp_path / "person_2.txt").write_text("notes")
    files.write(tmp_path, small_motion(people=1, frames=12), ("npz",))
    assert names(tmp_path) == {"person_1.npz", "person_2.txt", "summary.json"}


def test_a_summary_cannot_remove_files_that_no_result_has(tmp_path):
    folder = tmp_path / "motion"
    files.write(folder, MOTION, ("npz",))
    kept = [tmp_path / "person_1.csv", folder / "thesis.txt", folder / "person_1.csv.txt"]
    for path in kept:
        path.write_text("kept")
    summary = json.loads((folder / "summary.json").read_text())
    listed = ["../person_1.csv", *map(str, kept), *(path.name for path in kept[1:]), "..", 7]
    (folder / "summary.json").write_text(json.dumps(summary | {"files": listed}))
    files.write(folder, MOTION, ("npz",))
    assert all(path.exists() for path in kept)


def test_the_summary_of_another_program_removes_nothing(tmp_path):
    (tmp_path / "person_1.csv").write_text("kept")
    (tmp_path / "summary.json").write_text(json.dumps({"files": ["person_1.csv"]}))
    files.write(tmp_path, MOTION, ("npz",))
    assert (tmp_path / "person_1.csv").read_text() == "kept"


@pytest.mark.parametrize("kind", files.OF_PERSON)
def test_a_kind_of_one_person_gives_a_file_for_each_but_glb(tmp_path, kind):
    end = files.NAMES.get(kind, f".{kind}")
    MOTION.save(tmp_path / f"walk{end}")
    expected = {"walk.glb"} if kind == "glb" else {f"walk_1{end}", f"walk_2{end}"}
    assert names(tmp_path) == expected


def test_angles_have_the_name_of_a_table(tmp_path):
    small_motion(people=1, frames=12).save(tmp_path / "walk_angles.csv")
    assert "left_knee_flexion_deg" in (tmp_path / "walk_angles.csv").read_text()
    with pytest.raises(ValueError, match=r"ends with _angles\.csv"):
        MOTION.save(tmp_path / "walk.angles")


def test_a_rig_is_fitted_for_animations_alone(tmp_path, monkeypatch):
    fitted = []
    fit = files.fit
    monkeypatch.setattr(files, "fit", lambda person, rig: fitted.append(1) or fit(person, rig))
    files.write(tmp_path, MOTION, ("npz", "csv"))
    assert not fitted
    files.write(tmp_path, MOTION, ("bvh", "glb"))
    assert len(fitted) == 2


def test_one_person_has_the_name_that_was_asked_for(tmp_path):
    small_motion(people=1, frames=12).save(tmp_path / "walk.BVH")
    assert names(tmp_path) == {"walk.BVH"}


def test_the_rig_of_an_animation_may_be_chosen(tmp_path):
    motion = small_motion(people=1, frames=12)
    for rig in ("full", "simple"):
        motion.save(tmp_path / f"{rig}.bvh", rig=rig)
    assert "LHipJoint" in (tmp_path / "full.bvh").read_text()
    assert "LHipJoint" not in (tmp_path / "simple.bvh").read_text()


def test_a_path_without_suffix_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "available", lambda: ("npz",))
    MOTION.save(tmp_path / "walk")
    assert names(tmp_path / "walk") == {"person_1.npz", "person_2.npz", "summary.json"}


def test_a_folder_that_exists_is_a_folder_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "available", lambda: ("npz",))
    (tmp_path / "walk.d").mkdir()
    MOTION.save(tmp_path / "walk.d")
    assert names(tmp_path / "walk.d") == {"person_1.npz", "person_2.npz", "summary.json"}


@pytest.mark.parametrize("change", [{}, {"name": "other.mp4"}, {"time_s": np.arange(9) / 30}])
def test_joints_of_another_video_do_not_stay_with_a_motion(tmp_path, monkeypatch, change):
    monkeypatch.setattr(files, "available", lambda: ("npz",))
    found = Detections(
        keypoints=np.zeros((1, 17, 2)),
        confidence=np.ones((1, 17)),
        frame=np.zeros(1, int),
        score=np.ones(1),
        identity=np.zeros(1, int),
        time_s=MOTION.time_s,
        image_size=None,
        name=MOTION.name,
        format=MOTION.format,
    )
    store.write(tmp_path / store.NAME, dataclasses.replace(found, **change))
    MOTION.save(tmp_path)
    assert (store.NAME in names(tmp_path)) == (not change)
    (tmp_path / store.NAME).write_text("notes")  # of somebody
    MOTION.save(tmp_path)
    assert (tmp_path / store.NAME).read_text() == "notes"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "available", lambda: ("npz",))
    MOTION.save("~/walk.glb")
    MOTION.save("~/all")
    assert names(tmp_path) == {"home"}
    assert names(tmp_path / "home") == {"walk.glb", "all"}


def test_the_preview_is_drawn_on_the_frames_of_the_video_each_time(tmp_path, monkeypatch):
    drawn = []

    def draw(path, motion, frames=None, *, progress=None):
        drawn.append(frames and len([*frames]))

    def frames(apart_s):
        yield 0.0, np.zeros((4, 4, 3))

    monkeypatch.setattr(files.preview, "write", draw)
    motion = dataclasses.replace(MOTION, frames=frames)
    motion.save(tmp_path / "walk.mp4")
    motion.save(tmp_path / "again.mp4")
    MOTION.save(tmp_path / "plain.mp4")
    assert drawn == [1, 1, None]


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no kind of file 'bhv'. Did you mean 'bvh'"):
        files.check(["npz", "bhv"])


def test_a_kind_without_its_extra_is_not_available_and_named(monkeypatch):
    def require(module, extra, purpose):
        raise ImportError(f"{purpose} needs {module}: repose-jax[{extra}]")

    monkeypatch.setattr(extras, "require", require)
    assert set(files.KINDS) - set(files.available()) == {"mp4", "rrd"}
    with pytest.raises(ImportError, match=r"Writing preview\.mp4 needs .*repose-jax\[preview\]"):
        files.check(["mp4"])


def test_values_are_finite_in_json(tmp_path):
    files.write(tmp_path, small_motion(people=2, frames=1), ("json",))
    content = (tmp_path / "person_1.json").read_text()
    found = json.loads(content, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert np.isfinite(np.array(found["joints_mm"])).all()


def test_a_file_that_cannot_be_written_does_not_stop_the_others(tmp_path, monkeypatch):
    files.write(tmp_path, MOTION, QUICK)

    def full(path, motion):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.tables, "write_csv", full)
    with pytest.raises(files.NotWritten) as error:
        files.write(tmp_path, MOTION, QUICK)
    persons = {f"person_{n}.{kind}" for n in (1, 2) for kind in ("npz", "bvh")}
    assert {path.name for path in error.value.written} == persons | {"index.html", "summary.json"}
    assert set(json.loads((tmp_path / "summary.json").read_text())["files"]) == persons | {
        "index.html"
    }
    assert str(error.value).endswith(
        "2 of 8 files in "
        f"{tmp_path} could not be written (person_1.csv, person_2.csv): "
        "No space left on device"
    )


def test_a_motion_is_saved_into_a_new_folder(tmp_path):
    path = tmp_path / "new" / "folder" / "a.trc"
    assert all(file.exists() for file in files.save(MOTION, path))


@pytest.mark.parametrize("kind", files.KINDS)
def test_a_signal_leaves_complete_files_only(tmp_path, monkeypatch, kind):
    """Every writer writes beside the file and renames: a rename that is stopped shows it."""
    for module in files.EXTRAS.get(kind, ("", ()))[1]:
        pytest.importorskip(module)

    def stopped(*_):
        raise Interrupted(2, "Stopped.")

    monkeypatch.setattr("os.replace", stopped)
    with pytest.raises(Interrupted):
        files.write(tmp_path, MOTION, (kind,))
    assert names(tmp_path) == set()


def test_a_folder_for_results_is_checked_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="file is a file"):
            files.check_folder(folder)
    files.check_folder(tmp_path / "new" / "below")
    assert names(tmp_path) == {"file"}


def test_a_source_is_not_replaced_by_its_result(tmp_path):
    files.write(tmp_path, MOTION, ("npz",))
    for source in (tmp_path, tmp_path / "person_1.npz", tmp_path / "summary.json"):
        with pytest.raises(ValueError, match="would be overwritten by its result"):
            files.check_folder(tmp_path, source)
    files.check_folder(tmp_path, tmp_path / "clip.json")


def test_a_link_to_a_disk_that_is_not_there_is_refused_before_any_work(tmp_path):
    (tmp_path / "disk").symlink_to(tmp_path / "unmounted")
    for folder in (tmp_path / "disk", tmp_path / "disk" / "below"):
        with pytest.raises(ValueError, match="disk is a link to what does not exist"):
            files.check_folder(folder)


@pytest.mark.parametrize("name", store.NAMES)
def test_joints_of_others_are_not_replaced(tmp_path, name):
    path = tmp_path / name
    np.savez(path, keypoints=np.zeros((2, 17, 2)))
    with pytest.raises(ValueError, match=f"{name} is not of repose lift"):
        files.check_folder(tmp_path)
    np.savez(path, **{store.VERSION: 1})
    files.check_folder(tmp_path)
    path.unlink()
    path.symlink_to("nothing")
    with pytest.raises(ValueError, match=f"{name} is not of repose lift"):
        files.check_folder(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=f"{name} is not of repose lift"):
        files.check_folder(tmp_path)


@pytest.mark.parametrize(
    "name", ["index.html", "summary.json", "person_1.npz", "person_12_angles.csv"]
)
def test_files_of_others_are_not_replaced(tmp_path, name):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / name).write_text("{}")
    kinds = ("npz", "html", "angles")
    with pytest.raises(ValueError, match=f"{name} is not of repose lift .* name another --out"):
        files.check_folder(folder, kinds=kinds)
    if name != "summary.json":
        files.check_folder(folder, kinds=("trc",))
    files.check_folder(folder)  # only joints will be there
    np.savez(folder / store.NAME, **{store.VERSION: 1})  # those of a result that was interrupted
    files.check_folder(folder, kinds=kinds)


def test_an_earlier_result_is_replaced(tmp_path):
    files.write(tmp_path, MOTION, QUICK)
    (tmp_path / "clip.html").write_text("")
    files.check_folder(tmp_path, kinds=QUICK)
