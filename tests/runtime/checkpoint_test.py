import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax import models
from repose_jax.runtime import checkpoint, devices
from repose_jax.training import optim, state


def first_state(**sizes: int) -> state.TrainState:
    """The state of a run that has all a state can hold."""
    sizes = {"frames": 3, "width": 4, "depth": 1, "heads": 2, "representation": 4} | sizes
    model = models.create("repose", **sizes)
    optimizer = optim.optimizer(optim.OptimConfig(), 10)
    return state.create(model, {"spatial_depth": jnp.zeros(())}, optimizer, ema=True)[1]


@functools.cache
def states() -> list[state.TrainState]:
    """Three states of a run, on all devices."""
    leaves, structure = jax.tree.flatten(first_state())
    rng = np.random.default_rng(0)
    replicated = devices.replicated(devices.data_mesh())

    def another():
        values = [rng.normal(0, 9, leaf.shape).astype(leaf.dtype) for leaf in leaves]
        return jax.tree.unflatten(structure, jax.device_put(values, replicated))

    return [another() for _ in range(3)]


def assert_same(a, b) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        assert x.sharding == y.sharding
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory) -> pathlib.Path:
    """The second state is the best, the third the latest."""
    directory = tmp_path_factory.mktemp("run")
    checkpoints = checkpoint.Checkpoints(directory)
    for step, train_state in zip((10, 20, 30), states(), strict=True):
        checkpoints.save("latest", step, train_state, {"step": step, "epoch": step // 10})
        if step < 30:
            checkpoints.save("best", step, train_state, {"step": step, "mpjpe": 100.0 / step})
    checkpoints.close()
    return directory


@pytest.mark.parametrize(("kind", "number"), [("latest", 2), ("best", 1)])
def test_a_state_comes_back_bit_by_bit_with_its_types_and_shardings(workdir, kind, number):
    checkpoints = checkpoint.Checkpoints(workdir)
    restored = checkpoints.restore(kind, states()[0])
    checkpoints.close()
    assert isinstance(restored, state.TrainState)
    assert_same(restored, states()[number])


def test_the_values_saved_beside_a_state_come_back_too(workdir):
    checkpoints = checkpoint.Checkpoints(workdir)
    assert checkpoints.info("latest") == {"step": 30, "epoch": 3}
    assert checkpoints.info("best") == {"step": 20, "mpjpe": 5.0}
    assert checkpoints.path("best") == workdir / "checkpoints" / "best" / "20"
    checkpoints.close()


def test_one_of_each_kind_is_kept(workdir):
    for kind, step in (("latest", "30"), ("best", "20")):
        folders = [p.name for p in (workdir / "checkpoints" / kind).iterdir() if p.is_dir()]
        assert folders == [step]


def test_saving_a_step_again_changes_nothing(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path)
    checkpoints.save("latest", 5, states()[0], {"step": 5})
    checkpoints.save("latest", 5, states()[1], {"step": 5})
    assert_same(checkpoints.restore("latest", states()[2]), states()[0])
    checkpoints.close()


def test_the_error_for_a_missing_checkpoint_names_the_run(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path)
    for kind in checkpoint.KINDS:
        assert checkpoints.info(kind) is None
        assert checkpoints.path(kind) is None
        with pytest.raises(FileNotFoundError, match=f"no checkpoint in .*checkpoints/{kind}"):
            checkpoints.restore(kind, states()[0])
    checkpoints.close()


def test_a_checkpoint_that_was_being_written_when_the_run_was_killed_is_ignored(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path)
    checkpoints.save("latest", 5, states()[0], {"step": 5})
    checkpoints.close()
    kept = tmp_path / "checkpoints" / "latest" / "5"
    begun = kept.with_name("10.orbax-checkpoint-tmp-1")
    (begun / "state").mkdir(parents=True)
    checkpoints = checkpoint.Checkpoints(tmp_path)
    assert checkpoints.path("latest") == kept
    assert checkpoints.info("latest") == {"step": 5}
    assert_same(checkpoints.restore("latest", states()[1]), states()[0])
    checkpoints.save("latest", 10, states()[1], {"step": 10})
    assert checkpoints.path("latest") == kept.with_name("10")
    checkpoints.close()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 8}, r"ema\.embed\.bias is \(4,\) in it, \(8,\) in the model; .* and \d+ more\."),
        ({"depth": 2}, r"ema\.layers\.1\..*\.bias is missing in it, \(4,\) in the model;"),
    ],
)
def test_a_state_of_another_model_is_refused_in_one_line(workdir, sizes, message):
    checkpoints = checkpoint.Checkpoints(workdir)
    with pytest.raises(
        ValueError, match=f"latest/30 does not fit the configuration: {message}"
    ) as error:
        checkpoints.restore("latest", first_state(**sizes))
    assert len(str(error.value).splitlines()) == 1
    checkpoints.close()
