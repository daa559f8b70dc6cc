"""Mutations of pickles: of the operations of their programs."""

import itertools
import pathlib
import pickletools
import random
import struct

import hostile_pickles


def raw(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    if not data:
        return rng.randbytes(20)
    at = rng.randrange(len(data))
    end = min(len(data), at + rng.randrange(1, 64))
    other = rng.randrange(len(data))
    return rng.choice(
        (
            lambda: data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
            lambda: data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
            lambda: data[:at],
            lambda: data[at:],
            lambda: data[:at] + data[end:],
            lambda: data[:end] + data[at:],
            lambda: data[:at] + bytes(end - at) + data[end:],
            lambda: data[:at] + b"\xff" * (end - at) + data[end:],
            lambda: data[:at] + rng.randbytes(end - at) + data[end:],
            lambda: data[:other] + data[at:end] + data[other:],
            lambda: data + data[at:end],
            lambda: data + data,
        )
    )()


def operations(data: bytes, rng: random.Random, marker: pathlib.Path) -> bytes:
    """Swaps, removes, repeats or replaces operations of a pickle, or adds a hostile one."""
    starts = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(starts)]
    parts = [part for part in parts if part[:1] != b"\x95"]  # lengths, which would not be right
    body = range(1, len(parts) - 1) if len(parts) > 2 else range(len(parts))
    at, other = rng.choice(body), rng.choice(body)
    action = rng.choice(
        ("swap", "remove", "repeat", "code", "argument", "insert", "hostile", "hostile", "value")
    )
    if action == "swap":
        parts[at], parts[other] = parts[other], parts[at]
    elif action in ("remove", "repeat"):
        parts[at] *= 0 if action == "remove" else rng.choice((2, 1000))
    elif action == "code":
        parts[at] = rng.choice(pickletools.opcodes).code.encode("latin-1") + parts[at][1:]
    elif action == "argument" and len(parts[at]) > 1:
        parts[at] = parts[at][:1] + raw(parts[at][1:], rng, marker)
    elif action == "insert":
        code = rng.choice(pickletools.opcodes).code.encode("latin-1")
        parts[at] += code + rng.randbytes(rng.choice((0, 1, 2, 4, 8)))
    elif action == "hostile":
        parts[at] += _program(rng.choice([*hostile_pickles.hostile(marker).values()]))
    else:
        parts[at] = _program(rng.choice(_STRANGE))
    return b"".join(parts)


def _program(pickled: bytes) -> bytes:
    """Returns the operations of a pickle without its beginning and end."""
    body = pickled[2:] if pickled[:1] == b"\x80" else pickled
    return (body[9:] if body[:1] == b"\x95" else body).removesuffix(b".")


def _doubled() -> bytes:
    """A list of twice a list of twice a list ...: short, and endless for whoever walks it."""
    made = b"]r" + struct.pack("<I", 10_000)
    for number in range(10_001, 10_060):
        twice = (b"j" + struct.pack("<I", number - 1)) * 2
        made += b"]r" + struct.pack("<I", number) + b"(" + twice + b"e"
    return made


_STRANGE = (
    _doubled(),
    b"]r\x10\x27\x00\x00(j\x10\x27\x00\x00e",  # a list of itself
    b"}r\x10\x27\x00\x00X\x01\x00\x00\x00aj\x10\x27\x00\x00s",  # a dict of itself
    b"(" * 100_000 + b"l" * 100_000,
    b"]" * 5000 + b"a" * 4999,
    b"\x8a\xff" + b"\x7f" * 255,  # a number of 255 bytes
    b"L" + b"9" * 6000 + b"L\n",
    b"F1e999\n",
    b"G" + struct.pack(">d", float("nan")),
    b"N",
    b"X\x03\x00\x00\x00\xed\xa0\x80",  # half of a surrogate pair
    b"X\x04\x00\x00\x00\x1b[2J",
    b"\x8b\xff\xff\xff\x7f",
    b"B\xff\xff\xff\x7f",
    b"(lp0\n",
    b"\x8f",
)
