import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_data
from flax import nnx

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import predict, report
from repose_jax.evaluation import score as scoring
from repose_jax.evaluation import tally as evaluate
from repose_jax.evaluation.metrics import METRICS
from repose_jax.models.lifter import Lifter
from repose_jax.runtime import devices
from repose_jax.skeleton import HUMAN36M

FRAMES = 9
MOTION = small_data.sequences((23, 9, 30, 5, 17))
RELATIVE = MOTION.joints_3d - MOTION.joints_3d[:, HUMAN36M.root, None]  # mm
MESH = devices.data_mesh()


def with_answers() -> clips_lib.Clips:
    """Test clips whose inputs are their targets, so that a predictor can be off as it likes."""
    clips = clips_lib.make(MOTION, frames=FRAMES, stride=FRAMES)
    return dataclasses.replace(clips, inputs=(RELATIVE / 1000).astype(np.float32))


CLIPS = with_answers()


def with_sequences(**changes) -> clips_lib.Clips:
    """The test clips of sequences of which something is changed."""
    return dataclasses.replace(CLIPS, sequences=dataclasses.replace(MOTION, **changes))


def does(action):
    return lambda group: group.action == action


def score(predictor, clips=CLIPS, batch_size=8, **options) -> evaluate.Tally:
    return scoring.evaluate(predictor, clips, batch_size=batch_size, mesh=MESH, **options)


def stretched(inputs):
    """Every joint a tenth too far from the root: the error is a tenth of its distance."""
    return inputs * 1.1


@pytest.fixture(scope="module")
def tally() -> evaluate.Tally:
    return score(stretched)


def test_a_known_error_is_found():
    def fifty_mm_off(inputs):
        offset = jnp.where(jnp.arange(17)[:, None] == HUMAN36M.root, 0, jnp.array([0.03, 0, -0.04]))
        return inputs + offset

    tally = score(fifty_mm_off)
    np.testing.assert_allclose(tally.mean("mpjpe"), 50 * 16 / 17, rtol=1e-4)
    np.testing.assert_allclose(tally.mean("mpjpe", joint=3), 50, rtol=1e-4)
    np.testing.assert_allclose(tally.mean("mpjpe", joint=HUMAN36M.root), 0, atol=1e-4)
    np.testing.assert_allclose(tally.mean("pck"), 100)
    np.testing.assert_allclose(tally.mean("mpjve"), 0, atol=1e-3)


def test_where_the_root_is_predicted_does_not_matter(tally):
    moved = score(lambda inputs: stretched(inputs) + jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(moved.mean("mpjpe"), tally.mean("mpjpe"), rtol=1e-5)


def test_every_frame_counts_once_whatever_clips_and_batches_cover_it(tally):
    error = 0.1 * np.linalg.norm(RELATIVE, axis=-1)
    assert tally.weights["mpjpe"].sum() == error.size
    np.testing.assert_allclose(tally.mean("mpjpe"), error.mean(), rtol=1e-5)
    np.testing.assert_allclose(tally.mean("pck"), 100 * (error < 150).mean(), rtol=1e-5)


def test_neither_the_batch_size_nor_what_fills_up_the_last_batch_changes_a_number():
    def skewed(inputs):
        return inputs * jnp.array([1.1, 0.7, 0.9])

    assert len(CLIPS) % 8
    assert len(CLIPS) % 16
    tallies = [score(skewed, batch_size=batch_size) for batch_size in (8, 16)]
    # All clips at once, and no filling.
    batch = clips_lib.gather(CLIPS, np.arange(len(CLIPS)))
    prediction, target = skewed(batch["targets"]) * 1000, batch["targets"] * 1000
    mask = np.broadcast_to(batch["counted"], prediction.shape[:-1])
    for name, metric in METRICS.items():
        if name in ("mpjve", "acceleration_error"):
            continue
        whole = jax.jit(metric)(prediction, target, mask)
        for found in tallies:
            np.testing.assert_allclose(found.weights[name].sum(), whole.weight.sum())
            np.testing.assert_allclose(found.totals[name].sum(), whole.total.sum(), rtol=1e-4)


def test_the_groups_are_those_of_action_joint_and_visibility(tally):
    error = 0.1 * np.linalg.norm(RELATIVE, axis=-1)
    action = np.repeat(MOTION.actions, MOTION.lengths)
    for name in ("walk", "wave"):
        wanted = error[action == name].mean()
        np.testing.assert_allclose(tally.mean("mpjpe", where=does(name)), wanted, rtol=1e-5)
    for joint in range(17):
        found = tally.mean("mpjpe", joint=joint)
        np.testing.assert_allclose(found, error[:, joint].mean(), rtol=1e-5)
    for value, name in ((-1, "unknown"), (0, "occluded"), (1, "visible")):
        wanted = error[MOTION.visibility == value].mean()
        np.testing.assert_allclose(tally.mean("mpjpe", visibility=name), wanted, rtol=1e-5)
    wanted = error[action == "wave"][MOTION.visibility[action == "wave"][:, 4] == 0, 4].mean()
    found = tally.mean("mpjpe", where=does("wave"), joint=4, visibility="occluded")
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_groups_of_visibility_are_empty_where_it_is_not_known():
    unknown = with_sequences(visibility=np.full_like(MOTION.visibility, -1))
    tally = score(stretched, unknown)
    assert np.isnan(tally.mean("mpjpe", visibility="visible"))
    assert np.isnan(tally.mean("mpjpe", visibility="occluded"))
    assert report.groups(tally)["visibility"] == {}


def test_evaluation_takes_depth_relative_to_the_root_of_each_frame(tally):
    travelling = dataclasses.replace(CLIPS, depth_reference="first_frame")
    np.testing.assert_allclose(
        score(stretched, travelling).mean("mpjpe"), tally.mean("mpjpe"), rtol=1e-4
    )


def test_velocity_and_acceleration_are_taken_along_whole_sequences():
    def jumping(inputs):  # 10 mm off in every second frame of a clip
        return inputs.at[:, ::2, 1:, 0].add(0.01)

    tally = score(jumping)
    for name, lost in (("mpjve", 1), ("acceleration_error", 2)):
        assert tally.weights[name].sum() == 17 * sum(max(n - lost, 0) for n in MOTION.lengths)
    # Clips have 9 frames, so at the seam of two a frame that is off follows one that is off.
    first = tally.mean("mpjve", where=lambda group: group.sequence == "train0/view0", joint=3)
    np.testing.assert_allclose(first, 10 * (22 - 2) / 22, rtol=1e-3)


def test_frames_that_the_protocol_does_not_count_do_not_count():
    valid = np.arange(len(CLIPS.joints)) % 3 == 0
    tally = score(stretched, with_sequences(valid=valid))
    error = 0.1 * np.linalg.norm(RELATIVE, axis=-1)[valid]
    assert tally.frames() == valid.sum()
    np.testing.assert_allclose(tally.mean("mpjpe"), error.mean(), rtol=1e-5)


def test_frames_are_grouped_by_what_is_done_in_them():
    activity = (np.arange(len(CLIPS.joints)) % 4).astype(np.int8)
    tally = score(stretched, with_sequences(activity=activity))
    error = 0.1 * np.linalg.norm(RELATIVE, axis=-1)
    for number in range(4):
        found = tally.mean("mpjpe", where=lambda group, n=number: group.activity == n)
        np.testing.assert_allclose(found, error[activity == number].mean(), rtol=1e-5)


def test_a_model_that_predicts_no_numbers_is_not_good():
    assert np.isnan(score(lambda inputs: inputs.at[3].set(jnp.nan)).mean("mpjpe"))


def test_nothing_that_counts_is_an_error():
    unknown = np.full(len(CLIPS.joints), np.nan, np.float32)
    with pytest.raises(ValueError, match="the scale of their 2.5D labels is not known"):
        score(stretched, dataclasses.replace(CLIPS, mm_per_unit=unknown))


def test_the_root_may_be_put_to_zero_instead_of_subtracted():
    moved = score(lambda inputs: inputs + jnp.array([0.3, 0, -0.4]), zero_root=True)
    np.testing.assert_allclose(moved.mean("mpjpe"), 500 * 16 / 17, rtol=1e-4)
    np.testing.assert_allclose(moved.mean("mpjpe", joint=HUMAN36M.root), 0)


def test_predictions_of_a_sequence_can_be_scaled():
    scale = np.array([1.0, 2, 1, 1, 1], np.float32)
    tally = score(lambda inputs: inputs, scale=scale)
    distance = np.linalg.norm(RELATIVE[slice(*MOTION.offsets[1:3])], axis=-1)
    second = tally.mean("mpjpe", where=lambda group: group.sequence == "train1/view0")
    np.testing.assert_allclose(second, distance.mean(), rtol=1e-4)
    np.testing.assert_allclose(tally.totals["mpjpe"].sum(), distance.sum(), rtol=1e-3)


def test_the_mean_pose_is_that_of_all_training_frames():
    wanted = np.broadcast_to(RELATIVE.mean(axis=0) / 1000, (2, 3, 17, 3))
    for clips in (CLIPS, dataclasses.replace(CLIPS, context=(3, 1))):
        inputs = jnp.zeros((2, 3 + sum(clips.context), 17, 3))
        prediction = predict.mean_pose_predictor(clips)(inputs)
        np.testing.assert_allclose(prediction, wanted, atol=1e-6)


def test_frames_with_their_context_are_laid_where_they_belong():
    clips = dataclasses.replace(CLIPS, context=(3, 1))
    laid = [
        predict.predict_frames(predictor, some, batch_size=8, mesh=MESH)
        for some, predictor in ((CLIPS, stretched), (clips, lambda x: stretched(x[:, 3:-1])))
    ]
    np.testing.assert_array_equal(laid[0], laid[1])


# Models and flips


@dataclasses.dataclass(frozen=True)
class Sizes:
    in_channels: int = 3


class PerJoint(Lifter):
    """Scales each joint along each axis."""

    def __init__(self, scale, in_channels):
        self.config = Sizes(in_channels)
        self.scale = nnx.Param(jnp.asarray(scale, jnp.float32))

    def __call__(self, x, key=None):
        return x[..., jnp.array([0, 1, -1])] * self.scale[...]


def run(scale, inputs, *, flip, in_channels=3, **options):
    graphdef, params = nnx.split(PerJoint(scale, in_channels), nnx.Param)
    predictor = predict.model_predictor(graphdef, (params,), flip=flip, **options)
    return np.asarray(predictor(inputs))


def test_a_model_without_confidence_is_not_given_it():
    lifted = run(np.ones((17, 3)), INPUTS, flip=False, in_channels=2)
    np.testing.assert_array_equal(lifted, INPUTS[..., [0, 1, 1]])


def test_the_centre_of_the_window_around_each_frame_can_be_read():
    inputs = np.random.default_rng(0).normal(size=(8, 7, 17, 3)).astype(np.float32)
    scale = np.ones((17, 3))
    read = run(scale, inputs, flip=False, window=3)
    np.testing.assert_array_equal(read, inputs[:, 1:-1])
    read = run(scale, inputs, flip=True, window=4)  # 1 frame before, 2 after
    np.testing.assert_array_equal(read, inputs[:, 1:-2])


INPUTS = np.random.default_rng(0).normal(size=(8, 2, 17, 3)).astype(np.float32)


def test_averaging_over_flips_changes_nothing_for_a_model_that_knows_no_left_and_right():
    scale = np.tile([2.0, 3.0, 4.0], (17, 1))
    plain = run(scale, INPUTS, flip=False)
    np.testing.assert_array_equal(plain, INPUTS * np.float32([2, 3, 4]))
    np.testing.assert_allclose(run(scale, INPUTS, flip=True), plain, rtol=1e-6)


def test_averaging_over_flips_averages_the_scales_of_left_and_right():
    scale = np.random.default_rng(1).normal(size=(17, 3)).astype(np.float32)
    wanted = INPUTS * (scale + scale[list(HUMAN36M.flip)]) / 2
    np.testing.assert_allclose(run(scale, INPUTS, flip=True), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sequence", [0, 3])
def test_a_sequence_is_predicted_whole_whatever_clips_cover_it(sequence):
    predicted = predict.predict_sequence(stretched, CLIPS, sequence, batch_size=8, mesh=MESH)
    rows = slice(MOTION.offsets[sequence], MOTION.offsets[sequence + 1])
    np.testing.assert_allclose(predicted, 1.1 * RELATIVE[rows], rtol=1e-4, atol=1e-3)
