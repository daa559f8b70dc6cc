"""The profile: whose time a kernel's is."""

import json
import os
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import pytest

from benchmarks import cases, profile
from benchmarks.profile import Kernel

PROGRAM = """\
HloModule jit_step, entry_computation_layout={(f32[4]{0})->f32[4]{0}}

%body (param: f32[4]) -> f32[4] {
  %param = f32[4]{0} parameter(0)
  %dot.1 = f32[4,2]{1,0} dot(%param, %param), metadata={op_name="jit(step)/transpose(jvp(linear))/dot_general"}
  ROOT %mul.1 = f32[4]{0} multiply(%dot.1, %dot.1), metadata={op_name="jit(step)/norm/mul"}
}

ENTRY %main.3 (x: f32[4]) -> f32[4] {
  %loop.1 = (f32[4]{0}, s32[]) while(%x), metadata={op_name="jit(step)/while"}
  %fusion.1 = f32[4]{0} fusion(%x), kind=kLoop, calls=%body, metadata={op_name="jit(step)/norm/mul"}
  %sort.1 = (f32[4]{0}, s32[4]{0}) sort(%x, %y), metadata={op_name="jit(step)/update/sort"}
  ROOT %copy.1 = f32[4]{0} copy(%fusion.1)
}
"""  # noqa: E501


def test_a_kernel_is_of_the_part_of_its_product_or_else_of_its_result():
    found = profile.instructions(PROGRAM)
    assert "loop.1" not in found  # its body has times of its own
    assert found["fusion.1"] == "jit(step)/transpose(jvp(linear))/dot_general"
    assert found["sort.1"] == "jit(step)/update/sort"
    assert found["copy.1"] == ""


@pytest.mark.parametrize(
    ("origin", "part"),
    [
        ("jit(step)/jvp(jit(__call__))/linear/dot_general", ("linear", False)),
        ("jit(step)/transpose(jvp(jit(__call__)))/gelu/mul", ("gelu", True)),
        ("jit(step)/jvp(losses)/while/body/add", ("losses", False)),
        ("jit(step)/jvp(attention_over_frames)/linear/add", ("linear", False)),
        ("jit(step)/my_linear_map/add", ("other", False)),
        ("", ("other", False)),
    ],
)
def test_the_innermost_name_counts(origin, part):
    assert profile.part_of(origin) == part


def test_kernels_at_the_same_time_share_it():
    ran = [Kernel("a", 0, 10), Kernel("b", 4, 10), Kernel("c", 13, 20)]
    share, idle = profile.shares(ran)
    assert share == [4 + 3, 3, 7]
    assert idle == 3
    assert sum(share) + idle == 20


def event(name, start, duration, **stats):
    return types.SimpleNamespace(name=name, start_ns=start, duration_ns=duration, stats=stats)


def trace(**planes):
    def plane(name, events):
        return types.SimpleNamespace(name=name, lines=[types.SimpleNamespace(events=events)])

    return types.SimpleNamespace(planes=[plane(*one) for one in planes.items()])


HOST = [
    event("dot.1", 10, 1, hlo_op="dot.1", hlo_module="jit_step", _p=7),
    event("end: dot.1", 50, 2, _c=7),
    event("add.1", 60, 5, hlo_op="add.1", hlo_module="jit_step", _p=8),
    event("mul.1", 70, 5, hlo_op="mul.1", hlo_module="jit_other", _p=9),
]


def test_a_kernel_of_a_cpu_ends_where_its_work_does():
    found = profile.kernels(trace(**{"/host:CPU": HOST}), "jit_step")
    assert found == [Kernel("dot.1", 10, 52), Kernel("add.1", 60, 65)]


def test_kernels_of_a_gpu_are_those_that_ran_there():
    stream = [event("gemm", 100, 30, hlo_op="dot.1", hlo_module="jit_step")]
    found = profile.kernels(trace(**{"/host:CPU": HOST, "/device:GPU:0": stream}), "jit_step")
    assert found == [Kernel("dot.1", 100, 130)]


def test_a_trace_without_kernels_is_refused():
    with pytest.raises(ValueError, match="no kernels of jit_step"):
        profile.kernels(trace(**{"/host:CPU": HOST[3:]}), "jit_step")


def test_a_trace_of_graphs_alone_is_refused_with_the_flag_that_helps():
    ran = [Kernel("command_buffer", 0, 10), Kernel("command_buffer", 20, 30)]
    with pytest.raises(ValueError, match="found command_buffer. .*XLA_FLAGS=--xla_gpu_enable_comm"):
        profile.by_part(ran, PROGRAM)


@pytest.mark.parametrize(
    ("given", "then"),
    [
        (None, "--xla_gpu_enable_command_buffer="),
        ("--xla_a=1", "--xla_a=1 --xla_gpu_enable_command_buffer="),
        ("--xla_gpu_enable_command_buffer=FUSION", "--xla_gpu_enable_command_buffer=FUSION"),
    ],
)
def test_command_buffers_are_off_before_the_case_is_made(monkeypatch, given, then):
    monkeypatch.setenv("XLA_FLAGS", given or "")
    if given is None:
        monkeypatch.delenv("XLA_FLAGS")
    found = []

    def made():
        found.append(os.environ["XLA_FLAGS"])
        sys.exit()

    monkeypatch.setitem(cases.CASES, "relational_2x2000", made)
    monkeypatch.setattr(sys, "argv", ["profile", "relational_2x2000"])
    with pytest.raises(SystemExit):
        profile.main()
    assert found == [then]


def test_the_import_does_not_start_jax():
    """Else the flags would come too late."""
    code = (
        "import os; from benchmarks import profile; profile.switch_off_command_buffers(); "
        "os.environ['XLA_FLAGS'] += ' --xla_force_host_platform_device_count=3'; "
        "import jax; print(jax.device_count())"
    )
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "3"


def test_the_command_profiles_a_case(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))  # the command adds to it
    written = tmp_path / "profile.json"
    command = ["profile", "relational_2x2000", "--repeats=2", f"--json={written}"]
    monkeypatch.setattr(sys, "argv", command)
    profile.main()
    *_, parts, last = capsys.readouterr().out.splitlines()
    assert parts.startswith("| ")
    assert last.startswith("| all |")
    content = json.loads(written.read_text())
    assert (content["case"], content["repeats"]) == ("relational_2x2000", 2)
    assert sum(map(sum, content["ns"].values())) > 0


def test_a_program_is_traced_and_its_parts_are_found():
    def step(x, w):
        with jax.named_scope("linear"):
            x = x @ w
        with jax.named_scope("gelu"):
            return jax.lax.erf(x).sum()

    args = jnp.ones((512, 512)), jnp.ones((512, 512))
    program = jax.jit(jax.grad(step)).lower(*args).compile()
    case = cases.Case(lambda: jax.block_until_ready(program(*args)), program=program)
    text = program.as_text()
    parts = profile.by_part(profile.trace(case, "jit_step", repeats=2), text)
    assert parts["linear"][0] > 0  # forward
    assert parts["linear"][1] > 0  # backward
    assert sum(parts["gelu"]) > 0
    whole = profile.table(parts, 2).rows["all"][0]
    assert whole == pytest.approx(sum(map(sum, parts.values())) / 2 / 1e9)
