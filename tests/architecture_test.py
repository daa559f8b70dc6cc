"""The rooms of `repose_jax` and the direction of their imports, as in `docs/architecture.md`."""

import ast
import importlib.util
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "repose_jax"


def load_script():
    path = ROOT / "docs" / "draw_architecture.py"
    spec = importlib.util.spec_from_file_location("draw_architecture", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = load_script()
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = {room.name: room for room in SCRIPT.rooms(PAGE)}
PRESENT = {
    path.stem
    for path in PACKAGE.iterdir()
    if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
}


def imported_names(source: str) -> set[str]:
    """Dotted names of what a module imports, `a.b.c` for `from a.b import c`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_rooms(source: str) -> set[str]:
    """Rooms of `repose_jax` that a module imports; "" for what its `__init__` defines."""
    inside = {name for name in imported_names(source) if name.startswith("repose_jax.")}
    parts = {name.split(".")[1] for name in inside - {"repose_jax.__version__"}}
    return {part if part in PRESENT else "" for part in parts}


def imports_of(room: str) -> set[str]:
    path = PACKAGE / room
    files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    return set().union(*(imported_rooms(file.read_text(encoding="utf-8")) for file in files))


def test_reads_every_form_of_import():
    source = """
import os, repose_jax.models.layers
from repose_jax import data, __version__
from repose_jax.objectives.losses import mpjpe
def later():
    import repose_jax.training
    from repose_jax import lift
"""
    assert imported_rooms(source) == {"models", "data", "objectives", "training", ""}


def test_the_page_lists_every_room():
    assert PRESENT - {"__init__", "__main__"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_the_page_lets_a_room_import_from_lower_levels_only(room):
    assert [name for name in room.imports if ROOMS[name].level >= room.level] == []


@pytest.mark.parametrize("room", sorted(PRESENT & set(ROOMS)))
def test_a_room_imports_what_the_page_lists(room):
    assert imports_of(room) - {room} == set(ROOMS[room].imports)


def test_models_know_neither_configurations_nor_data():
    assert imports_of("models") <= {"models", "skeleton", "runtime"}


def test_the_entry_point_imports_the_commands_only():
    assert imports_of("__main__") == {"cli"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_package_imports_nothing_beside_it(path):
    tops = {name.split(".")[0] for name in imported_names(path.read_text(encoding="utf-8"))}
    assert not tops & {"tfds_builders", "configs", "benchmarks", "examples", "tests", "main"}


@pytest.mark.parametrize("path", sorted((ROOT / "tfds_builders").rglob("*.py")))
def test_dataset_builders_import_no_more_than_the_reader_of_pickles(path):
    names = imported_names(path.read_text(encoding="utf-8"))
    names -= {"repose_jax.runtime.safe_pickle"}  # of NumPy and the standard library alone
    assert not {name.split(".")[0] for name in names} & {"repose_jax", "jax", "flax", "configs"}


def test_the_picture_is_up_to_date():
    picture = SCRIPT.PICTURE.read_text(encoding="utf-8")
    assert picture == SCRIPT.svg([*ROOMS.values()]), "run python docs/draw_architecture.py"
