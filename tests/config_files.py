"""Experiments of the files in configs and configs/zoo."""

import configs
from repose_jax import config


def get(name: str, *words: str) -> config.Experiment:
    """The experiment of a configuration, such as `zoo/mixste`, with variants."""
    return config.from_mapping(configs.load(f"{name}:{','.join(words)}").to_dict())


def variants(name: str) -> list[str]:
    """The names of its variants."""
    return [variant.name for variant in configs.catalogue()[name].variants]
