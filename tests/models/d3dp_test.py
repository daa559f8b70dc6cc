import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import load

from repose_jax import models
from repose_jax.models import d3dp
from repose_jax.objectives import objective
from repose_jax.skeleton import flip
from repose_jax.torch_import import convert
from repose_jax.torch_import.d3dp import D3DP

SIZES = {
    "number_of_frames": "frames",
    "num_joints": "joints",
    "in_chans": "in_channels",
    "cs": "width",
    "dep": "depth",
    "num_heads": "heads",
}
TINY = dict(frames=3, width=8, depth=1, heads=2)


@pytest.fixture(scope="module")
def golden():
    stored, weights, sizes = load("d3dp_tiny", SIZES)
    return stored, convert.from_torch("d3dp", weights, **sizes)


@nnx.jit
def denoise(model, *inputs):
    return model.denoise(*inputs)


@pytest.mark.parametrize("name", ["d3dp_tiny", "d3dp_t27"])
def test_reproduces_the_authors_denoiser(name):
    stored, weights, sizes = load(name, SIZES)
    model = convert.from_torch("d3dp", weights, **sizes)
    assert models.parameter_count(model) == stored["params"]
    for kind, wanted in (("", stored["y0"]), ("_big", stored["y_big"])):
        out = denoise(model, stored[f"x2d{kind}"], stored[f"x3d{kind}"], stored["t"])
        np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_reproduces_every_step_of_the_authors_sampling(golden):
    stored, model = golden
    noise = jnp.stack([stored[f"ddim/noise_{which}"] for which in ("init", 0, 1)])

    @nnx.jit
    def sample(model, keypoints, noise):
        # The last update, of which nothing is used, has no noise there.
        return model.sample(keypoints, lambda number: noise[number], len(noise), mirror=flip)

    found = sample(model, stored["x2d"][:1], noise)
    np.testing.assert_allclose(jnp.moveaxis(found, 0, 1), stored["ddim/pred"], atol=1e-5)
    assert (np.abs(found) == np.float32(1.1)).mean() > 0.01  # the clamp is tested


def test_a_call_is_the_first_step_of_the_sampling_from_noise_that_all_clips_share(golden):
    stored, model = golden
    noise = np.random.default_rng(0).standard_normal((27, 17, 3)).astype(np.float32)
    noisy = np.broadcast_to(noise.clip(-1.1, 1.1), (2, 1, 27, 17, 3))
    wanted = denoise(model, stored["x2d"], noisy, np.full(2, 999))
    found = nnx.jit(lambda model, x: model(x))(model, stored["x2d"])
    np.testing.assert_allclose(found, wanted[:, 0], atol=1e-6)


def test_the_noise_of_a_hypothesis_depends_on_clip_number_and_update_alone():
    keys = jax.random.split(jax.random.key(3), 4)
    many = d3dp.clip_noise(keys, 5, (9, 17, 3))
    few = d3dp.clip_noise(keys[2:3], 2, (9, 17, 3))
    for number in (0, 3):
        drawn = np.asarray(many(jnp.asarray(number)))
        np.testing.assert_array_equal(few(jnp.asarray(number)), drawn[2:3, :2])
        assert drawn.std() == pytest.approx(1, abs=0.02)
    different = drawn.reshape(20, -1) @ drawn.reshape(20, -1).T / drawn[0, 0].size
    np.testing.assert_allclose(different, np.eye(20), atol=0.25)
    assert np.abs(many(jnp.asarray(0)) - drawn).min() > 0


def test_a_seed_gives_the_same_hypotheses_whatever_the_batch():
    model = models.create("d3dp", **TINY)
    clips = jax.random.normal(jax.random.key(0), (3, 3, 17, 2))
    keys = jax.random.split(jax.random.key(1), 3)

    @nnx.jit(static_argnums=3)
    def sample(model, clips, keys, hypotheses):
        noise = d3dp.clip_noise(keys, hypotheses, (3, 17, 3))
        return model.sample(clips, noise, 3, mirror=flip)

    whole = sample(model, clips, keys, 4)
    assert whole.shape == (3, 3, 4, 3, 17, 3)
    part = sample(model, clips[1:2], keys[1:2], 2)
    np.testing.assert_allclose(part, whole[:, 1:2, :2], atol=1e-5)
    assert np.abs(whole[-1, :, 0] - whole[-1, :, 1]).max() > 1e-3


def test_hypotheses_are_denoised_one_like_the_other():
    model = models.create("d3dp", **TINY)
    keypoints = jnp.ones((2, 3, 17, 2))
    noisy = jax.random.normal(jax.random.key(0), (2, 5, 3, 17, 3))
    step = jnp.array([0, 700])
    whole = denoise(model, keypoints, noisy, step)
    np.testing.assert_allclose(
        denoise(model, keypoints, noisy[:, 3:4], step), whole[:, 3:4], atol=1e-5
    )
    other = denoise(model, keypoints, noisy, step[::-1])
    assert (jnp.abs(whole - other).max((1, 2, 3, 4)) > 1e-4).all()


def test_training_draws_a_step_and_noise_for_every_clip():
    model = models.create("d3dp", **TINY)
    seen = []

    class Seen(type(model)):
        def denoise(self, keypoints, noisy_poses, step, key=None):
            seen.append((noisy_poses, step, key))
            return noisy_poses

    model.__class__ = Seen
    targets = jnp.full((200, 3, 17, 3), 0.5)
    keypoints = jnp.zeros((200, 3, 17, 2))
    train = jax.jit(lambda key: (model.training_outputs(keypoints, targets, key), seen[-1][:2]))
    (out,), (noisy, step) = train(jax.random.key(0))
    assert seen[0][2] is not None  # of dropout
    assert noisy.shape == (200, 1, 3, 17, 3)
    assert out.shape == targets.shape
    assert 0 <= step.min() < 50
    assert 950 < step.max() <= 999
    assert jnp.abs(noisy).max() == np.float32(1.1)
    clean, last = noisy[step < 100], noisy[step > 900]
    assert jnp.abs(clean - 0.5).mean() < 0.2
    assert jnp.abs(last.mean()) < 0.1
    assert (noisy[:, :, :, 0] != 0.5).all()  # the root too


def test_loss_and_gradient_of_training_are_those_of_the_authors(golden):
    stored, model = golden
    stored = {key: jnp.asarray(stored[key]) for key in stored if key.startswith(("train/", "x2d"))}
    wanted = {name: golden[0][f"train/grad_{name}"] for name in ("pred", "norms")}
    graphdef, params = nnx.split(model)
    minimised = objective.make_objective({"mpjpe": 1.0})
    noisy = stored["train/x_t"][:, None]

    @jax.jit
    def differentiate(params):
        def loss(params, pull):
            inputs = stored["x2d"], noisy, stored["train/t"]
            out = nnx.merge(graphdef, params).denoise(*inputs)[:, 0] + pull
            return minimised(out, stored["train/x0"])[0], out

        pull = jnp.zeros_like(stored["train/x0"])
        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, pull)

    (loss, out), (of_params, of_output) = differentiate(params)
    np.testing.assert_allclose(out, stored["train/pred"], atol=1e-5)
    np.testing.assert_allclose(loss, stored["train/loss"], rtol=1e-5)
    # The authors multiply the gradient by the loss, as `optim.scale_by_loss` does.
    np.testing.assert_allclose(loss * of_output, wanted["pred"], rtol=1e-3, atol=1e-9)
    found = {path: np.linalg.norm(leaf[...]) for path, leaf in nnx.to_flat_state(of_params)}
    names = sorted(json.loads(str(golden[0]["names"])))
    paths = [D3DP.target(name)[0] for name in names]
    norms = loss * np.array([found.pop(path) for path in paths])
    np.testing.assert_allclose(norms, wanted["norms"], rtol=1e-3, atol=1e-7)
    assert not found


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 9, "heads": 3}, "width is 9; give an even number"),
        ({"width": 2}, "give an even number of at least 4"),
        ({"out_channels": 2}, "out_channels is 2; give 3"),
    ],
)
def test_sizes_without_meaning_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        models.create("d3dp", **{**TINY, **wrong})


def test_clips_of_another_length_are_refused():
    model = nnx.eval_shape(lambda: models.create("d3dp", **TINY))
    assert model.fixed_length
    with pytest.raises(ValueError, match=r"t = 3, 17, 2\], got \[1, 4, 17, 2\]"):
        model.denoise(jnp.zeros((1, 4, 17, 2)), jnp.zeros((1, 2, 4, 17, 3)), jnp.zeros(1, int))
