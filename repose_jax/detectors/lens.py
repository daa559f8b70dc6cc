"""The focal length that a camera wrote into its photograph or video.

Photographs have it in their EXIF data. Of videos, iPhones and some apps write it as QuickTime
metadata (Apple, "QuickTime File Format", Metadata): a `meta` box of the movie or of a track lists
keys and has a value for each.
"""

import math
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

KEY = b"com.apple.quicktime.camera.focal_length.35mm_equivalent"
FILM_MM = math.hypot(36, 24)
"""Diagonal of 35 mm film, by which focal lengths are converted (CIPA DCG-001)."""
LENSES_MM = 7.0, 1000.0
"""Shortest and longest focal length for 35 mm film; some cameras write others by mistake."""
MOVIES = frozenset({".mov", ".mp4", ".m4v", ".3gp"})
MOST_BYTES = 1 << 28
"""Of the index of a video; more is damage."""
_EXIF, _FOCAL_LENGTH_IN_35MM_FILM = 0x8769, 0xA405
_SIGNED, _UNSIGNED = {21, 65, 66, 67, 74}, {22, 75, 76, 77, 78}
_FLOATS = {23: ">f", 24: ">d"}


def focal_px(path: Path, image_size: tuple[int, int]) -> float | None:
    """Returns the focal length that a file states, px; None if it states none.

    Lengths for 35 mm film are those of a lens that spans the same diagonal. The diagonal of a
    photograph is its own. A video is taken for the whole width of a sensor of 4:3, as of phones;
    that stabilisation crops it further is not known.

    Args:
        path: a photograph or a video of any kind.
        image_size: width and height, px.
    """
    movie = path.suffix.lower() in MOVIES
    film_mm = _of_movie(path) if movie else _of_photograph(path)
    if film_mm is None or not LENSES_MM[0] <= film_mm <= LENSES_MM[1]:
        return None
    diagonal = 1.25 * max(image_size) if movie else math.hypot(*image_size)
    return film_mm / FILM_MM * diagonal


def _of_photograph(path: Path) -> float | None:
    from PIL import Image

    warnings.filterwarnings("ignore", module="PIL")  # of damaged EXIF data
    try:
        with Image.open(path) as image:
            return float(image.getexif().get_ifd(_EXIF)[_FOCAL_LENGTH_IN_35MM_FILM])
    except Exception:  # Pillow's are of any kind; what a file does not say is assumed
        return None


def _of_movie(path: Path) -> float | None:
    try:
        return next(_values(_index(path)), None)
    except (OSError, ValueError, LookupError, OverflowError, RecursionError, struct.error):
        return None  # damaged


def _values(content: memoryview) -> Iterator[float]:
    """Yields the values of `KEY` in a movie: its own, those of programs, those of tracks."""
    for name, inner in _boxes(content):
        if name in (b"trak", b"udta"):
            yield from _values(inner)
        elif name == b"meta" and (found := _value(inner)) is not None:
            yield found


def _index(path: Path) -> memoryview:
    """Returns the content of the `moov` box, without reading the frames."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            left = struct.unpack(">Q", file.read(8))[0] - 16 if size == 1 else size - 8
            if size == 0:  # the last box, which ends with the file
                left = MOST_BYTES
            if name == b"moov":
                return memoryview(file.read(min(left, MOST_BYTES)))
            if left < 0:
                raise ValueError("a box is smaller than its head.")
            file.seek(left, 1)
    return memoryview(b"")


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yields the name and the content of each box."""
    while len(content) >= 8:
        size, name = struct.unpack_from(">I4s", content)
        start = 8
        if size == 1:
            (size,), start = struct.unpack_from(">Q", content, 8), 16
        size = size or len(content)
        if size < start:
            raise ValueError("a box is smaller than its head.")
        yield name, content[start:size]
        content = content[size:]


def _value(meta: memoryview) -> float | None:
    """Returns the value of `KEY` in the content of a `meta` box."""
    # MP4 has a version and flags before the boxes, QuickTime has not.
    boxes = dict(_boxes(meta if bytes(meta[4:8]) == b"hdlr" else meta[4:]))
    if b"keys" not in boxes or b"ilst" not in boxes:
        return None
    keys = [bytes(key) for _, key in _boxes(boxes[b"keys"][8:])]
    if KEY not in keys:
        return None
    items = dict(_boxes(boxes[b"ilst"]))  # named by the numbers of their keys, from 1
    item = items.get(struct.pack(">I", keys.index(KEY) + 1))
    return None if item is None else _number(dict(_boxes(item))[b"data"])


def _number(data: memoryview) -> float | None:
    """Returns the number in a `data` box: its type, a locale, and the value, text with a unit."""
    kind, value = int.from_bytes(data[:4], "big"), bytes(data[8:])
    if kind in _FLOATS:
        return float(struct.unpack(_FLOATS[kind], value)[0])
    if kind in _SIGNED | _UNSIGNED:
        return float(int.from_bytes(value, "big", signed=kind in _SIGNED))
    return float(value.decode("ascii").strip().removesuffix("mm")) if kind == 1 else None
