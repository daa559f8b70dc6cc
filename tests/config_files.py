"""What the files in configs and configs/zoo give."""

import importlib
import re

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
