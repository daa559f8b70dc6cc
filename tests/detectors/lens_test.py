"""Focal lengths in the files of photographs and videos."""

import math
import struct

import numpy as np
import pytest
import small_videos
from PIL import Image

from repose_jax.detectors import lens
from repose_jax.detectors.video import open_video


def photograph(path, film_mm, size=(400, 300), orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = film_mm
    Image.new("RGB", size).save(path, exif=exif)
    return path


def box(name: bytes, *content: bytes) -> bytes:
    inner = b"".join(content)
    return struct.pack(">I4s", 8 + len(inner), name) + inner


def metadata(kind: int, value: bytes) -> bytes:
    """A QuickTime `meta` box whose second key is the focal length."""
    keys = box(b"mdta", b"com.apple.quicktime.camera.lens_model"), box(b"mdta", lens.KEY)
    items = (
        box(struct.pack(">I", 1), box(b"data", struct.pack(">II", 1, 0), b"back camera 5.1mm")),
        box(struct.pack(">I", 2), box(b"data", struct.pack(">II", kind, 0), value)),
    )
    return box(
        b"meta",
        box(b"hdlr", bytes(4), b"mdta", bytes(16)),
        box(b"keys", struct.pack(">II", 0, 2), *keys),
        box(b"ilst", *items),
    )


def movie(path, meta: bytes):
    """A movie as iPhones write it: the frames first, and the metadata in the track of the video."""
    tracks = box(b"trak", box(b"tkhd", bytes(84))), box(b"trak", box(b"tkhd", bytes(84)), meta)
    frames = struct.pack(">I4sQ", 1, b"mdat", 16 + 1000) + bytes(1000)
    path.write_bytes(
        box(b"ftyp", b"qt  ") + box(b"wide") + frames + box(b"moov", box(b"mvhd"), *tracks)
    )
    return path


def test_a_lens_spans_the_diagonal_of_a_photograph_as_on_film(tmp_path):
    path = photograph(tmp_path / "a.jpg", 27)
    assert lens.focal_px(path, (400, 300)) == pytest.approx(27 * 500 / math.hypot(36, 24))
    on_film = photograph(tmp_path / "b.jpg", 50, size=(360, 240))
    with open_video(on_film) as video:
        assert video.focal_px == pytest.approx(500)


@pytest.mark.parametrize("film_mm", [0, 5, 48388])
def test_a_length_that_no_lens_has_is_a_mistake(film_mm, tmp_path):
    assert lens.focal_px(photograph(tmp_path / "a.jpg", film_mm), (400, 300)) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (21, struct.pack(">i", 27)),
        (65, b"\x1b"),
        (78, struct.pack(">Q", 27)),
        (23, struct.pack(">f", 27)),
        (24, struct.pack(">d", 27)),
        (1, b"27"),
        (1, b"27.00mm"),
    ],
)
def test_the_track_of_a_movie_states_it(kind, value, tmp_path):
    path = movie(tmp_path / "a.mov", metadata(kind, value))
    # Of a sensor of 1920 x 1440, whose diagonal is 2400.
    wanted = 27 * 2400 / math.hypot(36, 24)
    assert lens.focal_px(path, (1920, 1080)) == pytest.approx(wanted)
    assert lens.focal_px(path, (1080, 1920)) == pytest.approx(wanted)


def test_a_movie_that_a_program_wrote_states_it(tmp_path):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(3), film_mm=27)
    with open_video(path) as video:
        assert video.focal_px == pytest.approx(27 * 1.25 * 64 / math.hypot(36, 24))


def test_a_folder_of_images_has_the_lens_of_the_first(tmp_path):
    for number in range(2):
        photograph(tmp_path / f"{number}.jpg", 50 - number, size=(360, 240), orientation=6)
    with open_video(tmp_path, fps=25) as video:
        assert video.size == (240, 360)
        assert video.focal_px == pytest.approx(500)


def test_files_that_do_not_say_have_none(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    small_videos.write(tmp_path / "a.mp4", small_videos.frames(3))
    small_videos.write(tmp_path / "a.avi", small_videos.frames(3))
    movie(tmp_path / "a.mov", metadata(0, b"27"))
    for name in ("a.png", "a.mp4", "a.avi", "a.mov", "missing.mov", "missing.jpg"):
        assert lens.focal_px(tmp_path / name, (40, 30)) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [(21, struct.pack(">i", 27)), (23, struct.pack(">f", 27)), (1, b"27")],
    ids=["integer", "real", "text"],
)
def test_no_damage_of_a_movie_stops_the_reading(kind, value, tmp_path):
    path = movie(tmp_path / "a.mov", metadata(kind, value))
    whole, right = path.read_bytes(), lens.focal_px(path, (400, 300))
    rng, found = np.random.default_rng(0), []
    for _ in range(1000):
        damaged = bytearray(whole)
        for place in 1000 + rng.integers(0, len(whole) - 1000, rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        path.write_bytes(
            damaged[: rng.integers(1000, len(whole))] if rng.random() < 0.3 else damaged
        )
        found.append(lens.focal_px(path, (400, 300)))
    assert {None, right} <= {*found}


def test_a_photograph_that_is_cut_off_states_its_lens_or_none(tmp_path):
    path = photograph(tmp_path / "a.jpg", 27)
    whole, right = path.read_bytes(), lens.focal_px(path, (400, 300))
    found = set()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        found.add(lens.focal_px(path, (400, 300)))
    assert found == {None, right}
