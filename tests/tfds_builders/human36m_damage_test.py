"""Hundreds of damaged and hostile files: each is refused by name, none is believed, none runs.

A pickle has no checksum. A wrong bit within a number or text that leaves it plausible cannot be
noticed by anybody; what can be asked for is that nothing else is wrong then: at most one number
(within what is plausible) or one letter of one text differs from the original. The archives of
NumPy have checksums, so there nothing may differ at all.
"""

import io
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import small_human36m as files
from hostile_pickles import hostile

from tfds_builders.human36m import motionbert, videopose3d
from tfds_builders.human36m.human36m_dataset_builder import Builder

NUMBERS = ("keypoints_2d", "confidence", "joints_3d", "mm_per_px")
TEXTS = ("name", "subject", "action", "camera")


def records_of(read: Callable[..., Any], *paths) -> list[dict[str, Any]]:
    return [sequence.record() for found in read(*paths).values() for sequence in found]


def refused(read: Callable[..., Any], damaged, *paths) -> bool:
    """Whether the files are refused, as they should be: with an error that names the damaged one.

    Every other kind of error is one of the reader.
    """
    try:
        records_of(read, *paths)
        return False
    except (ValueError, OSError) as error:
        message = str(error)
    assert str(damaged) in message
    assert len(message) < 1000
    return True


def bits(content: bytes, places: np.ndarray, rng: np.random.Generator) -> Iterator[bytes]:
    """The content with one bit of each of these bytes turned."""
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        yield bytes(flipped)


def in_arrays(content: bytes) -> np.ndarray:
    """[n] whether a byte of a pickle is in the numbers of an array."""
    inside = np.zeros(len(content), bool)
    for operation, argument, place in pickletools.genops(content):
        if operation.name == "BINBYTES":
            inside[place + 5 : place + 5 + len(argument)] = True
    return inside


def wrong(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> tuple[int, int]:
    """How many numbers differ, and how many letters of different texts."""
    assert [len(r["joints_3d"]) for r in found] == [len(r["joints_3d"]) for r in expected]
    pairs = list(zip(found, expected, strict=True))
    numbers = sum(
        int((~np.isclose(a[key], b[key], rtol=0, atol=0, equal_nan=True)).sum())
        for a, b in pairs
        for key in NUMBERS
    )
    texts = {(a[key], b[key]) for a, b in pairs for key in TEXTS}
    assert all(len(a) == len(b) for a, b in texts)
    # The subject is a part of the name, so these are one text.
    letters = [sum(x != y for x, y in zip(a, b, strict=True)) for a, b in texts if a[:1] != "S"]
    return numbers, sum(letters)


@pytest.fixture
def pickled(tmp_path):
    return files.write_motionbert(tmp_path)


def test_pickles_cut_short_are_refused(pickled):
    content = pickled.read_bytes()
    for length in np.linspace(0, len(content) - 1, 80).astype(int):
        pickled.write_bytes(content[:length])
        assert refused(motionbert.read, pickled, pickled), length


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_wrong_bit_in_a_pickle_is_noticed_or_changes_one_number_or_letter(
    tmp_path, caplog, protocol
):
    path = files.write_motionbert(tmp_path, protocol=protocol)
    content, expected = path.read_bytes(), records_of(motionbert.read, path)
    rng = np.random.default_rng(protocol)
    inside = in_arrays(content)
    places = [
        rng.choice(np.flatnonzero(~inside), 250, replace=False),
        rng.choice(np.flatnonzero(inside), 40, replace=False) if inside.any() else [],
    ]
    tried = noticed = 0
    for flipped in bits(content, np.concatenate(places).astype(int), rng):
        path.write_bytes(flipped)
        tried += 1
        caplog.clear()
        if refused(motionbert.read, path, path):
            noticed += 1
        elif "is not read" not in caplog.text:  # said, where the name of an optional key is wrong
            numbers, letters = wrong(records_of(motionbert.read, path), expected)
            assert numbers + letters <= 1
    assert tried >= 250
    assert noticed > 0.5 * tried


def test_a_wrong_bit_in_an_archive_is_noticed(tmp_path):
    files.write_videopose3d(tmp_path)
    paths = tmp_path / "data_3d_h36m.npz", tmp_path / "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    expected = records_of(videopose3d.read, *paths)
    rng = np.random.default_rng(0)
    noticed = 0
    for damaged in paths:
        content = damaged.read_bytes()
        places = rng.choice(len(content), 60, replace=False)
        # The directory at the end is where an archive says what it holds.
        places = np.concatenate([places, rng.integers(len(content) - 120, len(content), 30)])
        for flipped in bits(content, places, rng):
            damaged.write_bytes(flipped)
            if refused(videopose3d.read, damaged, *paths):
                noticed += 1
            else:  # a bit that says nothing, such as one of the date
                assert wrong(records_of(videopose3d.read, *paths), expected) == (0, 0)
        for length in rng.integers(0, len(content), 20):
            damaged.write_bytes(content[:length])
            assert refused(videopose3d.read, damaged, *paths)
        damaged.write_bytes(content)
    assert noticed > 90


def with_object(content: bytes) -> bytes:
    """An array of objects as NumPy writes it, of which the pickle is this."""
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


def nested(content: bytes) -> Iterator[bytes]:
    """The program of a pickle at several places of a larger one."""
    program = content[2:-1] if content[:1] == b"\x80" else content[:-1]
    yield b"(lp0\n" + program + b"a."
    yield b"\x80\x04}(\x8c\x05train}(\x8c\x08joint_2d" + program + b"\x8c\x01x]uu."
    yield b"\x80\x04\x8c\x05train" + program + b"\x86."
    yield b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n()" + (
        b"cnumpy\ndtype\n(S'O8'\ntRI00\n(" + program + b"ltb."
    )


def test_hostile_pickles_are_refused_and_nothing_of_them_is_run(tmp_path, pickled):
    marker = tmp_path / "marker"
    files.write_videopose3d(tmp_path)
    paths = tmp_path / "data_3d_h36m.npz", tmp_path / "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    whole = {path: path.read_bytes() for path in paths}
    tried = 0
    for name, content in hostile(marker).items():
        for program in (content, *nested(content)):
            pickled.write_bytes(program)
            assert refused(motionbert.read, pickled, pickled), name
            tried += 1
        for path, member in zip(paths, ("positions_3d", "metadata"), strict=True):
            with zipfile.ZipFile(path, "w") as archive:
                with zipfile.ZipFile(io.BytesIO(whole[path])) as original:
                    for other in original.namelist():
                        if other != f"{member}.npy":
                            archive.writestr(other, original.read(other))
                archive.writestr(f"{member}.npy", with_object(content))
            assert refused(videopose3d.read, path, *paths), name
            path.write_bytes(whole[path])
            tried += 1
    assert tried > 150
    assert not marker.exists()


def test_objects_of_other_types_are_refused(pickled):
    others: list[Any] = [None, 3, 2.5, "text", b"bytes", (), [[]], {}, {1, 2}, np.zeros(()), True]
    others += [np.array([None, 3]), np.array(["a"]), np.zeros((10, 17, 2), complex)]
    content = files.motionbert()
    for split, data in content.items():
        for key, value in data.items():
            for other in others:
                data[key] = other
                pickled.write_bytes(pickle.dumps(content, 4))
                assert refused(motionbert.read, pickled, pickled), (split, key, other)
            data[key] = value
        for other in others:
            pickled.write_bytes(pickle.dumps(content | {split: other}, 4))
            assert refused(motionbert.read, pickled, pickled), (split, other)


def test_no_damaged_file_leaves_a_dataset(tmp_path, pickled):
    content = pickled.read_bytes()
    marker = tmp_path / "marker"
    programs = [content[:-100], content[:50], b"", *list(hostile(marker).values())[:3]]
    for program in programs:
        pickled.write_bytes(program)
        with pytest.raises(ValueError, match=files.FILE):
            Builder(source=pickled, data_dir=tmp_path).download_and_prepare()
    assert not marker.exists()
    assert not list((tmp_path / "human36m" / "2.5d").glob("[0-9]*"))
    pickled.write_bytes(content)
    builder = Builder(source=pickled, data_dir=tmp_path)
    builder.download_and_prepare()
    assert len(builder.as_data_source("train")) == 3
