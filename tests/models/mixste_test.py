import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import check_reproduces

from repose_jax import models
from repose_jax.models import layers

SIZES = {
    "num_frame": "frames",
    "num_joints": "joints",
    "in_chans": "in_channels",
    "embed_dim_ratio": "width",
    "depth": "depth",
    "num_heads": "heads",
}
TINY = dict(frames=9, width=16, depth=2, heads=2)


@pytest.mark.parametrize("name", ["mixste_tiny", "mixste_t27"])
def test_reproduces_the_authors_model(name):
    check_reproduces("mixste", name, SIZES)


def test_the_default_model_has_the_authors_number_of_parameters():
    model = nnx.eval_shape(lambda: models.create("mixste"))
    assert models.parameter_count(model) == 33_783_811


def test_takes_clips_of_its_number_of_frames_only():
    model = nnx.eval_shape(lambda: models.create("mixste", **TINY))
    assert model.fixed_length
    with pytest.raises(ValueError, match=r"t = 9, 17, 2.*got \[1, 8, 17, 2\]"):
        model(jnp.zeros((1, 8, 17, 2)))


def test_every_output_joint_and_frame_depends_on_every_input_joint_and_frame():
    model = models.create("mixste", **(TINY | dict(depth=1)))
    x = jax.random.normal(jax.random.key(0), (1, 9, 17, 2))
    gradient = nnx.jit(nnx.grad(lambda x, m: m(x)[0, 2, 4].sum()))(x, model)
    assert (jnp.abs(gradient).sum(-1) > 0).all()


@pytest.mark.parametrize(("over", "attended"), [("joints", 2), ("frames", 1)])
def test_stochastic_depth_drops_single_frames_or_joints(over, attended):
    block = layers.Block(8, 2, 16, over=over, stochastic_depth=0.5, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (4, 6, 5, 8))
    changed = (nnx.jit(lambda block, x, key: block(x, key))(block, x, jax.random.key(1)) != x).any(
        -1
    )
    whole = changed.all(attended)
    np.testing.assert_array_equal(whole, changed.any(attended))
    assert 0.5 < whole.mean() < 0.95  # both branches are dropped in one sequence of four
    assert ((whole != whole[:, :1]).any(1)).any()  # not clip by clip


def test_stochastic_depth_grows_from_none_in_the_first_layer():
    model = nnx.eval_shape(
        lambda: models.create("mixste", **(TINY | dict(depth=3)), stochastic_depth=0.2)
    )
    for blocks in (model.over_joints, model.over_frames):
        assert [block.stochastic_depth for block in blocks] == pytest.approx([0, 0.1, 0.2])


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width is 30; give a multiple of heads, 4"):
        models.create("mixste", width=30, heads=4)
