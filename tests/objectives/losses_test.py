from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import arrays

from repose_jax.config import HINGE, LOGISTIC, RELATIONAL
from repose_jax.objectives import losses
from repose_jax.objectives.losses import LOSSES
from repose_jax.skeleton import HUMAN36M

AUTHORS = {
    "mpjpe": "loss_mpjpe",
    "n_mpjpe": "n_mpjpe",
    "velocity": "loss_velocity",
    "limb_length": "loss_limb_gt",
    "limb_variance": "loss_limb_var",
    "angle": "loss_angle",
    "angle_velocity": "loss_angle_velocity",
    "spatial_depth": "loss_spatial_rank",
    "temporal_depth": "loss_temporal_rank",
}
every_loss = pytest.mark.parametrize("name", LOSSES)
relational = pytest.mark.parametrize("name", RELATIONAL)
hinge = pytest.mark.parametrize("name", HINGE)

# Compiled once for all losses and tests.
SUM = {name: partial(LOSSES[name], reduction="sum") for name in RELATIONAL}
evaluate = {name: jax.jit(loss) for name, loss in LOSSES.items()}
evaluate_sum = {name: jax.jit(loss) for name, loss in SUM.items()}
everything = jax.jit(
    lambda *batch: {name: jax.value_and_grad(loss)(*batch) for name, loss in LOSSES.items()}
)


@pytest.fixture(scope="module")
def golden():
    return arrays("losses")


@pytest.fixture(scope="module")
def prediction(golden):
    return jnp.array(golden["pred"])


@pytest.fixture(scope="module")
def target(golden):
    return jnp.array(golden["gt"])


def in_time(*depths):
    """One joint whose depth over time is given: [t, 1, 3]."""
    return jnp.array([[[0.0, 0.0, depth]] for depth in depths])


def in_space(*depths):
    """One frame whose joints have the given depths: [1, j, 3]."""
    return jnp.array([[[0.0, 0.0, depth] for depth in depths]])


def on_a_line():
    """One frame [1, 17, 3] in which joint k lies at k on the first axis."""
    return jnp.zeros((1, 17, 3)).at[0, :, 0].set(jnp.arange(17.0))


@pytest.mark.parametrize("name", AUTHORS)
def test_value_and_gradient_are_those_of_the_authors_code(name, golden, prediction, target):
    value, gradient = everything(prediction, target)[name]
    np.testing.assert_allclose(value, golden[AUTHORS[name]], rtol=0, atol=1e-6)
    np.testing.assert_allclose(gradient, golden[f"grad/{AUTHORS[name]}"], rtol=0, atol=1e-6)


def test_the_errors_of_coordinates_are_means_over_all_of_them(prediction, target):
    error = np.asarray(prediction - target, float)
    assert evaluate["mse"](prediction, target) == pytest.approx((error**2).mean(), rel=1e-5)
    assert evaluate["mae"](prediction, target) == pytest.approx(np.abs(error).mean(), rel=1e-5)


@every_loss
def test_gradient_is_finite_at_the_target_and_for_degenerate_poses(name, target):
    collapsed = jnp.zeros_like(target)
    line = jnp.broadcast_to(on_a_line(), target.shape)
    for prediction in (target, collapsed, line):
        for truth in (target, collapsed):
            _, gradient = everything(prediction, truth)[name]
            assert jnp.isfinite(gradient).all()


@every_loss
def test_the_target_itself_costs_nothing(name, target):
    value, gradient = everything(target, target)[name]
    # These are of the prediction alone, or least where depths are further apart than they are.
    if name in ("limb_variance", "temporal_consistency", *LOGISTIC):
        assert value > 0
    else:
        np.testing.assert_allclose(value, 0, atol=1e-6)
    if name in ("mpjpe", "weighted_mpjpe", "velocity", "spatial_depth", "temporal_depth"):
        # The others go through rounded quantities, whose differences have a sign.
        np.testing.assert_array_equal(gradient, 0)


@every_loss
def test_a_mask_of_all_true_is_the_same_as_none(name, prediction, target):
    value, gradient = everything(prediction, target)[name]
    masked, masked_gradient = everything(prediction, target, jnp.ones((2, 27, 17), bool))[name]
    np.testing.assert_allclose(masked, value, rtol=1e-6)
    np.testing.assert_allclose(masked_gradient, gradient, rtol=1e-5, atol=1e-8)


@every_loss
def test_a_mask_of_all_false_gives_zero(name, prediction, target):
    value, gradient = everything(prediction, target, jnp.zeros((2, 27, 17), bool))[name]
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@every_loss
def test_masked_trailing_frames_are_as_if_cut_off_whatever_they_hold(name, prediction, target):
    mask = jnp.broadcast_to(jnp.arange(27)[None, :, None] < 4, (2, 27, 17))
    rubbish = (jnp.where(mask[..., None], x, jnp.nan) for x in (prediction, target))
    value, gradient = everything(*rubbish, mask)[name]
    cut, cut_gradient = everything(prediction[:, :4], target[:, :4])[name]
    np.testing.assert_allclose(value, cut, rtol=1e-6)
    np.testing.assert_allclose(gradient[:, :4], cut_gradient, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(gradient[:, 4:], 0)


@every_loss
def test_nan_propagates_to_the_loss(name, prediction, target):
    broken = prediction.at[0, 2, 3].set(jnp.nan)
    assert jnp.isnan(everything(broken, target)[name][0])


@every_loss
def test_a_masked_joint_has_no_influence(name, prediction, target):
    elbow = HUMAN36M.joints.index("left_elbow")
    mask = jnp.ones((2, 27, 17), bool).at[:, :, elbow].set(False)
    moved = prediction.at[:, ::2, elbow].add(5)
    value, _ = everything(prediction, target, mask)[name]
    assert everything(moved, target, mask)[name][0] == value
    assert everything(moved, target)[name][0] != value


@every_loss
def test_a_batch_of_clips_costs_their_mean_under_any_leading_axes(name, prediction, target):
    batched = evaluate[name](prediction[None], target[None])
    alone = [evaluate[name](*clip) for clip in zip(prediction, target, strict=True)]
    np.testing.assert_allclose(np.mean(alone), batched, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "reduction"), [*((name, "mean") for name in LOSSES), *((name, "sum") for name in SUM)]
)
def test_the_loss_of_a_batch_is_that_of_its_parts_weighted_by_their_counts(
    name, reduction, prediction, target
):
    mask = jax.random.bernoulli(jax.random.key(0), 0.8, prediction.shape[:-1])
    mask = mask.at[0, 3:].set(False)  # much less counts in the first clip
    loss = evaluate[name] if reduction == "mean" else evaluate_sum[name]
    clips = [slice(clip, clip + 1) for clip in range(len(mask))]
    counts = np.array([LOSSES[name].count(target[clip], mask[clip], reduction) for clip in clips])
    parts = np.array([loss(prediction[clip], target[clip], mask[clip]) for clip in clips])
    assert len(clips) > 1
    np.testing.assert_allclose(counts.sum(), LOSSES[name].count(target, mask, reduction))
    expected = float(loss(prediction, target, mask))
    np.testing.assert_allclose((counts * parts).sum() / counts.sum(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["mpjpe", "spatial_depth", "temporal_depth"])
def test_a_mask_of_frames_stands_for_all_their_joints(name, prediction, target):
    frames = (jnp.arange(27) % 3 > 0)[None, :, None] & jnp.ones((2, 1, 1), bool)
    joints = jnp.broadcast_to(frames, (2, 27, 17))
    masked = evaluate[name](prediction, target, frames)
    np.testing.assert_allclose(masked, evaluate[name](prediction, target, joints), rtol=1e-6)
    assert abs(masked - evaluate[name](prediction, target)) > 1e-5


@pytest.mark.parametrize("name", ["mpjpe", "spatial_depth"])
def test_half_precision_poses_are_compared_in_single_precision(name, prediction, target):
    half = prediction.astype(jnp.bfloat16), target.astype(jnp.bfloat16)
    value = evaluate[name](*half)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(
        value, evaluate[name](*(x.astype(jnp.float32) for x in half)), rtol=1e-6
    )


def test_relational_losses_by_hand():
    # True order 0 < 1 < 2; predicted 5, 3, 4: (0, 1) costs 2, (0, 2) costs 1, (1, 2) nothing.
    truth, predicted = (0.0, 1.0, 2.0), (5.0, 3.0, 4.0)
    frame, joint = (in_space(*predicted), in_space(*truth)), (in_time(*predicted), in_time(*truth))
    np.testing.assert_allclose(evaluate["spatial_depth"](*frame), 3 / 9)
    np.testing.assert_allclose(evaluate["temporal_depth"](*joint), 3 / 9)
    np.testing.assert_allclose(evaluate_sum["spatial_depth"](*frame), 3)
    np.testing.assert_allclose(evaluate_sum["temporal_depth"](*joint), 3)
    # A single joint has no order in its frame, a single frame none over time.
    assert evaluate["temporal_depth"](*frame) == 0
    assert evaluate["spatial_depth"](*joint) == 0


def test_the_gradient_of_a_relational_loss_counts_violated_pairs():
    gradient = jax.jit(jax.grad(SUM["spatial_depth"]))
    depths = gradient(in_space(5.0, 3.0, 4.0), in_space(0.0, 1.0, 2.0))[0, :, 2]
    np.testing.assert_array_equal(depths, [2, -1, -1])


def test_true_ties_cost_nothing():
    tied, apart = (1.0, 1.0, 1.0), (3.0, -7.0, 2.0)
    assert evaluate["spatial_depth"](in_space(*apart), in_space(*tied)) == 0
    assert evaluate["temporal_depth"](in_time(*apart), in_time(*tied)) == 0


@hinge
def test_pairs_count_only_if_both_members_do(name):
    arrange = {"spatial_depth": in_space, "temporal_depth": in_time}[name]
    poses = arrange(5.0, 3.0, 4.0), arrange(0.0, 1.0, 2.0)
    mask = arrange(1.0, 1.0, 0.0)[..., 2] > 0
    np.testing.assert_allclose(evaluate[name](*poses, mask), 2 / 4)
    np.testing.assert_allclose(evaluate_sum[name](*poses, mask), 2)


@pytest.mark.parametrize("name", [*HINGE, *LOGISTIC])
def test_only_the_depth_is_read_and_only_the_order_of_the_target(name, prediction, target):
    reference = evaluate[name](prediction, target)
    sideways = prediction.at[..., :2].add(100)
    bent = jnp.where(target > 0, 3 * target + 1, target)
    assert evaluate[name](sideways, target) == reference
    assert evaluate[name](prediction, bent) == reference


def test_only_temporal_depth_sees_the_body_move_as_a_whole():
    frozen = jnp.tile(in_space(0.0, 0.5, -0.25), (2, 1, 1))
    approaching = frozen.at[1, :, 2].add(-1)
    retreating = frozen.at[1, :, 2].add(1)
    assert evaluate["spatial_depth"](retreating, approaching) == 0
    # In camera space each joint comes nearer by 1 but is predicted to go away by 1: one pair of 4.
    np.testing.assert_allclose(evaluate["temporal_depth"](retreating, approaching), 1 / 4)
    # Relative to the root of each frame the same truth is a frozen pose, which ties with itself.
    assert evaluate["temporal_depth"](retreating, frozen) == 0


@relational
def test_the_sum_is_over_the_pairs_of_a_clip(name, prediction, target):
    pairs = 27 * 17 * 17 if name.startswith("spatial") else 17 * 27 * 27
    mean = evaluate[name](prediction, target)
    total = evaluate_sum[name](prediction, target)
    np.testing.assert_allclose(total, pairs * mean, rtol=1e-5)


@relational
def test_an_unknown_reduction_is_refused(name, prediction, target):
    with pytest.raises(ValueError, match='"mean" or "sum", found \'max\''):
        LOSSES[name](prediction, target, reduction="max")


@relational
def test_nothing_of_the_size_of_the_pairs_is_stored(name):
    poses = jax.ShapeDtypeStruct((32, 243, 17, 3), jnp.float32)
    memory = jax.jit(jax.value_and_grad(LOSSES[name])).lower(poses, poses).compile()
    memory = memory.memory_analysis()
    if memory is None:
        pytest.skip("this backend does not report memory")
    assert memory.temp_size_in_bytes < 10e6


@pytest.mark.parametrize("name", LOGISTIC)
def test_logistic_losses_by_hand(name):
    # True order 0 < 1 < 2, predicted 5, 3, 4 with tau 2: of the pairs (0, 1), (0, 2) and (1, 2)
    # the predicted differences over tau are 1, 0.5 and -0.5. The third element may be masked.
    arrange = {"spatial_order": in_space, "temporal_order": in_time}[name]
    poses = arrange(5.0, 3.0, 4.0), arrange(0.0, 1.0, 2.0)
    costs = 2 * np.log1p(np.exp([1, 0.5, -0.5]))
    mean = partial(LOSSES[name], tau=2.0)
    np.testing.assert_allclose(mean(*poses), costs.sum() / 9, rtol=1e-6)
    np.testing.assert_allclose(mean(*poses, reduction="sum"), costs.sum(), rtol=1e-6)
    mask = arrange(1.0, 1.0, 0.0)[..., 2] > 0
    np.testing.assert_allclose(mean(*poses, mask), costs[0] / 4, rtol=1e-6)
    tied = arrange(1.0, 1.0, 1.0)
    assert LOSSES[name](poses[0], tied) == 0
    np.testing.assert_allclose(evaluate[name](*poses), LOSSES[name](*poses, tau=0.05), rtol=1e-6)


@pytest.mark.parametrize("nearer", [1, 3, 5, 8])
def test_an_uncertain_pair_costs_least_at_tau_times_its_log_odds_or_at_a_tie(nearer):
    # Of ten frames the first joint is nearer in some; the prediction knows no better than one gap.
    first = jnp.arange(10) < nearer
    target = jnp.zeros((10, 2, 3)).at[:, 1, 2].set(jnp.where(first, 0.2, -0.2))
    gaps = jnp.linspace(-0.3, 0.3, 6001)

    def best(name):
        def cost(gap):
            return LOSSES[name](jnp.zeros((10, 2, 3)).at[:, 1, 2].set(gap), target)

        return gaps[jnp.argmin(jax.lax.map(cost, gaps))]

    p = nearer / 10
    np.testing.assert_allclose(best("spatial_order"), 0.05 * np.log(p / (1 - p)), atol=3e-4)
    np.testing.assert_allclose(best("spatial_depth"), 0, atol=1e-4)


@hinge
def test_a_margin_wants_a_right_order_to_be_wide(name):
    arrange = {"spatial_depth": in_space, "temporal_depth": in_time}[name]
    poses = arrange(0.0, 0.25, 3.0), arrange(0.0, 1.0, 2.0)
    assert LOSSES[name](*poses) == 0
    # Of gaps of 1, 2 and 1 those of 0.25, 3 and 2.75 are predicted: the first is short.
    np.testing.assert_allclose(LOSSES[name](*poses, margin=0.5), 0.25 / 9, rtol=1e-6)
    np.testing.assert_allclose(LOSSES[name](*poses, margin=10.0), 0.75 / 9, rtol=1e-6)


@pytest.mark.parametrize("name", ["spatial_difference", "temporal_difference"])
def test_differences_of_depth_by_hand(name):
    arrange = {"spatial_difference": in_space, "temporal_difference": in_time}[name]
    poses = arrange(0.0, 0.25, 3.0), arrange(0.0, 1.0, 2.0)
    np.testing.assert_allclose(LOSSES[name](*poses), (0.75 + 1 + 1.75) / 9, rtol=1e-6)


@relational
def test_pairs_are_those_of_occluded_joints_and_of_gaps_that_are_large_enough(name):
    arrange = in_space if name.startswith("spatial") else in_time
    truth = arrange(0.0, 1.0, 5.0)
    poses = arrange(3.0, 0.5, 1.0), truth
    axis = -2 if arrange is in_space else -3
    first, second, third = (
        float(LOSSES[name](*(jnp.take(p, jnp.array(pair), axis) for p in poses), reduction="sum"))
        for pair in ((0, 1), (0, 2), (1, 2))
    )
    total = LOSSES[name](*poses, reduction="sum")
    np.testing.assert_allclose(total, first + second + third, rtol=1e-6)
    occluded = arrange(1.0, 0.0, 0.0)[..., 2] > 0
    of_first = LOSSES[name](*poses, reduction="sum", occluded=occluded)
    np.testing.assert_allclose(of_first, first + second, rtol=1e-6)
    far = LOSSES[name](*poses, reduction="sum", closest=1.0)
    np.testing.assert_allclose(far, second + third, rtol=1e-6)
    ordered = LOSSES[name](*poses, ordered=True, occluded=occluded, closest=1.0)
    np.testing.assert_allclose(ordered, second, rtol=1e-6)
    assert LOSSES[name].count(truth, occluded | True, ordered=True) == 3
    assert LOSSES[name].count(truth, occluded | True) == 9


@pytest.mark.parametrize("name", LOGISTIC)
def test_the_temperature_may_differ_by_joint(name, prediction, target):
    by_joint = LOSSES[name](prediction, target, tau_by_joint=True)
    assert not np.isclose(by_joint, LOSSES[name](prediction, target))
    root = HUMAN36M.root
    assert losses.DEPTH_SPREAD[root] == min(losses.DEPTH_SPREAD)
    if name == "temporal_order":  # a joint is in no pair with another
        mask = jnp.zeros(target.shape[:-1], bool).at[..., 3].set(True)
        expected = LOSSES[name](prediction, target, mask, tau=0.05 * losses.DEPTH_SPREAD[3])
        alone = LOSSES[name](prediction, target, mask, tau_by_joint=True)
        np.testing.assert_allclose(alone, expected, rtol=1e-5)


def test_distances_by_hand():
    target = jnp.array([[[3.0, 0, 4]], [[6, 0, 8]]])  # 5 and 10 from the origin
    origin = jnp.zeros_like(target)
    np.testing.assert_allclose(evaluate["mpjpe"](origin, target), 7.5)
    np.testing.assert_allclose(evaluate["n_mpjpe"](origin, target), 7.5)
    np.testing.assert_allclose(evaluate["n_mpjpe"](0.25 * target, target), 0, atol=1e-6)
    np.testing.assert_allclose(evaluate["velocity"](origin, target), 5)
    assert evaluate["velocity"](origin[:1], target[:1]) == 0  # one frame has no velocity


def test_joints_weigh_more_the_further_out_they_are():
    assert dict(zip(HUMAN36M.joints, losses.JOINT_WEIGHTS, strict=True)) == {
        "pelvis": 1,
        **dict.fromkeys(("right_hip", "left_hip", "spine", "thorax", "neck"), 1),
        **dict.fromkeys(("right_knee", "right_ankle", "left_knee", "left_ankle"), 2.5),
        **dict.fromkeys(("head", "left_shoulder", "right_shoulder"), 1.5),
        **dict.fromkeys(("left_elbow", "left_wrist", "right_elbow", "right_wrist"), 4),
    }


def test_the_error_of_occluded_joints_is_the_mean_over_them():
    prediction, target = jnp.arange(6.0).reshape(1, 1, 2, 3), jnp.zeros((1, 1, 2, 3))
    occluded, mask = jnp.array([[[False, True]]]), jnp.array([[[True, False]]])
    assert losses.occluded_mpjpe(prediction, target) == losses.mpjpe(prediction, target)
    of_second = losses.occluded_mpjpe(prediction, target, occluded=occluded)
    np.testing.assert_allclose(of_second, np.sqrt(9 + 16 + 25), rtol=1e-6)
    assert losses.occluded_mpjpe(prediction, target, mask, occluded=occluded) == 0


def test_the_depths_of_occluded_joints_need_not_be_known():
    target = jnp.zeros((1, 2, 17, 3)).at[0, 1, 3, 2].set(jnp.nan)
    occluded = jnp.isnan(target[..., 2])
    prediction = jnp.zeros_like(target).at[0, 1, 3].set(jnp.array([3.0, 4.0, 12.0]))
    prediction = prediction.at[0, 1, 5, 2].set(34.0)
    known = jnp.nan_to_num(target)

    def cost(prediction, target=target, **options):
        return losses.mpjpe_of_visible_depth(prediction, target, **options)

    assert cost(prediction, known) == losses.mpjpe(prediction, known)
    np.testing.assert_allclose(cost(prediction, occluded=occluded), (5 + 34) / 34, rtol=1e-6)
    gradient = jax.grad(lambda x: cost(x, occluded=occluded))(prediction)
    np.testing.assert_allclose(gradient[0, 1, 3] * 34, [0.6, 0.8, 0], rtol=1e-6)


def test_weighted_mpjpe_by_hand():
    target = jnp.zeros((2, 17, 3))
    # The left wrist is 5 off in one of two frames: 4 * 5 over 2 * 17 joints.
    wrist = target.at[1, HUMAN36M.joints.index("left_wrist")].set([3.0, 0.0, 4.0])
    np.testing.assert_allclose(losses.weighted_mpjpe(wrist, target), 20 / 34, rtol=1e-6)
    everywhere = target.at[..., 1].set(1.0)
    np.testing.assert_allclose(losses.weighted_mpjpe(everywhere, target), 36.5 / 17, rtol=1e-6)


def test_temporal_consistency_by_hand():
    prediction = jnp.zeros((3, 17, 3))
    # A knee moves by (1, 0, 2) and stays there: 2.5 * 5 over 2 * 17 displacements of 3 coordinates.
    prediction = prediction.at[1:, HUMAN36M.joints.index("right_knee")].set([1.0, 0.0, 2.0])
    for target in (prediction, prediction + 7):
        value = losses.temporal_consistency(prediction, target)
        np.testing.assert_allclose(value, 12.5 / (2 * 17 * 3), rtol=1e-6)


def test_limb_losses_by_hand():
    lengths = np.array([child - parent for parent, child in HUMAN36M.bones])
    pose = on_a_line()
    growing = jnp.concatenate([pose, 2 * pose, 3 * pose])
    # Errors of 0, 1 and 2 lengths; squared deviations 1 + 0 + 1 over 3 - 1.
    still = jnp.concatenate([pose] * 3)
    np.testing.assert_allclose(evaluate["limb_length"](growing, still), lengths.mean(), rtol=1e-6)
    np.testing.assert_allclose(
        evaluate["limb_variance"](growing, still), (lengths**2).mean(), rtol=1e-6
    )
    assert evaluate["limb_variance"](pose, pose) == 0  # one frame has no variance


def test_angles_by_hand():
    # A straight body bends the right knee by 90 degrees: one of 18 angles changes.
    straight = on_a_line()
    bent = straight.at[0, HUMAN36M.joints.index("right_ankle")].set(jnp.array([2.0, 1, 0]))
    moving, still = jnp.concatenate([straight, bent, straight]), jnp.concatenate([straight] * 3)
    np.testing.assert_allclose(evaluate["angle"](moving, still), np.pi / 2 / 18 / 3, rtol=1e-6)
    np.testing.assert_allclose(evaluate["angle_velocity"](moving, still), np.pi / 2 / 18, rtol=1e-6)


def test_angles_of_almost_parallel_bones_are_exact():
    knee, ankle = HUMAN36M.joints.index("right_knee"), HUMAN36M.joints.index("right_ankle")
    straight = on_a_line()
    bent = straight.at[0, ankle, 1].set(1e-5)
    value, gradient = jax.jit(jax.value_and_grad(losses.angle))(bent, straight)
    np.testing.assert_allclose(value, 1e-5 / 18, rtol=1e-5)
    # The angle is 2 y_knee - y_ankle for bones of length 1, and 1/18 of the mean.
    np.testing.assert_allclose(gradient[0, ankle], [0, 1 / 18, 0], atol=1e-6)
    np.testing.assert_allclose(gradient[0, knee], [0, -2 / 18, 0], atol=1e-6)


def test_the_bones_and_angles_are_those_of_the_field():
    def bend(first, second):
        return {losses.BONES[first][1], losses.BONES[second][1]}

    joint = HUMAN36M.joints.index
    bends = [bend(*pair) for pair in losses.ANGLES]
    assert len(losses.BONES) == 16
    assert len(bends) == 18
    assert {joint("neck"), joint("right_shoulder")} in bends
    assert {joint("neck"), joint("left_shoulder")} not in bends


def test_a_name_belongs_to_the_file_that_registers_it_first():
    with pytest.raises(ValueError, match="already a loss 'mpjpe'"):

        @losses.loss
        def mpjpe(prediction, target, valid):
            return prediction[..., 0], valid

    assert LOSSES["mpjpe"] is losses.mpjpe
