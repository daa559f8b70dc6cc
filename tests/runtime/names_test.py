from repose_jax.runtime import names


def test_messages_are_shown_without_control_characters_and_not_at_any_length():
    assert names.readable("a.bvh: \x1b[2J\u202e\ud800 é\n") == "a.bvh: \\x1b[2J\\u202e\\ud800 é\n"
    shown = names.readable("a.bvh: " + "9" * 10_000)
    assert shown.startswith("a.bvh: 9")
    assert "[...]" in shown
    assert len(shown) < names.MOST + 10
