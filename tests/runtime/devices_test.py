import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from repose_jax.runtime import devices


def test_the_mesh_is_all_devices_along_one_axis():
    mesh = devices.data_mesh()
    assert mesh.axis_names == ("data",)
    assert mesh.devices.tolist() == jax.devices()


def test_one_process_feeds_the_whole_batch():
    assert devices.process_rows(16) == slice(0, 16)


def test_each_process_feeds_its_own_rows(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    rows = []
    for process in range(2):
        monkeypatch.setattr(jax, "process_index", lambda: process)  # noqa: B023
        rows.append(devices.process_rows(16))
    assert rows == [slice(0, 8), slice(8, 16)]


def test_a_batch_that_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="12 clips cannot be split over 8 devices; .* of 8"):
        devices.process_rows(12)


def test_rows_are_split_over_the_devices_in_order():
    mesh = devices.data_mesh()
    rows = {"x": np.arange(32).reshape(16, 2)}
    x = devices.put_rows(rows, mesh)["x"]
    np.testing.assert_array_equal(x, rows["x"])
    for i, shard in enumerate(x.addressable_shards):
        assert shard.device == jax.devices()[i]
        np.testing.assert_array_equal(shard.data, rows["x"][2 * i : 2 * i + 2])


def test_replicated_arrays_are_whole_on_every_device():
    x = jax.device_put(np.arange(3), devices.replicated(devices.data_mesh()))
    assert len(x.addressable_shards) == 8
    for shard in x.addressable_shards:
        np.testing.assert_array_equal(shard.data, np.arange(3))


def test_what_fails_on_the_first_process_fails_on_all(monkeypatch):
    def fail() -> None:
        raise OSError("no spâce")

    sent = []
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        multihost_utils, "broadcast_one_to_all", lambda text: sent[0] if sent else text
    )
    with pytest.raises(OSError, match="^no spâce$"):
        devices.on_first_process(fail)
    assert devices.on_first_process(lambda: 3) == 3
    encoded = "no spâce".encode()
    sent.append(np.pad(np.frombuffer(encoded, np.uint8), (0, 1000 - len(encoded))))
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with pytest.raises(OSError, match="^no spâce$"):
        devices.on_first_process(lambda: pytest.fail("ran on the second"))
    sent[0] = np.zeros(1000, np.uint8)
    assert devices.on_first_process(lambda: pytest.fail("ran on the second")) is None
