import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hostile_pickles import Call, hostile

from repose_jax.runtime import safe_pickle

DATA = {
    "floats": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(600, dtype=np.float32).reshape(20, 30)),
    "big endian": np.arange(5, dtype=">i4"),
    "two": [np.arange(3, dtype=">f8"), np.arange(4, dtype=">f8")],
    "texts": np.array(["54138969", "60457274"]),
    "bytes": np.array([b"ab", b"c"]),
    "bools": np.array([True, False]),
    "empty": np.zeros((0, 17)),
    "objects": np.array([{"a": np.arange(2)}, [1], None], dtype=object),
    "scalars": [np.float64(1.5), np.int32(-3), np.str_("é"), np.bool_(True)],
    "source": ["s_09_act_02"] * 3 + ["s_11_act_02", "ü" * 300],
    "numbers": [0, -1, 255, 65535, 1 << 31, -(1 << 70), 1 << 3000, 1.5, True, False, None],
    "raw": [b"", b"x\x80", b"y" * 300],
    "containers": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, [], {3: {"a": 1}, None: 2}],
}


def same(found, expected) -> bool:
    if isinstance(expected, np.ndarray):
        return (
            type(found) is np.ndarray
            and found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
            and found.shape == expected.shape
            and all(map(same, found.ravel().tolist(), expected.ravel().tolist()))
        )
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[k], expected[k]) for k in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and found == expected


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_numbers_texts_and_containers_are_read_unchanged(tmp_path, protocol):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(DATA, protocol))
    assert same(safe_pickle.load(path), DATA)


def test_sets_bytearrays_and_shared_objects_are_read(tmp_path):
    shared = [np.arange(3)]
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps([{1, "a"}, frozenset([2]), bytearray(b"ab"), shared, shared], 5))
    found = safe_pickle.load(path)
    assert found[:3] == [{1, "a"}, frozenset([2]), bytearray(b"ab")]
    assert found[3] is found[4]


def test_names_of_numpy_before_and_since_version_2_are_known(tmp_path):
    path = tmp_path / "data.pkl"
    for protocol in (2, 3):
        written = pickle.dumps(np.arange(3.0), protocol)
        for other in (b"numpy.core.", b"numpy._core."):
            path.write_bytes(written.replace(b"numpy._core.", other))
            np.testing.assert_array_equal(safe_pickle.load(path), np.arange(3.0))


def test_an_array_that_python_2_wrote_is_read(tmp_path):
    values = np.arange(3.0)
    path = tmp_path / "data.pkl"
    path.write_bytes(
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85"
        b"U\x01bq\x03\x87Rq\x04(K\x01K\x03\x85cnumpy\ndtype\nq\x05U\x02f8K\x00K\x01\x87Rq\x06"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x18"
        + values.tobytes()
        + b"q\x07tb."
    )
    np.testing.assert_array_equal(safe_pickle.load(path), values)
    path.write_bytes(b"(lp0\nS'it\\'s'\nac__builtin__\nbytes\n(tRa.")
    assert safe_pickle.load(path) == ["it's", b""]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_read_and_a_0d_array_gives_its_object(tmp_path, save):
    path = tmp_path / "data.npz"
    save(path, plain=DATA["fortran"], nested=np.array(DATA, dtype=object), o=DATA["objects"])
    found = safe_pickle.load_npz(path)
    assert same(found, {"plain": DATA["fortran"], "nested": DATA, "o": DATA["objects"]})


def test_hostile_pickles_are_not_run_and_the_error_names_their_function(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "data.pkl"
    pickles = hostile(marker)
    for name, content in pickles.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match="nothing of it was run") as error:
            safe_pickle.load(path)
        assert name in str(error.value), (name, error.value)
        assert str(path) in str(error.value)
    assert not marker.exists()
    path.write_bytes(pickles["posix.system"])
    with path.open("rb") as file:
        pickle.load(file)
    assert marker.exists()  # it would have been


def test_hostile_objects_within_an_archive_are_refused_too(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "data.npz"
    np.savez(path, data=np.array({"S1": [Call(os.system, f"touch {marker}")]}, dtype=object))
    with pytest.raises(ValueError, match=r"data\.npz: it asks for 'posix.system'"):
        safe_pickle.load_npz(path)
    assert not marker.exists()


RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
FLOATS = b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it ends too early"),
        (b"<!DOCTYPE html>", "b'<' is no operation"),
        (b"PK\x03\x04", "is no|outside"),
        (b"\x80\x09.", "protocol 9 is not known"),
        (b"\x80\x04\x8e" + b"\xff" * 8 + b"ab.", "it ends within a value of 18446744073709551615"),
        (b"\x80\x03B\xff\xff\xff\x7fab.", "it ends within a value of 2147483647"),
        (b"\x80\x02\x8b\xff\xff\xff\xff.", "it ends within a value of -1"),
        (b"\x80\x02N.N.", "there are data after its end"),
        (b"N0.", "damaged"),
        (b"\x80\x02h\x07.", "KeyError"),
        (b"}((tNs.", "damaged"),
        (b"}(tNs.", "a tuple as a key"),
        (b"N(I1\ne.", "a list was expected"),
        (b"I" + b"9" * 5000 + b"\n.", "digits"),
        (RECONSTRUCT + b".", "there are data after its end"),
        (RECONSTRUCT + b"(I1\n(I3\nt" + FLOATS + b"I00\nVabc\ntb.", "lacks its 24 bytes"),
        (
            RECONSTRUCT + b"(I1\n(I-3\nt" + FLOATS + b"I00\nVabc\ntb.",
            "an array of an impossible shape",
        ),
        (
            RECONSTRUCT + b"(I1\n(I99999999999\nt" + FLOATS + b"I00\nVa\ntb.",
            "an array of an impossible shape",
        ),
        (RECONSTRUCT + b"(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\ntRI00\nVabcdefgh\ntb.", "its objects"),
        (RECONSTRUCT + b"(I1\n(I1\ntS'f8'\nI00\nVabcdefgh\ntb.", "without a dtype"),
        (b"cnumpy\ndtype\n(S'f8,f8'\ntR.", "type 'f8,f8'"),
        (b"cnumpy\ndtype\n((I3\nttR.", "no type"),
        (FLOATS + b"(I3\nS'<'\nN(S'a'\ntNI-1\nI-1\nI0\ntb.", "a dtype with fields"),
        (b"cnumpy._core.multiarray\nscalar\n(" + FLOATS + b"VABC\ntR.", "lacks its 8 bytes"),
        (b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\ntRVabcdefgh\ntR.", "lacks its"),
        (
            b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(S'U1'\ntRVabc\xff\ntR.",
            "characters that do not exist",
        ),
    ],
)
def test_a_damaged_file_is_to_be_downloaded_again(tmp_path, content, message):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        safe_pickle.load(path)
    assert str(path) in str(error.value)


def test_every_truncation_is_detected(tmp_path):
    path = tmp_path / "data.pkl"
    for protocol in (0, 2, 4, 5):
        content = pickle.dumps({"a": np.arange(3.0), "b": ["x", 1.5, b"y"]}, protocol)
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"data\.pkl"):
                safe_pickle.load(path)


def test_damaged_archives_are_to_be_downloaded_again(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, positions=np.arange(100.0))
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole[:50], b"<html>", whole.replace(b"\x40", b"\x41")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"data\.npz: not a NumPy archive, or damaged .*again"):
            safe_pickle.load_npz(path)
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        npy, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
    )
    for content in (b"", npy.getvalue(), npy.getvalue()[:20]):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", content)
        with pytest.raises(ValueError, match=r"data\.npz: not a NumPy archive"):
            safe_pickle.load_npz(path)


def test_missing_files_are_named(tmp_path):
    for read in (safe_pickle.load, safe_pickle.load_npz):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            read(tmp_path / "nowhere")
        with pytest.raises(OSError, match=tmp_path.name):
            read(tmp_path)


def test_small_files_do_not_grow_without_bounds(tmp_path):
    path = tmp_path / "data.npz"
    np.savez_compressed(path, zeros=np.zeros(1 << 24))
    with pytest.raises(ValueError, match="it says that it unpacks to 134217"):
        safe_pickle.load_npz(path)
    again = b"".join([b"h\x01h\x00\x85R0" * 200_000])
    program = b"X\x00\x10\x00\x00" + b"a" * 4096 + b"q\x00c_codecs\nencode\nq\x01" + again + b"0."
    path.write_bytes(program)
    with pytest.raises(ValueError, match="its arrays are larger than the file allows"):
        safe_pickle.load(path)
    # 2^40 lists in 40; to describe them in an error would take forever.
    laughs = b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(40))
    path.write_bytes(b"\x80\x04" + laughs + b"\x8c\x01x\x93.")
    with pytest.raises(ValueError, match="a name that is no text"):
        safe_pickle.load(path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
def test_wrong_lengths_allocate_no_memory(tmp_path):
    """The standard library reserves memory for the place 2^31 of its memo, or a length of it."""
    path = tmp_path / "data.pkl"
    lies = [
        b"Nr" + struct.pack("<I", (1 << 32) - 1) + b".",
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 34) + b"x.",
        b"\x80\x04\x96" + struct.pack("<Q", 1 << 34) + b"x.",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
    ]
    for lie in lies:
        path.write_bytes(lie)
        code = (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30));"
            "from repose_jax.runtime import safe_pickle\n"
            "try: print(safe_pickle.load(sys.argv[1]))\n"
            "except ValueError as error: print(error)"
        )
        result = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == "None" or "it ends within a value" in result.stdout


@pytest.mark.parametrize("header", [b"{'descr': '<f8', 'shape': (", b"", b"(" * 5000, b"9" * 6000])
def test_damaged_headers_of_arrays_are_refused_by_name(tmp_path, header):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="a.npy: not a NumPy array, or damaged"):
        safe_pickle.load_npy(path)


def test_an_array_larger_than_its_file_takes_no_memory(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(3, 2)", b"(3333333333, 2)"))
    with pytest.raises(ValueError, match="a.npy"):
        safe_pickle.load_npy(tmp_path / "a.npy")
