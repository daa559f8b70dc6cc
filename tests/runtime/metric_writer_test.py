import json
import math
import threading

import pytest
from PIL import Image

from repose_jax.runtime.metric_writer import MetricWriter, read_records


def records(workdir) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def write(workdir, steps, resumed_step=0) -> None:
    writer = MetricWriter(workdir, resumed_step)
    for step in steps:
        writer.write(step, "train", {"loss": 1.0 / (step + 1)})
    writer.close()


def test_a_record_is_one_line_of_json(tmp_path):
    writer = MetricWriter(tmp_path)
    writer.write(3, "train", {"loss": 0.5, "lr": 1e-3})
    assert records(tmp_path) == [{"step": 3, "split": "train", "loss": 0.5, "lr": 1e-3}]  # at once
    writer.write(3, "test", {"mpjpe": 40.0})
    writer.close()
    assert records(tmp_path)[1] == {"step": 3, "split": "test", "mpjpe": 40.0}


def test_values_that_are_not_finite_are_null(tmp_path):
    writer = MetricWriter(tmp_path)
    writer.write(0, "test", {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.0})
    writer.close()
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
    (record,) = records(tmp_path)
    assert record == {"step": 0, "split": "test", "a": None, "b": None, "c": None, "d": 1.0}


def test_resuming_removes_the_records_after_its_step(tmp_path):
    write(tmp_path, range(6))
    write(tmp_path, [4], resumed_step=3)
    assert [record["step"] for record in records(tmp_path)] == [0, 1, 2, 3, 4]


def test_starting_again_removes_all_records(tmp_path):
    write(tmp_path, range(3))
    write(tmp_path, [0])
    assert [record["step"] for record in records(tmp_path)] == [0]


def test_a_line_that_a_killed_run_did_not_finish_is_removed(tmp_path):
    write(tmp_path, range(3))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "split": "tra')
    write(tmp_path, [3], resumed_step=2)
    assert [record["step"] for record in records(tmp_path)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "damaged", [b"\xff", b'{"step": 3}\xfe', b"[]", b"3", b'{"split": "train"}', b'{"step": "x"}']
)
def test_a_damaged_line_is_left_out_with_a_warning_that_names_it(damaged, tmp_path, capsys):
    write(tmp_path, range(2))
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(damaged + b"\n")
    write(tmp_path, [2], resumed_step=1)
    assert [record["step"] for record in records(tmp_path)] == [0, 1, 2]
    printed = capsys.readouterr().out
    assert printed == f"warning: {tmp_path}/metrics.jsonl: line 3 is damaged and left out.\n"


def test_one_warning_names_some_of_many_damaged_lines(tmp_path, capsys):
    (tmp_path / "metrics.jsonl").write_text("x\n" * 9)
    assert read_records(tmp_path) == []
    assert ": lines 1, 2, 3, 4, 5 and 4 more are damaged" in capsys.readouterr().out


def test_a_killed_runs_last_line_needs_no_warning(tmp_path, capsys):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2')
    assert read_records(tmp_path) == [{"step": 1}]
    assert capsys.readouterr().out == ""


def test_nothing_is_written_by_another_thread(tmp_path):
    before = threading.active_count()
    writer = MetricWriter(tmp_path)
    writer.write(0, "train", {"loss": 1.0})
    assert threading.active_count() == before
    writer.close()


def test_tensorboard_gets_the_same_values(tmp_path):
    write(tmp_path, range(3))
    (events,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    assert events.read_bytes().count(b"train/loss") == 3


def test_tensorboard_gets_pictures(tmp_path):
    Image.new("RGB", (8, 6), "red").save(tmp_path / "red.png")
    writer = MetricWriter(tmp_path)
    writer.add_image("pictures/red", tmp_path / "red.png", 5)
    writer.close()
    (events,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    assert b"pictures/red" in events.read_bytes()


def test_records_can_be_read(tmp_path):
    assert read_records(tmp_path) == []
    write(tmp_path, range(2))
    assert read_records(tmp_path) == records(tmp_path)
