"""The home of the user, and users without one."""

import pathlib
import pwd

import pytest

from repose_jax.runtime import folders


@pytest.fixture
def no_home(monkeypatch):
    """A user without a name, as in a container that was started with `--user`."""

    def unknown(_):
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


def test_a_leading_tilde_is_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert folders.expand("~/a") == pathlib.Path("/home/somebody/a")
    assert folders.expand(pathlib.Path("a/~")) == pathlib.Path("a/~")


def test_an_empty_path_is_not_the_current_folder():
    with pytest.raises(FileNotFoundError, match="the path is empty"):
        folders.expand("")


@pytest.mark.parametrize("path", ["~", "~/a", "~somebody/a"])
def test_without_a_home_the_path_is_named(path, no_home):
    with pytest.raises(FileNotFoundError, match="^~.*no home folder for ~"):
        folders.expand(path)


def test_the_cache_is_in_the_home_or_where_the_variable_says(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert folders.cache() == pathlib.Path("/home/somebody/.cache/repose_jax")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/caches")
    assert folders.cache() == pathlib.Path("/home/somebody/caches/repose_jax")


def test_without_a_home_there_is_no_cache(no_home):
    with pytest.raises(FileNotFoundError, match="no home folder"):
        folders.cache()


def test_homes_are_expanded_in_one_place():
    root = pathlib.Path(folders.__file__).parents[2]
    found = {
        str(path.relative_to(root))
        for room in ("repose_jax", "configs", "benchmarks", "examples")
        for path in (root / room).rglob("*.py")
        if ".expanduser()" in path.read_text(encoding="utf-8")
    }
    assert found == {"repose_jax/runtime/folders.py"}
