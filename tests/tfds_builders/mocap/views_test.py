import numpy as np
import pytest

from tests.tfds_builders.mocap.person import standing, walking
from tfds_builders.mocap.body import bone_lengths
from tfds_builders.mocap.cameras import project
from tfds_builders.mocap.detector import PERFECT
from tfds_builders.mocap.take import Take
from tfds_builders.mocap.views import views_of

TAKE = Take("02_01", "02", "walk", 120.0, walking(121, 120))


def _views(take=TAKE, **changes):
    settings = {"dataset": "test", "fps": 30.0, "views": 4, "seed": 0, "train": True} | changes
    return {record["name"]: record for record in views_of(take, **settings)}


def _same(first, second):
    return all(np.array_equal(first[key], second[key]) for key in first)


def test_each_view_of_a_take_becomes_a_record():
    records = _views()
    assert list(records) == ["02_01/view0", "02_01/view1", "02_01/view2", "02_01/view3"]
    for view, (name, record) in enumerate(records.items()):
        assert record["name"] == name
        assert record["camera"] == f"view{view}"
        assert (record["subject"], record["action"]) == ("02", "walk")
        assert record["fps"] == 30
        assert len(record["keypoints_2d"]) == 31


@pytest.mark.parametrize("train", [True, False])
def test_without_a_detectors_errors_keypoints_are_the_projected_joints(train):
    for record in _views(train=train, detector=PERFECT).values():
        pixels = project(record["intrinsics"], record["joints_3d"])
        np.testing.assert_allclose(record["keypoints_2d"], pixels, atol=1e-3)
        np.testing.assert_array_equal(record["confidence"], 1)


def test_with_them_keypoints_are_near_the_projected_joints():
    for record in _views().values():
        pixels = project(record["intrinsics"], record["joints_3d"])
        error = np.linalg.norm(record["keypoints_2d"] - pixels, axis=-1)
        assert 1 < np.median(error) < 10


def test_the_camera_of_a_record_takes_the_recorded_world_to_its_joints():
    for record in _views(train=False).values():
        world = 1000 * walking(31, 30)
        joints = world @ record["rotation"].T + record["translation"]
        np.testing.assert_allclose(record["joints_3d"], joints, atol=3)  # less a little smoothing
        camera_up = -record["rotation"][1]
        assert camera_up @ [0, 1, 0] > 0.9


def test_people_are_upright_and_as_a_camera_sees_them():
    for record in _views().values():
        assert (record["joints_3d"][..., 2] > 1500).all()
        assert (record["joints_3d"][:, 10, 1] < record["joints_3d"][:, [3, 6], 1].min(axis=1)).all()
        assert set(np.unique(record["visibility"])) <= {0, 1}
        assert record["visibility"].mean() > 0.5


def test_only_training_views_have_sampled_bodies():
    own = 1000 * bone_lengths(standing()[None])[0]
    for record in _views(train=False).values():
        np.testing.assert_allclose(bone_lengths(record["joints_3d"]).mean(axis=0), own, atol=2)
    drawn = np.stack([bone_lengths(r["joints_3d"]).mean(axis=0) for r in _views().values()])
    assert (np.ptp(drawn[:, 1:], axis=0) > 1).all()


def test_the_records_depend_on_the_seed():
    for name, record in _views().items():
        assert _same(record, _views()[name])
        for change in ({"seed": 1}, {"dataset": "other"}):
            other = _views(**change)[name]
            assert not np.allclose(other["translation"], record["translation"])
            assert not np.allclose(other["keypoints_2d"], record["keypoints_2d"])


def test_takes_and_views_are_sampled_independently():
    other = _views(Take("02_02", "02", "walk", 120.0, TAKE.joints))
    focal = [record["intrinsics"][0, 0] for record in [*_views().values(), *other.values()]]
    assert len(set(focal)) == 8
