"""Mutations of files, each by its kind, and of archives."""

import io
import pathlib
import random
import re
import struct
import zipfile
from collections.abc import Callable

from tests.faults.mutations import binary, pickles, texts


def mutate(path: pathlib.Path, rng: random.Random, marker: pathlib.Path) -> str:
    """Mutates a file.

    Args:
        path: the file.
        rng: of all choices.
        marker: a file that code in a hostile file would create.

    Returns:
        A description.
    """
    if rng.random() < 0.03:
        return _replaced(path, rng)
    data, done = path.read_bytes(), []
    for _ in range(1 + (rng.random() < 0.25)):
        mutators = (*of_kind(path.name, data), pickles.raw)
        mutator = rng.choices(mutators, [*[3] * (len(mutators) - 1), 1.5])[0]
        try:
            data = mutator(data, rng, marker)
        except Exception as error:  # damage of a first mutation that this one cannot parse
            done.append(f"{mutator.__name__} not possible: {type(error).__name__}")
            data = pickles.raw(data, rng, marker)
        done.append(mutator.__name__.strip("_"))
    path.write_bytes(data)
    return f"{path.name}: {', '.join(done)}"


Mutator = Callable[[bytes, random.Random, pathlib.Path], bytes]


def of_kind(name: str, data: bytes) -> tuple[Mutator, ...]:
    """Returns the mutators of files like this, by its beginning and its name."""
    suffix = pathlib.PurePath(name).suffix.lower()
    if data[:2] == b"PK":
        return (_zip,)
    if data[:6] == b"\x93NUMPY":
        return (binary.array,)
    if data[512:516] == b"\x89HDF" or data[:4] == b"\x89HDF":
        return (binary.hdf5,)
    if data[:10] == b"MATLAB 5.0":
        return (binary.matlab,)
    if suffix == ".safetensors":
        return (binary.safetensors,)
    if suffix in (".pkl", ".pickle"):
        return (pickles.operations,)
    if suffix == ".toml":
        return (texts.toml_tree, texts.toml_tree, texts.tokens, texts.whole_lines)
    if data[:1] in (b"{", b"["):
        return (
            (texts.tree, texts.tokens) if suffix != ".jsonl" else (texts.tree_of_line, texts.tokens)
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return ()
    return (texts.tokens, texts.whole_lines) if data and b"\0" not in data else ()


def _replaced(path: pathlib.Path, rng: random.Random) -> str:
    """Puts something else in the place of a file."""
    kind = rng.choice(("nothing", "empty", "folder", "zeros", "other"))
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        other = rng.choice(
            (b"PK\x05\x06" + bytes(18), b"\x80\x04N.", b"[]", b"{}", b"\n", b"GIF89")
        )
        path.write_bytes({"empty": b"", "zeros": bytes(1000), "other": other}[kind])
    return f"{path.name}: {kind} in its place"


# Arrays and archives


def _zip(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Changes a file inside of an archive, or the name, the sizes or the flags of one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    at = rng.randrange(len(members))
    info, content = members[at]
    name = info.filename
    action = rng.choice(
        ("inside",) * 5 + ("name", "remove", "twice", "add", "field", "bomb", "method")
    )
    if action == "inside":
        inner = rng.choice((*of_kind(name, content), *of_kind(name, content), pickles.raw))
        if name.endswith("/data.pkl"):  # of PyTorch
            inner = pickles.operations
        members[at] = info, inner(content, rng, marker)
    elif action == "name":
        folder, _, last = name.rpartition("/")
        names = (
            f"../{name}",
            f"/{name}",
            f"C:\\{last}",
            f"{folder}/../../../{last}",
            "",
            "a" * 60_000,
        )
        others = (f"..\\..\\{last}", f"{name}/", f"é名{last}", f"\x1b[2J{last}", f"a\nb{last}")
        members[at] = rng.choice((*names, *others)), content
    elif action == "remove":
        del members[at]
    elif action == "twice":
        members.append((name, rng.choice((content, b"", content[:50]))))
    elif action == "add":
        members.append(
            (rng.choice((*(w for w in texts.WORDS if len(w) < 100), "../escape.bvh")), content)
        )
    elif action == "bomb":
        return _with_bomb(data, name)
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", method if action == "method" else info.compress_type
    ) as archive:
        for key, value in members:
            label = key if isinstance(key, str) else key.filename
            archive.writestr(label.encode("utf-8", "replace").decode(), value)
    packed = bytearray(file.getvalue())
    if action == "field":  # of the central directory: flags, method, CRC, sizes, offsets
        entries = [match.start() for match in re.finditer(b"PK\x01\x02", packed)]
        entry = rng.choice(entries)
        field, values = rng.choice(
            (
                (8, (1, 1 << 5, 1 << 13, 0xFFFF)),
                (10, (99, 9, 12, 14, 0xFFFF)),
                *((place, (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)) for place in (16, 20, 24, 42)),
                (28, (0, 0xFFFF)),
            )
        )
        size = "<I" if field in (16, 20, 24, 42) else "<H"
        struct.pack_into(size, packed, entry + field, rng.choice(values))
    return bytes(packed)


def _with_bomb(data: bytes, name: str) -> bytes:
    """Replaces one file of an archive by zeros that unpack to `binary.BOMB` bytes."""
    file, packed = io.BytesIO(), binary.zeros(-15)
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info) if info.filename != name else packed)
    made = bytearray(file.getvalue())
    for mark, method, sizes in ((b"PK\x03\x04", 8, 18), (b"PK\x01\x02", 10, 20)):
        for match in re.finditer(re.escape(mark), bytes(made)):
            at = match.start()
            if struct.unpack_from("<I", made, at + sizes)[0] == len(packed):
                struct.pack_into("<H", made, at + method, 8)
                struct.pack_into("<I", made, at + sizes + 4, binary.BOMB)
    return bytes(made)
