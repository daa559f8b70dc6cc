"""Properties of every registered model.

Entries in `TINY`, `PARAMETERS` and `TENSOR_NAMES` are extras: a model without them is tested with
small sizes of its own.
"""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from repose_jax import models
from repose_jax.torch_import import TENSOR_NAMES

FRAMES = 9
SMALL = {"frames": FRAMES, "width": 8, "depth": 1, "heads": 2}  # the fields that a model has
TINY = {
    "repose": {"frames": FRAMES, "width": 8, "depth": 1, "heads": 2, "representation": 8},
    "motionbert": {"frames": FRAMES, "width": 8, "depth": 1, "heads": 2, "representation": 8},
    "stcformer": {"frames": FRAMES, "width": 16, "depth": 1, "heads": 2, "part_dropout": 0.0},
    "pstmo": {"frames": FRAMES, "width": 8, "depth": 1, "heads": 2},
    "videopose3d": {"filter_widths": (3, 3), "width": 8},
    "motionagformer": {
        "frames": FRAMES,
        "width": 8,
        "depth": 1,
        "heads": 2,
        "representation": 8,
    },
    "mixste": {"frames": FRAMES, "width": 8, "depth": 2, "heads": 2},
    "d3dp": {"frames": FRAMES, "width": 8, "depth": 2, "heads": 2},
    "poseformer": {"frames": FRAMES, "width": 4, "depth": 1, "heads": 2},
    "poseformerv2": {
        "frames": FRAMES,
        "width": 4,
        "depth": 1,
        "heads": 2,
        "kept_frames": 3,
        "kept_coefficients": 3,
    },
    "semgcn": {"frames": FRAMES, "width": 8, "depth": 1},
    "mhformer": {
        "frames": FRAMES,
        "width": 16,
        "hidden": 16,
        "depth": 2,
        "heads": 2,
        "generator_depth": 1,
    },
}
PARAMETERS = {  # of the authors' model that the defaults are
    "repose": 16_001_549,
    "motionbert": 42_466_317,
    "stcformer": 4_748_000,
    "pstmo": 6_482_278,
    "videopose3d": 16_952_371,
    "motionagformer": 11_723_811,
    "mixste": 33_783_811,
    "d3dp": 34_835_459,
    "poseformer": 9_602_885,
    "poseformerv2": 14_381_899,
    "mhformer": 31_516_125,
    "semgcn": 434_703,
}
# Tensors that the authors' network does not use; PoseFormer's, of which a norm takes away the
# effect; SemGCN's, whose layers add nothing at first.
UNUSED = {
    "pstmo": ("['frame_encoder']['norm']", "['aggregator']['norm']"),
    "poseformer": ("['mean']['bias']",),
    "semgcn": ("['input'][1]", "['layers'][1]"),
}

every_model = pytest.mark.parametrize("name", models.MODELS)
every_model_of_authors = pytest.mark.parametrize("name", PARAMETERS)
every_model_with_precisions = pytest.mark.parametrize("name", [*PARAMETERS, "mixer"])


def sizes(name: str) -> dict:
    fields = {field.name for field in dataclasses.fields(models.MODELS[name][1])}
    return TINY.get(name, {key: value for key, value in SMALL.items() if key in fields})


@functools.cache
def tiny(name: str, dtype: str = "float32"):
    return models.create(name, **sizes(name), dtype=dtype)


def clip(name: str, seed: int = 0) -> jax.Array:
    """Two clips, one frame longer than a window where the model slides."""
    model = tiny(name)
    frames = FRAMES + (1 if any(model.context) else 0)
    shape = (2, frames, 17, model.config.in_channels)
    return 0.5 * jax.random.normal(jax.random.key(seed), shape)


@nnx.jit
def call(model, x):
    return model(x)


def test_every_model_of_authors_has_its_size_and_the_names_of_its_tensors():
    assert set(PARAMETERS) == set(TENSOR_NAMES)
    assert set(PARAMETERS) | set(TINY) <= set(models.MODELS)


@every_model_of_authors
def test_the_defaults_are_the_authors_sizes(name):
    model = nnx.eval_shape(functools.partial(models.create, name))
    assert models.parameter_count(model) == PARAMETERS[name]


@every_model
def test_a_model_gives_poses_for_the_frames_that_have_their_context(name):
    model, x = tiny(name), clip(name)
    out = call(model, x)
    before, after = model.context
    assert model.config.frames == FRAMES
    assert out.shape == (2, x.shape[1] - before - after, 17, 3)
    assert out.dtype == jnp.float32
    assert jnp.isfinite(out).all()
    np.testing.assert_array_equal(out, call(model, x))  # without a key nothing is drawn
    assert jnp.abs(out - call(model, clip(name, seed=1))).max() > 1e-6


@every_model
def test_a_model_reads_every_channel_of_data_with_more_of_them(name):
    model = models.create(name, **sizes(name), in_channels=11)
    x = jnp.broadcast_to(clip(name)[..., :1], (*clip(name).shape[:-1], 11))
    assert call(model, x).shape == call(tiny(name), clip(name)).shape
    gradient = nnx.jit(nnx.grad(lambda x, model: (model(x) ** 2).sum()))(x, model)
    assert (jnp.abs(gradient).max((0, 1, 2)) > 0).all()


@every_model
def test_clips_of_a_batch_do_not_know_of_each_other(name):
    model, x = tiny(name), clip(name)
    other = x.at[1].set(clip(name, seed=1)[1])
    np.testing.assert_allclose(call(model, x)[0], call(model, other)[0], atol=1e-6)


@every_model_with_precisions
def test_bfloat16_keeps_float32_parameters_and_output_and_stays_close(name):
    exact, half, x = tiny(name), tiny(name, "bfloat16"), clip(name)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(half))} == {jnp.dtype("float32")}
    out, wanted = call(half, x), call(exact, x)
    assert out.dtype == jnp.float32
    assert jnp.abs(out - wanted).max() > 0
    np.testing.assert_allclose(out, wanted, atol=0.05 * float(jnp.abs(wanted).max()))


@every_model
def test_every_parameter_has_a_finite_gradient_in_training(name):
    graphdef, params, stats = nnx.split(tiny(name), nnx.Param, nnx.BatchStat)
    x = clip(name)[:, :FRAMES]

    def loss(params, x, key):
        model = nnx.merge(graphdef, params, jax.tree.map(lambda leaf: leaf, stats))
        outputs = model.outputs(x, key)
        value = sum((output**2 + output).mean() for output in outputs)
        return value, nnx.state(model, nnx.BatchStat)

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
    (gradients, of_input), batch_stats = gradient(params, x, jax.random.key(1))
    leaves = jax.tree.leaves_with_path(gradients)
    assert all(jnp.isfinite(leaf).all() for _, leaf in leaves)
    still = {jax.tree_util.keystr(path) for path, leaf in leaves if not leaf.any()}
    assert [path for path in still if not path.startswith(UNUSED.get(name, ()))] == []
    assert jnp.isfinite(of_input).all()
    assert of_input.any()
    for was, of_batch in zip(jax.tree.leaves(stats), jax.tree.leaves(batch_stats), strict=True):
        assert (was != of_batch).any()  # what the running statistics are mixed with


@every_model
def test_wrong_sizes_are_refused_in_a_line_that_names_field_value_and_what_is_allowed(name):
    config_class = models.MODELS[name][1]
    fields = [field for field in dataclasses.fields(config_class) if field.init]
    wrong: list[tuple[str, object, str]] = [
        (field.name, value, f"{field.name} is {value}; give a whole number of at least 1.")
        for field in fields
        if field.type is int
        for value in (0, -1)
    ]
    wrong += [
        (field.name, value, f"{field.name} is {value}; give a number of at least 0 and below 1.")
        for field in fields
        if field.type is float
        for value in (-0.1, 1.0, float("nan"))
    ]
    wrong += [("dtype", "float16", "dtype is 'float16'; give 'float32' or 'bfloat16'.")]
    if "heads" in {field.name for field in fields}:
        wrong += [("width", 2 * tiny(name).config.heads + 1, ", give a multiple of ")]
    assert len(wrong) > 6
    for field, value, message in wrong:
        with pytest.raises(ValueError, match=rf"^{field} is ") as error:
            models.create(name, **{**sizes(name), field: value})
        assert message.strip(", ") in str(error.value)
        assert "\n" not in str(error.value)


def test_sizes_from_a_json_file_are_those_of_the_model():
    for name in ("videopose3d", "stcformer"):
        chosen = TINY[name] | ({"parts": tuple(range(17))} if name == "stcformer" else {})
        read = json.loads(json.dumps(chosen))
        configs = [models.create(name, **values).config for values in (chosen, read)]
        assert configs[0] == configs[1]
        assert hash(configs[0]) == hash(configs[1])


def test_sizes_of_numpy_are_those_of_python():
    chosen = {"joints": np.uint8(17), "width": np.int64(4), "dropout": np.float32(0.5)}
    config = models.create("videopose3d", **chosen, filter_widths=np.array([3, 3])).config
    plain = {"joints": 17, "width": 4, "dropout": 0.5, "filter_widths": (3, 3)}
    assert config == models.create("videopose3d", **plain).config
    assert {type(value) for value in (config.joints, config.width)} == {int}


@every_model
def test_clips_of_other_joints_or_channels_are_refused(name):
    x = clip(name)
    for wrong in (x[:, :, :16], jnp.concatenate([x, x], axis=-1)):
        with pytest.raises(ValueError, match=r"The model takes clips \[b, t .*got \[2, "):
            tiny(name)(wrong)


def test_seeds_give_other_weights():
    leaves = [
        jax.tree.leaves(nnx.state(models.create("pstmo", **TINY["pstmo"], seed=s))) for s in (0, 1)
    ]
    assert all((a != b).any() for a, b in zip(*leaves, strict=True) if a.std() > 0)
