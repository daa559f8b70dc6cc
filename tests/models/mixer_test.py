import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from repose_jax import models
from repose_jax.models import complexity, layers
from repose_jax.models.lifter import Lifter

TINY = dict(frames=9, width=16, depth=2, in_channels=3)


@nnx.jit
def call(model, x, key=None):
    return model(x, key)


def clip(frames=9, seed=0):
    return jax.random.normal(jax.random.key(seed), (2, frames, 17, 3))


def by_hand(x, parameters, depth):
    """The network in NumPy, with the exact norm and GELU."""
    erf = np.vectorize(math.erf)

    def linear(x, layer):
        return x @ layer["kernel"] + layer["bias"]

    def norm(x, layer):
        centred = x - x.mean(-1, keepdims=True)
        return (
            centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * layer["scale"]
            + (layer["bias"])
        )

    def mlp(x, layer):
        hidden = linear(x, layer["fc1"])
        return linear(0.5 * hidden * (1 + erf(hidden / np.sqrt(2))), layer["fc2"])

    x = linear(x.reshape(*x.shape[:2], -1), parameters["embed"])
    for number in range(depth):
        block = parameters["blocks"][number]
        x = x + mlp(norm(x, block["norm"]).swapaxes(1, 2), block["over_frames"]).swapaxes(1, 2)
        channels = block["over_channels"]
        x = x + mlp(norm(x, channels["fc1"]["norm"]), channels)
    x = linear(norm(x, parameters["head"]["norm"]), parameters["head"])
    return x.reshape(*x.shape[:2], 17, 3)


def test_it_is_an_mlp_over_frames_and_one_over_channels_in_every_block():
    model = models.create("mixer", **TINY)
    values = jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float64) + 0.1, nnx.to_pure_dict(nnx.state(model))
    )
    nnx.update(model, jax.tree.map(jnp.float32, values))
    expected = by_hand(np.asarray(clip(), np.float64), values, depth=2)
    np.testing.assert_allclose(call(model, clip()), expected, rtol=1e-4, atol=1e-4)


def test_every_joint_of_every_frame_depends_on_all_others():
    model = models.create("mixer", **TINY | dict(depth=1))
    gradient = nnx.jit(nnx.grad(lambda x, m: m(x)[0, 2, 4].sum()))(clip(), model)
    assert (jnp.abs(gradient[0]).sum(-1) > 0).all()


@pytest.mark.parametrize("frames", [1, 4])
def test_a_shorter_clip_is_lifted_as_if_its_last_frame_were_repeated(frames):
    model = models.create("mixer", **TINY)
    short = clip(frames)
    repeated = jnp.concatenate([short, *[short[:, -1:]] * (9 - frames)], axis=1)
    out = call(model, short)
    assert out.shape == (2, frames, 17, 3)
    np.testing.assert_allclose(out, call(model, repeated)[:, :frames], atol=1e-5)
    assert not Lifter.fixed_length
    assert not model.fixed_length


def test_longer_clips_are_refused():
    with pytest.raises(ValueError, match=r"t <= 9, 17, 3\], got \[2, 10, 17, 3\]"):
        models.create("mixer", **TINY)(clip(10))


def test_every_map_keeps_the_variance_of_its_input_at_first():
    model = models.create("mixer", **TINY | dict(width=256))
    maps = [m for _, m in nnx.iter_modules(model) if isinstance(m, layers.Linear)]
    assert len(maps) == 2 + 2 * 4
    for linear in maps:
        inputs, outputs = linear.kernel.shape
        tolerance = 4 / np.sqrt(2 * inputs * outputs)  # 4 standard errors
        assert jnp.std(linear.kernel[...]) * inputs**0.5 == pytest.approx(1, rel=tolerance)
        assert linear.bias is not None
        assert not linear.bias[...].any()


def test_dropout_acts_in_training_only():
    model = models.create("mixer", **TINY, dropout=0.5)
    np.testing.assert_array_equal(call(model, clip()), call(model, clip()))
    first, second = (call(model, clip(), jax.random.key(seed)) for seed in (0, 1))
    assert (first != second).any()
    without = models.create("mixer", **TINY)
    np.testing.assert_array_equal(call(without, clip(), jax.random.key(0)), call(without, clip()))


def test_its_size_and_cost_follow_from_its_sizes():
    width, frames, depth, inputs = 384, 81, 4, 17 * 3
    found = complexity.of_model("mixer", clip_frames=frames)
    over_frames, over_channels = 4 * frames**2 * width, 4 * width**2 * frames
    ends = 2 * frames * inputs * width  # as many inputs as outputs
    assert (found.linear_macs, found.attention_macs) == (
        depth * (over_frames + over_channels) + ends,
        0,
    )
    norms, biases = (2 * depth + 1) * 2 * width, depth * 3 * (frames + width) + width + inputs
    kernels = depth * 4 * (frames**2 + width**2) + 2 * inputs * width
    assert found.parameters == kernels + biases + norms == 2_516_367
    shorter = complexity.of_model("mixer", clip_frames=9)
    assert shorter.macs > depth * (over_frames + over_channels)  # of a whole clip
