"""The harness of the benchmarks: alternating processes, one table."""

import pathlib
import subprocess
import sys

from benchmarks import cases, run

OTHER = """
import json, sys
print(json.dumps({"ready_s": 1.0, "compile_s": 0.5, "flops": None}), flush=True)
for _ in sys.stdin:
    print(json.dumps(1000.0), flush=True)
print(json.dumps(3_000_000_000), flush=True)
"""


def test_a_case_and_another_implementation_are_timed_alternating(tmp_path: pathlib.Path):
    script = tmp_path / "other.py"
    script.write_text(OTHER)
    beside = {"other": [sys.executable, str(script)], "absent": [sys.executable, "-c", ""]}
    found = run.measure("import_jax", beside, repeats=2)
    assert set(found) == {"repose_jax", "other"}  # the one that ended at once is left out
    assert all(0 < seconds < 100 for seconds in found["repose_jax"]["seconds"])
    assert found["repose_jax"]["peak_bytes"] > 10_000_000
    assert found["other"]["seconds"] == [1000.0, 1000.0]
    ours, other = run.table({"import_jax": found}).cells("").items()
    assert ours[0] == "import_jax, repose_jax"
    assert other == (
        "import_jax, other", ["1000", "1000", "1000", other[1][3], "", "3.00", "0.5"]
    )  # fmt: skip


def test_the_share_of_the_peak_is_that_of_the_product_in_the_same_run():
    def worker(seconds, flops):
        return {"seconds": seconds, "flops": flops, "peak_bytes": 1e9, "compile_s": None}

    found = {"repose_jax": worker([2.0, 4.0, 3.0], 60.0), "matmul": worker([1.0, 1.0, 9.0], 40.0)}
    (cells,) = run.table({"training_2x243": found}).cells().values()
    assert cells[4] == "50%"  # 20 of 40 per second


def test_an_unknown_case_is_refused_with_the_known_ones():
    command = [sys.executable, "-m", "benchmarks.run", "trainning"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "there is no 'trainning'" in result.stderr
    assert "training_2x243" in result.stderr


def test_every_case_of_a_group_is_there():
    assert {case for group in run.GROUPS.values() for case in group} <= set(cases.CASES)


def test_a_case_in_bfloat16_is_held_against_a_product_in_bfloat16(monkeypatch):
    started = []

    class Worker:
        def __init__(self, command):
            started.append(command[-1])
            self.ready = {"flops": 1.0}

        def run(self):
            pass

        def end(self):
            return {}

    monkeypatch.setattr(run, "Worker", Worker)
    for case in ("training_32x243", "training_32x243_bfloat16", "training_32x243_bfloat16_fused"):
        run.measure(case, {}, repeats=1)
    assert started[1::2] == ["matmul", "matmul_bfloat16", "matmul_bfloat16"]
