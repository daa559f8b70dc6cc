import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import arrays

from repose_jax.evaluation import metrics
from repose_jax.evaluation.metrics import METRICS, Score
from repose_jax.skeleton import HUMAN36M

# The golden poses have no unit; so many mm put their errors on both sides of the PCK threshold.
MM = 300

NAMES = (
    *("mpjpe", "pa_mpjpe", "ra_mpjpe", "n_mpjpe", "mpjve", "acceleration_error", "pck", "auc"),
    *("bone_variation", "spatial_depth_order", "temporal_depth_order"),
)
every_metric = pytest.mark.parametrize("name", NAMES)
evaluate = {name: jax.jit(metric) for name, metric in METRICS.items()}


@pytest.fixture(scope="module")
def golden():
    return arrays("losses")


@pytest.fixture(scope="module")
def prediction(golden):
    return jnp.array(MM * golden["pred"])


@pytest.fixture(scope="module")
def target(golden):
    return jnp.array(MM * golden["gt"])


@pytest.fixture(scope="module")
def mask():
    return jnp.array(np.random.default_rng(1).random((2, 27, 17)) < 0.7)


def at_distances(*distances):
    """Two joints over time whose errors, against the origin, are those given: [t, 2, 3]."""
    return jnp.array([[[d, 0, 0] for d in frame] for frame in distances], jnp.float32)


def bone_deviations(poses):
    """Standard deviation over time of each bone's length: [*b, 16]."""
    parents, children = np.array(HUMAN36M.bones).T
    lengths = np.linalg.norm(np.asarray(poses)[..., children, :] - poses[..., parents, :], axis=-1)
    return lengths.std(axis=-2, ddof=1)


def rotation(seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


# --- the numbers of the authors' code -----------------------------------------------------------


def test_mpjpe_of_each_frame_is_that_of_the_authors_code(golden, prediction, target):
    frames = evaluate["mpjpe"](prediction, target).mean(axis=-1)
    np.testing.assert_allclose(frames, MM * golden["mpjpe_per_frame"], rtol=1e-6)


def test_pa_mpjpe_of_each_frame_is_that_of_the_authors_code(golden, prediction, target):
    frames = evaluate["pa_mpjpe"](prediction, target).mean(axis=-1)
    np.testing.assert_allclose(frames, MM * golden["p_mpjpe_per_frame"], rtol=1e-5)


def test_n_mpjpe_is_that_of_the_authors_code(golden, prediction, target):
    value = evaluate["n_mpjpe"](prediction, target).mean()
    np.testing.assert_allclose(value, MM * golden["n_mpjpe"], rtol=1e-6)


def test_mpjve_is_the_velocity_error_of_the_authors_code(golden, prediction, target):
    value = evaluate["mpjve"](prediction, target).mean()
    np.testing.assert_allclose(value, MM * golden["loss_velocity"], rtol=1e-6)


# --- values by hand -----------------------------------------------------------------------------


def test_mpjpe_by_hand():
    target = jnp.zeros((1, 2, 3))
    score = evaluate["mpjpe"](jnp.array([[[30.0, 0, 40], [0, 0, 10]]]), target)
    np.testing.assert_allclose(score.total, [[50, 10]])
    np.testing.assert_allclose(score.mean(), 30)


def test_n_mpjpe_removes_the_scale_of_each_frame_but_no_rotation():
    target = jnp.array([[[1.0, 0, 0], [0, 2, 0]], [[0, 0, 3], [1, 1, 1]]])
    scaled = target * jnp.array([2.0, 0.1])[:, None, None]
    np.testing.assert_allclose(evaluate["n_mpjpe"](scaled, target).mean(), 0, atol=1e-6)
    turned = target[..., jnp.array([1, 2, 0])]
    assert evaluate["n_mpjpe"](turned, target).mean() > 0.5


def test_mpjve_belongs_to_the_later_frame():
    moving = at_distances((0, 0), (3, 0), (3, -5))
    score = evaluate["mpjve"](moving, jnp.zeros_like(moving))
    np.testing.assert_allclose(score.total, [[0, 0], [3, 0], [0, 5]])
    np.testing.assert_allclose(score.weight, [[0, 0], [1, 1], [1, 1]])
    np.testing.assert_allclose(score.mean(), 8 / 4)


def test_acceleration_belongs_to_the_middle_frame():
    moving = at_distances((0, 0), (1, 1), (4, 2), (9, 4))
    score = evaluate["acceleration_error"](moving, jnp.zeros_like(moving))
    np.testing.assert_allclose(score.total, [[0, 0], [2, 0], [2, 1], [0, 0]])
    np.testing.assert_allclose(score.weight, [[0, 0], [1, 1], [1, 1], [0, 0]])


def test_bone_variation_is_the_deviation_of_the_length_at_the_joint_that_ends_the_bone(target):
    parents = HUMAN36M.parents
    poses = np.cumsum(np.ones((3, 17, 3)), axis=1).astype(np.float32) * 100
    thigh, shin = HUMAN36M.joints.index("right_knee"), HUMAN36M.joints.index("right_ankle")
    lengths = np.array([400.0, 410.0, 420.0])
    poses[:, thigh] = poses[:, parents[thigh]] + lengths[:, None] * [0, 0.6, 0.8]
    poses[:, shin] = poses[:, thigh] + np.array([0, 300, 0])
    score = evaluate["bone_variation"](jnp.array(poses), jnp.zeros_like(poses))
    expected = np.zeros((3, 17))
    expected[:, thigh] = 10
    np.testing.assert_allclose(score.total, expected, atol=1e-3)
    np.testing.assert_array_equal(score.weight, np.tile([0] + 16 * [1], (3, 1)))
    found = evaluate["bone_variation"](target, 0 * target).mean(axis=-2)[..., 1:]
    np.testing.assert_allclose(found, bone_deviations(target), rtol=1e-4)


def test_bone_variation_takes_the_frames_with_both_ends(target):
    knee, ankle = HUMAN36M.joints.index("left_knee"), HUMAN36M.joints.index("left_ankle")
    mask = jnp.ones((2, 27, 17), bool).at[:, ::2, knee].set(False)
    score = evaluate["bone_variation"](target, target, mask)
    expected = bone_deviations(target[:, 1::2])[:, [knee - 1, ankle - 1]]
    for column, joint in enumerate((knee, ankle)):
        np.testing.assert_array_equal(score.weight[0, :, joint], np.arange(27) % 2)
        np.testing.assert_allclose(score.total[:, 1, joint], expected[:, column], rtol=1e-4)
    alone = evaluate["bone_variation"](target[:, :1], target[:, :1])
    assert jnp.isnan(alone.mean())


@pytest.mark.parametrize("frames", [1, 2])
def test_clips_too_short_for_a_derivative_have_none(frames):
    still = jnp.zeros((frames, 2, 3))
    score = evaluate["acceleration_error"](still, still)
    assert score.total.shape == score.weight.shape == (frames, 2)
    assert jnp.isnan(score.mean())
    assert evaluate["mpjve"](still, still).weight.sum() == 2 * (frames - 1)


def test_pck_is_strict():
    error = at_distances((149.99, 150.0), (0.0, 151.0))
    np.testing.assert_allclose(evaluate["pck"](error, jnp.zeros_like(error)).mean(), 50)
    near = metrics.pck(error, jnp.zeros_like(error), threshold=50)
    np.testing.assert_allclose(near.total, [[0, 0], [100, 0]])


def test_auc_counts_the_31_thresholds_strictly():
    error = at_distances((0.0, 4.9), (5.0, 7.0), (149.9, 150.0))
    score = evaluate["auc"](error, jnp.zeros_like(error))
    passed = np.array([[30, 30], [29, 29], [1, 0]])
    np.testing.assert_allclose(score.total, 100 * passed / 31, rtol=1e-6)


@pytest.mark.parametrize("name", ["spatial_depth_order", "temporal_depth_order"])
def test_depth_order_equals_the_pairs_counted_one_by_one(name, prediction, target, mask):
    # Coarse depths, so that many tie.
    prediction, target = jnp.round(prediction[:, :5] / 50), jnp.round(target[:, :5] / 50)
    mask = mask[:, :5]
    score = evaluate[name](prediction, target, mask)
    depth, truth, valid = (np.array(x) for x in (prediction[..., 2], target[..., 2], mask))
    total, weight = np.zeros(depth.shape), np.zeros(depth.shape)
    for index in np.ndindex(depth.shape):
        clip, frame, joint = index
        others = {
            "spatial_depth_order": [(clip, frame, k) for k in range(17)],
            "temporal_depth_order": [(clip, k, joint) for k in range(5)],
        }[name]
        for other in others:
            if valid[index] and valid[other] and truth[index] != truth[other]:
                weight[index] += 1
                right = np.sign(depth[index] - depth[other]) == np.sign(truth[index] - truth[other])
                total[index] += 100 * right
    assert 0 < total.sum() < 100 * weight.sum()
    np.testing.assert_array_equal(score.total, total)
    np.testing.assert_array_equal(score.weight, weight)


def test_a_predicted_tie_is_wrong_and_a_true_tie_does_not_count():
    truth, tied = jnp.zeros((1, 3, 3)).at[0, :, 2].set(jnp.array([1.0, 2, 2])), jnp.zeros((1, 3, 3))
    assert evaluate["spatial_depth_order"](tied, truth).mean() == 0
    assert evaluate["spatial_depth_order"](truth, truth).mean() == 100
    assert jnp.isnan(evaluate["spatial_depth_order"](truth, tied).mean())


def test_the_spatial_order_ignores_a_shift_of_a_frame_and_the_temporal_order_does_not(target):
    shift = 1000 * jnp.arange(27.0)[None, :, None]
    shifted = target.at[..., 2].add(shift)
    assert evaluate["spatial_depth_order"](shifted, target).mean() > 99.9  # rounding may tie
    assert evaluate["temporal_depth_order"](shifted, target).mean() < 60


def test_temporal_depth_order_counts_the_pairs_of_each_joint():
    poses = jax.ShapeDtypeStruct((2, 243, 17, 3), jnp.float32)
    memory = evaluate["temporal_depth_order"].lower(poses, poses).compile().memory_analysis()
    if memory is None:
        pytest.skip("this backend does not report memory")
    assert memory.temp_size_in_bytes < 2 * 17 * 243 * 243  # less than a byte for each pair


# --- Procrustes ---------------------------------------------------------------------------------


def test_pa_mpjpe_ignores_rotation_scale_and_translation(prediction, target):
    moved = 0.3 * prediction @ jnp.array(rotation(), jnp.float32) + jnp.array(
        [100.0, -200.0, 4000.0]
    ).reshape(1, 1, 1, 3)
    aligned, reference = (evaluate["pa_mpjpe"](x, target).total for x in (moved, prediction))
    np.testing.assert_allclose(aligned, reference, rtol=1e-3, atol=0.05)
    of_itself = evaluate["pa_mpjpe"](2 * target @ jnp.array(rotation(), jnp.float32), target)
    np.testing.assert_allclose(of_itself.total, 0, atol=1e-2)


@pytest.mark.parametrize("name", ["pa_mpjpe", "ra_mpjpe"])
def test_alignment_does_not_mend_a_mirror_image(name, target):
    mirrored = target.at[..., 0].multiply(-1)
    assert evaluate[name](mirrored, target).mean() > 10


def test_ra_mpjpe_ignores_the_rotation_of_each_frame_about_the_origin_alone(prediction, target):
    turned = prediction @ jnp.array(rotation(), jnp.float32)
    aligned, reference = (evaluate["ra_mpjpe"](x, target).total for x in (turned, prediction))
    np.testing.assert_allclose(aligned, reference, rtol=1e-3, atol=0.05)
    each = jnp.array([rotation(seed) for seed in range(27)], jnp.float32)
    of_itself = evaluate["ra_mpjpe"](target @ each, target)
    np.testing.assert_allclose(of_itself.total, 0, atol=1e-2)
    scaled = evaluate["ra_mpjpe"](1.5 * target, target).total
    np.testing.assert_allclose(scaled, 0.5 * jnp.linalg.norm(target, axis=-1), rtol=1e-3, atol=0.01)
    shift = jnp.array([300.0, 0, 0])
    assert evaluate["ra_mpjpe"](target + shift, target).mean() > 50


def test_ra_mpjpe_has_the_least_squares_of_all_rotations(prediction, target):
    def squares(poses):
        return np.sum((np.asarray(poses) - np.asarray(target)) ** 2, axis=(-1, -2))

    best = np.sum(np.square(evaluate["ra_mpjpe"](prediction, target).total), axis=-1)
    for seed in range(20):
        assert (best <= squares(prediction @ jnp.array(rotation(seed), jnp.float32)) + 1e-2).all()
    assert (best <= squares(prediction) + 1e-2).all()


POINT = np.tile([3.0, -5.0, 7.0], (17, 1))
LINE = np.arange(17.0)[:, None] * [1, 2, -1]
PLANE = np.stack([np.arange(17.0), np.arange(17.0) ** 2, np.zeros(17)], axis=-1)
POSE = np.random.default_rng(3).normal(size=(17, 3)) * 100
DEGENERATE = {"zero": 0 * POINT, "point": POINT, "line": LINE, "plane": PLANE, "pose": POSE}


@pytest.mark.parametrize("predicted", DEGENERATE)
@pytest.mark.parametrize("true", DEGENERATE)
def test_pa_mpjpe_is_the_least_squares_error_for_degenerate_poses(predicted, true):
    source, destination = DEGENERATE[predicted], DEGENERATE[true]
    score = evaluate["pa_mpjpe"](*(jnp.array(x, jnp.float32)[None] for x in (source, destination)))
    assert jnp.isfinite(score.total).all()
    # Never worse than to predict the centroid; the same shape aligns perfectly.
    spread = np.sum((destination - destination.mean(0)) ** 2)
    assert np.sum(np.array(score.total) ** 2) <= spread * (1 + 1e-4) + 1e-3
    if predicted == true:
        np.testing.assert_allclose(score.total, 0, atol=1e-3)
    if predicted in ("zero", "point"):
        distances = np.linalg.norm(destination - destination.mean(0), axis=-1)
        np.testing.assert_allclose(score.total[0], distances, rtol=1e-4, atol=1e-3)


def test_pa_mpjpe_aligns_by_the_unmasked_joints_only(prediction, target):
    hidden = jnp.zeros((2, 27, 17), bool).at[..., 5:9].set(True)
    wild = jnp.where(hidden[..., None], jnp.nan, prediction)
    score = evaluate["pa_mpjpe"](wild, target, ~hidden)
    shown = np.array([k for k in range(17) if not 5 <= k < 9])
    alone = evaluate["pa_mpjpe"](prediction[:, :, shown], target[:, :, shown])
    np.testing.assert_allclose(score.total[:, :, shown], alone.total, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(score.weight[:, :, 5:9], 0)


# --- all metrics --------------------------------------------------------------------------------


@every_metric
def test_a_perfect_prediction(name, target):
    best = {"pck": 100, "auc": 100 * 30 / 31, "spatial_depth_order": 100}
    best["temporal_depth_order"] = 100
    best["bone_variation"] = bone_deviations(target).mean()  # the truth's own
    value = evaluate[name](target, target).mean()
    np.testing.assert_allclose(value, best.get(name, 0), rtol=1e-6, atol=1e-3)


@every_metric
def test_scores_are_aligned_with_frames_and_joints(name, prediction, target):
    score = evaluate[name](prediction, target)
    assert score.total.shape == score.weight.shape == (2, 27, 17)
    assert score.total.dtype == score.weight.dtype == jnp.float32


@every_metric
def test_masked_elements_have_no_weight_and_any_value(name, prediction, target, mask):
    rubbish = (jnp.where(mask[..., None], x, jnp.nan) for x in (prediction, target))
    score = evaluate[name](*rubbish, mask)
    reference = evaluate[name](prediction, target, mask)
    jax.tree.map(np.testing.assert_array_equal, score, reference)
    np.testing.assert_array_equal(score.weight[~mask], 0)
    np.testing.assert_array_equal(score.total[~mask], 0)
    assert jnp.isfinite(score.mean())
    assert score.weight.sum() < evaluate[name](prediction, target).weight.sum()


@every_metric
def test_a_mask_of_all_true_is_the_same_as_none(name, prediction, target):
    masked = evaluate[name](prediction, target, jnp.ones((2, 27, 17), bool))
    unmasked = evaluate[name](prediction, target)
    np.testing.assert_allclose(masked.total, unmasked.total, rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(masked.weight, unmasked.weight)


@every_metric
def test_a_mask_of_all_false_leaves_no_number(name, prediction, target):
    assert jnp.isnan(evaluate[name](prediction, target, jnp.zeros((2, 27, 17), bool)).mean())


@every_metric
def test_breakdowns_add_up_to_the_number(name, prediction, target, mask):
    score = evaluate[name](prediction, target)
    clip = jnp.array([True, False])[:, None, None]
    for groups in ([clip, ~clip], [mask, ~mask]):
        parts = [float(score.mean(where=group)) for group in groups]
        weights = [float(score.weight.sum(where=group)) for group in groups]
        np.testing.assert_allclose(np.average(parts, weights=weights), score.mean(), rtol=1e-4)
        assert parts[0] != parts[1]
    joints = score.mean(axis=(0, 1))
    assert joints.shape == (17,)
    if name == "bone_variation":  # the root ends no bone
        joints = joints[1:]
    if name not in ("spatial_depth_order", "temporal_depth_order"):  # joints weigh the same
        np.testing.assert_allclose(joints.mean(), score.mean(), rtol=1e-5)


def test_velocity_needs_both_frames_and_acceleration_all_three(prediction, target):
    mask = jnp.ones((2, 27, 1), bool).at[:, 10].set(False)
    velocity = evaluate["mpjve"](prediction, target, mask).weight[0, :, 0]
    acceleration = evaluate["acceleration_error"](prediction, target, mask).weight[0, :, 0]
    assert [t for t in range(27) if velocity[t] == 0] == [0, 10, 11]
    assert [t for t in range(27) if acceleration[t] == 0] == [0, 9, 10, 11, 26]


def test_scores_of_numpy_arrays_work_alike():
    score = Score(np.array([[1.0, 5.0]]), np.array([[1.0, 1.0]]))
    assert score.mean() == 3
    assert score.mean(where=np.array([[False, True]])) == 5
    np.testing.assert_array_equal(score.mean(axis=0), [1, 5])
    assert np.isnan(score.mean(where=np.array([[False, False]])))


def test_scores_of_batches_join_as_trees(prediction, target):
    whole = evaluate["mpjpe"](prediction, target)
    halves = [evaluate["mpjpe"](prediction[k : k + 1], target[k : k + 1]) for k in range(2)]
    joined = jax.tree.map(lambda *x: np.concatenate(x), *halves)
    assert isinstance(joined, Score)
    np.testing.assert_allclose(joined.mean(), whole.mean(), rtol=1e-6)


def test_a_name_belongs_to_the_file_that_registers_it_first():
    with pytest.raises(ValueError, match="already a metric 'mpjpe'"):

        @metrics.metric("Mine")
        def mpjpe(prediction, target, valid):
            return prediction[..., 0], valid

    assert METRICS["mpjpe"] is metrics.mpjpe


def test_an_unknown_direction_or_kind_of_sequence_is_refused():
    for wrong in ({"better": "more"}, {"along": "frames"}):
        with pytest.raises(ValueError, match='better is "lower" or "higher"'):
            metrics.metric("Mine", **wrong)
