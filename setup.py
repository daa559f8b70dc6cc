"""The packages of a wheel; everything else is in pyproject.toml.

`configs/` is `repose_jax/configs` in a wheel, because `configs` would collide with the packages of
others. `repose_jax.cli.arguments.configs` imports it in either place.
"""

from setuptools import find_packages, setup

CONFIGS = [
    "repose_jax.configs",
    *(f"repose_jax.configs.{name}" for name in find_packages("configs")),
]

setup(
    packages=[*find_packages(include=["repose_jax*", "tfds_builders*"]), *CONFIGS],
    package_dir={"repose_jax.configs": "configs"},
)
