import functools
import json
import pathlib
import shutil
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repose_jax import models
from repose_jax.runtime import checkpoint, devices
from repose_jax.runtime.lock import Lock
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


def test_what_a_killed_process_left_half_written_or_had_not_removed_yet_is_removed(copy):
    folder = copy / "checkpoints" / "latest"
    shutil.copytree(folder / "30", folder / "20")
    for name in ("40.orbax-checkpoint-tmp", "40.orbax-checkpoint-tmp-17"):
        (folder / name / "state.orbax-checkpoint-tmp").mkdir(parents=True)
    checkpoints = checkpoint.Checkpoints(copy)
    checkpoints.remove_unfinished()
    assert [path.name for path in folder.iterdir()] == ["30"]
    assert_equal(checkpoints.restore("latest", PLAIN), plain_plus(1))


def test_a_checkpoint_that_a_running_training_replaces_is_read_again(copy, monkeypatch):
    read_info = checkpoint._info

    def replaced(path):
        if path.name == "30":
            path.rename(path.with_name("40"))
        return read_info(path)

    monkeypatch.setattr(checkpoint, "_info", replaced)
    assert_equal(read(copy), plain_plus(1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_not_saved(value, copy):
    checkpoints = checkpoint.Checkpoints(copy)
    state = plain_plus(2)
    state["weight"][3] = value
    with pytest.raises(FloatingPointError, match="weight is NaN or infinite") as error:
        checkpoints.save("latest", 40, state, {"step": 40})
    assert f"The last good checkpoint is {copy}/checkpoints/latest/30." in str(error.value)
    checkpoints.close()
    assert_equal(read(copy), plain_plus(1))


def test_a_checkpoint_that_is_not_finite_is_refused(tmp_path, monkeypatch):
    checkpoints = checkpoint.Checkpoints(tmp_path)
    with monkeypatch.context() as patch:  # as an earlier version would have
        patch.setattr(checkpoint, "_not_finite", lambda tree: "")
        checkpoints.save("latest", 5, PLAIN | {"weight": PLAIN["weight"] * np.nan}, {"step": 5})
    with pytest.raises(FloatingPointError, match="latest/5 is not finite: weight is NaN or"):
        checkpoints.restore("latest", PLAIN)
    with pytest.raises(FloatingPointError, match="latest/5 is not finite: weight is NaN or"):
        checkpoints.restore_part("latest", {"weight": PLAIN["weight"]})
    assert_equal(
        checkpoints.restore_part("latest", {"counts": PLAIN["counts"]}), {"counts": PLAIN["counts"]}
    )
    checkpoints.close()


def test_nothing_is_saved_after_another_process_has_taken_over(tmp_path):
    with Lock(tmp_path) as lock:
        checkpoints = checkpoint.Checkpoints(tmp_path, lock)
        (tmp_path / ".lock").write_text("another's")
        with pytest.raises(OSError, match="was taken over by another process"):
            checkpoints.save("latest", 5, PLAIN, {"step": 5})
    assert checkpoints.path("latest") is None


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


@pytest.mark.parametrize("name", ["runs [27f]", "lr=[1e-4]", "*", "wh?t", "ü ü", "{a}", "a%20b"])
def test_a_workdir_may_have_any_usual_name(name, tmp_path):
    saved = checkpoint.Checkpoints(tmp_path / name)
    saved.save("latest", 5, PLAIN, {"step": 5})
    saved.close()
    checkpoints = checkpoint.Checkpoints(tmp_path / name)
    assert checkpoints.info("latest") == {"step": 5}
    assert_equal(checkpoints.restore("latest", plain_plus(1)), PLAIN)
    found = checkpoints.restore_part("latest", {"weight": PLAIN["weight"] * 0})
    assert_equal(found, {"weight": PLAIN["weight"]})


@pytest.mark.parametrize("name", ["a\\b", "a\udcffb"])
def test_a_path_in_which_checkpoints_would_be_lost_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="there are no checkpoints in a path with '"):
        checkpoint.Checkpoints(tmp_path / name / "run")


def test_the_first_checkpoint_of_a_run_is_read_back(tmp_path, monkeypatch):
    checkpoints = checkpoint.Checkpoints(tmp_path)
    monkeypatch.setattr(checkpoint, "_is_same", lambda leaf, saved: False)
    with pytest.raises(OSError, match="does not come back") as error:
        checkpoints.save("latest", 5, PLAIN, {"step": 5})
    assert f"to {tmp_path}/checkpoints/latest/5 does" in str(error.value)
    checkpoints.close()


def test_reading_makes_no_folder(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path / "run")
    assert checkpoints.info("best") is None
    checkpoints.close()
    assert not (tmp_path / "run").exists()


# Damage.


PLAIN = {"weight": np.linspace(0, 1, 12, dtype=np.float32), "counts": np.arange(3)}


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory) -> pathlib.Path:
    """A run of a few numbers; they are those of its best checkpoint plus one."""
    directory = tmp_path_factory.mktemp("plain")
    checkpoints = checkpoint.Checkpoints(directory)
    checkpoints.save("best", 20, PLAIN, {"step": 20})
    checkpoints.save("latest", 30, plain_plus(1), {"step": 30})
    checkpoints.close()
    return directory


@pytest.fixture
def copy(undamaged, tmp_path) -> pathlib.Path:
    return shutil.copytree(undamaged, tmp_path / "copy")


def plain_plus(number: int) -> dict[str, np.ndarray]:
    return {name: value + np.asarray(number, value.dtype) for name, value in PLAIN.items()}


def assert_equal(a, b) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def flip(path: pathlib.Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def bytes_of_state(step: pathlib.Path) -> list[tuple[pathlib.Path, int]]:
    """Every byte of the files of the arrays."""
    files = [path for path in sorted((step / "state").rglob("*")) if path.is_file()]
    return [(path, position) for path in files for position in range(path.stat().st_size)]


def read(workdir) -> dict[str, np.ndarray] | None:
    """The latest state, or None if it is refused in one line with the path."""
    checkpoints = checkpoint.Checkpoints(workdir)
    try:
        return checkpoints.restore("latest", PLAIN)
    except ValueError as error:
        lines = str(error).splitlines()
        assert len(lines) == 1
        assert f"{workdir}/checkpoints/latest/30" in lines[0]
        return None
    finally:
        checkpoints.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of Orbax
def test_no_flipped_bit_of_the_arrays_is_restored(copy):
    positions = bytes_of_state(copy / "checkpoints" / "latest" / "30")
    chosen = np.random.default_rng(0).choice(len(positions), 20, replace=False)
    refused = 0
    for path, position in (positions[index] for index in chosen):
        flip(path, position)
        if found := read(copy):
            assert_equal(found, plain_plus(1))  # a byte that nothing depends on
        refused += found is None
        flip(path, position)
    assert refused
    assert_equal(read(copy), plain_plus(1))


def test_what_was_still_read_of_a_damaged_checkpoint_is_not_reported(copy, monkeypatch):
    seen = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: seen.append(unraisable.exc_value))
    checkpoints = checkpoint.Checkpoints(copy)
    assert_equal(checkpoints.restore("latest", PLAIN), plain_plus(1))
    shutil.rmtree(copy / "checkpoints" / "latest" / "30" / "state" / "d")
    for message, reported in (("Event loop is closed", 1), ("another", 2)):
        sys.unraisablehook(types.SimpleNamespace(exc_value=RuntimeError(message)))
        assert len(seen) == reported  # after a reading without fault all are
    with pytest.raises(checkpoint.Damaged):
        checkpoints.restore("latest", PLAIN)
    for message, reported in (("Event loop is closed", 2), ("another", 3)):
        sys.unraisablehook(types.SimpleNamespace(exc_value=RuntimeError(message)))
        assert len(seen) == reported


@pytest.mark.parametrize(
    "damage",
    [
        lambda step: shutil.rmtree(step / "state"),
        lambda step: shutil.rmtree(step / "info"),
        lambda step: (shutil.rmtree(step), step.mkdir()),
        lambda step: (step / "info" / "metadata").write_text(""),
        lambda step: (step / "info" / "metadata").write_text("[]"),
        lambda step: (step / "info" / "metadata").write_bytes(b"\xff{"),
        lambda step: (step / "state" / "_METADATA").write_text("{"),
        lambda step: (step / "state" / "_METADATA").unlink(),
        lambda step: (step / "state" / "manifest.ocdbt").write_bytes(b""),
        lambda step: shutil.rmtree(step / "state" / "d"),
    ],
)
def test_a_damaged_checkpoint_is_refused_in_one_line_with_its_path(damage, copy):
    damage(copy / "checkpoints" / "latest" / "30")
    assert read(copy) is None
    checkpoints = checkpoint.Checkpoints(copy)
    with pytest.raises(checkpoint.Damaged, match="latest/30 is damaged"):
        checkpoints.restore("latest", PLAIN)
    assert_equal(checkpoints.restore("best", PLAIN), PLAIN)
    moved = checkpoints.set_aside("latest")
    assert moved == copy / "checkpoints" / "damaged" / "latest_30"
    assert moved.is_dir()
    assert checkpoints.path("latest") is None
    checkpoints.save("latest", 20, PLAIN, {"step": 20})
    assert_equal(checkpoints.restore("latest", PLAIN), PLAIN)
    checkpoints.close()


def test_a_checkpoint_of_an_earlier_version_has_no_checksums_and_is_read(copy):
    path = copy / "checkpoints" / "latest" / "30" / "info" / "metadata"
    info = json.loads(path.read_text())
    del info["checksums"]
    path.write_text(json.dumps(info))
    assert_equal(read(copy), plain_plus(1))
