import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from repose_jax import models
from repose_jax.models.pstmo_pretrain import (
    MaskedPoseConfig,
    MaskedPoseModel,
    Masks,
    at_depth_0,
    encoder_of,
    sample_masks,
)
from repose_jax.objectives.losses import mpjpe

SIZES: dict[str, Any] = dict(frames=9, width=16, depth=2, heads=2)
CONFIG = MaskedPoseConfig(**SIZES, hidden_frames=0.5, hidden_joints=3)


X = np.random.default_rng(0).standard_normal((3, 9, 17, 2)).astype(np.float32)


def create(config: MaskedPoseConfig = CONFIG) -> MaskedPoseModel:
    return nnx.jit(lambda: MaskedPoseModel(config, rngs=nnx.Rngs(0)))()


@nnx.jit
def call(model, masks, key=None):
    return model(jnp.asarray(X), masks, key)


def error(model, x, key, exists=None):
    (predicted,) = model.outputs(x, key)
    return mpjpe(predicted, at_depth_0(x), exists)


@nnx.jit
def loss(model, key, exists=None):
    return error(model, jnp.asarray(X), key, exists)


@nnx.jit
def encode(model):
    return model.frame_encoder(model.pose_encoder(jnp.asarray(X), None), None)


def test_has_the_authors_parameter_count():
    model = nnx.eval_shape(lambda: MaskedPoseModel(MaskedPoseConfig(frames=27), rngs=nnx.Rngs(0)))
    assert models.parameter_count(model) == 2_573_092


def test_masks_have_fixed_shapes_and_hide_the_requested_shares():
    draw = jax.jit(lambda key: sample_masks(key, CONFIG))
    one, other = draw(jax.random.key(0)), draw(jax.random.key(1))
    for masks in (one, other):
        assert masks.visible.shape == (5,)  # half of 9 frames, rounded down, is hidden
        assert len(set(masks.visible.tolist())) == 5
        assert set(masks.visible.tolist()) <= set(range(9))
        assert masks.joints.shape == (9, 17)
        assert (masks.joints.sum(axis=1) == 3).all()
    assert (one.joints != other.joints).any()
    assert len(np.unique(one.joints, axis=0)) > 1  # frames differ


def test_every_frame_and_joint_is_hidden_equally_often():
    masks = jax.vmap(lambda key: sample_masks(key, CONFIG))(
        jax.random.split(jax.random.key(0), 2000)
    )
    seen = np.bincount(np.asarray(masks.visible).ravel(), minlength=9) / 2000
    np.testing.assert_allclose(seen, 5 / 9, atol=0.06)
    np.testing.assert_allclose(masks.joints.mean(axis=(0, 1)), 3 / 17, atol=0.02)


def test_the_papers_shares_give_its_numbers_of_frames():
    masks = jax.eval_shape(lambda: sample_masks(jax.random.key(0), MaskedPoseConfig()))
    assert masks.visible.shape == (243 - 194,)


def test_predictions_depend_on_exactly_what_is_visible():
    masks = sample_masks(jax.random.key(2), CONFIG)

    @nnx.jit
    def influence(model, x):
        return jax.grad(lambda x: (model(x, masks) ** 2).sum())(x)

    seen = np.zeros((9, 17), bool)
    seen[masks.visible] = True
    seen &= ~np.asarray(masks.joints)
    moved = np.abs(np.asarray(influence(create(), X))).sum(axis=-1)
    np.testing.assert_array_equal(moved > 0, np.broadcast_to(seen, moved.shape))


def test_the_order_in_which_visible_frames_are_listed_does_not_matter():
    model, masks = create(), sample_masks(jax.random.key(2), CONFIG)
    turned = Masks(masks.visible[::-1], masks.joints)
    np.testing.assert_allclose(call(model, masks), call(model, turned), atol=1e-5)


def test_training_predicts_hidden_joints_better_and_better():
    time = jnp.arange(9)[:, None, None]
    phase = jax.random.uniform(jax.random.key(1), (16, 1, 1, 1)) * 6
    x = jnp.sin(phase + time * 0.5 + jnp.arange(34).reshape(17, 2))
    graphdef, params, stats = nnx.split(create(), nnx.Param, nnx.BatchStat)
    optimizer = optax.adam(3e-3)

    @jax.jit
    def step(params, state, key):
        def loss(params):
            return error(nnx.merge(graphdef, params, stats, copy=True), x, key)

        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, value

    state, losses = optimizer.init(params), []
    for key in jax.random.split(jax.random.key(3), 60):
        params, state, value = step(params, state, key)
        losses.append(float(value))
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_the_loss_is_the_mean_distance_in_the_image_over_existing_joints():
    model = create(dataclasses.replace(CONFIG, dropout=0.0))
    key = jax.random.key(5)
    predicted = call(model, sample_masks(jax.random.split(key)[0], CONFIG), key)
    exists = jnp.arange(9)[None, :, None] < jnp.array([9, 4, 1])[:, None, None]
    distance = np.linalg.norm(predicted - X, axis=-1)
    kept = distance[np.broadcast_to(exists, distance.shape)]
    np.testing.assert_allclose(loss(model, key, exists), kept.mean(), rtol=1e-5)


def test_the_lifter_takes_over_the_encoders_with_their_statistics():
    masked = create()
    loss(masked, jax.random.key(0))  # leaves batch statistics
    assert (masked.pose_encoder.embed.norm.mean[...] != 0).any()
    model: Any = nnx.jit(lambda: models.create("pstmo", **SIZES, seed=1))()
    head = model.head.linear.kernel[...]
    nnx.update(model, encoder_of(masked))
    np.testing.assert_array_equal(encode(model), encode(masked))
    np.testing.assert_array_equal(model.head.linear.kernel[...], head)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (dict(hidden_frames=1.0), "hidden_frames is 1.0; give a number of at least 0 and below 1"),
        (dict(hidden_joints=18), "hidden_joints is 18; give 0 to 17"),
        (dict(width=24, heads=8), "width is 24; give a multiple of 2 x heads, 16"),
    ],
)
def test_wrong_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        MaskedPoseConfig(**sizes)
