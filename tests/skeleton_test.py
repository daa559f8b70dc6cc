import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from repose_jax.skeleton import (
    BLAZEPOSE33,
    COCO17,
    HALPE26,
    HUMAN36M,
    MAPS,
    MPI_INF_3DHP,
    MPII16,
    OPENPOSE_BODY25,
    OPENPOSE_BODY25B,
    OPENPOSE_COCO18,
    OPENPOSE_MPI15,
    SKELETONS,
    Skeleton,
    conversion_matrix,
    convert,
    convert_confidence,
    human36m_recipes,
)

PAIRS = [(SKELETONS[a], SKELETONS[b]) for a, b in MAPS]


def _points(skeleton: Skeleton, *batch: int, d: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(*batch, skeleton.size, d))


def _joint(skeleton: Skeleton, name: str) -> int:
    return skeleton.joints.index(name)


def test_human36m_is_the_order_of_the_protocol():
    assert HUMAN36M.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
    assert HUMAN36M.left == (4, 5, 6, 11, 12, 13)
    assert HUMAN36M.right == (1, 2, 3, 14, 15, 16)
    assert HUMAN36M.root == 0
    assert HUMAN36M.bones[:4] == ((0, 1), (1, 2), (2, 3), (0, 4))


def test_mpi_inf_3dhp_is_the_order_of_the_protocol():
    assert MPI_INF_3DHP.parents == (16, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1, 14, 1)
    assert MPI_INF_3DHP.left == (5, 6, 7, 11, 12, 13)
    assert MPI_INF_3DHP.right == (2, 3, 4, 8, 9, 10)
    assert MPI_INF_3DHP.root == 14


@pytest.mark.parametrize(
    ("skeleton", "size", "places"),
    [
        (COCO17, 17, {"nose": 0, "left_shoulder": 5, "right_hip": 12, "right_ankle": 16}),
        (HALPE26, 26, {"right_ankle": 16, "head_top": 17, "neck": 18, "pelvis": 19}),
        (OPENPOSE_BODY25, 25, {"neck": 1, "right_shoulder": 2, "pelvis": 8, "left_heel": 21}),
        (OPENPOSE_BODY25B, 25, {"left_eye": 1, "left_shoulder": 5, "neck": 17, "head_top": 18}),
        (OPENPOSE_COCO18, 18, {"neck": 1, "right_hip": 8, "left_hip": 11, "left_ear": 17}),
        (OPENPOSE_MPI15, 15, {"head_top": 0, "right_ankle": 10, "left_ankle": 13, "chest": 14}),
        (MPII16, 16, {"right_ankle": 0, "thorax": 7, "right_wrist": 10, "left_wrist": 15}),
        (BLAZEPOSE33, 33, {"right_ear": 8, "left_hip": 23, "right_foot_index": 32}),
    ],
)
def test_detector_formats_place_their_joints(skeleton, size, places):
    assert skeleton.size == size
    assert {name: _joint(skeleton, name) for name in places} == places


def test_these_are_the_skeletons_and_the_maps():
    detectors = {"coco17", "halpe26", "mpii16", "blazepose33"}
    detectors |= {f"openpose_{name}" for name in ("body25", "body25b", "coco18", "mpi15")}
    assert set(SKELETONS) == detectors | {"human36m", "mpi_inf_3dhp"}
    assert set(MAPS) == {(name, "human36m") for name in detectors} | {
        ("human36m", "mpi_inf_3dhp"),
        ("mpi_inf_3dhp", "human36m"),
    }


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
class TestEverySkeleton:
    def test_flip_is_an_involution(self, skeleton):
        flip = np.array(skeleton.flip)
        assert (flip[flip] == np.arange(skeleton.size)).all()
        assert (flip != np.arange(skeleton.size)).sum() == 2 * len(skeleton.left)

    def test_flip_exchanges_left_and_right_names(self, skeleton):
        for joint, mirrored in zip(skeleton.joints, skeleton.flip, strict=True):
            exchanged = joint.replace("left_", "R").replace("right_", "left_")
            assert skeleton.joints[mirrored] == exchanged.replace("R", "right_")

    def test_every_joint_but_a_tree_start_has_one_bone(self, skeleton):
        starts = [joint for joint, parent in enumerate(skeleton.parents) if parent < 0]
        children = [child for _, child in skeleton.bones]
        assert children == sorted(children)
        assert sorted(children + starts) == list(range(skeleton.size))
        assert len(starts) == 1

    def test_is_listed_under_its_name(self, skeleton):
        assert SKELETONS[skeleton.name] is skeleton
        assert skeleton.root == -1 or skeleton.joints[skeleton.root] == "pelvis"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parents": (1, 2, 0)}, "cycle"),
        ({"parents": (-1, 0)}, "2 parents for 3 joints"),
        ({"parents": (-1, 0, 3)}, r"must lie in \[-1, 3\)"),
        ({"parents": (-1, 0, 1)}, "no mirror image"),
        ({"joints": ("pelvis", "left_hip", "left_hip")}, "repeat"),
        ({"joints": ("pelvis", "left_hip", "right_knee")}, "mirror"),
        ({"left": (2,), "right": (1,)}, "left must list exactly"),
        ({"left": (1, 2)}, "left must list exactly"),
        ({"right": ()}, "right must list exactly"),
        ({"root": 1}, "root must be"),
        ({"root": 3}, "root must be"),
    ],
)
def test_contradicting_tables_are_refused(changes, message):
    good = Skeleton("small", ("pelvis", "left_hip", "right_hip"), (-1, 0, 0), (1,), (2,), 0)
    with pytest.raises(ValueError, match=f"'small'.*{message}"):
        dataclasses.replace(good, **changes)


@pytest.mark.parametrize(("source", "target"), PAIRS)
class TestEveryMap:
    def test_weights_sum_to_one(self, source, target):
        matrix = conversion_matrix(source, target)
        assert matrix.shape == (target.size, source.size)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)

    def test_covers_exactly_the_target_joints(self, source, target):
        assert set(MAPS[source.name, target.name]) == set(target.joints)

    def test_mirroring_before_is_mirroring_after(self, source, target):
        points = _points(source, 5)
        mirror = np.array([-1, 1])
        before = convert((points * mirror)[:, list(source.flip)], source, target)
        after = (convert(points, source, target) * mirror)[:, list(target.flip)]
        np.testing.assert_allclose(before, after, atol=1e-12)

    def test_moves_with_the_points(self, source, target):
        points, shift = _points(source, 5), np.array([300.0, -40.0])
        np.testing.assert_allclose(
            convert(points + shift, source, target), convert(points, source, target) + shift
        )

    def test_joints_of_the_limbs_are_unchanged(self, source, target):
        points = _points(source)
        converted = convert(points, source, target)
        for side in ("left", "right"):
            for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
                name = f"{side}_{part}"
                np.testing.assert_array_equal(
                    converted[_joint(target, name)], points[_joint(source, name)]
                )

    def test_any_leading_axes_and_dtype(self, source, target):
        points = _points(source, 2, 3, d=3).astype(np.float32)
        converted = convert(points, source, target)
        assert converted.dtype == np.float32
        assert converted.shape == (2, 3, target.size, 3)
        alone = convert(points[1, 2], source, target)
        np.testing.assert_allclose(converted[1, 2], alone, rtol=1e-6, atol=1e-6)


def test_human36m_to_mpi_inf_3dhp_is_the_permutation_of_the_benchmark_and_invertible():
    permutation = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
    points = _points(HUMAN36M, 4, d=3)
    mpi = convert(points, HUMAN36M, MPI_INF_3DHP)
    np.testing.assert_array_equal(mpi[:, permutation], points)
    np.testing.assert_array_equal(convert(mpi, MPI_INF_3DHP, HUMAN36M), points)


def test_halpe26_to_human36m_by_hand():
    points = _points(HALPE26)
    expected = points[[19, 12, 14, 16, 11, 13, 15, 19, 18, 0, 17, 5, 7, 9, 6, 8, 10]]
    expected[7] = (points[18] + points[19]) / 2
    np.testing.assert_allclose(convert(points, HALPE26, HUMAN36M), expected)


def test_coco17_to_human36m_by_hand():
    points = _points(COCO17)
    points[[5, 6]] = [[100, 200], [40, 200]]  # shoulders
    points[[11, 12]] = [[90, 400], [50, 400]]  # hips
    points[[3, 4]] = [[80, 100], [60, 100]]  # ears
    points[0] = [70, 110]  # nose
    converted = convert(points, COCO17, HUMAN36M)
    names = {"pelvis": 400, "spine": 300, "thorax": 200, "neck": 110, "head": 100 - 0.7 * 100}
    for name, y in names.items():
        np.testing.assert_allclose(converted[_joint(HUMAN36M, name)], [70, y])


def test_both_openpose_formats_agree_on_the_joints_they_share():
    places = {name: _points(COCO17)[i] for i, name in enumerate(COCO17.joints)}
    places["neck"] = (places["left_shoulder"] + places["right_shoulder"]) / 2
    places["pelvis"] = (places["left_hip"] + places["right_hip"]) / 2
    missing = np.zeros(2)
    first, second = (
        convert(np.array([places.get(j, missing) for j in s.joints]), s, HUMAN36M)
        for s in (OPENPOSE_BODY25, OPENPOSE_BODY25B)
    )
    shared = [j for j in range(17) if HUMAN36M.joints[j] != "head"]
    np.testing.assert_allclose(first[shared], second[shared], atol=1e-12)


def test_without_a_nose_the_neck_is_the_upper_neck_or_between_thorax_and_head():
    points = _points(MPII16)
    converted = convert(points, MPII16, HUMAN36M)
    np.testing.assert_array_equal(converted[[8, 9, 10]], points[[7, 8, 9]])
    points = _points(OPENPOSE_MPI15)
    converted = convert(points, OPENPOSE_MPI15, HUMAN36M)
    np.testing.assert_allclose(converted[9], (converted[8] + points[0]) / 2)


def test_the_rule_of_the_maps_knows_human36ms_own_joints():
    assert human36m_recipes(HUMAN36M.joints) == {j: ((j, 1.0),) for j in HUMAN36M.joints}


def test_joints_that_cannot_be_computed_have_no_recipe():
    recipes = human36m_recipes(("left_hip", "right_hip", "left_knee", "left_shoulder", "nose"))
    assert set(recipes) == {
        "left_hip", "right_hip", "left_knee", "left_shoulder", "pelvis", "neck",
    }  # fmt: skip


def test_a_missing_joint_invalidates_only_the_joints_computed_from_it():
    points = _points(COCO17)
    points[_joint(COCO17, "left_hip")] = np.nan
    invalid = np.isnan(convert(points, COCO17, HUMAN36M)).any(axis=-1)
    names = {HUMAN36M.joints[j] for j in np.flatnonzero(invalid)}
    assert names == {"left_hip", "pelvis", "spine"}


def test_confidence_is_the_least_of_the_joints_used():
    confidence = np.linspace(0.1, 0.9, 17)
    confidence[_joint(COCO17, "right_shoulder")] = 0
    converted = convert_confidence(np.stack([confidence] * 3), COCO17, HUMAN36M)
    assert converted.shape == (3, 17)
    of = dict(zip(HUMAN36M.joints, converted[0], strict=True))
    assert of["pelvis"] == confidence[11]
    assert of["left_wrist"] == confidence[9]
    for absent in ("right_shoulder", "thorax", "spine", "head"):
        assert of[absent] == 0
    assert of["neck"] == confidence[0]


def test_a_format_converts_to_itself():
    points = _points(COCO17, 3)
    np.testing.assert_array_equal(convert(points, COCO17, COCO17), points)


def test_the_error_for_a_missing_map_lists_the_maps():
    with pytest.raises(ValueError, match=r"from 'human36m' to 'coco17'.*coco17 -> human36m"):
        convert(_points(HUMAN36M), HUMAN36M, COCO17)


def test_another_number_of_joints_is_refused():
    with pytest.raises(ValueError, match="'halpe26' has 26 joints, but the array has 17"):
        convert(_points(COCO17), HALPE26, HUMAN36M)
    with pytest.raises(ValueError, match="'halpe26' has 26 joints, but the array has 17"):
        convert_confidence(np.ones((4, 17)), HALPE26, HUMAN36M)


def test_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        conversion_matrix(COCO17, HUMAN36M)[0, 0] = 1
    with pytest.raises(TypeError):
        SKELETONS["coco17"] = HUMAN36M  # pyright: ignore[reportIndexIssue]


def test_the_module_does_not_import_jax():
    code = "import sys, repose_jax.skeleton; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
