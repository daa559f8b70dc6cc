import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import load

from repose_jax import models
from repose_jax.models import kernels, layers
from repose_jax.models.dropout import stochastic_depth
from repose_jax.torch_import import convert

TINY = dict(frames=9, width=16, depth=1, heads=2, representation=24)


@nnx.jit
def call(model, x, key=None):
    return model(x, key)


@pytest.mark.parametrize("name", ["repose_tiny", "repose_tiny_short", "repose_full_t27"])
def test_reproduces_the_authors_model(name):
    arrays, weights, sizes = load(name)
    for key, value in arrays.items():  # the recipe gives the stored weights exactly
        if key.startswith("w/"):
            np.testing.assert_array_equal(weights[key[2:]], value)
    model = convert.from_torch("repose", weights, **sizes)
    assert models.parameter_count(model) == arrays["params"]
    out = call(model, arrays["x"])
    np.testing.assert_allclose(out, arrays["y0"], rtol=0, atol=1e-5)


def test_a_deterministic_call_is_reproducible_and_dropout_changes_a_call_with_a_key():
    model = models.create(
        "repose", **(TINY | dict(depth=2)), dropout=0.3, attention_dropout=0.3, stochastic_depth=0.5
    )
    x = jax.random.normal(jax.random.key(0), (4, 9, 17, 3))
    np.testing.assert_array_equal(call(model, x), call(model, x))
    one, other = call(model, x, jax.random.key(1)), call(model, x, jax.random.key(2))
    assert jnp.abs(one - call(model, x)).max() > 1e-4
    assert jnp.abs(one - other).max() > 1e-4
    np.testing.assert_array_equal(one, call(model, x, jax.random.key(1)))


def test_stochastic_depth_drops_the_branches_of_whole_clips():
    out = stochastic_depth(jnp.ones((64, 3, 2)), 0.5, jax.random.key(0))
    per_clip = np.unique(np.asarray(out).reshape(64, -1), axis=1)
    assert per_clip.shape == (64, 1)
    assert set(np.unique(out)) == {0.0, 2.0}


def test_rematerialisation_changes_neither_values_nor_gradients():
    x = jax.random.normal(jax.random.key(0), (2, 9, 17, 3))

    def loss(model):
        return (model(x, jax.random.key(3)) ** 2).mean()

    results = []
    for remat in (False, True):
        model = models.create("repose", **TINY, dropout=0.1, remat=remat)
        results.append(nnx.jit(nnx.value_and_grad(loss))(model))
    (value, grad), (value_r, grad_r) = results
    np.testing.assert_allclose(value, value_r, rtol=1e-6)
    for a, b in zip(jax.tree.leaves(grad), jax.tree.leaves(grad_r), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_bfloat16_keeps_float32_parameters_and_output_and_stays_close():
    x = jax.random.normal(jax.random.key(0), (2, 9, 17, 3))
    exact = models.create("repose", **TINY)
    half = models.create("repose", **TINY, dtype="bfloat16")
    assert {p.dtype for p in jax.tree.leaves(nnx.state(half, nnx.Param))} == {jnp.dtype("float32")}
    out, expected = call(half, x), call(exact, x)
    assert out.dtype == jnp.float32
    np.testing.assert_allclose(out, expected, atol=0.02 * float(jnp.abs(expected).max()))


def test_every_output_joint_and_frame_depends_on_every_input_joint_and_frame():
    model = models.create("repose", **TINY)
    x = jax.random.normal(jax.random.key(0), (1, 5, 17, 3))
    gradient = nnx.jit(nnx.grad(lambda x, m: m(x)[0, 2, 4].sum()))(x, model)
    assert (jnp.abs(gradient).sum(-1) > 0).all()


def test_an_untrained_layer_averages_its_two_streams():
    model = models.create("repose", **TINY)
    layer = model.layers[0]
    x = jax.random.normal(jax.random.key(0), (1, 5, 17, 16))

    @nnx.jit
    def streams(layer, x):
        a, b = x, x
        for block in layer.joints_first:
            a = block(a, None)
        for block in layer.frames_first:
            b = block(b, None)
        return a, b, layer(x, None)

    a, b, fused = streams(layer, x)
    assert jnp.abs(a - b).max() > 1e-3
    np.testing.assert_allclose(fused, (a + b) / 2, atol=1e-6)


def test_shorter_clips_are_accepted_and_longer_ones_refused():
    model = models.create("repose", **TINY)
    assert call(model, jnp.zeros((1, 4, 17, 3))).shape == (1, 4, 17, 3)
    with pytest.raises(ValueError, match=r"t <= 9, 17, 3.*got \[1, 10, 17, 3\]"):
        model(jnp.zeros((1, 10, 17, 3)))


def test_misspelt_models_and_fields_are_named():
    with pytest.raises(ValueError, match="no model 'rpose'. Did you mean 'repose'"):
        models.create("rpose")
    with pytest.raises(ValueError, match="no 'heds'. Did you mean 'heads'"):
        models.create("repose", heds=2)
    with pytest.raises(ValueError, match="width is 30; give a multiple of heads, 4"):
        models.create("repose", width=30, heads=4)


@pytest.mark.parametrize("axes", [("frames",), ("joints",), ("joints", "frames")])
def test_attention_is_fused_over_the_axes_that_are_named(monkeypatch, axes):
    fused = []

    def attend(over, query, key, value):
        fused.append(over)
        return layers.attend_over(over, query, key, value)

    monkeypatch.setattr(layers, "attend_over_by_cudnn", attend)
    model = models.create("repose", **TINY, dtype="bfloat16", fused_attention=axes)
    model(jnp.ones((1, 9, 17, 3)))
    assert sorted(fused) == sorted(2 * axes)  # in both streams of the one layer


@pytest.mark.parametrize(
    ("cudnn", "changes", "axes"),
    [
        (True, {}, ["frames", "frames"]),
        (False, {}, []),
        (True, {"dtype": "float32"}, []),
        (True, {"attention_dropout": 0.1}, []),
        (True, {"width": 12, "heads": 1}, []),  # cuDNN's heads are multiples of 8 wide
    ],
)
def test_attention_over_frames_is_fused_by_default_where_it_can_be(
    monkeypatch, cudnn, changes, axes
):
    fused = []

    def attend(over, query, key, value):
        fused.append(over)
        return layers.attend_over(over, query, key, value)

    monkeypatch.setattr(layers, "attend_over_by_cudnn", attend)
    monkeypatch.setattr(kernels, "has_cudnn_attention", lambda: cudnn)
    sizes = {**TINY, "width": 16, "heads": 2, "dtype": "bfloat16", **changes}
    models.create("repose", **sizes)(jnp.ones((1, 9, 17, 3)))
    assert fused == axes


def test_fused_attention_without_a_gpu_names_the_setting():
    model = models.create("repose", **TINY, dtype="bfloat16", fused_attention=("frames",))
    with pytest.raises(ValueError, match=r"found 'cpu'. Leave config.model.fused_attention empty"):
        model(jnp.zeros((1, 9, 17, 3)))


@pytest.mark.parametrize(
    ("fused", "sizes", "message"),
    [
        (
            ("time",),
            {},
            r"fused_attention is \('time',\); give \('auto',\), or 'joints', 'frames' or both",
        ),
        (("frames",), {}, "dtype is 'float32'; give 'bfloat16' for fused_attention"),
        (
            ("frames",),
            {"dtype": "bfloat16", "attention_dropout": 0.1},
            "attention_dropout is 0.1; give 0 for fused_attention",
        ),
    ],
)
def test_wrong_settings_of_fused_attention_are_refused(fused, sizes, message):
    with pytest.raises(ValueError, match=message):
        models.create("repose", **TINY, **sizes, fused_attention=fused)
