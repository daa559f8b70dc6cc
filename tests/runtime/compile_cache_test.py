"""Compiled programs are cached where that is possible, and programs run where it is not."""

import math
import os
import pathlib
import subprocess
import sys
import types

import pytest

from repose_jax.runtime import compile_cache

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


@pytest.fixture
def settings(monkeypatch, tmp_path) -> dict[str, object]:
    """Settings of a JAX that runs no program, for a user with a home."""
    values = {"jax_compilation_cache_dir": None, "jax_enable_compilation_cache": True}
    config = types.SimpleNamespace(
        **values, update=lambda name, value: values.update({name: value})
    )
    monkeypatch.setattr(compile_cache, "jax", types.SimpleNamespace(config=config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return values


def warning(capsys) -> str:
    error = capsys.readouterr().err
    assert error.startswith("warning: compiled programs are not cached (")
    assert error.count("\n") == 1
    return error


def test_the_cache_is_in_the_home(settings, tmp_path, capsys):
    compile_cache.keep_programs()
    assert str(settings["jax_compilation_cache_dir"]).startswith(f"{tmp_path}/.cache/repose_jax/")
    assert capsys.readouterr().err == ""


def test_each_python_has_its_own(settings, monkeypatch):
    """JAX with Python 3.14 cannot decompress what it wrote with 3.13, and the reverse."""
    compile_cache.keep_programs()
    first = settings["jax_compilation_cache_dir"]
    monkeypatch.setattr(compile_cache, "sys", types.SimpleNamespace(version_info=(3, 99, 0)))
    compile_cache.keep_programs()
    assert first != settings["jax_compilation_cache_dir"]
    assert str(settings["jax_compilation_cache_dir"]).endswith("-py399")


def test_a_folder_that_cannot_be_made_is_a_warning(settings, tmp_path, capsys):
    (tmp_path / ".cache").touch()
    compile_cache.keep_programs()
    assert "set XDG_CACHE_HOME to a writable folder" in warning(capsys)
    assert settings["jax_compilation_cache_dir"] is None
    compile_cache.jax.config.jax_compilation_cache_dir = str(tmp_path / ".cache" / "own")
    compile_cache.keep_programs()
    assert "set JAX_COMPILATION_CACHE_DIR to a writable folder" in warning(capsys)
    assert settings["jax_compilation_cache_dir"] is None


def test_a_user_without_a_home_has_no_cache(settings, capsys, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    compile_cache.keep_programs()
    assert "(there is no home folder)" in warning(capsys)
    assert settings["jax_compilation_cache_dir"] is None


def test_a_folder_that_is_not_writable_is_only_read(settings, capsys, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    compile_cache.keep_programs()
    assert "is not writable" in warning(capsys)
    assert settings["jax_compilation_cache_dir"]
    assert settings["jax_persistent_cache_min_compile_time_secs"] == math.inf
