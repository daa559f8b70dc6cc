import builtins
import itertools
import pathlib

import h5py
import numpy as np
import PIL.Image
import pytest
import scipy.io
import small_mpi_inf_3dhp as small

from repose_jax.skeleton import HUMAN36M, MPI_INF_3DHP, convert
from tfds_builders.mpi_inf_3dhp import release, view
from tfds_builders.mpi_inf_3dhp.mpi_inf_3dhp_dataset_builder import Builder
from tfds_builders.records import JOINTS

CAMERAS = [str(camera) for camera in small.CAMERAS]


@pytest.fixture
def source(tmp_path) -> pathlib.Path:
    """A training and a test sequence of the release."""
    small.write_train(tmp_path / "source")
    small.write_test(tmp_path / "source")
    return tmp_path / "source"


@pytest.fixture
def archives(tmp_path) -> pathlib.Path:
    """The same sequences in P-STMO's archives."""
    (tmp_path / "archives").mkdir()
    small.write_archive(tmp_path / "archives/data_train_3dhp.npz", small.archive_train())
    small.write_archive(tmp_path / "archives/data_test_3dhp.npz", small.archive_test())
    return tmp_path / "archives"


def build(source: pathlib.Path, config: str = "universal") -> dict[str, list[dict]]:
    """Prepares a dataset and reads it."""
    builder = Builder(source=source, config=config, data_dir=source.parent / f"{source.name}_data")
    builder.download_and_prepare()
    return {split: list(builder.as_data_source(split)) for split in builder.info.splits}


def records(source: pathlib.Path, config: str = "universal") -> list[dict]:
    """The records, without writing them."""
    builder = Builder(source=source, config=config, data_dir=source.parent / "data")
    shards = builder._shards(None)  # pyright: ignore[reportArgumentType]
    return [record for split in shards.values() for shard in split for record in shard.records()]


def change_mat(folder: pathlib.Path, **changes: object) -> None:
    variables = small.annot("S1/Seq1") | changes
    kept = {key: value for key, value in variables.items() if value is not None}
    scipy.io.savemat(folder / "annot.mat", kept)


def test_the_joints_are_those_of_the_records_by_name(source):
    train = build(source)["train"]
    assert [record["name"].decode() for record in train] == [
        f"S1/Seq1/camera{camera}" for camera in CAMERAS
    ]
    for record, camera in zip(train, small.CAMERAS, strict=True):
        expected = small.joints("S1/Seq1", small.RECORDED, camera, metric=False)
        np.testing.assert_allclose(record["joints_3d"], expected, atol=1e-3)
        expected = small.keypoints("S1/Seq1", small.RECORDED, camera)
        np.testing.assert_allclose(record["keypoints_2d"], expected, atol=1e-3)
    # As the person faces camera 0, the left hand is to the right in the image.
    left, right = JOINTS.index("left_wrist"), JOINTS.index("right_wrist")
    assert (train[0]["keypoints_2d"][:, left, 0] > train[0]["keypoints_2d"][:, right, 0]).all()


def test_the_order_is_that_of_the_conversion_of_skeletons():
    numbered = np.repeat(np.arange(17.0)[:, None], 3, axis=1)
    assert convert(numbered, MPI_INF_3DHP, HUMAN36M)[:, 0].tolist() == list(view.HUMAN36M)
    assert tuple(tuple(small.BODY).index(joint) for joint in small.JOINTS) == release.JOINTS


def test_both_ground_truths_can_be_prepared(source):
    universal, metric = build(source), build(source, "metric")
    for split, number in (("train", 3), ("test", 0)):
        one, other = universal[split][number], metric[split][number]
        np.testing.assert_array_equal(one["keypoints_2d"], other["keypoints_2d"])
        relative = [r["joints_3d"] - r["joints_3d"][:, :1] for r in (one, other)]
        np.testing.assert_allclose(relative[0] * small.HEIGHT, relative[1], atol=1e-2)
        assert abs(relative[1]).max() > 600


def test_records_have_the_camera_if_it_projects_the_joints(source):
    for record, camera in zip(build(source, "metric")["train"], small.CAMERAS, strict=True):
        seen = record["joints_3d"] @ record["intrinsics"].T
        np.testing.assert_allclose(seen[..., :2] / seen[..., 2:], record["keypoints_2d"], atol=0.01)
        expected = small.extrinsics(camera)
        np.testing.assert_allclose(record["rotation"], expected[:3, :3], atol=1e-6)
        np.testing.assert_allclose(record["translation"], expected[:3, 3], atol=1e-3)
        assert not record["distortion"].any()
    for record in build(source)["train"]:
        assert all(np.isnan(record[key]).all() for key in ("intrinsics", "rotation", "distortion"))


def test_the_test_split_has_valid_frames_and_activities(source):
    (record,) = build(source)["test"]
    assert (record["name"], record["subject"], record["camera"]) == (b"TS1", b"TS1", b"0")
    assert record["valid"].tolist() == [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0]
    assert record["activity"].tolist() == [1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7]
    assert np.isnan(record["fps"])
    assert (record["confidence"] == 1).all()
    expected = small.joints("TS1", small.RECORDED, metric=False)
    np.testing.assert_allclose(record["joints_3d"], expected, atol=1e-3)


def test_archives_and_release_give_the_same_records(source, archives):
    released, archived = build(source), build(archives)
    for split in ("train", "test"):
        assert len(released[split]) == len(archived[split])
        for one, other in zip(released[split], archived[split], strict=True):
            for key in ("name", "subject", "camera", "image_size", "valid"):
                np.testing.assert_array_equal(one[key], other[key])
            for key in ("keypoints_2d", "joints_3d"):
                np.testing.assert_allclose(one[key], other[key], atol=1e-3)
    assert {float(record["fps"]) for record in archived["train"]} == {25}
    assert not archived["test"][0]["activity"].any()


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_archive_alone_is_enough(archives, split):
    assert list(build(archives / f"data_{split}_3dhp.npz")) == [split]


def test_the_test_sequences_of_the_release_alone_give_the_test_split(tmp_path, caplog):
    caplog.set_level("WARNING", logger="absl")
    for number in range(1, 7):
        small.write_test(tmp_path / "source", f"TS{number}")
    assert list(build(tmp_path / "source")) == ["test"]
    assert "is without" not in caplog.text


def test_train_and_test_may_lie_in_folders_of_the_source(tmp_path):
    small.write_train(tmp_path / "source/mpi_inf_3dhp", "S2/Seq2")
    small.write_test(tmp_path / "source/mpi_inf_3dhp_test_set", "TS6")
    splits = build(tmp_path / "source")
    assert {record["subject"] for record in splits["train"]} == {b"S2"}
    assert {record["subject"] for record in splits["test"]} == {b"TS6"}


def test_missing_sequences_are_named(source, caplog):
    caplog.set_level("WARNING", logger="absl")
    build(source)
    assert "the train split is without S1/Seq2, S2/Seq1" in caplog.text
    assert "the test split is without TS2, TS3, TS4, TS5, TS6" in caplog.text


@pytest.mark.parametrize(
    ("frames", "fps"),
    [(6054, 25), (6675, 25), (12283, 50), (12820, 50), (12, np.nan), (9000, np.nan)],
)
def test_without_videos_the_rate_is_the_one_at_which_a_sequence_lasts_four_minutes(frames, fps):
    np.testing.assert_equal(release._rate_of(frames), fps)


@pytest.mark.parametrize(("rate", "scale", "fps"), [(25, 1, 25), (50, 1, 50), (30000, 1001, 29.97)])
def test_the_rate_is_that_of_the_videos(source, rate, scale, fps):
    folder = source / "S1/Seq1/imageSequence"
    folder.mkdir()
    (folder / "video_0.avi").write_bytes(small.avi(small.FRAMES, rate, scale))
    (folder / "video_3.avi").write_bytes(b"of a camera that is not read")
    assert {round(float(record["fps"]), 3) for record in build(source)["train"]} == {fps}


def test_annotations_end_with_the_longest_video(tmp_path):
    folder = small.write_train(tmp_path / "source", frames=60) / "imageSequence"
    folder.mkdir()
    (folder / "video_0.avi").write_bytes(small.avi(58))
    (folder / "video_2.avi").write_bytes(small.avi(20))
    (folder / "video_4.avi").write_bytes(small.avi(0))  # not known
    assert {len(record["joints_3d"]) for record in build(tmp_path / "source")["train"]} == {58}
    (folder / "video_0.avi").write_bytes(small.avi(40))
    with pytest.raises(ValueError, match=r"annot.mat: found 60 annotated frames, but at most 40"):
        records(tmp_path / "source")


def test_videos_that_contradict_each_other_are_refused(source):
    folder = source / "S1/Seq1/imageSequence"
    folder.mkdir()
    (folder / "video_0.avi").write_bytes(small.avi(small.FRAMES, 25))
    (folder / "video_1.avi").write_bytes(small.avi(small.FRAMES, 50))
    with pytest.raises(ValueError, match=r"Seq1: .*video_0.avi 25, video_1.avi 50, expected one"):
        records(source)


def test_the_image_size_follows_from_the_principal_point(tmp_path, archives):
    for name in ("TS4", "TS5"):
        small.write_test(tmp_path / "source", name)
    sizes = [record["image_size"].tolist() for record in build(tmp_path / "source")["test"]]
    assert sizes == [[2048, 2048], [1920, 1080]]
    # Computed, not known by name.
    data = {"TS1": small.archive_test(("TS5",))["TS5"], "TS5": small.archive_test()["TS1"]}
    small.write_archive(archives / "data_test_3dhp.npz", data)
    sizes = [record["image_size"].tolist() for record in build(archives)["test"]]
    assert sizes == [[1920, 1080], [2048, 2048]]


def test_the_image_size_is_that_of_the_images_which_must_fit(source):
    folder = source / "TS1/imageSequence"
    folder.mkdir()
    PIL.Image.new("RGB", (2000, 2040)).save(folder / "img_000001.jpg")
    assert build(source)["test"][0]["image_size"].tolist() == [2000, 2040]
    PIL.Image.new("RGB", (768, 768)).save(folder / "img_000001.jpg")
    with pytest.raises(ValueError, match=r"annot_data.mat: .* images of \(768, 768\) px; were"):
        records(source)


def test_the_image_size_is_that_of_the_calibration(source):
    path = source / "S1/Seq1/camera.calibration"
    path.write_text(small.calibration().replace("2048 2048", "2000 2040"))
    sizes = [record["image_size"].tolist() for record in build(source)["train"]]
    assert sizes == [[2000, 2040]] * 8
    path.write_text(small.calibration({"size": "2000 2048"}))
    with pytest.raises(ValueError, match=r"camera.calibration, 'size': .* expected one size"):
        records(source)


def test_the_name_decides_the_image_size_if_nothing_else_does(archives, caplog):
    caplog.set_level("WARNING", logger="absl")
    data = small.archive_test(("TS1", "TS6"))
    for value in data.values():
        value["data_2d"] = value["data_2d"] + 800
    small.write_archive(archives / "data_test_3dhp.npz", data)
    sizes = [record["image_size"].tolist() for record in build(archives)["test"]]
    assert sizes == [[2048, 2048], [1920, 1080]]
    assert "'TS1': the camera that fits best has its principal point at" in caplog.text


def test_a_calibration_is_not_needed(source):
    (source / "S1/Seq1/camera.calibration").unlink()
    record = build(source, "metric")["train"][0]
    assert np.isnan(record["intrinsics"]).all()
    assert record["image_size"].tolist() == [2048, 2048]


def test_the_distortion_of_a_distorted_lens_is_unknown(source):
    text = small.calibration({"radial": "0.1 0.01"})
    (source / "S1/Seq1/camera.calibration").write_text(text)
    assert np.isnan(build(source, "metric")["train"][0]["distortion"]).all()


def test_an_interrupted_preparation_resumes_with_the_next_sequence(source, monkeypatch):
    small.write_train(source, "S1/Seq2")
    original, read, stop = release.read_mat, [], {("Seq2", "annot2")}

    def read_mat(path, keys):
        read.append((path.parent.name, keys[0]))
        if read[-1] in stop:
            raise KeyboardInterrupt
        return original(path, keys)

    monkeypatch.setattr(release, "read_mat", read_mat)
    with pytest.raises(KeyboardInterrupt):
        build(source)
    stop.clear()
    read.clear()
    splits = build(source)
    assert ("Seq1", "annot2") not in read
    assert ("Seq2", "annot2") in read
    assert [record["name"].decode() for record in splits["train"]] == [
        f"S1/Seq{number}/camera{camera}"
        for number, camera in itertools.product((1, 2), small.CAMERAS)
    ]


def test_the_metric_ground_truth_is_not_in_the_archives(archives):
    with pytest.raises(ValueError, match=r"data_train_3dhp.npz: has the universal ground truth"):
        records(archives, "metric")


def test_the_same_sequence_twice_is_refused(source, archives):
    small.write_test(source / "mpi_inf_3dhp_test_set")
    with pytest.raises(ValueError, match=r"TS1/annot_data.mat is the same sequence, keep one"):
        records(source)
    small.write_test(archives)
    with pytest.raises(ValueError, match=r"annot_data.mat and .*npz both contain TS1, keep one"):
        records(archives)


def test_the_error_for_missing_data_has_instructions(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no such data in .* Give as the source the folder"
    ):
        records(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent: no such file or folder"):
        records(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="no source was given"):
        Builder(data_dir=tmp_path).download_and_prepare()


def test_the_error_without_h5py_has_instructions(source, monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "h5py":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"annot_data.mat is an HDF5 file.*pip install h5py"):
        records(source)


def _cells(key: str, change, camera: int = 4) -> dict[str, np.ndarray]:
    cells = small.annot("S1/Seq1")[key]
    cells[camera, 0] = change(cells[camera, 0])
    return {key: cells}


def _with(value: float, index: tuple[int, int]):
    def change(array):
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annot2": None}, r"annot.mat: found no 'annot2', expected 'annot2', 'univ_annot3'"),
        ({"frames": None}, "annot.mat: found no 'frames'"),
        (
            {"annot2": np.zeros((14, 1))},
            "'annot2': found float64 of shape .14, 1., expected a cell",
        ),
        ({"cameras": np.arange(7)}, "'cameras': found .*, expected .*'7', '8'. among them"),
        (
            {"cameras": np.arange(14) + 5},
            "'cameras': found 14.* expected whole numbers from 0 to 13",
        ),
        ({"cameras": np.array([0, *range(13)])}, "'cameras': found .'0', '0'"),
        (
            {"frames": np.delete(np.arange(13), 5)},
            "'frames': found 6 after 4, expected every frame",
        ),
        ({"frames": np.arange(9)}, "camera 0: found 12 frames, expected 9 .'frames'."),
        ({"frames": np.array(["a"])}, "'frames': found <U1, expected numbers"),
        (
            _cells("annot2", lambda a: a[:, :-2]),
            r"'annot2', camera 4: found shape \(12, 54\), expected \(frames, 56\)",
        ),
        (
            _cells("univ_annot3", lambda a: a[:-1]),
            r"'univ_annot3', camera 4: found 11 frames, expected 12",
        ),
        (_cells("annot2", lambda a: "none"), "'annot2', camera 4: found <U4, expected numbers"),
        (
            _cells("univ_annot3", _with(np.nan, (7, 7 * 3 + 1))),
            r"camera 4: 1 numbers are not finite, the first at index \[7, 0, 1\]",
        ),
        (_cells("annot2", _with(1e6, (3, 14))), "camera 4: a 2D joint is at 1e.06 px .frame 3."),
        (_cells("univ_annot3", _with(-3e4, (3, 21))), "camera 4: a 3D joint is at -30000 mm"),
        (
            _cells("univ_annot3", lambda a: a - np.tile(a[:, 12:15], 28)),
            "camera 4: a joint is not in front of the camera",
        ),
        (_cells("univ_annot3", lambda a: a / 1000), "half a leg has a median length of 0.*units"),
        (
            _cells("annot2", lambda a: np.roll(a, 16, axis=1)),
            "camera 4: no camera of the dataset projects the 3D joints to the 2D joints",
        ),
        (_cells("annot2", lambda a: a * 0), "camera 4: .* focal lengths of 0 and 0 px"),
    ],
)
def test_faulty_annotations_are_refused(source, changes, message):
    change_mat(source / "S1/Seq1", **changes)
    with pytest.raises(ValueError, match=message):
        records(source)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "2048"}, "line 4, 'size': found '2048', expected 2 finite numbers"),
        ({"intrinsic": "nan" + " 0" * 15}, "line 6, 'intrinsic': found 'nan 0"),
        ({"intrinsic": "1" + " 0" * 15}, "camera 0, 'intrinsic': found .* expected a pinhole"),
        ({"extrinsic": "2" + " 0" * 14 + " 1"}, "camera 0, 'extrinsic': .* expected a rotation"),
        ({"size": "0 2048"}, "camera 0, 'size': found .* expected px"),
        ({"radial": "none"}, "line 8, 'radial': could not convert string"),
        ({"lens": "5"}, "line 9: found 'lens', expected one of sensor, size"),
    ],
)
def test_a_faulty_calibration_is_refused(source, changes, message):
    path = source / "S1/Seq1/camera.calibration"
    path.write_text(small.calibration(changes))
    with pytest.raises(ValueError, match=f"{path.name}, {message}"):
        records(source)


def test_a_calibration_of_another_sequence_is_refused(source):
    path, text = source / "S1/Seq1/camera.calibration", small.calibration()
    path.write_text(text.replace("1497.5 0 1024", "1517.5 0 1024"))
    with pytest.raises(ValueError, match=r"camera 0: with camera.calibration, 3D joints are seen"):
        records(source, "metric")
    path.write_text(small.calibration({"extrinsic": "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"}))
    with pytest.raises(ValueError, match=r"camera.calibration: cameras 0 and 1 see the joints of"):
        records(source, "metric")
    path.write_text(text[: text.index("name          8")])
    with pytest.raises(ValueError, match=r"camera.calibration: found no camera '8', expected it"):
        records(source)


def _swap(**changes):
    def write(path):
        arrays = {**small.annot_data("TS1"), **changes}
        small.write_hdf5(path, {key: value for key, value in arrays.items() if value is not None})

    return write


def _link(path):
    small.write_hdf5(path, small.annot_data("TS1"))
    with h5py.File(path, "r+") as file:
        del file["annot2"]
        file["annot2"] = h5py.ExternalLink("other.mat", "/annot2")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            _swap(valid_frame=None),
            "'valid_frame': missing or damaged: found .'activity_annotation'",
        ),
        (_swap(valid_frame=small.valid()[:, None] * 2), "'valid_frame': found 2.0 at index .0."),
        (_swap(valid_frame=np.zeros((12, 1))), "no frame is valid"),
        (_swap(activity_annotation=np.full((12, 1), 8)), "'activity_annotation': found 8 at index"),
        (_swap(activity_annotation=np.ones((9, 1))), "'activity_annotation': 9.* frames, expected"),
        (
            _swap(annot2=np.zeros((12, 1, 16, 2))),
            r"'annot2': found shape \(12, 1, 16, 2\), expected \(frames, 1, 17, 2\)",
        ),
        (_swap(annot2=np.full((12, 1, 17, 2), np.inf)), "'annot2': 408 numbers are not finite"),
        (_swap(annot2=np.zeros((12, 1, 17, 2), "S3")), r"'annot2': found \|S3, expected numbers"),
        (_link, "'annot2': missing or damaged: found .* expected it as an array"),
        (lambda path: path.write_bytes(b""), "annot_data.mat: not HDF5"),
        (lambda path: scipy.io.savemat(path, small.annot_data("TS1")), "annot_data.mat: not HDF5"),
        (lambda path: path.unlink(), "TS1: found no annot_data.mat, expected it there"),
    ],
)
def test_a_faulty_test_sequence_is_refused(source, write, message):
    write(source / "TS1/annot_data.mat")
    with pytest.raises(ValueError, match=message):
        records(source)


def test_a_matlab_file_of_another_version_is_refused(source):
    small.write_hdf5(source / "S1/Seq1/annot.mat", {"annot2": np.zeros(3)})
    with pytest.raises(
        ValueError, match=r"annot.mat: begins with .*7.3.*expected .* version 5 or 7"
    ):
        records(source)


def _archive(change):
    data = small.archive_train()
    changed = change(data, data["S1 Seq1"][0])
    return data if changed is None else changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data, cameras: {},
            "'data': found dict of 0, expected a dictionary of sequences",
        ),
        (lambda data, cameras: np.zeros(3), "'data': found an array of float64 of shape"),
        (lambda data, cameras: {"S9 Seq1": 1}, "'S9 Seq1': expected sequences 'S1 Seq1' to"),
        (lambda data, cameras: {"S1 Seq1": [1]}, "'S1 Seq1': found list of 1, expected .cameras"),
        (lambda data, cameras: {"S1 Seq1": [cameras, "25"]}, "'S1 Seq1': found .* per second"),
        (
            lambda data, cameras: {"TS1": {}},
            "'TS1': found .., expected .'data_2d', 'data_3d', 'val",
        ),
        (
            lambda data, cameras: {"S1 Seq1": [{"0": cameras["0"]}, 25]},
            "found cameras .* expected .'0', '1', '2'",
        ),
        (lambda data, cameras: cameras.update({"9": 1}), "found cameras .*'9'., expected"),
        (
            lambda data, cameras: cameras.update({"4": {"data_2d": 1}}),
            "camera '4': found .'data_2d'",
        ),
        (
            lambda data, cameras: cameras["4"].update(data_3d=np.zeros((12, 28, 3))),
            r"camera '4', 'data_3d': found shape \(12, 28, 3\), expected \(frames, 17, 3\)",
        ),
        (
            lambda data, cameras: cameras["4"].update(data_3d=cameras["4"]["data_3d"][:-1]),
            "camera '4': found {'data_2d': 12, 'data_3d': 11} frames, expected equal",
        ),
        (
            lambda data, cameras: cameras.update(
                {"4": {key: value[:-1] for key, value in cameras["4"].items()}}
            ),
            "'S1 Seq1': found frames of cameras .*'4': 11.* expected equal numbers",
        ),
        (
            lambda data, cameras: cameras["4"].update(data_2d=cameras["4"]["data_2d"] * np.nan),
            "camera '4', 'data_2d': 408 numbers are not finite",
        ),
        (
            lambda data, cameras: cameras["4"].update(data_2d=cameras["4"]["data_2d"].astype(str)),
            "camera '4', 'data_2d': found <U32, expected numbers",
        ),
    ],
)
def test_a_faulty_archive_is_refused(archives, change, message):
    small.write_archive(archives / "data_train_3dhp.npz", _archive(change))
    with pytest.raises(ValueError, match=f"data_train_3dhp.npz, .*{message}"):
        records(archives)


def test_an_archive_of_something_else_is_refused(archives):
    np.savez(archives / "data_train_3dhp.npz", positions=np.zeros(3))
    with pytest.raises(ValueError, match=r"3dhp.npz: found keys .'positions'., expected 'data'"):
        records(archives)


def test_a_video_or_image_that_is_none_is_refused(source):
    for path in ("S1/Seq1/imageSequence/video_0.avi", "TS1/imageSequence/img_000001.jpg"):
        (source / path).parent.mkdir()
        (source / path).write_bytes(b"RIFF" + bytes(500))
        with pytest.raises(ValueError, match=path):
            records(source)
        (source / path).unlink()


def test_a_failed_preparation_leaves_no_dataset(source):
    change_mat(source / "S1/Seq1", **_cells("annot2", _with(np.nan, (3, 14))))
    with pytest.raises(ValueError, match="not finite"):
        build(source)
    assert not (source.parent / "source_data/mpi_inf_3dhp/universal/1.0.0").exists()
    assert not list((source.parent / "source_data").rglob("*.array_record*"))
