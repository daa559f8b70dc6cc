"""One parser for all commands: plain flags, and `--config=NAME:VARIANT,...` with its overrides."""

import argparse
import dataclasses
import importlib
import importlib.util
import itertools
import os
import pathlib
import re
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from absl import flags
from ml_collections import ConfigDict, config_flags
from ml_collections.config_dict import FieldReference, RequiredValueError, placeholder

import repose_jax
from repose_jax import config as config_lib
from repose_jax.runtime import folders, names

OVERRIDE = re.compile(r"--?(?:no)?config\.([^=]+)")
_VECTOR = re.compile(r"-[\d.]+(,|e[-+]?\d)", re.IGNORECASE)  # or a number with an exponent
WEIGHTS = ["objective", "weights"]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest known name, and exit status 2.

    A `~` at the start of an argument or of the value of a flag is the home.
    """

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)
        self.has_config = False

    def add_checkpoint(self) -> None:
        """Adds `--checkpoint`, the kind of checkpoint of a run."""
        self.add_argument(
            "--checkpoint",
            choices=("best", "latest"),
            default="best",
            help="that of the lowest test error (default), or the last one",
        )

    def add_config(self) -> None:
        """Adds `--config`, of which `parse` makes the experiment, and lists the configurations."""
        self.has_config = True
        self.add_argument(
            "--config",
            required=True,
            metavar="NAME[:VARIANT,...]",
            help="the experiment: a configuration below, or the path of a Python file; "
            "--config.KEY=VALUE sets any of its values, such as --config.train.epochs=5",
        )

    def format_help(self) -> str:
        """Returns the help, with the configurations if the command takes one."""
        self.epilog = list_configurations() if self.has_config else None
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Prints one line and exits with status 2."""
        self.exit(2, f"{self.prog}: error: {names.readable(' '.join(message.split()))}\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> argparse.Namespace:  # pyright: ignore
        """Parses as usual, after refusing flags that do not exist; `-` in a flag is as `_`."""
        flags = [flag for action in self._actions for flag in action.option_strings]
        known = {flag.replace("_", "-"): flag for flag in flags if flag.startswith("--")}
        spelled = []
        for argument in sys.argv[1:] if args is None else args:
            flag, equals, value = argument.partition("=")
            if re.match("--.", flag):
                found = known.get(flag.replace("_", "-"))
                if found is None:
                    self.error(names.unknown("flag", flag, [*known.values()]))
                argument = found + equals + value
            if _VECTOR.match(argument) and spelled and re.fullmatch("--[^=]+", spelled[-1]):
                argument = f"{spelled.pop()}={argument}"  # argparse takes it for a flag
            spelled.append(argument)
        return super().parse_args(spelled, namespace)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore
        """Parses as usual, after expanding `~`; `parse_args` comes here too."""
        try:
            expanded = [_expand(argument) for argument in (sys.argv[1:] if args is None else args)]
        except FileNotFoundError as error:
            self.error(str(error))
        return super().parse_known_args(expanded, namespace)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        text = action.type in (None, pathlib.Path) and action.choices is None
        if text and not arg_string:  # as of a variable that is not set; a path would be "."
            raise argparse.ArgumentError(action, "the value is empty")
        return super()._get_value(action, arg_string)  # pyright: ignore

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            flag = action if action.option_strings else None  # named in the message
            kind = "choice" if flag else str(action.metavar or action.dest).lower()
            raise argparse.ArgumentError(flag, names.unknown(kind, value, action.choices))


def positive(text: str) -> int:
    """Reads the value of a flag that is a whole number of 1 or more.

    Raises:
        argparse.ArgumentTypeError: it is another.
    """
    if not re.fullmatch(r"0*[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Parses a command line; a wrong one ends the program with one line and status 2.

    Args:
        parser: the parser of a command with its arguments.
        argv: the arguments after the command.

    Returns:
        The values of the arguments. With `--config` also `experiment`, the checked experiment, and
        `overrides`, the arguments that changed it.
    """
    parser.add_argument(
        "--verbosity",
        type=int,
        default=-1,
        metavar="N",
        help="log messages: -1 warnings (default), 0 also information, 1 also tracebacks of errors",
    )
    try:
        argv = [_expand(argument) for argument in argv]
        argv = flags.FlagValues().read_flags_from_files(argv, force_gnu=True)  # --flagfile
    except UnicodeDecodeError as error:
        parser.error(f"a --flagfile has characters that are not {error.encoding}.")
    except (flags.Error, OSError) as error:
        parser.error(str(error))
    if not parser.has_config or {"-h", "--help"} & set(argv):
        return parser.parse_args(argv)
    first = Parser(prog=parser.prog, add_help=False)
    first.add_argument("--config")
    found, rest = first.parse_known_args(argv)
    if found.config is None:
        return parser.parse_args(argv)
    try:
        config = configs().load(found.config)
        config.unlock()
        required = _without_required(config)
        _complete(config)
        unused = _override(config, rest)
        _check_required(config, required)
        experiment = config_lib.from_mapping(config.to_dict())
    except RequiredValueError:  # of a section
        parser.error(f"{found.config} leaves out a section that it requires.")
    except (flags.Error, ValueError, LookupError, AttributeError, TypeError, OSError) as error:
        parser.error(str(error.args[0] if isinstance(error, KeyError) else error))
    args = parser.parse_args([f"--config={found.config}", *unused])
    args.experiment = experiment
    args.overrides = [argument for argument in rest if argument not in unused]
    return args


def _expand(argument: str) -> str:
    """Returns an argument with the home that `~` stands for, which shells leave in `--out=~/a`.

    Values of `--config.KEY` stay as they are, as those in the file of a configuration: what reads
    a folder expands them.

    Raises:
        FileNotFoundError: there is no such home.
    """
    start = argument[: argument.find("=") + 1] if argument.startswith("-") else ""
    value = argument.removeprefix(start)
    if not value.startswith("~") or OVERRIDE.match(argument):
        return argument
    if value.partition("/")[0] != "~" and os.path.expanduser(value) == value:
        return argument  # the name of a file
    return start + os.fspath(folders.expand(value))


def _complete(config: Any) -> None:
    """Adds the defaults of the settings that a configuration leaves out, to be overridden."""
    configs()
    defaults = importlib.import_module("configs.common").base()
    del defaults.model  # which has no default
    for name in defaults:
        if name not in config:
            config[name] = defaults.get_ref(name)
        elif name in config_lib.SECTIONS and isinstance(config[name], ConfigDict):
            for key in defaults[name]:
                if key not in config[name]:
                    config[name][key] = defaults[name].get_ref(key)


def _without_required(config: ConfigDict, where: str = "") -> list[str]:
    """Makes placeholders of those that require a value, and returns their keys.

    They would be refused wherever they are read, also to set them.
    """
    found = []
    for name, value in list(config.items(preserve_field_references=True)):
        if isinstance(value, ConfigDict):
            found += _without_required(value, f"{where}{name}.")
        elif isinstance(value, FieldReference):
            try:
                value.get()
            except RequiredValueError:
                del config[name]
                config[name] = placeholder(value.get_type())
                found.append(f"{where}{name}")
    return found


def _check_required(config: ConfigDict, keys: Sequence[str]) -> None:
    """Refuses keys that require a value and have none."""
    for key in keys:
        if _value(config, key.split(".")) is None:
            raise ValueError(f"config.{key} has no value; give --config.{key}=VALUE.")


def _override(config: ConfigDict, argv: Sequence[str]) -> list[str]:
    """Sets the values that `--config.KEY=VALUE` gives; returns the other arguments.

    Raises:
        ValueError: a key that does not exist, with the nearest one that does.
        flags.Error: a value that cannot be read.
    """
    for argument in argv:
        if match := OVERRIDE.match(argument):
            key, bracket, index = match[1].partition("[")
            _check_key(config, key.split("."))
            if bracket:
                _check_index(config, key, bracket + index)
    argv = _set_none(config, argv)
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags may follow other arguments
    line = ["repose", *argv]
    config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=line)
    return values(line, known_only=True)[1:]


def _check_index(config: ConfigDict, key: str, index: str) -> None:
    """Refuses an item of a setting that cannot be set: of a tuple, or one that does not exist."""
    value, number = _value(config, key.split(".")), re.match(r"\[(\d+)\]", index)
    if not (isinstance(value, list) and number and int(number[1]) < len(value)):
        raise ValueError(
            f"config.{key}{index} cannot be set: config.{key} is {value!r}; give all of it, "
            f"--config.{key}=VALUE."
        )


def _set_none(config: ConfigDict, argv: Sequence[str]) -> list[str]:
    """Sets the settings that may be None and are given as None; returns the other arguments.

    Their flags would be read as values of another type.
    """
    if not any(word.endswith("None") for word in argv):
        return [*argv]  # without the models, see `_defaults`
    words, given = iter(argv), []
    for word in words:
        flag, equals, value = word.partition("=")
        match = OVERRIDE.fullmatch(flag)
        key = match[1] if match and _may_be_none(config, match[1].split(".")) else ""
        following = [] if equals or not key else [*itertools.islice(words, 1)]
        given.append((key, [word, *following], value if equals else "".join(following)))
    last = {key: value for key, _, value in given}
    for key in (key for key, value in last.items() if key and value == "None"):
        *sections, name = key.split(".")
        _value(config, sections)[name] = None
    kept = (words for key, words, value in given if not key or value == last[key] != "None")
    return [word for words in kept for word in words]


def _may_be_none(config: Any, path: list[str]) -> bool:
    """Returns whether None is a value of a setting."""
    *section, name = path
    if section == ["model"] and "name" in config.model:
        from repose_jax import models

        return name in models.optional_sizes(config.model.name)
    cls = config_lib.SECTIONS.get(section[0]) if section else config_lib.Experiment
    fields = dataclasses.fields(cls) if cls and len(section) < 2 else ()
    return any(field.name == name and field.default is None for field in fields)


def _value(config: Any, path: Sequence[str]) -> Any:
    for name in path:
        config = config[name]
    return config


def _check_key(config: ConfigDict, path: list[str]) -> None:
    """Refuses a key that does not exist.

    Adds the weight of a loss that has none yet, and a size of the model that the configuration
    leaves out or leaves None.
    """
    section: Any = config
    for depth, key in enumerate(path):
        where = ".".join(["config", *path[:depth]])
        if not isinstance(section, ConfigDict):
            raise ValueError(f"{where} is a single value; it has no {key!r}.")
        if key not in section or (path[:depth] == ["model"] and section[key] is None):
            known = _defaults(path[:depth], key, section)
            if key not in known:
                raise ValueError(config_lib.no_such_key(where, key, known))
            section[key] = known[key]
        section = section[key]


def _defaults(path: list[str], key: str, section: ConfigDict) -> dict[str, Any]:
    """Returns a section with the defaults of what it leaves out and may have.

    Only for a size of the model that is left out are the models imported, and with them JAX.
    """
    if path == WEIGHTS:  # of any loss; the objective refuses unknown ones
        return {**section, key: 0.0}
    if path == ["model"] and "name" in section:
        from repose_jax import models

        # What is None has no type by which its flag could be read.
        empty = models.optional_sizes(str(section.name))
        sizes = models.completed(dict(section)).items()
        return {k: placeholder(empty[k]) if v is None and k in empty else v for k, v in sizes}
    return dict(section)


def configs() -> ModuleType:
    """Imports the package of configurations: in a wheel inside this package, else beside it.

    Its name is `configs` in either place, so that configurations import each other, and a user's
    own file imports them, in the same way.
    """
    inside = pathlib.Path(repose_jax.__file__).parent / "configs"
    folder = inside if inside.is_dir() else inside.parents[1] / "configs"
    file = folder / "__init__.py"
    found = sys.modules.get("configs")
    if found is None or found.__file__ != str(file):
        spec: Any = importlib.util.spec_from_file_location("configs", file)
        found = importlib.util.module_from_spec(spec)
        sys.modules["configs"] = found
        spec.loader.exec_module(found)
    return found


def list_configurations() -> str:
    """Returns the configurations, each with its first line and its variants, for `--help`."""
    lines = ["configurations and their variants:"]
    for name, configuration in configs().catalogue().items():
        variants = ", ".join(variant.name for variant in configuration.variants)
        lines += [f"  {name}", f"      {configuration.doc}", f"      :{variants}"]
    return "\n".join(lines)
