"""What `host.prepare` does to a process, seen from outside."""

import os
import pathlib
import subprocess
import sys

import pytest

from repose_jax import host

COMPILE = """
import jax
from repose_jax import host
host.keep_programs()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((64, 64)))
print(hits.count("/jax/compilation_cache/cache_hits"))
"""

# Faults of pages while a large array is made for the first time, and for the tenth time.
FAULTS = """
import resource, jax
from repose_jax import host
host.keep_memory()
make = jax.jit(lambda x: jax.numpy.tanh(x) + 1)
x = jax.numpy.ones((64 << 20,))
make(x[:10]).block_until_ready()
faults = []
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    make(x).block_until_ready()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*faults)
"""


def run(program: str, **variables: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION")}
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_what_is_compiled_is_there_for_the_next_process(tmp_path: pathlib.Path):
    assert int(run(COMPILE, XDG_CACHE_HOME=str(tmp_path))) == 0
    assert list(tmp_path.glob("repose_jax/*/*"))
    assert int(run(COMPILE, XDG_CACHE_HOME=str(tmp_path))) > 0


def test_the_settings_of_jax_stand_above(tmp_path: pathlib.Path):
    run(COMPILE, XDG_CACHE_HOME=str(tmp_path / "a"), JAX_COMPILATION_CACHE_DIR=str(tmp_path / "b"))
    assert list((tmp_path / "b").iterdir())
    run(COMPILE, XDG_CACHE_HOME=str(tmp_path / "a"), JAX_ENABLE_COMPILATION_CACHE="0")
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_used_again():
    first, *_, last = map(int, run(FAULTS).split())
    assert last < 100  # of 65,536 pages of 4 KiB, or 128 huge ones
    assert first > 100


def test_memory_is_left_alone_beside_an_accelerator(monkeypatch: pytest.MonkeyPatch):
    called = []
    monkeypatch.setattr(host, "keep_programs", lambda: called.append("programs"))
    monkeypatch.setattr(host, "keep_memory", lambda: called.append("memory"))
    monkeypatch.setattr(host, "_ACCELERATORS", ("/absent",))
    host.prepare()
    monkeypatch.setattr(host, "_ACCELERATORS", ("/absent", "/"))
    host.prepare()
    assert called == ["programs", "memory", "programs"]
