"""Small videos that tests write."""

import fractions
import pathlib
import struct

import av
import numpy as np

TURNED_BY_90 = (0, 1, -1, 0)  # a b c d of the matrix: clockwise


def frames(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Grey frames, each 2 brighter than the last, with a red block at the upper left."""
    made = []
    for i in range(count):
        frame = np.full((height, width, 3), 20 + 2 * i, np.uint8)
        frame[: height // 4, : width // 4] = (220, 20, 20)
        made.append(frame)
    return made


def write(
    path: pathlib.Path,
    images: list[np.ndarray],
    times_ms: list[int] | None = None,
    film_mm: int | None = None,
) -> pathlib.Path:
    """Writes a video, of 25 frames per second or with a time for each frame.

    It may state a focal length for 35 mm film, as a program does that keeps what an iPhone states.
    """
    times_ms = [40 * i for i in range(len(images))] if times_ms is None else times_ms
    # The index stands before the frames, so that a truncated file can be opened.
    options = {"movflags": "faststart+use_metadata_tags" if film_mm else "faststart"}
    with av.open(str(path), "w", options=options) as container:
        if film_mm:
            key = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
            container.metadata[key] = str(film_mm)
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        stream.time_base = stream.codec_context.time_base = fractions.Fraction(1, 1000)
        for image, time_ms in zip(images, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time_ms, fractions.Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(path: pathlib.Path, matrix=TURNED_BY_90) -> pathlib.Path:
    """Sets the rotation flag of an mp4, as phones do."""
    data = bytearray(path.read_bytes())
    a, b, c, d = matrix
    place = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[place : place + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(data)
    return path
