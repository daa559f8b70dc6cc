"""Each test starts processes that compile a program with the cache."""

import os
import pathlib
import subprocess
import sys

COMPILE = """
import jax
from repose_jax.runtime import compile_cache
compile_cache.keep_programs()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((64, 64)))
print(hits.count("/jax/compilation_cache/cache_hits"))
"""


def run(program: str, **variables: str) -> tuple[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION")}
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout, result.stderr


def test_compiled_programs_are_cached_for_the_next_process(tmp_path: pathlib.Path):
    assert int(run(COMPILE, XDG_CACHE_HOME=str(tmp_path))[0]) == 0
    assert list(tmp_path.glob("repose_jax/*/*"))
    assert int(run(COMPILE, XDG_CACHE_HOME=str(tmp_path))[0]) > 0


def test_the_settings_of_jax_have_precedence(tmp_path: pathlib.Path):
    run(COMPILE, XDG_CACHE_HOME=str(tmp_path / "a"), JAX_COMPILATION_CACHE_DIR=str(tmp_path / "b"))
    assert list((tmp_path / "b").iterdir())
    run(COMPILE, XDG_CACHE_HOME=str(tmp_path / "a"), JAX_ENABLE_COMPILATION_CACHE="0")
    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_not_writable_is_a_warning(tmp_path: pathlib.Path):
    file = tmp_path / "file"
    file.touch()
    hits, errors = run(COMPILE, XDG_CACHE_HOME=str(file))
    assert int(hits) == 0
    assert len(errors.splitlines()) == 1
    assert errors.startswith("warning: compiled programs are not cached (")
    assert "Not a directory" in errors
