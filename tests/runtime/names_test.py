import os

import pytest

from repose_jax.runtime import names


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.npz"), "a.npz: No such file or"),
        (OSError(18, "Invalid cross-device link", "a", None, "b"), "a -> b: Invalid cross-device"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (PermissionError("runs is not writable"), "runs is not writable"),
        (ValueError("a\x1b[2J.bvh: it is empty"), "a\\x1b[2J.bvh: it is empty"),
        (FileNotFoundError(2, "No such file", "a\nb.npz"), "a b.npz: No such file"),
    ],
)
def test_an_error_of_the_system_is_its_file_and_its_reason(error, message):
    assert names.message(error).startswith(message)


def test_an_error_of_the_system_is_told_as_it_is_raised(tmp_path):
    with pytest.raises(FileNotFoundError) as missing:
        os.listdir(tmp_path / "none")
    assert names.message(missing.value) == f"{tmp_path / 'none'}: No such file or directory"


def test_messages_are_shown_without_control_characters_and_not_at_any_length():
    assert names.readable("a.bvh: \x1b[2J\u202e\ud800 é\n") == "a.bvh: \\x1b[2J\\u202e\\ud800 é\n"
    shown = names.readable("a.bvh: " + "9" * 10_000)
    assert shown.startswith("a.bvh: 9")
    assert "[...]" in shown
    assert len(shown) < names.MOST + 10
