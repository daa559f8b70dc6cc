"""Reads pickles, and NumPy archives of pickles, without executing code from them.

A pickle is a program that may call any function, which a file from the internet must not do. Here
the program is run by an interpreter that has numbers, texts, bytes, plain containers and NumPy
arrays, and nothing else. It also compares lengths with the size of the file, so that a damaged
length does not allocate all memory.
"""

import codecs
import contextlib
import dataclasses
import io
import math
import os
import pathlib
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np

_DTYPE = re.compile(r"[|<>=]?[?biufcSUO]\d*")
# The types of dictionary keys and members of sets.
_HASHABLE = (str, bytes, int, float, type(None))
_SMALL = 1 << 26  # bytes that are always available


class _RefusedError(ValueError):
    """The file is not damaged, but asks for more than data."""


def load(path: str | os.PathLike[str]) -> Any:
    """Reads a pickle of NumPy arrays, numbers, texts, bytes and plain containers.

    All protocols (0 to 5) are read. Strings of Python 2 are taken as Latin-1.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it asks for any other class or function (which is not run), or is damaged or
            not a pickle; names the file.
    """
    path = pathlib.Path(path)
    with path.open("rb") as file, _errors_name(path, "pickle"):
        size = os.fstat(file.fileno()).st_size
        return _Interpreter(file, size).run()


def load_npz(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a NumPy archive (.npz), whose arrays may contain what `load` reads.

    Returns:
        The arrays by name; of a 0-d array of objects the object.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: As for `load`.
    """
    path = pathlib.Path(path)
    with path.open("rb") as file, _errors_name(path, "NumPy archive"):
        content = {}
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > max(_SMALL, 100 * os.fstat(file.fileno()).st_size):
                raise ValueError(f"it says that it unpacks to {unpacked} bytes")
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as stream:
                    # The archive's own reader is slow at single bytes.
                    buffered = io.BufferedReader(cast(Any, stream), 1 << 16)
                    content[name] = _npy(buffered, member.file_size)
        return content


def names_in(path: str | os.PathLike[str]) -> list[str]:
    """Returns the names of the files in a NumPy archive, or in any zip.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is damaged or no such archive; names it.
    """
    path = pathlib.Path(path)
    with path.open("rb") as file, _errors_name(path, "zip archive"), zipfile.ZipFile(file) as found:
        return found.namelist()


def load_npy(path: str | os.PathLike[str]) -> Any:
    """Reads an array of NumPy (.npy), or what `load` reads in the place of its objects.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: As for `load`.
    """
    path = pathlib.Path(path)
    with path.open("rb") as file, _errors_name(path, "NumPy array"):
        return _npy(file, os.fstat(file.fileno()).st_size)


@contextlib.contextmanager
def _errors_name(path: pathlib.Path, kind: str) -> Iterator[None]:
    """Converts any error of reading to one that names the file and what to do."""
    try:
        yield
    except _RefusedError as error:
        raise ValueError(
            f"{path}: {error}, which data do not need; it was not read any further and nothing of "
            "it was run. Get it from where it was published"
        ) from None
    except Exception as error:
        reason = str(error) if isinstance(error, ValueError) else repr(error)
        raise ValueError(
            f"{path}: not a {kind}, or damaged ({reason[:200]}); download it again"
        ) from error


def _npy(file: io.BufferedReader, size: int) -> Any:
    """Reads one array in the format of NumPy."""
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, fortran, dtype = readers[version](file)
    _check_dtype(dtype.str)
    _check_shape(shape, size)
    if dtype.hasobject:
        return _Interpreter(file, size).run()[()]
    payload = file.read()
    _check_length(payload, shape, dtype)
    return np.frombuffer(payload, dtype).reshape(shape, order="F" if fortran else "C")


@dataclasses.dataclass(frozen=True)
class _Global:
    """Stands for a function or class that a pickle may name."""

    name: str
    function: Callable[..., Any] | None = None


@dataclasses.dataclass(eq=False)
class _DType:
    """A dtype, whose byte order follows after the reference to it."""

    dtype: np.dtype


class _Interpreter:
    """Runs one pickle."""

    def __init__(self, file: BinaryIO | io.BufferedReader, size: int):
        """Takes the file and its size in bytes, the bound of any length in it."""
        self.file = file
        self.size = size
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.texts: dict[bytes, str] = {}  # each is stored once: files have millions
        self.unfilled: dict[int, np.ndarray] = {}
        self.left = 4 * size + _SMALL  # bytes that arrays may have in all
        self.globals = {
            name: _Global(name, function)
            for names, function in (
                (("_codecs.encode",), self.encode),
                (("builtins.bytes", "__builtin__.bytes"), _empty_bytes),
                (("numpy.dtype",), _dtype),
                (("numpy.ndarray",), None),
                (_numpy("multiarray._reconstruct"), self.reconstruct),
                (_numpy("multiarray.scalar"), self.scalar),
                (_numpy("numeric._frombuffer"), self.from_buffer),
            )
            for name in names
        }

    def run(self) -> Any:
        """Returns the object that the pickle describes."""
        read = self.file.read
        while (code := read(1)) != b".":
            if code not in _OPERATIONS:
                raise ValueError(f"{code!r} is no operation" if code else "it ends too early")
            _OPERATIONS[code](self)
        (result,) = self.stack
        if self.marks or self.unfilled or read(1):
            raise ValueError("there are data after its end")
        return result

    # Bytes, numbers and texts.

    def take(self, count: int) -> bytes:
        """Reads `count` bytes."""
        data = self.file.read(count) if 0 <= count <= self.size else b""
        if len(data) != count:
            raise ValueError(f"it ends within a value of {count} bytes")
        return data

    def number(self, format: str) -> Any:
        return struct.unpack(format, self.take(struct.calcsize(format)))[0]

    def line(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise ValueError("it ends within a line")
        return line[:-1]

    def text(self, raw: bytes) -> str:
        text = self.texts.get(raw)
        if text is None:
            text = str(raw, "utf-8", "surrogatepass")
            if len(raw) < 256:  # not the content of an array
                self.texts[raw] = text
        return text

    # The stack.

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        """Returns the objects pushed since the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"a {kind.__name__} was expected")
        return self.stack[-1]

    def pop_tuple(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) != count:
            raise ValueError("a tuple lacks members")
        self.stack[-count:] = [items]

    def set_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_hashable(key)] = value

    # Functions and classes.

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no text")
        full = f"{module}.{name}"
        if full not in self.globals:
            raise _RefusedError(f"it asks for {full[:200]!r}")
        self.push(self.globals[full])

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Global or function.function is None:
            raise _RefusedError(f"it calls {_described(function)}")
        self.push(function.function(*arguments))

    def new_object(self, described: Any) -> NoReturn:
        raise _RefusedError(f"it makes an object of {_described(described)}")

    def inst(self) -> None:
        self.name(self.line().decode(), self.line().decode())
        self.new_object(self.stack[-1])

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is _DType:
            _, order, *fields = state
            if order not in ("|", "<", ">", "=") or any(field is not None for field in fields[:3]):
                raise ValueError("a dtype with fields")
            target.dtype = target.dtype.newbyteorder(order)
        elif id(target) in self.unfilled:
            _, shape, dtype, fortran, data = state
            dtype = _type(dtype)
            _check_shape(shape, self.size)
            if dtype.hasobject:
                if type(data) is not list or len(data) != math.prod(shape):
                    raise ValueError(f"an array of shape {shape} lacks its objects")
            else:
                data = self.raw(data)
                _check_length(data, shape, dtype)
            array = self.unfilled.pop(id(target))
            state = (1, shape, dtype, bool(fortran), data)
            array.__setstate__(cast(Any, state))
        else:
            raise _RefusedError(f"it sets the state of a {type(target).__name__}")

    def reconstruct(self, kind: Any, shape: Any, code: Any) -> np.ndarray:
        del shape, code  # of the array before `build` fills it
        if kind is not self.globals["numpy.ndarray"]:
            raise _RefusedError(f"it makes an array of {_described(kind)}")
        array = np.empty(0)
        self.unfilled[id(array)] = array
        return array

    def raw(self, value: Any) -> bytes | bytearray:
        """Returns the bytes of an array, which are a text in files of Python 2.

        Counts them, as a malicious program may refer to the same bytes many times.
        """
        if not isinstance(value, str | bytes | bytearray):
            raise ValueError("an array without its bytes")
        self.left -= len(value)
        if self.left < 0:
            raise ValueError("its arrays are larger than the file allows")
        return value.encode("latin-1") if isinstance(value, str) else value

    def encode(self, text: Any, encoding: Any = "latin1") -> bytes | bytearray:
        """Decodes bytes as Python 3 writes them in protocols without bytes."""
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise _RefusedError("it calls '_codecs.encode' for what is no bytes")
        return self.raw(text)

    def from_buffer(self, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        dtype, data = _type(dtype), self.raw(data)
        _check_shape(shape, self.size)
        _check_length(data, shape, dtype)
        return np.frombuffer(data, dtype).reshape(shape, order=order)

    def scalar(self, dtype: Any, data: Any) -> Any:
        dtype, data = _type(dtype), self.raw(data)
        _check_length(data, (), dtype)
        return np.frombuffer(data, dtype)[0]

    def extension(self, format: str) -> NoReturn:
        raise _RefusedError(f"it asks for the class with extension number {self.number(format)}")

    def persistent(self) -> NoReturn:
        raise _RefusedError("it refers to an object outside of it")

    def out_of_band(self) -> NoReturn:
        raise _RefusedError("it refers to a buffer outside of it")


def _numpy(name: str) -> tuple[str, str]:
    """Returns the names of a function of NumPy, whose core moved with version 2."""
    return f"numpy.core.{name}", f"numpy._core.{name}"


def _described(value: Any) -> str:
    """Names a function or class; other objects, which may be large, by their type."""
    return repr(value.name) if type(value) is _Global else f"a {type(value).__name__}"


def _empty_bytes() -> bytes:
    return b""


def _dtype(code: Any, align: Any = False, copy: Any = True) -> _DType:
    del align, copy
    _check_dtype(code)
    return _DType(np.dtype(code))


def _type(value: Any) -> np.dtype:
    if type(value) is not _DType:
        raise ValueError("an array without a dtype")
    return value.dtype


def _hashable(value: Any) -> Any:
    if not isinstance(value, _HASHABLE):
        raise ValueError(f"a {type(value).__name__} as a key")
    return value


def _check_dtype(code: Any) -> None:
    if type(code) is not str or not _DTYPE.fullmatch(code):
        raise ValueError(
            f"an array of type {str(code)[:50]!r}" if isinstance(code, str) else "no type"
        )


def _check_shape(shape: Any, size: int) -> None:
    """Checks that a shape is valid and that its elements fit into the file."""
    good = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    if not good or math.prod(shape) > size:
        raise ValueError("an array of an impossible shape")


def _check_length(data: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Checks that data has the bytes of an array of this shape and type; objects have none."""
    expected = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not isinstance(data, bytes | bytearray) or len(data) != expected:
        raise ValueError(f"an array of shape {shape} and type {dtype} lacks its {expected} bytes")
    if dtype.kind == "U" and expected:
        characters = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if characters.max() > 0x10FFFF:
            raise ValueError("a text of characters that do not exist")


def _quoted(raw: bytes) -> bytes:
    if len(raw) < 2 or raw[:1] not in (b"'", b'"') or raw[:1] != raw[-1:]:
        raise ValueError("a string without quotes")
    return codecs.escape_decode(raw[1:-1])[0]  # pyright: ignore[reportAttributeAccessIssue]


def _int(raw: bytes) -> int:
    special = {b"00": False, b"01": True}
    return special[raw] if raw in special else int(raw)


def _set_top(interpreter: _Interpreter, kind: type, items: list[Any]) -> None:
    target = interpreter.top(kind)
    if kind is dict:
        interpreter.set_items(target, items)
    elif kind is list:
        target.extend(items)
    else:
        target.update(_hashable(item) for item in items)


def _last(interpreter: _Interpreter, count: int) -> list[Any]:
    """Pops `count` objects from the stack."""
    items = interpreter.stack[-count:]
    del interpreter.stack[-count:]
    return items


def _dict(interpreter: _Interpreter) -> None:
    items, target = interpreter.pop_mark(), {}
    interpreter.set_items(target, items)
    interpreter.push(target)


def _mark(interpreter: _Interpreter) -> None:
    interpreter.marks.append(interpreter.stack)
    interpreter.stack = []


def _pop(interpreter: _Interpreter) -> None:
    if interpreter.stack:
        interpreter.stack.pop()
    else:
        interpreter.pop_mark()


def _protocol(interpreter: _Interpreter) -> None:
    version = interpreter.number("<B")
    if version > 5:
        raise ValueError(f"protocol {version} is not known")


def _memo(interpreter: _Interpreter, index: int) -> None:
    interpreter.memo[index] = interpreter.stack[-1]


# What each operation of the pickle language does (the standard library's module `pickletools`
# describes them all).
_OPERATIONS: dict[bytes, Callable[[_Interpreter], object]] = {
    b"\x80": _protocol,
    b"\x95": lambda m: m.take(8),  # length of a frame: only a hint
    # Constants
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": lambda m: m.push(_int(m.line())),
    b"L": lambda m: m.push(int(m.line().rstrip(b"L"))),
    b"F": lambda m: m.push(float(m.line())),
    b"J": lambda m: m.push(m.number("<i")),
    b"K": lambda m: m.push(m.number("<B")),
    b"M": lambda m: m.push(m.number("<H")),
    b"G": lambda m: m.push(m.number(">d")),
    b"\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
    b"\x8b": lambda m: m.push(int.from_bytes(m.take(m.number("<i")), "little", signed=True)),
    # Texts and bytes
    b"S": lambda m: m.push(_quoted(m.line()).decode("latin-1")),
    b"T": lambda m: m.push(m.take(m.number("<i")).decode("latin-1")),
    b"U": lambda m: m.push(m.take(m.number("<B")).decode("latin-1")),
    b"V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
    b"\x8c": lambda m: m.stack.append(m.text(m.take(m.take(1)[0]))),
    b"X": lambda m: m.push(m.text(m.take(m.number("<I")))),
    b"\x8d": lambda m: m.push(m.text(m.take(m.number("<Q")))),
    b"C": lambda m: m.push(m.take(m.number("<B"))),
    b"B": lambda m: m.push(m.take(m.number("<I"))),
    b"\x8e": lambda m: m.push(m.take(m.number("<Q"))),
    b"\x96": lambda m: m.push(bytearray(m.take(m.number("<Q")))),
    # Containers
    b")": lambda m: m.push(()),
    b"]": lambda m: m.push([]),
    b"}": lambda m: m.push({}),
    b"\x8f": lambda m: m.push(set()),
    b"(": _mark,
    b"t": lambda m: m.push(tuple(m.pop_mark())),
    b"\x85": lambda m: m.pop_tuple(1),
    b"\x86": lambda m: m.pop_tuple(2),
    b"\x87": lambda m: m.pop_tuple(3),
    b"l": lambda m: m.push(m.pop_mark()),
    b"d": _dict,
    b"\x91": lambda m: m.push(frozenset(map(_hashable, m.pop_mark()))),
    b"a": lambda m: _set_top(m, list, _last(m, 1)),
    b"e": lambda m: _set_top(m, list, m.pop_mark()),
    b"s": lambda m: _set_top(m, dict, _last(m, 2)),
    b"u": lambda m: _set_top(m, dict, m.pop_mark()),
    b"\x90": lambda m: _set_top(m, set, m.pop_mark()),
    # The stack and what is remembered
    b"0": _pop,
    b"1": lambda m: m.pop_mark(),
    b"2": lambda m: m.push(m.stack[-1]),
    b"p": lambda m: _memo(m, int(m.line())),
    b"q": lambda m: _memo(m, m.number("<B")),
    b"r": lambda m: _memo(m, m.number("<I")),
    b"\x94": lambda m: _memo(m, len(m.memo)),
    b"g": lambda m: m.push(m.memo[int(m.line())]),
    b"h": lambda m: m.push(m.memo[m.number("<B")]),
    b"j": lambda m: m.push(m.memo[m.number("<I")]),
    # Functions and classes
    b"c": lambda m: m.name(m.line().decode(), m.line().decode()),
    b"\x93": lambda m: m.name(*_last(m, 2)),
    b"R": lambda m: m.reduce(),
    b"b": lambda m: m.build(),
    b"i": lambda m: m.inst(),
    b"o": lambda m: m.new_object(m.pop_mark()[0]),
    b"\x81": lambda m: m.new_object(_last(m, 2)[0]),
    b"\x92": lambda m: m.new_object(_last(m, 3)[0]),
    b"\x82": lambda m: m.extension("<B"),
    b"\x83": lambda m: m.extension("<H"),
    b"\x84": lambda m: m.extension("<i"),
    b"P": lambda m: m.persistent(),
    b"Q": lambda m: m.persistent(),
    b"\x97": lambda m: m.out_of_band(),
    b"\x98": lambda m: m.out_of_band(),
}
