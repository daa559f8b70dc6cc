import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from small_clips import CLIPS, MESH, RELATIVE, stretched

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import predict
from repose_jax.models.lifter import Lifter
from repose_jax.skeleton import HUMAN36M


@pytest.mark.parametrize("context", [(0, 0), (3, 1)])
def test_the_mean_pose_is_that_of_all_training_frames(context):
    wanted = np.broadcast_to(RELATIVE.mean(axis=0) / 1000, (2, 3, 17, 3))
    inputs = jnp.zeros((2, 3 + sum(context), 17, 3))
    mean = clips_lib.mean_pose(CLIPS)
    prediction = predict.mean_pose_predictor(mean, context)(inputs)
    np.testing.assert_allclose(prediction, wanted, atol=1e-6)


def test_context_changes_no_prediction():
    clips = dataclasses.replace(CLIPS, context=(3, 1))
    predicted = [
        predict.predict_frames(predictor, some, batch_size=8, mesh=MESH)
        for some, predictor in ((CLIPS, stretched), (clips, lambda x: stretched(x[:, 3:-1])))
    ]
    np.testing.assert_array_equal(predicted[0], predicted[1])


def test_every_frame_is_predicted_whatever_clips_cover_it():
    predictions = predict.predict_sequences(stretched, CLIPS, batch_size=8, mesh=MESH)
    np.testing.assert_allclose(predictions.poses, 1.1 * RELATIVE, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(predictions.truth, RELATIVE, rtol=1e-4, atol=1e-3)
    assert predictions.valid.all()


def test_frames_that_no_clip_covers_are_not_predicted_and_not_valid():
    motion = CLIPS.sequences
    dropped = clips_lib.make(motion, frames=9, stride=9, partial_clips="drop")
    clips = dataclasses.replace(dropped, inputs=CLIPS.inputs)
    predictions = predict.predict_sequences(stretched, clips, batch_size=8, mesh=MESH)
    covered = clips_lib.covered(clips)
    assert 0 < covered.sum() < len(covered)
    np.testing.assert_array_equal(predictions.valid, covered)
    np.testing.assert_array_equal(np.isnan(predictions.poses).all((1, 2)), ~covered)


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


def test_averaging_over_flips_changes_nothing_for_a_model_with_equal_sides():
    scale = np.tile([2.0, 3.0, 4.0], (17, 1))
    plain = run(scale, INPUTS, flip=False)
    np.testing.assert_array_equal(plain, INPUTS * np.float32([2, 3, 4]))
    np.testing.assert_allclose(run(scale, INPUTS, flip=True), plain, rtol=1e-6)


def test_averaging_over_flips_averages_the_scales_of_left_and_right():
    scale = np.random.default_rng(1).normal(size=(17, 3)).astype(np.float32)
    wanted = INPUTS * (scale + scale[list(HUMAN36M.flip)]) / 2
    np.testing.assert_allclose(run(scale, INPUTS, flip=True), wanted, rtol=1e-5, atol=1e-6)
