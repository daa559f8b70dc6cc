import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_clips import CLIPS, MESH, MOTION, RELATIVE, stretched, with_sequences

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import report
from repose_jax.evaluation import score as scoring
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.predict import predict_sequences
from repose_jax.evaluation.tally import Tally
from repose_jax.skeleton import HUMAN36M


def does(action):
    return lambda group: group.action == action


def score(predictor, clips=CLIPS, batch_size=8, **options) -> Tally:
    predictions = predict_sequences(predictor, clips, batch_size=batch_size, mesh=MESH, **options)
    return scoring.score(predictions, batch_size=batch_size)


@pytest.fixture(scope="module")
def tally() -> Tally:
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


def test_the_predicted_place_of_the_root_does_not_matter(tally):
    moved = score(lambda inputs: stretched(inputs) + jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(moved.mean("mpjpe"), tally.mean("mpjpe"), rtol=1e-5)


def test_every_frame_counts_once_whatever_clips_and_batches_cover_it(tally):
    error = 0.1 * np.linalg.norm(RELATIVE, axis=-1)
    assert tally.weights["mpjpe"].sum() == error.size
    np.testing.assert_allclose(tally.mean("mpjpe"), error.mean(), rtol=1e-5)
    np.testing.assert_allclose(tally.mean("pck"), 100 * (error < 150).mean(), rtol=1e-5)


def test_neither_the_batch_size_nor_the_padding_of_the_last_batch_changes_a_number():
    def skewed(inputs):
        return inputs * jnp.array([1.1, 0.7, 0.9])

    assert len(CLIPS) % 8
    assert len(CLIPS) % 16
    tallies = [score(skewed, batch_size=batch_size) for batch_size in (8, 16)]
    # All clips at once, without padding.
    index = np.arange(len(CLIPS))
    batch = clips_lib.gather(CLIPS, index)
    prediction, target = skewed(batch["targets"]) * 1000, batch["targets"] * 1000
    mask = np.broadcast_to(clips_lib.new_frames(CLIPS, index)[..., None], prediction.shape[:-1])
    for name, metric in METRICS.items():
        if metric.along == "sequences":
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


def test_groups_of_unknown_visibility_are_empty():
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


def test_bone_lengths_vary_over_the_whole_sequence():
    def growing(inputs):  # from clip to clip, but not within one
        return inputs * (1 + jnp.arange(len(inputs)))[:, None, None, None]

    def own(group):
        return group.sequence == "train0/view0"

    parents, children = map(list, zip(*HUMAN36M.bones, strict=True))
    bones = RELATIVE[: MOTION.lengths[0]]
    scale = 1 + np.arange(len(bones)) // 9
    lengths = scale[:, None] * np.linalg.norm(bones[:, children] - bones[:, parents], axis=-1)
    found = [score(growing).mean("bone_variation", where=own, joint=j) for j in children]
    np.testing.assert_allclose(found, lengths.std(axis=0, ddof=1), rtol=1e-4)
    assert np.isnan(score(growing).mean("bone_variation", joint=HUMAN36M.root))


def test_frames_that_are_not_valid_do_not_count():
    valid = np.arange(len(CLIPS.joints)) % 3 == 0
    tally = score(stretched, with_sequences(valid=valid))
    error = 0.1 * np.linalg.norm(RELATIVE, axis=-1)[valid]
    assert tally.frames() == valid.sum()
    np.testing.assert_allclose(tally.mean("mpjpe"), error.mean(), rtol=1e-5)


def test_dropped_joints_have_no_part_in_any_metric(tally):
    neck = HUMAN36M.joints.index("neck")
    counted = clips_lib.counted_joints(("neck",))
    clips = dataclasses.replace(CLIPS, counted=counted)
    without = score(stretched, clips)
    changed = score(lambda x: stretched(x).at[..., neck, :].add(1.0), clips)
    for metric in METRICS:
        assert changed.mean(metric) == pytest.approx(without.mean(metric), rel=1e-6)
        assert np.isnan(without.mean(metric, joint=neck))
    assert without.frames() == tally.frames()
    error = 0.1 * np.linalg.norm(RELATIVE[:, counted], axis=-1)
    assert without.mean("mpjpe") == pytest.approx(error.mean(), rel=1e-5)


def test_frames_are_grouped_by_activity():
    activity = (np.arange(len(CLIPS.joints)) % 4).astype(np.int8)
    tally = score(stretched, with_sequences(activity=activity))
    error = 0.1 * np.linalg.norm(RELATIVE, axis=-1)
    for number in range(4):
        found = tally.mean("mpjpe", where=lambda group, n=number: group.activity == n)
        np.testing.assert_allclose(found, error[activity == number].mean(), rtol=1e-5)


def test_predictions_that_are_no_numbers_are_refused():
    with pytest.raises(FloatingPointError, match="of 9 of 84 frames are NaN or infinite, first in"):
        score(lambda inputs: inputs.at[3].set(jnp.nan))


def test_test_sequences_without_a_valid_frame_are_refused():
    unknown = np.full(len(CLIPS.joints), np.nan, np.float32)
    with pytest.raises(ValueError, match="the scale of their 2.5D labels is unknown"):
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
