"""The address of the repository has one command that sets it everywhere."""

import importlib.util
import json
import pathlib
import shutil

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = "notebooks/repose_colab.ipynb"
CLONES = "https://github.com/someone/lifting"
OPENS = f"https://colab.research.google.com/github/someone/lifting/blob/main/{NOTEBOOK}"


@pytest.fixture
def module():
    path = ROOT / "docs" / "set_repository.py"
    spec = importlib.util.spec_from_file_location("set_repository", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path):
    for name in ("README.md", NOTEBOOK):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("before", [(), ("https://github.com/an_earlier/one",)])
@pytest.mark.parametrize("address", [CLONES, f"{CLONES}.git", f"{CLONES}/"])
def test_badges_open_the_notebook_and_clones_come_from_the_address(module, copy, address, before):
    for one in (*before, address):
        module.set_repository(copy, one)
    readme = (copy / "README.md").read_text(encoding="utf-8")
    assert f"\ngit clone {CLONES} repose_jax && cd repose_jax\n" in readme
    assert f"colab-badge.svg)]({OPENS})" in readme
    cells = {cell["id"]: cell for cell in json.loads((copy / NOTEBOOK).read_text())["cells"]}
    assert f"colab-badge.svg)]({OPENS})" in "".join(cells["title"]["source"])
    assert f'REPOSITORY = "{CLONES}"' in "".join(cells["settings"]["source"])


def test_an_address_elsewhere_is_refused(module, copy):
    with pytest.raises(ValueError, match="not like https://github.com/OWNER/NAME"):
        module.set_repository(copy, "git@example.org:lifting")
