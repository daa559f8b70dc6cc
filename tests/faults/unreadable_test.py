"""A file that this user may not read is not called missing or damaged."""

import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from repose_jax.data import sequences
from repose_jax.detectors import onnx_session
from repose_jax.detectors.video import open_video
from repose_jax.weights import file

NOBODY = 65534


@pytest.fixture
def folder(data_dir) -> Iterator[pathlib.Path]:
    """A folder of somebody else, with prepared data, of which no file may be read."""
    found = pathlib.Path(tempfile.mkdtemp())
    shutil.copytree(data_dir, found, dirs_exist_ok=True)
    for name in ("a.mp4", "a.safetensors", "a.onnx"):
        (found / name).write_bytes(b"any")
    for path in [found, *found.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield found
    os.seteuid(user)
    shutil.rmtree(found)


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (open_video, "a.mp4"),
        (file.read, "a.safetensors"),
        (onnx_session.load, "a.onnx"),
        (lambda path: sequences.load(["small/30fps:test"], str(path)), ""),
    ],
)
def test_an_unreadable_file_is_named_as_such(read, name, folder):
    with pytest.raises(PermissionError, match="Permission denied: .*" + str(folder / name)):
        read(folder / name)
