from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import load

from repose_jax import models
from repose_jax.models.pstmo import Block, PstmoConfig, StdNorm
from repose_jax.torch_import import convert

SIZES = {"layers": "depth", "channel": "width", "frames": "frames", "n_joints": "joints"}
TINY: dict[str, Any] = dict(frames=9, width=16, depth=1, heads=2)


def create(**sizes: Any) -> Any:
    return nnx.jit(lambda: models.create("pstmo", **(TINY | sizes)))()


@nnx.jit
def outputs(model, x, key=None):
    return model.outputs(x, key)


@nnx.jit
def call(model, x):
    return model(x)


@pytest.mark.parametrize("name", ["pstmo_tiny", "pstmo_small_t27"])
def test_reproduces_both_heads_of_the_authors_model(name):
    arrays, weights, sizes = load(name, SIZES)
    model = convert.from_torch("pstmo", weights, **sizes)
    assert models.parameter_count(model) == arrays["params"]
    every, centre = outputs(model, arrays["x"])
    # The authors' network returns [b, 3, t, j, 1].
    for out, theirs in ((every, arrays["y1"]), (centre, arrays["y0"])):
        expected = np.moveaxis(theirs[..., 0], 1, -1)
        assert out.shape == expected.shape
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_authors_models_for_mpi_inf_3dhp_read_its_order_of_joints():
    model = create(joint_order="mpi_inf_3dhp")
    variables = nnx.state(model)
    plain = nnx.merge(nnx.graphdef(create()), variables)
    x = jax.random.normal(jax.random.key(0), (1, 9, 17, 2))
    # Their order of Human3.6M's joints: pelvis 14, right hip 8, ..., right wrist 4.
    theirs = jnp.array([14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4])
    for found, wanted in zip(outputs(model, x[:, :, theirs]), outputs(plain, x), strict=True):
        np.testing.assert_allclose(found, wanted[:, :, theirs], atol=1e-5)
    np.testing.assert_allclose(
        call(model, x[:, :, theirs]), call(plain, x)[:, :, theirs], atol=1e-5
    )
    with pytest.raises(ValueError, match="joint_order is 'coco'; give 'human36m' or 'mpi_inf"):
        create(joint_order="coco")


@pytest.mark.parametrize(
    ("frames", "depth", "count"),
    [
        (81, 3, 5_527_142),
        (243, 3, 6_482_278),
        (27, 4, 5_209_702),
        (243, 4, 7_009_382),
    ],
)
def test_has_the_authors_parameter_count(frames, depth, count):
    sizes = dict(frames=frames, depth=depth)
    assert models.parameter_count(nnx.eval_shape(lambda: models.create("pstmo", **sizes))) == count


def test_the_small_model_on_243_frames_is_the_default():
    config = nnx.eval_shape(lambda: models.create("pstmo")).config
    assert (config.frames, config.depth, config.in_channels) == (243, 3, 2)


@pytest.mark.parametrize("frames", [9, 27, 81, 243, 351])
def test_the_strides_leave_one_frame(frames):
    model = nnx.eval_shape(lambda: models.create("pstmo", **(TINY | {"frames": frames})))
    every, centre = nnx.eval_shape(
        lambda model, x: model.outputs(x), model, jax.ShapeDtypeStruct((2, frames, 17, 2), float)
    )
    assert every.shape == (2, frames, 17, 3)
    assert centre.shape == (2, 1, 17, 3)


def test_a_window_without_strides_is_refused():
    with pytest.raises(ValueError, match="frames is 30; give one of 9, 27, 81, 243, 351"):
        models.create("pstmo", frames=30)


def test_slides_over_longer_clips_frame_for_frame_as_over_single_windows():
    model = create()
    assert model.context == (4, 4)
    x = jax.random.normal(jax.random.key(0), (2, 12, 17, 2))
    out = call(model, x)
    assert out.shape == (2, 4, 17, 3)
    for first in range(4):
        expected = outputs(model, x[:, first : first + 9])[1]
        np.testing.assert_allclose(out[:, first : first + 1], expected, atol=1e-5)


def test_training_outputs_are_of_single_windows_only():
    model = create()
    with pytest.raises(ValueError, match="single windows of 9 frames, got clips of 12"):
        model.outputs(jnp.zeros((1, 12, 17, 2)))
    for short in (model, model.outputs):
        with pytest.raises(ValueError, match=r"got \[1, 8, 17, 2\]"):
            short(jnp.zeros((1, 8, 17, 2)))


def test_the_norm_divides_by_the_unbiased_deviation_plus_epsilon():
    norm = StdNorm(4, epsilon=1.0)
    # Deviations -3 -1 1 3 of squares 20: a variance of 20/3 rather than of 20/4.
    expected = np.array([-3.0, -1, 1, 3]) / (np.sqrt(20 / 3) + 1)
    np.testing.assert_allclose(norm(jnp.array([2.0, 4, 6, 8])), expected, rtol=1e-6)


def test_a_strided_layer_keeps_every_third_frame_and_looks_at_its_neighbours():
    config = PstmoConfig(frames=9, width=16, heads=2)
    block = nnx.jit(lambda: Block(config, width=16, stride=3, rngs=nnx.Rngs(0)))()
    x = jax.random.normal(jax.random.key(0), (1, 9, 16))

    def second(x, block):
        return block(x, None)[0, 1].sum()

    def silence(linear):
        for parameter in (linear.kernel, linear.bias):
            parameter[...] *= 0.0

    silence(block.attention.out)  # leaves the residual connection
    seen = jnp.abs(nnx.jit(jax.grad(second))(x, block)).sum(-1)[0] > 1e-6
    assert seen.tolist() == [False, False, True, True, True, False, False, False, False]
    silence(block.fc2)
    kept = nnx.jit(lambda block: block(x, None))(block)
    np.testing.assert_array_equal(kept, x[:, ::3])


def test_training_applies_dropout_and_stores_the_statistics_of_the_batch():
    model = create()
    x = jax.random.normal(jax.random.key(0), (3, 9, 17, 2))
    before = outputs(model, x)
    one, other = (outputs(model, x, jax.random.key(seed)) for seed in (1, 2))
    assert all(jnp.abs(a - b).max() > 1e-3 for a, b in zip(one, other, strict=True))
    norm = model.pose_encoder.embed.norm
    linear = model.pose_encoder.embed.linear
    tokens = np.asarray(x).reshape(-1, 34) @ np.asarray(linear.kernel) + np.asarray(linear.bias)
    np.testing.assert_allclose(norm.mean[...], tokens.mean(0), atol=1e-5)
    np.testing.assert_allclose(norm.var[...], tokens.var(0, ddof=1), rtol=1e-4)
    # From then on they normalise calls without a key.
    assert all(jnp.abs(a - b).max() > 1e-3 for a, b in zip(before, outputs(model, x), strict=True))


def test_a_checkpoint_of_other_sizes_is_refused_by_name():
    _, weights, sizes = load("pstmo_tiny", SIZES)
    with pytest.raises(ValueError, match="depth is 2, not 3.*--config.model.depth=2"):
        convert.from_torch("pstmo", weights, **(sizes | {"depth": 3}))
