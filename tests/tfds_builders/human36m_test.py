import copy
import logging as std_logging
import pathlib
from unittest import mock

import numpy as np
import pytest
import small_human36m as files
from absl import logging

from tfds_builders.human36m import cameras, motionbert, videopose3d
from tfds_builders.human36m.human36m_dataset_builder import Builder, choices
from tfds_builders.human36m.sequences import SPLITS


def records_of(source, data_dir, config=None) -> dict[str, list[dict]]:
    builder = Builder(source=source, data_dir=data_dir, config=config)
    builder.download_and_prepare()
    return {split: list(builder.as_data_source(split)) for split in builder.info.splits}


def texts(records, *keys) -> list[tuple[str, ...]]:
    return [tuple(record[key].decode() for key in keys) for record in records]


@pytest.fixture
def pickled(tmp_path) -> pathlib.Path:
    return files.write_motionbert(tmp_path)


@pytest.fixture
def warnings(caplog):
    logging.use_absl_handler()
    with caplog.at_level(std_logging.WARNING, logger="absl"):
        yield caplog


def test_a_record_of_the_25d_config_is_a_run_of_one_source(tmp_path, pickled):
    records = records_of(pickled, tmp_path)
    assert texts(records["train"], "name", "subject", "action", "camera") == [
        ("s_01_act_02_subact_01_ca_01", "S1", "", "54138969"),
        ("s_01_act_02_subact_01_ca_02", "S1", "", "55011271"),
        ("s_07_act_03_subact_02_ca_03", "S7", "", "58860488"),
    ]
    assert texts(records["test"], "name", "subject", "action", "camera") == [
        ("s_09_act_15_subact_01_ca_01", "S9", "WalkDog", "54138969"),
        ("s_11_act_02_subact_02_ca_04", "S11", "Direction", "60457274"),
    ]
    sizes = [record["image_size"].tolist() for record in records["train"]]
    assert sizes == [[1000, 1002], [1000, 1000], [1000, 1000]]
    assert {float(record["fps"]) for record in records["train"]} == {50}


def test_the_numbers_of_the_25d_config_are_those_of_the_file(tmp_path, pickled):
    records = records_of(pickled, tmp_path)
    content = files.motionbert()
    for data, rows, record in (
        (content["train"], slice(7, 12), records["train"][1]),
        (content["test"], slice(0, 6), records["test"][1]),
    ):
        for key, name in {
            "keypoints_2d": "joint_2d",
            "joints_3d": "joint3d_image",
            "confidence": "confidence",
        }.items():
            np.testing.assert_array_equal(record[key], data[name][rows].astype(np.float32))
    np.testing.assert_array_equal(
        records["test"][1]["mm_per_px"], content["test"]["2.5d_factor"][:6].astype(np.float32)
    )
    assert np.isnan(records["train"][0]["mm_per_px"]).tolist() == [True] * 7


@pytest.mark.parametrize("protocol", [2, 3, 5])
def test_confidences_and_texts_come_in_several_forms(tmp_path, protocol):
    content = files.motionbert()
    for split in content.values():
        split["confidence"] = split["confidence"][..., None].astype(np.float32)
        split["source"] = np.array(split["source"])
        split["camera_name"] = split["camera_name"].tolist()
    content["train"]["action"] = ["Walk"] * 18
    records = records_of(files.write_motionbert(tmp_path, content, protocol), tmp_path)
    np.testing.assert_array_equal(
        records["train"][2]["confidence"], content["train"]["confidence"][12:, :, 0]
    )
    assert texts(records["train"], "action") == [("Walk",)] * 3


def test_missing_confidences_are_1_and_said_to_be(tmp_path, warnings):
    content = files.motionbert()
    del content["train"]["confidence"]
    content["test"]["konfidence"] = content["test"].pop("confidence")
    records = records_of(files.write_motionbert(tmp_path, content), tmp_path)
    assert all((record["confidence"] == 1).all() for split in records.values() for record in split)
    assert "train: there is no 'confidence'" in warnings.text
    assert "'konfidence' is not read" in warnings.text


def test_confidences_that_overshoot_stay_as_in_the_authors_readers(tmp_path):
    content = files.motionbert()
    content["train"]["confidence"][0, :2] = 1.1, -0.1
    records = records_of(files.write_motionbert(tmp_path, content), tmp_path)
    np.testing.assert_allclose(records["train"][0]["confidence"][0, :2], [1.1, -0.1])


def test_labels_that_are_not_relative_to_the_root_are_said_to_be(tmp_path, warnings):
    content = files.motionbert()
    content["train"]["joint3d_image"][0, 0, 2] = 5
    records = records_of(files.write_motionbert(tmp_path, content), tmp_path)
    assert records["train"][0]["joints_3d"][0, 0, 2] == 5
    assert "s_01_act_02_subact_01_ca_01, joint3d_image: the root has depth 5 px" in warnings.text


def error_of(read, *paths) -> str:
    """The error that reading files and making all records of them ends in."""
    try:
        for found in read(*paths).values():
            for sequence in found:
                sequence.record()
    except ValueError as error:
        return str(error)
    raise AssertionError("nothing was found to be wrong")


def edited(**changes):
    """Content of which `train__joint_2d=f` replaces that entry by f(entry); None removes it."""
    content = files.motionbert()
    for place, change in changes.items():
        split, key = place.replace("_25d", "2.5d").split("__")
        value = content[split].pop(key)
        if change is not None:
            content[split][key] = change(value)
    return content


def with_number(row, number):
    def change(values):
        values = values.copy()
        values[row] = number
        return values

    return change


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "found a list, expected a dict of 'train' and 'test'"),
        ({"train": {}}, "train: there is no 'joint_2d'; found nothing"),
        ({"test": {}}, "test: there is no 'joint_2d'; found nothing"),
        ({"train": files.motionbert()["train"]}, "there is no dict 'test'; found 'train'"),
        (files.motionbert() | {"train": None}, "there is no dict 'train'; found 'train', 'test'"),
        (
            {"trein" if k == "train" else k: v for k, v in files.motionbert().items()},
            "there is no dict 'train'; found 'trein', 'test', expected 'train' and 'test', or",
        ),
        (edited(train__joint_2d=None), "train: there is no 'joint_2d'; found 'confidence'"),
        (edited(test__action=None), "test: there is no 'action'"),
        (edited(test___25d_factor=None), "test: there is no '2.5d_factor'"),
        (edited(train__joint_2d=lambda v: v[:, :16]), "found shape (18, 16, 2), expected (18, 17"),
        (edited(train__confidence=lambda v: v[:-1]), "confidence: found shape (17, 17), expected"),
        (edited(test__action=lambda v: v[:-1]), "action: found 9 entries, expected 10"),
        (edited(test__joint_2d=lambda v: v.tolist()), "joint_2d: found list, expected an array"),
        (edited(test__joint_2d=lambda v: v.astype(str)), "found <U32, expected an array of num"),
        (edited(test__joint_2d=np.asfortranarray), "found an array in Fortran's order"),
        (edited(train__source=lambda v: {}), "source: found a dict, expected a list of texts"),
        (edited(train__source=lambda v: [*v[:-1], 3]), "source: found a int in frame 17"),
        (edited(train__source=lambda v: np.array(v[0])), "source: found a ndarray, expected a"),
        (edited(train__joint_2d=with_number((8, 3, 1), np.nan)), "nan at index [1, 3, 1]"),
        (edited(test__joint_2d=with_number((7, 3, 1), np.inf)), "inf at index [1, 3, 1]"),
        (edited(train__joint_2d=with_number(0, 2e4)), "joint_2d: 20000.0 at index [0, 0, 0]"),
        (edited(train__joint_2d=lambda v: v / 500 - 1), "expected px, not normalised numbers"),
        (edited(train__joint_2d=lambda v: v.reshape(17, 18, 2).swapaxes(0, 1).copy()), "move by"),
        (edited(train__confidence=with_number((0, 0), 2)), "confidence: 2.0 at index [0, 0]"),
        (edited(train__confidence=lambda v: v * 0), "confidence: all are 0"),
        (edited(test___25d_factor=lambda v: v / 1000), "2.5d_factor: 0.00"),
        (edited(test___25d_factor=lambda v: v * 1.001), "joints_2.5d_image: differs by"),
        (edited(test__joint3d_image=lambda v: v + 1), "joints_2.5d_image: differs by"),
        (edited(train__camera_name=lambda v: [s[:-1] + "0" for s in v]), "unknown camera '54"),
        (edited(train__camera_name=lambda v: ["54138969"] + ["60457274"] * 17), "in frame 1 of"),
        (edited(train__source=lambda v: ["video"] * 18), "source: found 'video' in frame 0"),
        (edited(train__source=lambda v: v[12:] + v[:7] + v[12:17]), "it comes again in frame 13"),
        (edited(train__source=lambda v: ["s_03" + s[4:] for s in v]), "unknown subject 'S3'; Hu"),
        (edited(train__source=lambda v: ["s_09" + s[4:] for s in v]), "belongs to the other split"),
        ({s: {k: v[:0] for k, v in d.items()} for s, d in files.motionbert().items()}, "no frames"),
    ],
)  # fmt: skip
def test_wrong_content_is_reported_with_file_and_key(tmp_path, content, message):
    path = files.write_motionbert(tmp_path, content)
    error = error_of(motionbert.read, path)
    assert message in error
    assert str(path) in error


def test_files_without_training_subjects_give_the_test_split_alone(tmp_path, pickled):
    whole = records_of(pickled, tmp_path / "whole")
    alone = files.write_motionbert(tmp_path, {"test": files.motionbert()["test"]})
    records = records_of(alone, tmp_path / "alone")
    assert list(records) == ["test"]
    assert texts(records["test"], "name") == texts(whole["test"], "name")

    three, two = files.videopose3d()
    for subject in ("S1", "S6"):
        del three["positions_3d"][subject]
    files.write_videopose3d(tmp_path, (three, two))
    records = records_of(tmp_path, tmp_path / "archives", "camera_cpn_ft_h36m_dbb")
    assert list(records) == ["test"]
    assert set(texts(records["test"], "subject")) == {("S9",), ("S11",)}


def test_the_cameras_are_at_the_places_of_the_dataset():
    """Against the matrices that others computed from the data set's own metadata."""
    camera = cameras.camera("S1", "54138969")
    np.testing.assert_allclose(
        camera.rotation,
        [
            [-0.9153617321513369, 0.40180836633680234, 0.02574754463350265],
            [0.051548117060134555, 0.1803735689384521, -0.9822464900705729],
            [-0.399319034032262, -0.8977836111057917, -0.185819527201491],
        ],
        atol=2e-7,
    )
    expected = [-346.05078140028075, 546.9807793144001, 5474.481087434061]
    np.testing.assert_allclose(camera.translation, expected, atol=1e-3)
    expected = [-69.271255294384, 422.1843366088847, 4457.893374979773]
    np.testing.assert_allclose(cameras.camera("S9", "60457274").translation, expected, atol=1e-3)
    expected = [-11.934348472090557, 449.4165893644565, 5541.113551868937]
    np.testing.assert_allclose(cameras.camera("S11", "55011271").translation, expected, atol=1e-3)
    # k1 k2 p1 p2 k3, as OpenCV has them
    np.testing.assert_allclose(
        camera.distortion,
        [
            -0.207098910824901,
            0.247775183068982,
            -0.00142447157470321,
            -0.000975698859470499,
            -0.00307515035078854,
        ],
        rtol=1e-6,
    )


def test_every_subject_with_3d_joints_has_a_split_and_four_cameras():
    wanted = dict.fromkeys(("S1", "S5", "S6", "S7", "S8"), "train") | {"S9": "test", "S11": "test"}
    assert wanted == SPLITS
    assert set(cameras.SUBJECTS) == set(wanted)
    assert cameras.NAMES == files.CAMERAS


def test_every_camera_is_a_rotation_that_looks_down_into_the_room():
    for subject, quaternions in cameras._EXTRINSICS.items():
        for row in quaternions:
            assert abs(np.linalg.norm(row[:4]) - 1) < 1e-6
        for name in cameras.NAMES:
            camera = cameras.camera(subject, name)
            np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(camera.rotation_y_up) == pytest.approx(1)
            # A point 1 m above the middle of the floor is in front of it, near the image's middle.
            x, y, z = camera.to_camera(np.array([0, 0, 1000.0]))
            assert 3000 < z < 7000
            assert abs(x / z) < 0.3
            assert abs(y / z) < 0.3
            # What is higher has the smaller y, and y of the camera is down.
            assert camera.to_camera(np.array([0, 0, 1100.0]))[1] < y


def test_the_world_of_the_records_has_y_up():
    camera = cameras.camera("S5", "58860488")
    up_in_file = camera.to_camera(np.array([100.0, 200.0, 1500.0]))
    up_in_record = camera.rotation_y_up @ [100.0, 1500.0, -200.0] + camera.translation
    np.testing.assert_allclose(up_in_record, up_in_file)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_record_of_a_camera_config_is_one_camera_of_a_take(tmp_path, save):
    files.write_videopose3d(tmp_path, save=save)
    records = records_of(tmp_path, tmp_path)
    assert texts(records["train"], "name", "subject", "action", "camera")[:5] == [
        ("S1/Directions 1/54138969", "S1", "Directions", "54138969"),
        ("S1/Directions 1/55011271", "S1", "Directions", "55011271"),
        ("S1/Directions 1/58860488", "S1", "Directions", "58860488"),
        ("S1/Directions 1/60457274", "S1", "Directions", "60457274"),
        ("S6/WalkDog/54138969", "S6", "WalkDog", "54138969"),
    ]
    # The first take of S11 that is called Directions is left out by everybody.
    assert {name for (name,) in texts(records["test"], "name")} == {
        f"{take}/{name}" for take in ("S9/Photo", "S11/Directions 1") for name in files.CAMERAS
    }
    assert {float(record["fps"]) for record in records["test"]} == {50}


def test_the_numbers_of_a_camera_config(tmp_path):
    files.write_videopose3d(tmp_path)
    record = records_of(tmp_path, tmp_path)["train"][0]
    three, two = files.videopose3d()
    world = three["positions_3d"]["S1"]["Directions 1"].astype(np.float64) * 1000
    assert record["joints_3d"].shape == (5, 17, 3)
    rotation = np.array(
        [
            [-0.9153617321513369, 0.40180836633680234, 0.02574754463350265],
            [0.051548117060134555, 0.1803735689384521, -0.9822464900705729],
            [-0.399319034032262, -0.8977836111057917, -0.185819527201491],
        ]
    )
    translation = [-346.05078140028075, 546.9807793144001, 5474.481087434061]
    for joint, of_32 in {
        0: 0,
        1: 1,
        3: 3,
        4: 6,
        6: 8,
        7: 12,
        10: 15,
        11: 17,
        14: 25,
        16: 27,
    }.items():
        expected = world[2, of_32] @ rotation.T + translation
        np.testing.assert_allclose(record["joints_3d"][2, joint], expected, atol=2e-3)
    x, y, z = world[1, 27]
    np.testing.assert_allclose(
        record["rotation"] @ [x, z, -y] + record["translation"],
        record["joints_3d"][1, 16],
        atol=5e-3,
    )
    np.testing.assert_array_equal(
        record["keypoints_2d"], two["positions_2d"]["S1"]["Directions 1"][0][:5]
    )
    assert (record["confidence"] == 1).all()
    assert record["mm_per_px"].shape == (0,)
    np.testing.assert_allclose(
        record["intrinsics"], [[1145.0494, 0, 512.5415], [0, 1143.7811, 515.4515], [0, 0, 1]]
    )
    assert record["image_size"].tolist() == [1000, 1002]


def test_a_file_without_the_neck_has_it_missing_between_its_neighbours(tmp_path):
    three, two = files.videopose3d()
    whole = copy.deepcopy(two["positions_2d"]["S1"]["Directions 1"][0][:5])
    for actions in two["positions_2d"].values():
        for action, views in actions.items():
            actions[action] = [np.delete(view, 9, axis=1) for view in views]
    two["metadata"] = {
        "num_joints": 16,
        "keypoints_symmetry": [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]],
    }
    files.write_videopose3d(tmp_path, (three, two), name="sh_ft_h36m")
    record = records_of(tmp_path, tmp_path)["train"][0]
    whole[:, 9] = (whole[:, 8] + whole[:, 10]) / 2
    np.testing.assert_allclose(record["keypoints_2d"], whole, rtol=1e-6)
    np.testing.assert_array_equal(record["confidence"], np.tile(np.arange(17) != 9, (5, 1)))


def broken(change):
    content = copy.deepcopy(files.videopose3d())
    change(*content)
    return content


def put(value, *keys):
    """Sets an entry of the 2D archive, or removes it."""

    def change(three, two):
        target = two if keys[0] in two else three
        for key in keys[:-1]:
            target = target[key]
        if value is None:
            del target[keys[-1]]
        else:
            target[keys[-1]] = value(target[keys[-1]]) if callable(value) else value

    return broken(change)


P3, P2 = ("positions_3d", "S1", "Directions 1"), ("positions_2d", "S1", "Directions 1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (put(None, "positions_3d"), "there is no 'positions_3d'; found nothing"),
        (put(None, "metadata"), "there is no 'metadata'; found positions_2d"),
        (put([1], "positions_3d"), "positions_3d: found a ndarray, expected a dict"),
        (put([1], "positions_3d", "S1"), "positions_3d, S1: found a list, expected a dict"),
        (put({"Walking": 1}, "positions_3d", "S3"), "unknown subject 'S3'"),
        (put(3, *P3), "Directions 1: found int, expected an array of numbers"),
        (put(lambda v: v[:, :17], *P3), "found shape (5, 17, 3), expected (frames, 32, 3)"),
        (put(lambda v: v[:0], *P3), "found shape (0, 32, 3), expected (frames, 32, 3)"),
        (put(lambda v: v * 1000, *P3), "expected a number from -20 to 20 m"),
        (put(lambda v: v / 1000, *P3), "m large; expected metres"),
        (put(lambda v: v + np.array([2, 4.9, 1]), *P3), "in front of the camera"),
        (put(lambda v: v * np.nan, *P3), "nan at index [0, 0, 0]"),
        (put(None, "positions_2d", "S9"), "S9: missing, though data_3d_h36m.npz has"),
        (put(None, *P2), "Directions 1: missing, though data_3d_h36m.npz has this act"),
        (put(lambda v: v[:3], *P2), "found 3, expected a list of 4 cameras"),
        (put(lambda v: None, *P2), "Directions 1: missing"),
        (put(np.zeros(()), *P2), "found ndarray, expected a list of 4 cameras"),
        (put(lambda v: [x[:, :16] for x in v], *P2), "found shape (7, 16, 2), expected (fra"),
        (put(lambda v: [x[:4] for x in v], *P2), "found 4 frames, expected at least the 5 of data"),
        (put(lambda v: [x * np.inf for x in v], *P2), "inf at index [0, 0, 0]"),
        (put(lambda v: [x / 1000 for x in v], *P2), "expected px, not normalised numbers"),
        (put(lambda v: [x.astype(bytes) for x in v], *P2), "expected an array of numbers"),
        (put("coco", "metadata"), "metadata: found a ndarray, expected a dict"),
        (put([[1, 3], [2, 4]], "metadata", "keypoints_symmetry"), "found the layout 'h36m'"),
        (put(7, "metadata", "keypoints_symmetry"), "is not that of Human3.6M"),
        (broken(lambda a, b: [a["positions_3d"].pop(s) for s in ("S9", "S11")]), "'test'"),
    ],
)  # fmt: skip
def test_wrong_archives_are_reported_with_file_and_key(tmp_path, content, message):
    files.write_videopose3d(tmp_path, content)
    paths = tmp_path / "data_3d_h36m.npz", tmp_path / "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    error = error_of(videopose3d.read, *paths)
    assert message in error
    assert any(str(path) in error for path in paths)


def test_the_configs_that_a_source_allows_for(tmp_path):
    for name in ("gt", "cpn_ft_h36m_dbb"):
        files.write_videopose3d(tmp_path, name=name)
    pickled = files.write_motionbert(tmp_path)
    assert list(choices(tmp_path)) == ["2.5d", "camera_cpn_ft_h36m_dbb", "camera_gt"]
    assert choices(pickled) == {"2.5d": (pickled,)}
    archive, positions = tmp_path / "data_2d_h36m_gt.npz", tmp_path / "data_3d_h36m.npz"
    assert choices(archive) == {"camera_gt": (positions, archive)}
    assert list(choices(positions)) == ["camera_cpn_ft_h36m_dbb", "camera_gt"]
    with pytest.raises(ValueError, match="choose one: --config=2.5d, --config=camera_cpn"):
        Builder(source=tmp_path, data_dir=tmp_path)
    assert Builder(source=tmp_path, data_dir=tmp_path, config="camera_gt").info.config_name
    positions.unlink()
    with pytest.raises(
        FileNotFoundError, match="no Human3.6M there; expected MotionBERT's h36m_sh"
    ):
        choices(archive)
    with pytest.raises(FileNotFoundError, match="nowhere: no Human3.6M there"):
        Builder(source=tmp_path / "nowhere", data_dir=tmp_path)
    with pytest.raises(ValueError, match="unknown config 'cpn'; expected '2.5d' or 'camera_NAME'"):
        Builder(source=tmp_path, data_dir=tmp_path, config="cpn")
    with pytest.raises(ValueError, match="give a source"):
        Builder(data_dir=tmp_path)


def test_a_config_that_the_source_does_not_have_is_refused(tmp_path, pickled):
    for source, message in ((pickled, "it has no 'camera_gt' but '2.5d'"), (None, "is no source")):
        builder = Builder(source=source, data_dir=tmp_path, config="camera_gt")
        with pytest.raises(FileNotFoundError, match=message):
            builder.download_and_prepare()


def test_2d_joints_of_any_name_have_a_config_of_that_name(tmp_path):
    files.write_videopose3d(tmp_path, name="my_detector")
    builder = Builder(source=tmp_path, data_dir=tmp_path)
    builder.download_and_prepare()
    assert (tmp_path / "human36m" / "camera_my_detector" / "1.0.0").exists()


def test_a_stopped_preparation_resumes_with_the_next_subject(tmp_path, pickled):
    made, record = [], motionbert._record

    def stopping(place, name, subject, data):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(subject)
        return record(place, name, subject, data)

    with mock.patch.object(motionbert, "_record", stopping):
        with pytest.raises(KeyboardInterrupt):
            Builder(source=pickled, data_dir=tmp_path).download_and_prepare()
        assert made == ["S1", "S1", "S7"]
        assert not (tmp_path / "human36m" / "2.5d" / "1.0.0").exists()
        made.clear()
        records = records_of(pickled, tmp_path)
    assert made == ["S9", "S11"]
    assert len(records["train"]) == 3
    assert [path.name for path in (tmp_path / "human36m" / "2.5d").iterdir()] == ["1.0.0"]


def test_a_failed_preparation_leaves_no_dataset(tmp_path):
    content = files.motionbert()
    content["test"]["joint_2d"][-1, 0, 0] = np.nan
    source = files.write_motionbert(tmp_path, content)
    for _ in range(2):
        with pytest.raises(ValueError, match="joint_2d: nan"):
            Builder(source=source, data_dir=tmp_path).download_and_prepare()
        assert not (tmp_path / "human36m" / "2.5d" / "1.0.0").exists()
    files.write_motionbert(tmp_path)
    assert len(records_of(source, tmp_path)["test"]) == 2
