import functools

import jax
import numpy as np
import pytest
from flax import nnx
from golden_files import load

from repose_jax import models
from repose_jax.models.semgcn import graph
from repose_jax.skeleton import HUMAN36M
from repose_jax.torch_import import convert

SIZES = {"hid_dim": "width", "num_layers": "depth", "non_local": "non_local"}
NECK = HUMAN36M.joints.index("neck")
TINY = dict(width=8, depth=1, non_local=False)


@nnx.jit
def lift(model, x):
    return model(x)


@functools.cache
def tiny():
    return models.create("semgcn", **TINY)


def clip(frames: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), (1, frames, 17, 2))


@pytest.mark.parametrize(
    "name", ["semgcn_tiny", "semgcn_16j", "semgcn_nonlocal_16j", "semgcn_modulated_16j"]
)
def test_reproduces_the_authors_model(name):
    stored, weights, sizes = load(name, SIZES)
    joints = stored["x"].shape[1]
    sizes["dropped_joints"] = dropped = ("neck",) if joints == 16 else ()
    model = convert.from_torch("semgcn", weights, modulated="modulated" in name, **sizes)
    assert models.parameter_count(model) == stored["params"]
    kept = [joint for joint in range(17) if HUMAN36M.joints[joint] not in dropped]
    for x, y in (("x", "y0"), ("x_big", "y_big")):
        clip = np.full((len(stored[x]), 1, 17, 2), np.nan, np.float32)
        clip[:, 0, kept] = stored[x]
        out = lift(model, clip)[:, 0, kept]
        np.testing.assert_allclose(out, stored[y], rtol=0, atol=1e-5 * np.abs(stored[y]).max())


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({}, 434_703),
        (dict(non_local=False), 267_343),
        (dict(non_local=False, modulated=True), 287_923),
        (dict(non_local=False, dropped_joints=()), 267_373),
    ],
)
def test_the_published_sizes(sizes, count):
    model = nnx.eval_shape(lambda: models.create("semgcn", **sizes))
    assert models.parameter_count(model) == count


def test_the_graphs_are_those_of_the_authors():
    for name, dropped in (("semgcn_tiny", ()), ("semgcn_16j", ("neck",))):
        np.testing.assert_array_equal(graph(dropped).connected, load(name, {})[0]["adj"] > 0)


def test_a_joint_without_a_node_lies_between_its_parent_and_its_child():
    x = clip(2)
    out = lift(tiny(), x)
    thorax, head = (HUMAN36M.joints.index(joint) for joint in ("thorax", "head"))
    np.testing.assert_allclose(out[:, :, NECK], (out[:, :, thorax] + out[:, :, head]) / 2)
    np.testing.assert_array_equal(lift(tiny(), x.at[:, :, NECK].set(7.0)), out)
    between = graph(("neck", "head")).between
    np.testing.assert_array_equal(between[[NECK, head]], thorax)


def test_frames_are_lifted_alone_in_clips_of_any_length():
    x = clip(300)
    np.testing.assert_allclose(lift(tiny(), x)[:, 7:9], lift(tiny(), x[:, 7:9]), atol=1e-6)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (dict(dropped_joints=("pelvis",)), r"dropped_joints is \('pelvis',\); give some of"),
        (dict(dropped_joints=("nose",)), "give some of right_hip"),
        (dict(dropped_joints=(), non_local=True), "non_local is True; give False, or leave"),
        (dict(joints=16), "joints is 16; give 17"),
        (dict(width=9, non_local=True), "width is 9; give an even number"),
    ],
)
def test_other_graphs_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        models.create("semgcn", **sizes)
