import errno
import os

import pytest

from repose_jax.runtime.signals import Interrupted
from repose_jax.runtime.whole_file import check_space, whole, writing


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new.txt"
    with whole(path) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("error", [OSError("no space"), Interrupted(2, "Stopped.")])
def test_an_error_or_a_signal_leaves_what_was_there_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half() -> None:
        with whole(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("kind", [OSError, ValueError])  # that of Python, that of TensorStore
def test_the_error_of_a_full_disk_is_one_line_with_the_path_and_the_free_space(
    code, kind, tmp_path
):
    text = os.strerror(code)
    error = OSError(code, text) if kind is OSError else ValueError(f"RESOURCE:\n{text}\n[more]")
    with pytest.raises(OSError, match=r" MB are free\)") as raised, writing(tmp_path / "a" / "b"):
        raise error
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{tmp_path}/a/b is not written: {text.lower()} (")


def test_other_errors_are_as_they_were(tmp_path):
    with pytest.raises(PermissionError, match="not yours"), writing(tmp_path):
        raise PermissionError("not yours")


def test_too_little_space_is_found_before_writing(tmp_path):
    check_space(tmp_path / "new", 1000)
    assert [*tmp_path.iterdir()] == [tmp_path / "new"]
    assert [*(tmp_path / "new").iterdir()] == []
    with pytest.raises(OSError, match="new is not written: "):
        check_space(tmp_path / "new", 1 << 60)
    assert [*(tmp_path / "new").iterdir()] == []
