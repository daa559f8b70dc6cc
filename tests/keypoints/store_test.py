import contextlib
import dataclasses

import numpy as np
import pytest

from repose_jax.keypoints import store
from repose_jax.keypoints.detections import Detections
from repose_jax.keypoints.read import read

FOUND = Detections(
    keypoints=np.random.default_rng(0).normal(size=(3, 17, 2)),
    confidence=np.full((3, 17), 0.5),
    frame=np.array([0, 0, 2]),
    score=np.array([0.9, 0.8, 0.7]),
    identity=np.array([-1, 4, 4]),
    time_s=np.array([0, 0.04, 0.09]),
    image_size=(1080, 1920),
    name="clip.mp4",
    format="blazepose33",
    assumptions=("It stands still.",),
)


@pytest.mark.parametrize(
    "changes",
    [{}, {"image_size": None}, {"examined": np.array([True, False, True])}, {"focal_px": 900.0}],
    ids=str,
)
def test_what_is_read_is_what_was_written(tmp_path, changes):
    written = dataclasses.replace(FOUND, **changes)
    store.write(tmp_path / "keypoints.npz", written)
    read = store.read(tmp_path / "keypoints.npz")
    for field in dataclasses.fields(Detections):
        np.testing.assert_equal(getattr(read, field.name), getattr(written, field.name))
    assert [path.name for path in tmp_path.iterdir()] == ["keypoints.npz"]


def test_it_is_read_as_any_keypoint_file_by_itself_and_by_the_folder_of_the_result(tmp_path):
    store.write(tmp_path / store.NAME, FOUND)
    (tmp_path / "person_1.json").write_text("{}")
    for path in (tmp_path, tmp_path / store.NAME):
        (found,) = read(path)
        np.testing.assert_array_equal(found.keypoints, FOUND.keypoints)
        assert found.name == "clip.mp4"
    (found,) = read(tmp_path, image_size=(640, 480))
    assert found.image_size == (640, 480)


def test_other_files_are_not_taken_for_it(tmp_path):
    np.savez(tmp_path / "other.npz", keypoints=FOUND.keypoints)
    (tmp_path / "text.npz").write_text("PK")
    assert store.find(tmp_path) is None
    assert store.find(tmp_path / "other.npz") is None
    assert store.find(tmp_path / "text.npz") is None
    assert store.find(tmp_path / "nothing.npz") is None


def test_the_video_of_a_result_is_named(tmp_path):
    path = tmp_path / store.NAME
    assert store.name_in(tmp_path) is None
    store.write(path, FOUND)
    assert store.name_in(tmp_path) == "clip.mp4"
    np.savez(path, **{store.VERSION: 1})  # damaged
    assert store.name_in(tmp_path) is None


@pytest.mark.parametrize("change", ["missing", "short", "frame", "fractions"])
def test_a_damaged_file_is_refused(tmp_path, change):
    path = tmp_path / "keypoints.npz"
    store.write(path, FOUND)
    arrays = dict(np.load(path))
    if change == "missing":
        del arrays["score"]
    elif change == "frame":
        arrays["frame"] = arrays["frame"] + 1
    elif change == "fractions":
        arrays["frame"] = arrays["frame"].astype(float)
    else:
        arrays["score"] = arrays["score"][:2]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"keypoints\.npz: damaged: "):
        store.read(path)


def test_bytes_that_changed_on_the_disk_are_an_error_of_the_file(tmp_path):
    path = tmp_path / "keypoints.npz"
    store.write(path, FOUND)
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), 97):
        changed = content.copy()
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        with contextlib.suppress(ValueError):  # and no other error; some bytes mean nothing
            read(path)


@pytest.mark.parametrize(
    "said",
    [
        "The file has no frame rate; 30 frames/s were assumed (--fps).",
        "photos: images have no times; 30 frames per second were assumed.",
    ],
)
def test_the_rate_of_the_command_line_replaces_the_times_and_what_was_assumed(tmp_path, said):
    assumptions = (*FOUND.assumptions, said)
    store.write(tmp_path / "keypoints.npz", dataclasses.replace(FOUND, assumptions=assumptions))
    (found,) = read(tmp_path, fps=10)
    np.testing.assert_allclose(found.time_s, [0, 0.1, 0.2])
    assert found.assumptions == FOUND.assumptions
    assert read(tmp_path)[0].assumptions == assumptions


def test_the_rate_is_that_of_all_results_in_a_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store.write(tmp_path / name / store.NAME, FOUND)
    for found in read(tmp_path, fps=10):
        np.testing.assert_allclose(found.time_s, [0, 0.1, 0.2])


def test_a_forced_format_is_refused_as_the_order_of_the_joints_is_known(tmp_path):
    store.write(tmp_path / "keypoints.npz", FOUND)
    for options in ({"format": "openpose"}, {"format": "coco17"}):
        with pytest.raises(ValueError, match=r"keypoints\.npz: the format and the joints .* known"):
            read(tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_s", lambda times: times[::-1]),
        ("time_s", lambda times: times * np.nan),
        ("keypoints", lambda points: points + 1e9),
        ("confidence", lambda values: values - 5),
        ("frame", lambda frames: frames.astype(str)),
        ("image_size", lambda size: np.array([0, -1])),
        ("focal_px", lambda focal: -focal),
        ("focal_px", lambda focal: focal.astype(str)),
        ("focal_px", lambda focal: np.array([focal, focal])),
        ("examined", lambda examined: examined[:2]),
        ("examined", lambda examined: examined.astype(float)),
        ("examined", lambda examined: ~examined),
    ],
)
def test_impossible_values_are_refused_by_name(tmp_path, name, value):
    path = tmp_path / store.NAME
    examined = np.array([True, False, True])
    store.write(path, dataclasses.replace(FOUND, examined=examined, focal_px=900.0))
    content = dict(np.load(path))
    np.savez(path, **content | {name: value(content[name])})
    with pytest.raises(ValueError, match=f"{store.NAME}: damaged"):
        store.read(path)


def test_a_damaged_archive_is_not_taken_for_a_result(tmp_path):
    path = tmp_path / store.NAME
    np.savez(path, é=np.ones(3))
    content = path.read_bytes()
    path.write_bytes(content.replace("é".encode(), b"\xff\xff"))
    assert store.find(path) is None
