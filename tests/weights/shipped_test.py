"""The table of shipped weights, and the files beside it."""

import hashlib

import pytest

from repose_jax.weights import shipped
from repose_jax.weights.shipped import SHIPPED, Shipped

FILES = sorted(shipped.FOLDER.glob("*.safetensors"))


def test_the_table_lists_the_files_in_the_folder_and_no_others():
    assert sorted(entry.file for entry in SHIPPED.values()) == [path.name for path in FILES]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_are_as_listed(name):
    assert shipped.find(name).parent == shipped.FOLDER


def test_shipped_files_are_small():
    assert sum(path.stat().st_size for path in FILES) <= 12e6


@pytest.fixture
def table(monkeypatch, tmp_path):
    """A table of two files of another folder."""
    contents = {"first": b"1", "second": b"2"}
    found = {}
    for name, content in contents.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
        found[name] = Shipped(f"{name}.safetensors", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    monkeypatch.setattr(shipped, "SHIPPED", found)
    return tmp_path


def test_the_first_of_the_table_is_the_default(table):
    assert shipped.find() == shipped.find("first") == table / "first.safetensors"
    assert shipped.find("second") == table / "second.safetensors"


def test_an_unknown_name_is_refused_with_the_names(table):
    with pytest.raises(ValueError, match=r"'secnd'. Did you mean 'second'\? .* first, second"):
        shipped.find("secnd")


def test_a_file_with_other_bytes_is_refused(table):
    (table / "second.safetensors").write_bytes(b"3")
    with pytest.raises(ValueError, match=r"second.safetensors is not the file that was shipped"):
        shipped.find("second")


def test_a_missing_file_is_reported(table):
    (table / "first.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"first.safetensors is missing"):
        shipped.find()


def test_without_shipped_weights_the_error_names_what_else_can_be_loaded(monkeypatch):
    monkeypatch.setattr(shipped, "SHIPPED", {})
    with pytest.raises(ValueError, match="ships no weights; give a workdir or a .safetensors file"):
        shipped.find()
