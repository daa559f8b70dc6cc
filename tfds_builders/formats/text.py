"""Text files of any program: their encodings and line ends."""

import codecs
import math
import os
import pathlib

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode(data: bytes, name: str) -> str:
    r"""Decodes a text file: by its byte-order mark, else as UTF-8, else as Latin-1.

    Args:
        data: The content of the file.
        name: Name of the file in errors.

    Returns:
        The text without its mark; lines end with "\n".

    Raises:
        ValueError: If it is not text, or is damaged where it has a mark; names the file.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise ValueError(
                f"{name}: not {encoding.upper()}, though its byte-order mark says so ({error})"
            ) from None
        text = data.decode("latin-1")
    if "\0" in text:
        raise ValueError(
            f"{name}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: not a text file (it "
            "has zero bytes); text of 16 bits a letter needs a byte-order mark"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read(path: str | os.PathLike[str]) -> str:
    """Reads a text file, as `decode` does.

    Raises:
        ValueError: If it is not text; names the file.
        OSError: If it cannot be read.
    """
    return decode(pathlib.Path(path).read_bytes(), os.fspath(path))


def number(word: str) -> float:
    """Converts a word to a number; NaN where it is none or is not finite."""
    try:
        value = float(word) if "_" not in word else math.nan  # Python reads "1_0" as 10
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
