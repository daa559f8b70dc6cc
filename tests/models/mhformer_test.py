import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import check_reproduces, load

from repose_jax import models
from repose_jax.torch_import import convert

SIZES = {
    "frames": "frames",
    "n_joints": "joints",
    "channel": "width",
    "d_hid": "hidden",
    "layers": "depth",
}
TINY = dict(width=16, depth=2, heads=2, hidden=24, generator_depth=1)


@nnx.jit
def call(model, x, key=None):
    return model(x, key)


@pytest.fixture(scope="module")
def tiny():
    """A small model with weights from NumPy: JAX compiles its draws for every shape."""
    model = nnx.eval_shape(lambda: models.create("mhformer", frames=9, **TINY))
    rng = np.random.default_rng(0)
    draw = jax.tree.map(lambda v: jnp.float32(rng.uniform(0.1, 0.6, v.shape)), nnx.state(model))
    nnx.update(model, draw)
    return model


def clips(count, frames):
    return jax.random.normal(jax.random.key(0), (count, frames, 17, 2))


@pytest.mark.parametrize("name", ["mhformer_tiny", "mhformer_t27"])
def test_reproduces_the_authors_model(name):
    check_reproduces("mhformer", name, SIZES)


def test_has_the_authors_parameter_count():
    model = nnx.eval_shape(lambda: models.create("mhformer"))
    assert models.parameter_count(model) == 31_516_125


@pytest.mark.parametrize(("frames", "normalised"), [(27, True), (36, False)])
def test_hypotheses_are_normalised_in_clips_of_up_to_27_frames(frames, normalised):
    model = nnx.eval_shape(lambda: models.create("mhformer", frames=frames, **TINY))
    # Mean and variance before the head, and of the three hypotheses.
    assert len(nnx.to_flat_state(nnx.state(model, nnx.BatchStat))) == 2 * (1 + 3 * normalised)
    out = nnx.eval_shape(lambda model, x: model(x), model, clips(1, frames))
    assert out.shape == (1, frames, 17, 3)


def test_every_pose_depends_on_every_joint_and_frame(tiny):
    gradient = nnx.jit(nnx.grad(lambda x, m: m(x)[0, 2, 4].sum()))(clips(1, 9), tiny)
    assert (jnp.abs(gradient).sum(-1) > 0).all()


def test_dropout_is_of_training_alone(tiny):
    x = clips(4, 9)
    np.testing.assert_array_equal(call(tiny, x), call(tiny, x))
    one, other = (call(tiny, x, jax.random.key(seed)) for seed in (1, 2))
    assert jnp.abs(one - other).max() > 1e-3


def test_invalid_arguments_are_refused(tiny):
    with pytest.raises(ValueError, match=r"t = 9, 17, 2.*got \[1, 8, 17, 2\]"):
        tiny(jnp.zeros((1, 8, 17, 2)))
    with pytest.raises(ValueError, match="frames is 16; give a multiple of generator_heads, 9"):
        models.create("mhformer", frames=16)
    with pytest.raises(ValueError, match="width is 30; give a multiple of heads, 8"):
        models.create("mhformer", width=30)


def test_a_checkpoint_of_other_sizes_names_them():
    _, weights, sizes = load("mhformer_tiny", SIZES)
    with pytest.raises(ValueError, match="frames is 9, not 27, depth is 3, not 2"):
        convert.from_torch("mhformer", weights, **(sizes | dict(frames=27, depth=2)))
