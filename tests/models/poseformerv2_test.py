import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import check_reproduces, load

from repose_jax import models
from repose_jax.models.poseformerv2 import cosine_transform
from repose_jax.torch_import import convert

SIZES = {
    "number_of_frames": "frames",
    "number_of_kept_frames": "kept_frames",
    "number_of_kept_coeffs": "kept_coefficients",
    "embed_dim_ratio": "width",
    "depth": "depth",
}
TINY = dict(frames=9, kept_frames=3, kept_coefficients=3, width=8, depth=1, heads=2)


@pytest.fixture(scope="module")
def model():
    return models.create("poseformerv2", **TINY)


@nnx.jit
def call(model, x, key=None):
    return model(x, key)


def test_reproduces_the_authors_model():
    check_reproduces("poseformerv2", "poseformerv2_tiny", SIZES, heads=4)


@pytest.mark.parametrize(
    ("sizes", "count"),
    [({}, 14_381_899), (dict(frames=27, kept_frames=3, kept_coefficients=3), 14_355_739)],
)
def test_has_the_authors_parameter_count(sizes, count):
    model = nnx.eval_shape(lambda: models.create("poseformerv2", **sizes))
    assert models.parameter_count(model) == count


@pytest.mark.parametrize("length", [1, 2, 9, 27])
def test_the_cosine_transform_is_its_definition(length):
    signal = np.random.default_rng(0).standard_normal(length)
    expected = [
        sum(
            2 * x * math.cos(math.pi * k * (2 * t + 1) / (2 * length)) for t, x in enumerate(signal)
        )
        for k in range(length)
    ]
    forward, _ = cosine_transform(length)
    np.testing.assert_allclose(forward @ signal, expected, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 27, 243])
def test_the_cosine_transform_is_orthonormal_but_for_the_authors_scale(length):
    forward, inverse = (matrix.astype(np.float64) for matrix in cosine_transform(length))
    scale = np.sqrt(2.0 * length) * np.where(np.arange(length) == 0, np.sqrt(2.0), 1.0)
    basis = forward / scale[:, None]
    np.testing.assert_allclose(basis @ basis.T, np.eye(length), atol=1e-6)
    np.testing.assert_allclose(inverse @ forward, np.eye(length), atol=1e-5)


def test_beyond_the_kept_frames_only_low_frequencies_are_seen(model):
    x = jax.random.normal(jax.random.key(0), (1, 9, 17, 2))
    outer = np.array([0, 1, 2, 6, 7, 8])
    seen = cosine_transform(9)[0][:3, outer]  # what the three coefficients see of these frames
    unseen = np.linalg.svd(seen)[2][3:]
    before = call(model, x)

    def effect(change):
        return float(jnp.abs(call(model, x.at[:, outer].add(change[:, None, None])) - before).max())

    assert max(effect(change) for change in unseen) < 1e-5
    assert min(effect(change) for change in seen) > 1e-4


def test_the_kept_frames_are_those_about_the_centre(model):
    x = jax.random.normal(jax.random.key(0), (1, 9, 17, 2))
    before = call(model, x)
    for kept in (3, 4, 5):
        frames = np.array(
            [0, 1, 8, kept]
        )  # one more than coefficients: one change that is not seen
        change = np.linalg.svd(cosine_transform(9)[0][:3, frames])[2][3]
        changed = call(model, x.at[:, frames].add(change[:, None, None]))
        assert jnp.abs(changed - before).max() > 1e-4, kept


def test_fewer_frames_than_coefficients_share_the_frequency_mlp_with_coefficients(model):
    x = jax.random.normal(jax.random.key(0), (2, 4, 1, 136))  # three coefficients and a frame
    block = nnx.clone(model.layers[0])
    for part in (block.attention.out.kernel, block.attention.out.bias):
        part[...] = jnp.zeros(part.shape)
    forward, inverse = cosine_transform(2)
    norm = block.norm_frequency_mlp(x[:, 2:, 0])
    hidden = jax.nn.gelu(block.frequency_mlp.fc1(forward @ norm), approximate=False)
    second = x[:, 2:, 0] + inverse @ block.frequency_mlp.fc2(hidden)
    first = x[:, :2] + block.mlp(x[:, :2])
    out = nnx.jit(lambda block, x: block(x))(block, x)
    np.testing.assert_allclose(out[:, :2], first, atol=1e-5)
    np.testing.assert_allclose(out[:, 2:, 0], second, atol=1e-5)


def test_a_clip_is_lifted_as_each_of_its_windows_is(model):
    x = jax.random.normal(jax.random.key(0), (2, 11, 17, 2))
    windows = jnp.concatenate([x[:, i : i + 9] for i in range(3)])
    expected = call(model, windows).reshape(3, 2, 17, 3).swapaxes(0, 1)
    np.testing.assert_allclose(call(model, x), expected, atol=1e-6)


def test_the_wrong_sizes_are_named():
    for kept in (0, 4, 11):
        with pytest.raises(ValueError, match=f"kept_frames is {kept}; give "):
            models.create("poseformerv2", **(TINY | dict(kept_frames=kept)))
    for kept in (0, 10):
        with pytest.raises(ValueError, match=f"kept_coefficients is {kept}; give "):
            models.create("poseformerv2", **(TINY | dict(kept_coefficients=kept)))
    _, weights, sizes = load("poseformerv2_tiny", SIZES)
    with pytest.raises(ValueError, match="kept_frames is 3, not 5"):
        convert.from_torch("poseformerv2", weights, **(sizes | dict(kept_frames=5)))
