"""Pages, docstrings and comments name files, modules, settings and commands that exist."""

import dataclasses
import importlib
import pathlib
import re

import pytest

import configs
import repose_jax
from repose_jax import cli, config, models
from repose_jax.objectives.losses import LOSSES

ROOT = pathlib.Path(__file__).parent.parent
FOLDERS = ("repose_jax", "tfds_builders", "configs", "benchmarks", "docs", "examples", "tests")
PAGES = sorted(
    [
        *(ROOT / "README.md", ROOT / "examples" / "README.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("tfds_builders/*/*.md"),
    ]
)
SOURCES = sorted(
    [
        *PAGES,
        ROOT / "main.py",
        *(ROOT / "notebooks").glob("*.ipynb"),
        *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")),
    ]
)
SECTIONS = {field.name for field in dataclasses.fields(config.Experiment)}


def name_of(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors(page: pathlib.Path) -> set[str]:
    """Anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", read(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_have_at_most_120_characters_outside_tables_and_links(page):
    lines = [re.sub(r"\]\([^)]*\)", "]()", line) for line in read(page).splitlines()]
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("source", [s for s in SOURCES if "tests" not in s.parts], ids=name_of)
def test_paths_exist(source):
    pattern = rf"(?<![\w/.])(?:{'|'.join(FOLDERS)})/[\w/.-]*\w\.(?:py|md|json|toml|bib|ipynb)\b"
    named = [path for path in re.findall(pattern, read(source)) if "NAME" not in path]
    assert [path for path in named if not (ROOT / path).exists()] == []


def exists(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    name, *rest = dotted.split(".")
    found = importlib.import_module(name)
    for part in rest:
        name = f"{name}.{part}"
        try:
            found = getattr(found, part) if hasattr(found, part) else importlib.import_module(name)
        except ImportError:
            return False
    return True


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_dotted_names_exist(source):
    names = set(re.findall(r"(?<![\w/.-])repose_jax(?:\.[A-Za-z_]\w*)+", read(source)))
    assert sorted(name for name in names if not exists(name)) == []


def is_setting(section: str, key: str, deeper: str) -> bool:
    """Whether an experiment has `section.key`, or `section.key.deeper`."""
    if section == "model":
        configs = [sizes for _, sizes in models.MODELS.values()]
        return key == "name" or any(key in {f.name for f in dataclasses.fields(c)} for c in configs)
    if (section, key) == ("objective", "weights"):
        return not deeper or deeper in {*LOSSES, "depth"}  # the last is of `docs/extending.md`
    return key in {field.name for field in dataclasses.fields(config.SECTIONS[section])}


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("configs/**/*.py"))], ids=name_of)
def test_settings_on_command_lines_exist(page):
    pattern = r"--config\.(\w+)(?:\.(\w+))?(?:\.(\w+))?"
    for section, key, deeper in re.findall(pattern, read(page)):
        if section == "KEY":
            continue
        assert section in SECTIONS, section
        assert not key or is_setting(section, key, deeper), f"{section}.{key}.{deeper}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_in_the_text_exist(page):
    for section, key in re.findall(
        r"`(?:config\.)?(data|train|optim|eval)\.(?!zip)(\w+)", read(page)
    ):
        module = f"repose_jax.{section}.{key}"
        assert is_setting(section, key, "") or exists(module), f"{section}.{key}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page):
    named = re.findall(r"^(?:\$ )?repose (\S+)|`repose (\w+)", read(page), flags=re.MULTILINE)
    assert {line or inline for line, inline in named} <= {*cli.COMMANDS, "COMMAND"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_configurations_on_command_lines_load(page):
    pattern = (
        r"(?:repose (?:train|eval|convert|complexity|pretrain)|main\.py) .*?--config=([^\s`]+)"
    )
    for name in re.findall(pattern, read(page)):
        if not re.search("NAME|CONFIG|FILE|my_", name):
            configs.load(str(ROOT / name) if name.endswith(".py") else name)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_of_the_library_exist(page):
    names = re.findall(r"\brp\.(\w+)", read(page))
    assert [name for name in names if not hasattr(repose_jax, name)] == []
