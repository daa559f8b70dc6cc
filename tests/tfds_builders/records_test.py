import numpy as np
import pytest

from tfds_builders.records import features, make_record

NAMES = (
    *("name", "subject", "action", "camera", "fps", "image_size", "keypoints_2d", "confidence"),
    *("joints_3d", "mm_per_px", "visibility", "valid", "activity"),
    *("intrinsics", "distortion", "rotation", "translation"),
)


def _fields(frames=4, **changes):
    rng = np.random.default_rng(0)
    fields = {
        "name": "02_01/view0",
        "camera": "view0",
        "fps": 30.0,
        "image_size": (1000, 1002),
        "keypoints_2d": rng.uniform(0, 1000, (frames, 17, 2)),
        "confidence": rng.uniform(0, 1, (frames, 17)),
        "joints_3d": rng.normal(0, 300, (frames, 17, 3)) + np.array([0, 0, 5000]),
        "visibility": rng.integers(-1, 2, (frames, 17)),
        "valid": rng.integers(0, 2, frames),
        "activity": rng.integers(0, 8, frames),
        "intrinsics": np.array([[1145.0, 0, 512], [0, 1145, 515], [0, 0, 1]]),
        "distortion": np.array([-0.2, 0.25, 0.001, 0.0, 0.0]),
        "rotation": np.eye(3),
        "translation": np.array([0.0, 0, 5000]),
    }
    return fields | changes


def _round_trip(record):
    schema = features()
    serialized = schema.serialize_example(record)
    return schema.deserialize_example_np(serialized)


def test_the_schema_has_its_features_in_order():
    assert tuple(features()) == NAMES
    assert tuple(make_record(**_fields())) == NAMES


@pytest.mark.parametrize("frames", [0, 1, 4])
def test_a_record_is_unchanged_by_the_round_trip_even_without_frames(frames):
    record = make_record(**_fields(frames, subject="02", action="wälk"))
    back = _round_trip(record)
    for name in NAMES:
        if isinstance(record[name], str):
            assert back[name].decode() == record[name]
        elif name == "fps":
            assert back[name] == 30
        else:
            assert back[name].dtype == record[name].dtype
            assert back[name].shape == record[name].shape
            np.testing.assert_array_equal(back[name], record[name])


def test_unknown_values_are_marked_and_stay_unknown():
    missing = dict.fromkeys(("visibility", "valid", "activity"))
    missing |= dict.fromkeys(("intrinsics", "distortion", "rotation", "translation"))
    back = _round_trip(make_record(**_fields(**missing, fps=float("nan"))))
    assert np.isnan(back["fps"])
    np.testing.assert_array_equal(back["valid"], np.ones(4))
    np.testing.assert_array_equal(back["activity"], np.zeros(4))
    assert back["subject"] == back["action"] == b""
    np.testing.assert_array_equal(back["visibility"], -1)
    shapes = {"intrinsics": (3, 3), "distortion": (5,), "rotation": (3, 3), "translation": (3,)}
    for name, shape in shapes.items():
        np.testing.assert_array_equal(back[name], np.full(shape, np.nan))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name"),
        ({"fps": 0.0}, "fps"),
        ({"image_size": (0, 100)}, "image_size"),
        ({"keypoints_2d": np.zeros((4, 16, 2))}, r"keypoints_2d.*\(4, 17, 2\).*\(4, 16, 2\)"),
        ({"confidence": np.zeros((5, 17))}, r"confidence.*4 frames"),
        ({"confidence": np.full((4, 17), 1.5)}, r"confidence.*about in \[0, 1\]"),
        ({"joints_3d": np.full((4, 17, 3), np.nan)}, r"joints_3d.*not finite.*\[0, 0, 0\]"),
        ({"joints_3d": -np.ones((4, 17, 3))}, "pelvis in frame 0"),
        ({"mm_per_px": np.zeros(4)}, "mm_per_px.*positive"),
        ({"mm_per_px": np.ones(3)}, r"mm_per_px.*\(4,\).*\(3,\)"),
        ({"visibility": np.full((4, 17), 2)}, "visibility"),
        ({"valid": np.full(4, 2)}, "valid"),
        ({"activity": np.full(4, -1)}, "activity"),
        ({"intrinsics": np.full((3, 3), np.inf)}, "intrinsics"),
        ({"distortion": np.zeros(4)}, "distortion"),
        ({"rotation": np.eye(4)}, "rotation"),
        ({"translation": np.zeros(2)}, "translation"),
    ],
)
def test_a_bad_record_is_refused_with_its_name_and_field(changes, message):
    with pytest.raises(ValueError, match=message):
        make_record(**_fields(**changes))
    if "name" not in changes:
        with pytest.raises(ValueError, match="02_01/view0"):
            make_record(**_fields(**changes))


def test_root_relative_joints_are_accepted_without_a_camera():
    joints = np.random.default_rng(0).normal(size=(4, 17, 3))
    record = make_record(**_fields(joints_3d=joints, intrinsics=None))
    assert (record["joints_3d"] < 0).any()


def test_labels_in_the_image_may_have_an_unknown_scale_and_any_depth():
    labels = np.random.default_rng(0).normal(size=(4, 17, 3))
    scale = np.array([4.5, np.nan, 4.6, np.nan])
    record = make_record(**_fields(joints_3d=labels, mm_per_px=scale))
    np.testing.assert_allclose(_round_trip(record)["mm_per_px"], scale)
    assert make_record(**_fields())["mm_per_px"].shape == (0,)
