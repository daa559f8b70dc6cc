import io
import itertools
import os

import jax
import pytest

from repose_jax.runtime import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


@pytest.fixture(autouse=True)
def size(monkeypatch):
    """Sets the size of the terminal."""

    def change(*columns_and_lines):
        size = os.terminal_size(columns_and_lines)
        monkeypatch.setattr(os, "get_terminal_size", lambda _: size)

    change(80, 24)
    return change


@pytest.fixture
def seconds(monkeypatch):
    """Makes a clock that moves on by as many seconds whenever it is read."""

    def tick(step):
        clock = itertools.count(0.0, float(step))
        monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))

    return tick


def errors(monkeypatch, output: io.StringIO, total: int = 100) -> str:
    monkeypatch.setattr(progress.sys, "stderr", output)
    with progress.Progress(total, "train") as shown:
        shown.show("loss 0.5")
        for _ in range(total):
            shown.advance()
    return output.getvalue()


def test_a_terminal_gets_a_bar(monkeypatch):
    printed = errors(monkeypatch, Terminal())
    assert "100/100" in printed
    assert "loss 0.5" in printed
    assert "\r" in printed


def test_a_terminal_without_a_size_gets_lines(monkeypatch, size):
    size(80, 0)
    assert errors(monkeypatch, Terminal()) == "train: step 0 of 100 (0%)\n"


def test_a_file_gets_a_line_every_5_percent_of_slow_work(monkeypatch, seconds):
    seconds(3)
    lines = errors(monkeypatch, io.StringIO()).splitlines()
    assert lines[0] == "train: step 0 of 100 (0%)"
    assert lines[1] == "train: step 5 of 100 (5%), loss 0.5, 04:45 left"
    assert len(lines) == 21


def test_a_file_gets_a_line_a_minute_of_very_slow_work(monkeypatch, seconds):
    seconds(20)
    lines = errors(monkeypatch, io.StringIO(), 1000).splitlines()
    assert lines[1].startswith("train: step 3 of 1000 (0%)")
    assert len(lines) == 334


def test_a_file_gets_a_line_every_10_seconds_of_quick_work(monkeypatch, seconds):
    seconds(0.5)
    lines = errors(monkeypatch, io.StringIO()).splitlines()
    assert [line.split()[2] for line in lines] == ["0", "20", "40", "60", "80", "100"]


def test_other_processes_show_nothing(monkeypatch, seconds, capsys):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    seconds(100)
    for output in (io.StringIO(), Terminal()):
        assert errors(monkeypatch, output) == ""
    with progress.Progress(1, "train") as shown:
        shown.write("a line")
    assert capsys.readouterr().out == ""


def test_a_line_can_be_written_above_the_bar(capsys):
    with progress.Progress(1, "train") as shown:
        shown.write("a line")
    assert capsys.readouterr().out == "a line\n"


def test_items_are_passed_through(monkeypatch, seconds):
    seconds(100)
    output = io.StringIO()
    monkeypatch.setattr(progress.sys, "stderr", output)
    items = progress.track(iter("ab"), total=2, label="test", unit="batch")
    assert list(items) == ["a", "b"]
    assert [line.split(",")[0] for line in output.getvalue().splitlines()] == [
        "test: batch 1 of 2 (50%)",
        "test: batch 2 of 2 (100%)",
    ]
