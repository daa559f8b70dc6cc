import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import check_reproduces, load

from repose_jax import models
from repose_jax.models.dropout import stochastic_depth_rates
from repose_jax.torch_import import convert

SIZES = {
    "num_frame": "frames",
    "num_joints": "joints",
    "in_chans": "in_channels",
    "embed_dim_ratio": "width",
    "depth": "depth",
    "num_heads": "heads",
}
TINY = dict(frames=9, width=8, depth=2, heads=2, stochastic_depth=0.5)


@pytest.fixture(scope="module")
def model():
    return models.create("poseformer", **TINY)


@nnx.jit
def call(model, x, key=None):
    return model(x, key)


@pytest.mark.parametrize("name", ["poseformer_tiny", "poseformer_t27"])
def test_reproduces_the_authors_model(name):
    check_reproduces("poseformer", name, SIZES)


@pytest.mark.parametrize(("frames", "count"), [(81, 9_602_885), (27, 9_573_455)])
def test_has_the_authors_parameter_count(frames, count):
    model = nnx.eval_shape(lambda: models.create("poseformer", frames=frames))
    assert models.parameter_count(model) == count


def test_a_clip_is_lifted_as_each_of_its_windows_is(model):
    x = jax.random.normal(jax.random.key(0), (2, 11, 17, 2))
    windows = jnp.concatenate([x[:, i : i + 9] for i in range(3)])
    expected = call(model, windows).reshape(3, 2, 17, 3).swapaxes(0, 1)
    np.testing.assert_allclose(call(model, x), expected, atol=1e-6)
    assert model.context == (4, 4)
    with pytest.raises(ValueError, match=r"t >= 9, 17, 2.*got \[2, 8, 17, 2\]"):
        model(x[:, :8])


def test_the_pose_depends_on_every_joint_of_every_frame(model):
    x = jax.random.normal(jax.random.key(0), (1, 9, 17, 2))
    gradient = nnx.jit(nnx.grad(lambda x, m: m(x)[0, 0, 4].sum()))(x, model)
    assert (jnp.abs(gradient).sum(-1) > 0).all()


def test_the_head_norms_with_another_epsilon_than_the_transformers(model):
    assert model.head.norm.epsilon == 1e-5
    assert model.norm.epsilon == model.spatial.norm.epsilon == 1e-6
    assert model.layers[0].mlp.fc1.norm.epsilon == 1e-6


def test_the_mean_over_frames_has_free_weights_and_an_offset(model):
    tokens = jax.random.normal(jax.random.key(0), (2, 9, 136))
    mean = nnx.clone(model.mean)
    mean.kernel[...], mean.bias[...] = jnp.arange(9.0), jnp.array([7.0])
    expected = sum(i * tokens[:, i] for i in range(9)) + 7
    np.testing.assert_allclose(mean(tokens), expected, atol=1e-4)


def test_stochastic_depth_grows_with_the_layers_and_drops_only_with_a_key(model):
    assert stochastic_depth_rates(0.6, depth=3) == [0, 0.3, 0.6]
    for transformer in (model, model.spatial):
        assert [layer.stochastic_depth for layer in transformer.layers] == [0, 0.5]
    x = jax.random.normal(jax.random.key(0), (4, 9, 17, 2))
    one, other = call(model, x, jax.random.key(1)), call(model, x, jax.random.key(2))
    assert jnp.abs(one - other).max() > 1e-4
    np.testing.assert_array_equal(one, call(model, x, jax.random.key(1)))


def test_the_spatial_transformer_drops_branches_frame_by_frame(model):
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (17, 2)), (1, 9, 17, 2))
    frames = nnx.jit(lambda m, x: m.spatial(x, jax.random.key(1)))(model, x)[0]
    kinds = len(np.unique(np.round(frames.reshape(9, -1), 4), axis=0))
    assert 1 < kinds <= 4  # two branches, each dropped or not


def test_the_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="width is 30; give a multiple of heads, 8"):
        models.create("poseformer", width=30)
    with pytest.raises(ValueError, match="frames is 0"):
        models.create("poseformer", frames=0)
    _, weights, sizes = load("poseformer_tiny", SIZES)
    with pytest.raises(ValueError, match="frames is 9, not 27"):
        convert.from_torch("poseformer", weights, **(sizes | dict(frames=27)))
