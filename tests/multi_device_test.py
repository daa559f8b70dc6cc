"""One device gives what several give, which only add up what each found."""

import re

import jax
import numpy as np
import pytest
from jax.sharding import AxisType
from small_run import assert_close, records, restore

from repose_jax.runtime import devices
from repose_jax.training import loop as train
from repose_jax.training.setup import setup


def some_devices(count=1):
    chosen = jax.devices()[:count]
    return jax.make_mesh((count,), ("data",), axis_types=(AxisType.Auto,), devices=chosen)


@pytest.fixture(scope="module")
def alone(trained, tmp_path_factory):
    """The workdir and the results of the same run on one device."""
    workdir = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "data_mesh", some_devices)
        return workdir, train.train_and_evaluate(trained.config, workdir)


def test_the_state_is_on_every_device_and_the_batch_is_split(trained, tmp_path):
    run, state = setup(trained.config)
    for leaf in jax.tree.leaves(state):
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.sharding.device_set) == 8
    batch = devices.put_rows({"inputs": np.zeros((8, 9, 17, 3))}, run.mesh)["inputs"]
    assert [shard.data.shape[0] for shard in batch.addressable_shards] == [1] * 8


def test_one_and_eight_devices_give_the_same_losses_at_every_step(trained, alone):
    eight, one = records(trained.workdir), records(alone[0])
    assert len(eight) == len(one)
    for a, b in zip(eight, one, strict=True):
        assert a.keys() == b.keys()
        assert (a["step"], a["split"]) == (b["step"], b["split"])
        if a["split"] == "train":
            for key in ("loss", "mpjpe", "spatial_depth", "temporal_depth", "grad_norm"):
                np.testing.assert_allclose(a[key], b[key], rtol=1e-4, atol=1e-7, err_msg=key)


def test_one_and_eight_devices_train_the_same_parameters(trained, alone, tmp_path):
    _, like = setup(trained.config)
    eight, one = restore(trained.workdir, like), restore(alone[0], like)
    assert_close(eight.params, one.params, rtol=1e-3, atol=2e-5)
    assert_close(eight.ema, one.ema, rtol=1e-3, atol=2e-5)


def test_one_and_eight_devices_give_the_same_tally(trained, alone):
    for name, weights in trained.tally.weights.items():
        np.testing.assert_allclose(weights, alone[1].weights[name])
    for name in ("mpjpe", "pa_mpjpe", "n_mpjpe", "mpjve", "acceleration_error"):
        totals = trained.tally.totals[name]
        np.testing.assert_allclose(totals, alone[1].totals[name], rtol=1e-3, atol=0.1)


@pytest.fixture(scope="module")
def first_steps(trained, tmp_path_factory):
    """Of a number of devices: the compiled steps and the metrics of the first ones."""

    def make(count, steps):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(devices, "data_mesh", lambda: some_devices(count))
            run, state = setup(trained.config)
        batches = train.batches(run, range(steps))
        compiled = train.jit_steps(run).lower(state, batches).compile()
        return compiled.as_text(), compiled(state, batches)[1]

    return make


def test_two_and_four_devices_give_the_losses_of_one(first_steps):
    (_, one), *others = (first_steps(count, steps=1) for count in (1, 2, 4))
    for _, metrics in others:
        for key, value in one.items():
            np.testing.assert_allclose(metrics[key], value, rtol=1e-4, atol=1e-7, err_msg=key)


@pytest.mark.parametrize("steps", [1, 2])
def test_devices_only_add_up_losses_and_gradients(first_steps, steps, trained, tmp_path):
    program, _ = first_steps(8, steps)
    kinds = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|ragged-all-to-all"
    found = re.findall(rf"= (.*?) ({kinds})(?:-start)?\(", program)
    assert {kind for _, kind in found} == {"all-reduce"}
    shapes = [dims for types, _ in found for dims in re.findall(r"f32\[([\d,]*)\]", types)]
    summed = sum(int(np.prod([int(d) for d in dims.split(",") if d])) for dims in shapes)
    _, state = setup(trained.config)
    sizes = {jax.tree_util.keystr(k): v.size for k, v in jax.tree.leaves_with_path(state.params)}
    # The gradients of norms before linear maps follow from those of the maps.
    apart = sum(size for path, size in sizes.items() if "['norm']" not in path)
    assert apart <= summed <= apart + 10  # and the scalars of the losses
