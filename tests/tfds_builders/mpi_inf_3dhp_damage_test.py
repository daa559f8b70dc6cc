"""Hundreds of damaged files: each is refused or gives the same records, and none executes code.

No check can detect a digit in `camera.calibration`, a text without a checksum, that moves the
projections by less than the tolerances of the geometry, or an activity that becomes another one.
Everything else that counts is protected by the checksums of zlib (MATLAB 5 and 7, the joints in
HDF5) and zip, or by the range of its values.
"""

import os
import pathlib
import pickle
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
import scipy.io
import small_mpi_inf_3dhp as small

from tfds_builders.mpi_inf_3dhp import p_stmo, release
from tfds_builders.mpi_inf_3dhp.view import record_of

FRAMES = 6

# Tolerances of values where damage is not detected; all others must be equal.
_TOLERANCES = {"intrinsics": 30.0, "rotation": 0.02, "translation": 60.0}

Read = Callable[[], list[dict]]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, tuple[pathlib.Path, Read]]:
    """A file of each kind, and how it is read."""
    source = tmp_path_factory.mktemp("train")
    folder = small.write_train(source, frames=FRAMES)
    test = tmp_path_factory.mktemp("test")
    archives = tmp_path_factory.mktemp("archives")

    def read(sequences):
        return lambda: [record_of(view) for sequence in sequences() for view in sequence.views()]

    train_archive = small.write_archive(
        archives / "data_train_3dhp.npz", small.archive_train(frames=FRAMES)
    )
    test_archive = small.write_archive(
        archives / "data_test_3dhp.npz", small.archive_test(frames=FRAMES)
    )
    read_train = read(lambda: release.sequences(source, "metric"))
    read_test = read(lambda: release.sequences(test, "universal"))
    return {
        "annot.mat": (folder / "annot.mat", read_train),
        "camera.calibration": (folder / "camera.calibration", read_train),
        "annot_data.mat": (small.write_test(test, frames=100) / "annot_data.mat", read_test),
        "train.npz": (train_archive, read(lambda: p_stmo.sequences(train_archive))),
        "test.npz": (test_archive, read(lambda: p_stmo.sequences(test_archive))),
    }


def _truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def _overwritten(content: bytes, rng: np.random.Generator) -> bytes:
    damaged, start = bytearray(content), rng.integers(len(content))
    damaged[start : start + 64] = rng.bytes(64)
    return bytes(damaged)


def _gap(content: bytes, rng: np.random.Generator) -> bytes:
    start = rng.integers(len(content))
    return content[:start] + content[start + rng.integers(1, 100) :]


def _assert_refused_or_equal(path: pathlib.Path, read: Read, expected: list[dict]) -> bool:
    """Returns whether the file was refused; if not, its records must be those of the intact one."""
    records, message = [], None
    try:
        records = read()
    except (ValueError, OSError) as error:
        message = str(error)
    if message is not None:
        assert str(path.parent) in message
        return True
    assert [record["name"] for record in records] == [record["name"] for record in expected]
    for record, true in zip(records, expected, strict=True):
        for key, value in true.items():
            if isinstance(value, np.ndarray) and key != "activity":
                np.testing.assert_allclose(
                    record[key], value, rtol=0, atol=_TOLERANCES.get(key, 0), err_msg=key
                )
    return False


@pytest.mark.parametrize("damage", [_truncated, _flipped, _overwritten, _gap])
@pytest.mark.parametrize(
    "kind", ["annot.mat", "camera.calibration", "annot_data.mat", "train.npz", "test.npz"]
)
def test_damaged_bytes_are_refused_or_do_not_count(files, kind, damage):
    path, read = files[kind]
    whole, expected = path.read_bytes(), read()
    rng = np.random.default_rng(0)
    refused = 0
    try:
        for _ in range(30):
            path.write_bytes(damage(whole, rng))
            refused += _assert_refused_or_equal(path, read, expected)
    finally:
        path.write_bytes(whole)
    # What is not refused is damaged where nothing is read: padding, and variables of no use here.
    assert refused >= {_truncated: 25, _flipped: 8, _overwritten: 8, _gap: 20}[damage]


# Objects in the place of an expected array.
_WRONG = {
    "text": "none",
    "number": 3.0,
    "empty": np.zeros((0, 0)),
    "scalar": np.zeros(()),
    "bytes": np.zeros((FRAMES, 3), "S5"),
    "complex": np.full((FRAMES, 17, 3), 1j),
    "zeros": np.zeros((FRAMES, 17, 3)),
    "few joints": np.ones((FRAMES, 16, 3)),
    "many joints": np.ones((FRAMES, 28, 3)),
    "not numbers": np.full((FRAMES, 17, 2), np.nan),
    "large": np.full((FRAMES, 17, 2), 1e30),
    "flat": np.ones(FRAMES * 17 * 2),
    "more dimensions": np.ones((FRAMES, 1, 1, 17, 2)),
}


@pytest.mark.parametrize("wrong", _WRONG)
def test_wrong_types_and_shapes_are_refused_everywhere(tmp_path, wrong):
    value = _WRONG[wrong]
    train = small.write_train(tmp_path / "train", frames=FRAMES) / "annot.mat"
    test = small.write_test(tmp_path / "test", frames=FRAMES) / "annot_data.mat"
    archive = tmp_path / "archive.npz"

    def refused(path, sequences):
        with pytest.raises(ValueError, match=path.name):
            [record_of(view) for sequence in sequences() for view in sequence.views()]

    for key in ("annot2", "univ_annot3", "cameras", "frames"):
        scipy.io.savemat(train, small.annot("S1/Seq1", FRAMES) | {key: value})
        refused(train, lambda: release.sequences(tmp_path / "train", "universal"))
    for key in ("annot2", "univ_annot3", "valid_frame", "activity_annotation"):
        wide = np.asarray(value)[:, None] if np.ndim(value) == 3 else value
        small.write_hdf5(test, small.annot_data("TS1", FRAMES) | {key: wide})
        refused(test, lambda: release.sequences(tmp_path / "test", "universal"))
    for key in ("data_2d", "data_3d", "valid"):
        data = small.archive_test(frames=FRAMES)
        data["TS1"][key] = value
        refused(small.write_archive(archive, data), lambda: p_stmo.sequences(archive))
    for data in ({"S1 Seq1": value}, {"TS1": value}, {"S1 Seq1": [value, 25]}, value):
        refused(small.write_archive(archive, data), lambda: p_stmo.sequences(archive))


class _Calls:
    """Runs a function when it is unpickled."""

    def __init__(self, function: Callable, *arguments: object):
        self.result = function, arguments

    def __reduce__(self):
        return self.result


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["alone", "in a list", "as a sequence", "as an array"])
def test_an_archive_that_runs_code_is_refused_and_runs_nothing(tmp_path, protocol, place):
    mark = tmp_path / "mark"
    for function, arguments in (
        (os.mkdir, (str(mark),)),
        (os.system, (f"mkdir {mark}",)),
        (eval, (f"__import__('os').mkdir({str(mark)!r})",)),
        (exec, (f"import os; os.mkdir({str(mark)!r})",)),
    ):
        call = _Calls(function, *arguments)
        data = small.archive_train(frames=FRAMES)
        cameras = data["S1 Seq1"][0]
        hostile = {
            "alone": call,
            "in a list": [call, 25],
            "as a sequence": data | {"S1 Seq2": call},
            "as an array": {"S1 Seq1": [cameras | {"8": {"data_2d": call, "data_3d": call}}, 25]},
        }[place]
        path = tmp_path / "data_train_3dhp.npz"
        header = (
            b"\x93NUMPY\x01\x00v\x00"
            + repr({"descr": "|O", "fortran_order": False, "shape": ()}).encode().ljust(117)
            + b"\n"
        )
        # What NumPy writes for an array of objects: an array with the dictionary.
        content = pickle.dumps(hostile, protocol)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.npy", header + content)
        with pytest.raises(ValueError, match=path.name):
            p_stmo.sequences(path)
        holder = np.empty((), object)
        holder[()] = hostile
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.npy", header + pickle.dumps(holder, protocol))
        with pytest.raises(ValueError, match=rf"{path.name}.*(mkdir|system|eval|exec)"):
            p_stmo.sequences(path)
    assert not mark.exists()
