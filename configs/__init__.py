"""Experiments by name: `--config=NAME:VARIANT,...`, such as `h36m:small,spatial`.

`catalogue()` lists the configurations of this package and their variants, `load(NAME)` makes one.
Neither imports JAX.
"""

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import pathlib
import pkgutil
import traceback
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from configs.variants import Variant

FOLDER = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Configuration:
    """A configuration of this package.

    Attributes:
        name: its name on the command line, such as "h36m" or "zoo/mixste".
        doc: the first line of its docstring.
        variants: the words that may follow its name after a colon.
    """

    name: str
    doc: str
    variants: tuple[Variant, ...]


def catalogue() -> dict[str, Configuration]:
    """Returns every configuration of this package by its name."""
    found = {}
    for package, prefix in ((FOLDER, ""), (FOLDER / "zoo", "zoo/")):
        for file in pkgutil.iter_modules([str(package)]):
            name = f"{prefix}{file.name}"
            module = _import(name)
            if hasattr(module, "get_config"):
                doc = inspect.getdoc(module) or ""
                found[name] = Configuration(name, doc.partition("\n")[0], module.VARIANTS)
    return found


def load(name: str) -> ConfigDict:
    """Makes a configuration.

    Args:
        name: of a configuration of this package ("h36m"; those of the zoo also without "zoo/") or
            the path of a Python file with a function `get_config`; then, after a colon, the
            variants, separated by commas.

    Raises:
        FileNotFoundError: there is no such configuration or file.
        ValueError: the file is not a configuration, an unknown variant, or variants that contradict
            each other.
    """
    name, _, words = name.partition(":")
    module = _load_file(pathlib.Path(name)) if name.endswith(".py") else _import(_known(name))
    make = getattr(module, "get_config", None)
    if not callable(make):
        raise ValueError(f"{name} has no function get_config, so it is not a configuration.")
    if words and not inspect.signature(make).parameters:
        raise ValueError(f"{name} has no variants; found {words!r} after the colon.")
    try:
        config = make(words) if words else make()
    except Exception as error:
        if isinstance(error, ValueError) and module.__name__.startswith("configs."):
            raise  # of the variants
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == module.__file__]
        where = f"{name}, line {lines[-1]}" if lines else name
        said = " ".join(str(error).split())
        raise ValueError(f"{where}: {type(error).__name__}: {said}") from error
    if not isinstance(config, ConfigDict):
        raise ValueError(
            f"{name}: get_config returns {type(config).__name__}; it must return a ConfigDict."
        )
    return config


def _known(name: str) -> str:
    names = list(catalogue())
    short = {known.rpartition("/")[2]: known for known in names}
    if name in names or name in short:
        return short.get(name, name)
    close = difflib.get_close_matches(name, [*names, *short], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise FileNotFoundError(
        f"There is no configuration {name!r}.{hint} There are {', '.join(names)}; or give the path "
        "of a Python file."
    )


def _load_file(path: pathlib.Path) -> ModuleType:
    if not path.is_file():
        close = difflib.get_close_matches(path.stem, (n.rpartition("/")[2] for n in catalogue()), 1)
        hint = f" Did you mean --config={close[0]}?" if close else ""
        raise FileNotFoundError(f"There is no file {path}.{hint}")
    inside = path.resolve()
    if inside.is_relative_to(FOLDER):
        return _import(inside.relative_to(FOLDER).with_suffix("").as_posix())
    spec: Any = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    return module


def _import(name: str) -> ModuleType:
    return importlib.import_module(f"configs.{name.replace('/', '.')}")
