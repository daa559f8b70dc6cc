"""Mutations of bytes, and of arrays of NumPy, MATLAB, HDF5 and safetensors."""

import ast
import io
import json
import pathlib
import random
import struct
import zlib
from typing import Any

import h5py
import numpy as np
import scipy.io

from tests.faults.mutations.pickles import operations
from tests.faults.mutations.texts import changed, tree, written

BOMB = 3 << 30  # bytes, of what unpacks to more than any reader may take


def array(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Changes type, shape or order in the header of an array, the header itself, or numbers."""
    long = data[6] > 1
    start = 12 if long else 10
    (length,) = struct.unpack("<I" if long else "<H", data[8:start])
    header, body = data[start : start + length], data[start + length :]
    values = ast.literal_eval(header.decode("latin-1"))
    if values["descr"] in ("|O", "O") and rng.random() < 0.7:
        return data[: start + length] + operations(body, rng, marker)
    action = rng.choice(("descr", "shape", "fortran_order", "header", "version", "number", "drop"))
    if action == "number":
        kind = np.dtype(values["descr"])
        if kind.kind == "f" and len(body) >= kind.itemsize:
            array = np.frombuffer(body, kind).copy()
            array[rng.randrange(len(array))] = float(rng.choice(("nan", "inf", "-1e308", "1e30")))
            body = array.tobytes()
    elif action == "version":
        return data[:6] + bytes([rng.randrange(5), rng.randrange(3)]) + data[8:]
    elif action == "drop":
        del values[rng.choice([*values])]
    elif action == "descr":
        types = ("|O", "<f4", "<f8", ">f8", "<i8", "<c16", "<U5", "|S1000000000", "<M8[ns]", "|V8")
        strange = ([("a", "<f4"), ("b", "|O")], "", 3, ("<f8", (1000, 1000, 1000)), "x" * 70_000)
        values["descr"] = rng.choice((*types, *strange))
    elif action == "shape":
        shape = list(values["shape"])
        shapes = (
            (),
            (0,),
            (-1,),
            (1 << 40,),
            (1 << 62, 8),
            tuple(shape[::-1]),
            (*shape, 1),
            (True,),
        )
        values["shape"] = rng.choice((*shapes, tuple(shape[:-1]), [3], "a", (2.5,), (1,) * 70))
    elif action == "fortran_order":
        values["fortran_order"] = rng.choice((True, 1, None, "x"))
    header = repr(values).encode("latin-1", "replace") + b" \n"
    if action == "header":
        wrong = (
            b"",
            b"{",
            b"(" * 5000,
            b"__import__('os').system('true')",
            b"9" * 6000,
            header * 3,
        )
        header = rng.choice(wrong)
    if long:
        return data[:8] + struct.pack("<I", len(header)) + header + body
    return data[:8] + struct.pack("<H", len(header) % 65536) + header + body


def zeros(wrap: int) -> bytes:
    """Returns `BOMB` zeros, compressed."""
    packer = zlib.compressobj(1, zlib.DEFLATED, wrap)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block + again * (BOMB // (1 << 24) - 1) + packer.flush()


def _arrays(rng: random.Random) -> Any:
    """Returns a value for the place of an array."""
    nested = np.empty((1, 2), object)
    nested[0, 0], nested[0, 1] = {"a": np.ones(3)}, "text"
    wrong = (
        np.zeros(()),
        np.ones((12, 3), np.complex128),
        np.zeros((0, 3)),
        np.full((12, 1), -1.0),
    )
    values = (np.full((12, 56), v) for v in (np.nan, 1e308, -1e30, 1e-300))
    return rng.choice(
        (*wrong, *values, "text", 3.0, nested, {"b": {"c": 1}}, np.arange(12)[:, None])
    )


def matlab(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Replaces, removes or adds variables, or numbers within; or one that unpacks to `BOMB`."""
    if rng.random() < 0.05:
        packed = zeros(15)
        return data + struct.pack("<II", 15, len(packed)) + packed
    content = {k: v for k, v in scipy.io.loadmat(io.BytesIO(data)).items() if k[0] != "_"}
    key = rng.choice([*content])
    value, action = (
        content[key],
        rng.choice(("replace", "remove", "rename", "number", "cut", "type")),
    )
    if action == "remove":
        del content[key]
    elif action == "rename":
        content["x" * rng.choice((1, 31))] = content.pop(key)
    elif action == "replace":
        content[key] = _arrays(rng)
    else:
        cell = value.dtype == object
        place = rng.randrange(value.size) if cell else None
        array = np.array(value.flat[place] if cell else value, np.float64)
        if action == "number":
            array.flat[rng.randrange(array.size)] = rng.choice(
                (np.nan, np.inf, -1, 1e308, 1e6, 0.5)
            )
        elif action == "cut":
            array = array[: rng.randrange(len(array))]
        else:
            array = rng.choice((array.astype(np.int8), array.T, array[None], array.astype(bool)))
        if cell:
            value.flat[place] = array
        else:
            content[key] = array
    file = io.BytesIO()
    scipy.io.savemat(file, content, do_compression=rng.random() < 0.5)
    return file.getvalue()


def hdf5(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Replaces arrays by others, by groups, by links, by types or by shapes of no end."""
    userblock = data[:512] if data[:1] != b"\x89" else b""
    path = marker.with_name(f"{marker.name}.h5")
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        key = rng.choice(sorted(file))
        old = file[key][()]
        action = rng.choice(
            ("number", "number", "value", "huge", "link", "type", "group", "remove")
        )
        if action == "number":
            file[key][tuple(rng.randrange(n) for n in old.shape)] = rng.choice(
                (np.nan, np.inf, -1, 1e308, 1e6, 0.5)
            )
        else:
            del file[key]
        if action == "value":
            file[key] = rng.choice((old[:-1], old.T, old[None], old.astype("S5"), old > 0, old[:0]))
        elif action == "huge":  # takes no bytes in the file
            shape = (rng.choice((1 << 28, 1 << 40)), *old.shape[1:])
            file.create_dataset(key, shape, "f8", chunks=(64, *old.shape[1:]), compression="gzip")
        elif action == "link":
            target = rng.choice((h5py.SoftLink(f"/{key}"), h5py.ExternalLink("/etc/hostname", "/")))
            file[key] = rng.choice((target, h5py.SoftLink("/")))
        elif action == "type":
            kinds = (h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype(np.float64), "c16", "i1")
            compound = np.dtype([("a", "f8"), ("b", "S3")])
            file.create_dataset(key, old.shape, rng.choice((*kinds, compound)))
        elif action == "group":
            file.create_group(f"{key}/{key}")
    changed = path.read_bytes()
    path.unlink()
    return userblock + changed[len(userblock) :]


def safetensors(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Changes the header, the JSON in its metadata, its length, or numbers of tensors."""
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    action = rng.choice(("header", "metadata", "metadata", "length", "numbers"))
    if action == "length":
        wrong = rng.choice((0, 1, length - 1, length + 1, 1 << 40, (1 << 64) - 1))
        return struct.pack("<Q", wrong) + data[8:]
    if action == "numbers":
        at = rng.randrange(len(body))
        return data[: 8 + length] + body[:at] + b"\xff" * 8 + body[at + 8 :]
    if action == "header":
        text = written(changed(header, rng))
    else:
        metadata = header["__metadata__"]
        key = rng.choice([*metadata])
        metadata[key] = tree(metadata[key].encode(), rng, marker).decode("utf-8", "replace")
        text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body
