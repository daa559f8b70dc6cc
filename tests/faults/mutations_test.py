"""Mutated files: every reader reads or refuses them in one line (see `tests.faults.mutations`)."""

import pathlib
import pickle
import sys
import tempfile

import pytest

from tests.faults.mutations import worker
from tests.faults.mutations.readers import READERS, Reader

SLOW = {"checkpoint", "keypoints, lifted", "PyTorch", "prepared data", "prepared data, again"}
SLOW |= {"metrics.jsonl", "weights (safetensors)", "config.json", "video"}  # slow to import


@pytest.fixture(scope="module")
def tries(tmp_path_factory):
    path, folder = [*sys.path], tempfile.tempdir
    yield worker.Tries(tmp_path_factory.mktemp("tries"))
    sys.path[:], tempfile.tempdir = path, folder


@pytest.mark.parametrize("name", [name for name in READERS if name not in SLOW])
def test_mutated_files_are_read_or_refused(tries, name):
    outcomes = [tries.one(name, seed=7, number=number) for number in range(3)]
    assert not [one for one in outcomes if one.kind not in ("read", "refused")]


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_mutated_files_are_read_or_refused(tries, name):
    outcomes = [tries.one(name, seed=8, number=number) for number in range(40)]
    assert not [one for one in outcomes if one.kind not in ("read", "refused")]


CONTENT = pickle.dumps([1, "text", {"a": 2.5}], 2)


def _write(folder: pathlib.Path) -> None:
    (folder / "a.pkl").write_bytes(CONTENT)


def _careless(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        pickle.load(file)


def _escaping(path: pathlib.Path) -> None:
    path.parents[1].joinpath("escaped").write_text("")


def _unnamed(path: pathlib.Path) -> None:
    if path.read_bytes() != CONTENT:
        raise ValueError("it is damaged")


@pytest.mark.parametrize(
    ("read", "kind"),
    [(_careless, "code"), (_careless, "bare"), (_escaping, "escaped"), (_unnamed, "bare")],
)
def test_faults_of_a_careless_reader_are_found(tries, monkeypatch, read, kind):
    monkeypatch.setitem(READERS, "careless", Reader(_write, read, alone=True))
    tries.reader = ""
    assert kind in {tries.one("careless", seed=0, number=number).kind for number in range(60)}
