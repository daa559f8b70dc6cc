"""Mutations of texts: their words and lines, and the nodes of JSON and TOML."""

import json
import pathlib
import random
import re
import tomllib
from typing import Any

NUMBERS = (
    *("0", "-1", "0.5", "65536", "4294967296", "9223372036854775808", "9" * 30, "9" * 5000),
    *("1e308", "-1e308", "1e309", "1e-308", "1e30", "1e9", "-1e9", "1e-9", "nan", "inf", "-inf"),
    *("", "1_0", "٣", "²", "0x1F", "1,5", "--1", "1e", "true"),
)
WORDS = (
    *("", " ", "x" * 100_000, "é", "名前", "\u202e", "\0", "\x1b[2J", "a\nb", "../../escape"),
    *("/etc/passwd", "C:\\x", "nan", "-", "%s%n", "{0.__class__}", "\ud800", "\ufeff", "'", '"'),
    *("null", "__class__", "stranger.Feature", "#", ":", "[", "}}", "=", "-1"),
)
_BIG = "@raw text {}@"  # stands in a tree for text that no JSON library writes
_RAW = ("9" * 5000, "-1e999", "NaN", "Infinity", "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2.5, 1e308, -1e308, 1e-308, 2**31, 2**63, 2**64, 10**400, ""),
    *([], {}, [[]], [None], {"": None}, [1, "a"], [[1, 2], [3]], *(w for w in WORDS)),
    *(_BIG.format(number) for number in range(len(_RAW))),
)
_OF_NUMBERS = (
    *(0, -1, 1, 0.5, 3, 24, 1000, 65536, 2**31, 2**40, 2**53, 2**63, 10**30, 10**400),
    *(1e-308, 1e-9, 1e6, 1e9, 1e30, 1e100, 1e200, 1e308, -1e308, -1e6, -0.0, 1.5),
    *(float(word) for word in ("nan", "inf", "-inf")),
)


def tokens(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Replaces, removes, repeats or swaps numbers and words."""
    tokens = re.findall(r"[-+.\w]+|\s+|[^\w\s]", data.decode("utf-8"))
    words = [place for place, token in enumerate(tokens) if token.strip()]
    for _ in range(rng.choice((1, 1, 1, 3))):
        at, other = rng.choice(words), rng.choice(words)
        number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", tokens[at])
        action = rng.choice(("replace", "replace", "replace", "remove", "repeat", "swap", "word"))
        if action == "replace" and number:
            tokens[at] = rng.choice(NUMBERS)
        elif action in ("replace", "word"):
            tokens[at] = rng.choice(WORDS)
        elif action == "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            tokens[at] = "" if action == "remove" else f"{tokens[at]} {tokens[at]}"
    return "".join(tokens).encode("utf-8", "surrogatepass")


def whole_lines(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Removes, repeats or swaps lines; changes the encoding or the ends of lines."""
    lines = data.splitlines(keepends=True)
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    action = rng.choice(
        ("remove", "repeat", "often", "swap", "cut", "encoding", "ends", "separator")
    )
    if action == "encoding":
        return data.decode("utf-8").encode(
            rng.choice(("utf-16", "utf-16-be", "utf-8-sig", "utf-32"))
        )
    if action == "ends":
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b" \n", b"\x0b", b"")))
    if action == "separator":
        return data.replace(*rng.choice(((b",", b";"), (b" ", b"\t"), (b".", b","), (b"\t", b" "))))
    if action == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines[at] *= {"remove": 0, "repeat": 2, "often": 2000, "cut": 1}[action]
    return b"".join(lines[: at + 1] if action == "cut" else lines)


def tree(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Replaces, removes, repeats, wraps or swaps nodes."""
    return written(changed(json.loads(data), rng))


def tree_of_line(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = tree(lines[at], rng, marker)
    return b"\n".join(lines) + b"\n"


def written(tree: Any) -> bytes:
    text = json.dumps(tree)
    for number, raw in enumerate(_RAW):
        text = text.replace(json.dumps(_BIG.format(number)), raw)
    return text.encode("utf-8", "surrogatepass")


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Returns each node's container and its key there."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        children = [*node.items()] if isinstance(node, dict) else []
        children = [*enumerate(node)] if isinstance(node, list) else children
        found += [(node, key) for key, _ in children]
        waiting += [child for _, child in children]
    return found


def changed(tree: Any, rng: random.Random) -> Any:
    places = _places(tree)
    if not places or rng.random() < 0.03:
        return rng.choice(_VALUES)
    # Most nodes are numbers in long lists: every other time a named one.
    named = [place for place in places if isinstance(place[0], dict)]
    node, key = rng.choice(named if named and rng.random() < 0.6 else places)
    action = rng.choice(("replace", "replace", "replace", "remove", "add", "wrap", "swap", "grow"))
    if action == "remove":
        del node[key]
    elif action == "wrap":
        node[key] = rng.choice(([node[key]], {"a": node[key]}, [node[key], node[key]]))
    elif action == "swap":
        other, its = rng.choice(places)
        node[key], other[its] = other[its], node[key]
        if isinstance(node[key], dict | list) or isinstance(other[its], dict | list):
            node[key] = None  # no cycles
    elif action == "add" and isinstance(node, dict):
        node[rng.choice(WORDS)] = rng.choice(_VALUES)
    elif action == "grow" and isinstance(node[key], list):
        node[key] = node[key] * rng.choice((0, 2, 300))
    elif type(node[key]) in (int, float) and rng.random() < 0.6:
        node[key] = rng.choice(_OF_NUMBERS)
    else:
        node[key] = rng.choice(_VALUES)
    return tree


def toml_tree(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Changes a node, as in JSON; tables are written inline."""
    tree = changed(tomllib.loads(data.decode("utf-8")), rng)
    if not isinstance(tree, dict):
        return _toml_value(tree).encode("utf-8", "surrogatepass")
    lines = [f"{json.dumps(str(key))} = {_toml_value(value)}" for key, value in tree.items()]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{json.dumps(str(key))} = {_toml_value(each)}" for key, each in value.items())
        return f"{{ {', '.join(items)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, str) and value.startswith("@raw"):
        return _RAW[int(value.split()[2][:-1])].replace(":", "=")
    return str(value) if isinstance(value, float) else json.dumps(value)
