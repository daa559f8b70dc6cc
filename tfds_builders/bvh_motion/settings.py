"""Settings of a collection of motion files, from a TOML file: splits, rates, joint maps."""

import collections
import dataclasses
import math
import os
import pathlib
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from tfds_builders.bvh_motion.joint_maps import JOINT_MAPS, JointMap, Weights
from tfds_builders.bvh_motion.person import UP_AXES
from tfds_builders.formats import text
from tfds_builders.records import JOINTS

SHIPPED = {path.stem: path for path in pathlib.Path(__file__).parent.glob("*.toml")}
"""Settings that can be given by name."""

_HIPS = ("left_hip", "right_hip")
_HEAD_KEYS = ("head_joint", "head_top", "head_axes")


@dataclasses.dataclass(frozen=True)
class Rule:
    """Settings of the files that match a pattern; None where a rule says nothing.

    Attributes:
        match: Patterns of paths, of which one must match.
        fps: Frames per second, instead of what the file says.
        metres_per_unit: Metres of a unit of length of the file.
        up: The axis that points up, "y" or "z".
        skeleton: The name of the joint map.
        subject: The person.
        action: The action.
        skip: Whether the files are left out.
    """

    match: tuple[str, ...] = ()
    fps: float | None = None
    metres_per_unit: float | None = None
    up: str | None = None
    skeleton: str | None = None
    subject: str | None = None
    action: str | None = None
    skip: bool | None = None


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a collection.

    Attributes:
        splits: By split, the patterns of its files; all others are in "train".
        rules: In the order of the file; of those that match a file the last decides.
        skeletons: Joint maps by name, the user's before the known ones.
    """

    splits: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    skeletons: Mapping[str, JointMap] = dataclasses.field(default_factory=lambda: JOINT_MAPS)

    def split(self, path: str) -> str:
        """Returns the split of a file."""
        return next((name for name, each in self.splits.items() if matches(path, each)), "train")

    def rule(self, path: str) -> Rule:
        """Returns the settings of a file, of all rules that match it."""
        values: dict[str, Any] = {}
        for rule in self.rules:
            if matches(path, rule.match):
                values |= {k: v for k, v in dataclasses.asdict(rule).items() if v is not None}
        return Rule(**values)


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Returns whether the end of a path matches a pattern: "a/b/c.bvh" matches "b/*"."""
    return any(pathlib.PurePosixPath(path).match(pattern) for pattern in patterns)


def find(name: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the file of settings that are given as a path or a name of `SHIPPED`.

    Raises:
        FileNotFoundError: If there is neither.
    """
    path = pathlib.Path(name).expanduser()
    if path.is_file():
        return path
    if str(name) in SHIPPED:
        return SHIPPED[str(name)]
    raise FileNotFoundError(
        f"{path}: no such file of settings, nor settings of that name; there are "
        f"{', '.join(SHIPPED)}"
    )


def read(path: pathlib.Path) -> Settings:
    """Reads the settings of a file.

    Raises:
        ValueError: If it is no TOML, or a key or a value is wrong; names the key.
    """
    try:
        content = tomllib.loads(text.read(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a TOML file ({error})") from None
    try:
        _known(content, ("splits", "files", "skeletons"), "")
        own = {
            name: _joint_map(f"skeletons.{name}", table)
            for name, table in _table(content.get("skeletons", {}), "skeletons").items()
        }
        skeletons = own | {key: each for key, each in JOINT_MAPS.items() if key not in own}
        splits = {
            name: _patterns(f"splits.{name}", value)
            for name, value in _table(content.get("splits", {}), "splits").items()
        }
        files = content.get("files", [])
        if not isinstance(files, list):
            raise ValueError("files: expected tables [[files]]")
        rules = tuple(_rule(f"files {i + 1}", each, skeletons) for i, each in enumerate(files))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    for name in splits:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"{path}: a split is named like 'test', found {name!r}")
    return Settings(splits, rules, skeletons)


def _table(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{key}: expected a table, found {value!r}")
    return value


def _known(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise ValueError(f"{where}no key {key!r}; there are {', '.join(keys)}")


def _patterns(key: str, value: Any) -> tuple[str, ...]:
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(map(_is_pattern, patterns)):
        raise ValueError(f"{key}: expected a pattern such as 'walks/*' or a list, found {value!r}")
    return tuple(patterns)


def _is_pattern(value: Any) -> bool:
    return isinstance(value, str) and bool(pathlib.PurePosixPath(value).parts)  # "." has none


_POSITIVE = ("a positive number", lambda v: _number(v) and 0 < v < math.inf)
_TEXT = ("a text", lambda v: isinstance(v, str))
_VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "fps": _POSITIVE,
    "metres_per_unit": _POSITIVE,
    "up": ('"y" or "z"', lambda v: isinstance(v, str) and v in UP_AXES),
    "skeleton": _TEXT,
    "subject": _TEXT,
    "action": _TEXT,
    "skip": ("true or false", lambda v: isinstance(v, bool)),
}


def _number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) < 1e300  # whole numbers of TOML may be beyond all floats


def _rule(where: str, value: Any, skeletons: Mapping[str, JointMap]) -> Rule:
    table = _table(value, where)
    _known(table, ("match", *_VALUES), f"{where}: ")
    if "match" not in table:
        raise ValueError(f"{where}: it needs a pattern, match = 'walks/*'")
    for key, (wanted, good) in _VALUES.items():
        if key in table and not good(table[key]):
            raise ValueError(f"{where}: {key} must be {wanted}, found {table[key]!r}")
    if table.get("skeleton", "daz") not in skeletons:
        raise ValueError(
            f"{where}: no skeleton {table['skeleton']!r}; there are {', '.join(skeletons)}"
        )
    settings: dict[str, Any] = table | {"match": _patterns(f"{where}: match", table["match"])}
    return Rule(**settings)


def _joint_map(where: str, value: Any) -> JointMap:
    table = dict(_table(value, where))
    options = {key: table.pop(key) for key in _HEAD_KEYS if key in table}
    _known(table, (*JOINTS, *_HEAD_KEYS), f"{where}: ")
    weights = {joint: _weights(f"{where}.{joint}", value) for joint, value in table.items()}
    if "pelvis" not in weights and all(hip in weights for hip in _HIPS):
        weights["pelvis"] = collections.Counter()
        for hip in _HIPS:
            weights["pelvis"].update({name: 0.5 * each for name, each in weights[hip].items()})
    if absent := [joint for joint in JOINTS if joint not in weights]:
        raise ValueError(f"{where}: no {', '.join(absent)}")
    if not isinstance(options.get("head_joint", ""), str):
        raise ValueError(f"{where}: head_joint must be the name of a joint")
    top = options.get("head_top", 0)
    if not _number(top) or not 0 <= top < 0.5:
        raise ValueError(f"{where}: head_top must be metres from 0 to 0.5, found {top!r}")
    if "head_axes" in options:
        axes = options["head_axes"]
        words = [f"{sign}{letter}" for sign in "+-" for letter in "xyz"]
        good = isinstance(axes, list) and len(axes) == 2 and all(word in words for word in axes)
        if not good or axes[0][1] == axes[1][1]:
            raise ValueError(
                f"{where}: head_axes must be the directions to the left and up, such as "
                f'["+x", "+y"], found {axes!r}'
            )
        options["head_axes"] = tuple(axes)
    return JointMap(weights, **options)


def _weights(key: str, value: Any) -> Weights:
    """Returns the weights of "A", ["A", "B"] (their midpoint) or {A = 1.5, B = -0.5}."""
    if isinstance(value, str):
        return {value: 1.0}
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return {name: value.count(name) / len(value) for name in value}
    if isinstance(value, dict) and all(_number(weight) for weight in value.values()):
        if math.isclose(sum(value.values()), 1, abs_tol=1e-6):
            return value
        raise ValueError(f"{key}: the weights must add up to 1, found {value!r}")
    raise ValueError(
        f"{key}: expected a joint of the file, a list of joints or a table of weights, found "
        f"{value!r}"
    )
