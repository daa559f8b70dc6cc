import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import check_reproduces, load

from repose_jax import models
from repose_jax.models.lifter import slide
from repose_jax.torch_import import convert

SIZES = {
    "filter_widths": "filter_widths",
    "causal": "causal",
    "channels": "width",
    "num_joints_in": "joints",
    "in_features": "in_channels",
}
TINY = dict(filter_widths=(3, 5), width=16)  # windows of 15 frames


@nnx.jit
def call(model, x, key=None):
    return model(x, key)


def tiny(**config):
    """A small model whose norms are not the identity."""
    model = nnx.jit(lambda: models.create("videopose3d", **(TINY | config)))()
    rng = np.random.default_rng(0)
    for _, module in nnx.iter_modules(model):
        for name in ("scale", "bias", "mean", "var"):
            if isinstance(module, models.layers.BatchNorm):
                variable = getattr(module, name)
                variable.set_value(jnp.asarray(rng.uniform(0.5, 1.5, variable.shape), jnp.float32))
    return model


def clips(count, frames):
    return jax.random.normal(jax.random.key(0), (count, frames, 17, 2))


@pytest.mark.parametrize("name", ["videopose3d_tiny", "videopose3d_t27"])
def test_reproduces_the_authors_model(name):
    check_reproduces("videopose3d", name, SIZES)


@pytest.mark.parametrize(
    ("filters", "frames", "count"), [(4, 81, 12_753_971), (5, 243, 16_952_371)]
)
def test_has_the_authors_parameter_counts(filters, frames, count):
    model = nnx.eval_shape(lambda: models.create("videopose3d", filter_widths=(3,) * filters))
    assert (models.parameter_count(model), model.config.frames) == (count, frames)


@pytest.mark.parametrize("causal", [False, True])
def test_the_dilated_form_equals_the_strided_one_on_every_window(causal):
    model, x = tiny(causal=causal), clips(2, 20)
    dilated = call(model, x)
    assert dilated.shape == (2, 20 - 15 + 1, 17, 3)
    strided = slide(lambda windows: call(model, windows)[:, 0], x, 15)
    np.testing.assert_allclose(dilated, strided, atol=1e-5)


@pytest.mark.parametrize("frames", [15, 20])
@pytest.mark.parametrize(
    ("causal", "context", "own"), [(False, (7, 7), (6, 7, 8)), (True, (14, 0), (12, 13, 14))]
)
def test_an_output_is_of_the_centre_or_the_last_frame_of_its_window(frames, causal, context, own):
    model, x = tiny(causal=causal), clips(1, frames)
    assert model.context == context

    @nnx.jit
    def read(model):
        gradient = jax.grad(lambda x: model(x)[0, 0].sum())(x)
        return jnp.abs(gradient[0]).sum((-1, -2)) > 0

    np.testing.assert_array_equal(read(model), np.arange(frames) < 15)  # the window
    for block in model.blocks:  # without what the blocks add, the frame itself is left
        block.over_channels.norm.scale.set_value(jnp.zeros(16))
    np.testing.assert_array_equal(read(model), np.isin(np.arange(frames), own))


def test_training_on_windows_leaves_the_statistics_of_the_frames_that_are_used():
    model, x = models.create("videopose3d", **TINY), clips(4, 15)
    call(model, x, jax.random.key(1))
    hidden = np.asarray(x).reshape(4, 5, 3 * 34) @ model.expand.kernel[...].reshape(3 * 34, 16)
    norm = model.expand.norm
    np.testing.assert_allclose(norm.mean[...], hidden.mean((0, 1)), atol=1e-5)
    np.testing.assert_allclose(norm.var[...], hidden.reshape(20, 16).var(0, ddof=1), rtol=1e-4)


def test_evaluation_has_no_dropout_and_does_not_change_the_statistics():
    model, x = tiny(), clips(2, 15)
    before = nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
    out = call(model, x)
    np.testing.assert_array_equal(out, call(model, x))
    jax.tree.map(
        np.testing.assert_array_equal, before, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
    )
    model = tiny(dropout=0.5)
    one, other = (call(model, x, jax.random.key(seed)) for seed in (1, 2))
    assert jnp.abs(one - other).max() > 1e-3


def test_initial_weights_and_biases_are_uniform_within_the_root_of_their_inputs():
    model = nnx.jit(lambda: models.create("videopose3d", filter_widths=(3, 3), width=64))()
    expand, head = model.expand.kernel[...], model.head
    for values, inputs in (
        (expand, 3 * 34),
        (model.blocks[0].over_frames.kernel[...], 3 * 64),
        (head.kernel[...], 64),
        (head.bias[...], 64),
    ):
        assert 0.9 < float(jnp.abs(values).max()) * inputs**0.5 <= 1.0
        assert abs(float(values.std()) * (3 * inputs) ** 0.5 - 1) < 0.2


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match=r"t >= 15, 17, 2.*got \[1, 14, 17, 2\]"):
        models.create("videopose3d", **TINY)(jnp.zeros((1, 14, 17, 2)))
    with pytest.raises(ValueError, match=r"filter_widths is \(3, 4\)"):
        models.create("videopose3d", filter_widths=[3, 4])


def test_a_checkpoint_of_other_sizes_names_them():
    _, weights, _ = load("videopose3d_tiny", SIZES)
    with pytest.raises(ValueError, match=r"width is 32, not 1024.*filter_widths is \(3, 3\), not"):
        convert.from_torch("videopose3d", weights)
