"""The bounds of the dependencies agree, and the locked versions are within them."""

import re
import tomllib

import processes
import pytest
from packaging.requirements import Requirement

UNTESTED = {"cuda", "rerun", "torch"}  # extras that requirements-dev.txt does not bring


def requirements(name: str) -> dict[str, Requirement]:
    """The requirements of a file, by the names of packages."""
    text = (processes.ROOT / name).read_text(encoding="utf-8")
    lines = [line.split(" #")[0] for line in text.splitlines() if not line.startswith(("#", "-r"))]
    return {canonical(found.name): found for found in map(Requirement, filter(None, lines))}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


DEVELOPMENT = requirements("requirements-dev.txt")
PROJECT = tomllib.loads((processes.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("extra", sorted(set(PROJECT["optional-dependencies"]) - UNTESTED))
def test_extras_have_the_bounds_that_are_tested(extra):
    for text in PROJECT["optional-dependencies"][extra]:
        found = Requirement(text)
        assert found.specifier == DEVELOPMENT[canonical(found.name)].specifier


def test_locked_versions_are_within_the_bounds():
    text = (processes.ROOT / "requirements-lock.txt").read_text(encoding="utf-8")
    locked = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.match(r"[\w.-]+(\[\w+\])?==[\w.]+( ;|$)", line) for line in locked)
    for name, bound in {**requirements("requirements.txt"), **DEVELOPMENT}.items():
        versions = [line for line in map(Requirement, locked) if canonical(line.name) == name]
        assert versions, name
        for one in versions:
            assert bound.specifier.contains(str(one.specifier).removeprefix("==")), name
