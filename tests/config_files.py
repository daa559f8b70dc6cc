"""What the files in configs and configs/zoo give."""

import importlib
import pathlib
import re
import subprocess
import sys

import pytest

from repose_jax import config


def get(module: str, variant: str = "") -> config.Experiment:
    """The experiment of a file, such as `zoo.mixste`, with the variants after its colon."""
    values = importlib.import_module(f"configs.{module}").get_config(variant)
    return config.from_mapping(values.to_dict())


def variants(module: str) -> list[str]:
    """What the error message about an unknown variant lists."""
    with pytest.raises(ValueError, match="There is no variant 'nonsense'") as error:
        get(module, "nonsense")
    listed = re.fullmatch(r".*there are (.*)\.", str(error.value))
    assert listed
    return listed[1].split(", ")


def check_imports_nothing_heavy(modules: list[str]) -> None:
    """Asserts that a fresh Python can import the files without JAX and what builds on it."""
    imports = "\n".join(f"import configs.{module}" for module in modules)
    code = f"{imports}\nimport sys\nprint({{'jax', 'flax', 'repose_jax'}} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=pathlib.Path(__file__).parents[1],
    )
    assert result.stdout.strip() == "set()"
