"""Setup of JAX for a command, by its environment."""

import jax
import pytest

from repose_jax.cli import environment
from tests.runtime.distributed_test import JAX, SHELL


@pytest.fixture
def joined(monkeypatch) -> list[object]:
    """The addresses at which processes were joined."""
    found: list[object] = []
    monkeypatch.setattr("repose_jax.runtime.distributed.join", found.append)
    monkeypatch.setattr("repose_jax.runtime.compile_cache.keep_programs", lambda: None)
    return found


@pytest.mark.parametrize(
    ("variables", "join", "count"), [(JAX, True, 1), (JAX, False, 0), (SHELL, True, 0)]
)
def test_processes_are_joined_for_a_run_with_a_whole_environment(
    variables, join, count, joined, monkeypatch
):
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    environment.start_jax(join=join)
    assert len(joined) == count


def test_devices_that_do_not_exist_are_an_error_of_one_line(joined, monkeypatch):
    def devices():
        raise RuntimeError("Unable to initialize backend 'abacus'.\nMore lines.")

    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setenv("JAX_PLATFORMS", "abacus")
    with pytest.raises(ValueError, match=r"JAX_PLATFORMS is 'abacus'.*Unable to .*'abacus'\.$"):
        environment.start_jax()
