import pytest

from repose_jax.runtime.signals import Interrupted
from repose_jax.runtime.whole_file import whole


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
