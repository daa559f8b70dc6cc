import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import check_reproduces, load

from repose_jax import models
from repose_jax.models.stcformer import Neighbours
from repose_jax.torch_import import convert

SIZES = {"layers": "depth", "d_hid": "width", "frames": "frames", "n_joints": "joints"}
TINY = dict(frames=9, width=16, depth=1, heads=2)
PARTS_3DHP = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 0, 0, 0)


@nnx.jit
def call(model, x, key=None):
    return model(x, key)


@pytest.mark.parametrize("name", ["stcformer_tiny", "stcformer_full_t27"])
def test_reproduces_the_authors_model(name):
    check_reproduces("stcformer", name, SIZES)


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({}, 4_748_000),
        (dict(width=512), 18_933_184),
        # The authors' 4,754,432 of the 3DHP model without what it does not use: in each block a
        # norm (512) and 15 rows of its part table (32 each).
        (dict(heads=4, attention_scale=256**-0.5, parts=PARTS_3DHP), 4_754_432 - 6 * (512 + 480)),
    ],
)
def test_has_the_authors_number_of_parameters(sizes, count):
    model = nnx.eval_shape(lambda: models.create("stcformer", **sizes))
    assert models.parameter_count(model) == count


def test_takes_clips_of_any_length():
    model = nnx.eval_shape(lambda: models.create("stcformer", **TINY))
    assert not model.fixed_length
    for frames in (1, 4, 12):
        clip = jax.ShapeDtypeStruct((1, frames, 17, 2), jnp.float32)
        assert nnx.eval_shape(call, model, clip).shape == (1, frames, 17, 3)


def test_a_block_sees_a_cross_of_frame_and_joint_and_the_neighbours_of_both():
    model = models.create("stcformer", **TINY)
    x = jax.random.normal(jax.random.key(0), (1, 9, 17, 2))
    gradient = nnx.jit(nnx.grad(lambda x, m: m(x)[0, 2, 4].sum()))(x, model)
    seen = np.zeros((9, 17), bool)
    seen[2] = seen[:, 4] = seen[1:4, 3:6] = True
    np.testing.assert_array_equal(jnp.abs(gradient[0]).sum(-1) > 0, seen)


def test_neighbours_are_mixed_as_by_a_convolution_of_each_channel():
    layer = Neighbours(6, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 5, 4, 6))
    expected = jax.lax.conv_general_dilated(
        x,
        layer.kernel[...][:, :, None],
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=6,
    )
    np.testing.assert_allclose(layer(x), expected + layer.bias[...], atol=1e-6)


def test_joints_of_one_part_get_one_embedding():
    # All joints start alike in a clip of zeros; neighbours and heads see no difference either
    # away from the ends.
    model = models.create("stcformer", **TINY, part_weights=(1.0, 0.0))
    x = jax.random.normal(jax.random.key(0), (1, 1, 1, 2)) * jnp.ones((1, 9, 17, 1))
    out = np.asarray(call(model, x))[0, 4]
    np.testing.assert_allclose(out[8], out[7], atol=1e-6)  # both of the torso
    np.testing.assert_allclose(out[15], out[14], atol=1e-6)  # both of an arm
    assert np.abs(out[14] - out[8]).max() > 1e-3


def test_the_part_embedding_is_dropped_for_a_whole_batch_independently_in_each_half():
    model = models.create(
        "stcformer", **TINY, part_weights=(1.0, 1.0), part_dropout=0.5, dropout=0.0
    )
    clip = jax.random.normal(jax.random.key(0), (1, 3, 17, 2))
    x = jnp.concatenate([clip, clip])
    outs = np.stack([call(model, x, jax.random.key(seed)) for seed in range(20)])
    np.testing.assert_allclose(outs[:, 0], outs[:, 1], atol=1e-6)
    assert len(np.unique(outs[:, 0, 1, 5, 0].round(4))) == 4


def test_the_scale_of_the_attention_is_that_of_half_the_width_unless_given():
    x = jax.random.normal(jax.random.key(0), (1, 9, 17, 2))
    default, same, other = (
        call(models.create("stcformer", **TINY, attention_scale=scale), x)
        for scale in (None, 8**-0.5, 4.0)
    )
    np.testing.assert_array_equal(same, default)
    assert jnp.abs(other - default).max() > 1e-4


def test_the_number_of_heads_is_inferred_from_a_checkpoint():
    _, weights, sizes = load("stcformer_tiny", SIZES)
    with pytest.raises(ValueError, match="heads is 8, not 4"):
        convert.from_torch("stcformer", weights, **sizes, heads=4)


def test_sizes_that_do_not_fit_together_are_named():
    with pytest.raises(ValueError, match="width is 24; give a multiple of 2 x heads, 16"):
        models.create("stcformer", width=24)
    with pytest.raises(ValueError, match="each of the 16 joints"):
        models.create("stcformer", joints=16)
    with pytest.raises(ValueError, match="part_weights"):
        models.create("stcformer", part_weights=(1e-4,))
