"""Text is UTF-8 in every file and pipe, whatever the locale of the machine."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]
CODE = ("repose_jax", "tfds_builders", "benchmarks", "configs", "docs", "examples")
# The index of the mode, and of the encoding, among the arguments; None: by name alone.
OPENS = {"open": (0, 2), "fdopen": (1, 3), "read_text": (None, 0), "write_text": (None, 1)}
PROCESSES = ("run", "Popen", "check_output")


def argument(call: ast.Call, name: str, index: int | None) -> ast.expr | None:
    """Returns the value of an argument, if it is given."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    places = [] if index is None else call.args[index : index + 1]
    return next(iter([*named, *places]), None)


def unspecified(code: str) -> Iterator[int]:
    """Yields the lines that read or write text in the encoding of the locale."""
    for call in ast.walk(ast.parse(code)):
        if not isinstance(call, ast.Call):
            continue
        method = isinstance(call.func, ast.Attribute)
        name = call.func.attr if method else getattr(call.func, "id", "")
        if name in PROCESSES:
            if argument(call, "text", None) and not argument(call, "encoding", None):
                yield call.lineno
        elif name in OPENS:
            at, encoding_at = OPENS[name]
            shift = int(name == "open" and not method)  # the function has the path before the mode
            if at is not None:
                mode = argument(call, "mode", at + shift)
                if mode is None and method and call.args:  # of another thing, as a picture
                    continue
                text = mode is None or (isinstance(mode, ast.Constant) and is_text(mode.value))
                if not text:
                    continue
                encoding_at += shift
            if argument(call, "encoding", encoding_at) is None:
                yield call.lineno


def is_text(mode: object) -> bool:
    return isinstance(mode, str) and "b" not in mode and set(mode) <= set("rwaxt+")


def test_every_file_and_pipe_of_text_names_its_encoding():
    files = [ROOT / "main.py", *(file for room in CODE for file in (ROOT / room).rglob("*.py"))]
    assert len(files) > 200
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files
        for line in unspecified(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        "open(path, 'w')",
        "path.open('a')",
        "path.open()",
        "path.read_text()",
        "path.write_text(text)",
        "os.fdopen(number, 'w')",
        "subprocess.run(command, text=True)",
    ],
)
def test_the_encoding_of_the_locale_is_found(code):
    assert list(unspecified(code)) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "open(path, 'rb')",
        "open(path, encoding='utf-8')",
        "path.open('rb')",
        "path.read_text('utf-8')",
        "path.write_text(text, encoding='utf-8')",
        "os.open(path, os.O_RDONLY)",
        "Image.open(path)",
        "subprocess.run(command)",
    ],
)
def test_bytes_and_named_encodings_are_fine(code):
    assert list(unspecified(code)) == []
