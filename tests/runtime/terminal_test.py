"""Printed text reaches every terminal, or nobody reads it and the program ends quietly."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

CODE = """
import sys
from repose_jax.runtime import terminal
def main():
    {body}
sys.exit(terminal.run(main))
"""
NEEDS_FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")


def run(body: str, **options) -> "subprocess.CompletedProcess[bytes]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | options.pop("env", {})
    return subprocess.run(
        [sys.executable, "-c", CODE.format(body=body)],
        env=environment,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
    )


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, "5 ± 1 → 2 × 3 mm² é".encode()),
        ({"PYTHONIOENCODING": "cp1252"}, "5 ± 1 -> 2 × 3 mm² é".encode("cp1252")),
        ({"PYTHONIOENCODING": "ascii"}, rb"5 +- 1 -> 2 x 3 mm^2 \xe9"),
        (
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            rb"5 +- 1 -> 2 x 3 mm^2 \xe9",
        ),
    ],
)
def test_characters_that_a_terminal_lacks_are_spelled(environment, shown):
    text = "5 \xb1 1 \u2192 2 \xd7 3 mm\xb2 \xe9"
    assert run(f"print({text!a})", env=environment).stdout.strip() == shown
    body = f"print({text!a}, file=sys.stderr)"
    assert run(body, env=environment).stderr.strip() == shown


def test_names_of_files_that_are_not_text_are_printed_as_they_are():
    assert run(r"print('a\udce9.mp4')").stdout == b"a\xe9.mp4\n"


@pytest.mark.parametrize("body", ["print('x' * 10**6)", "print('x')", "print('x', flush=True)"])
def test_a_closed_output_ends_the_program_quietly(body):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(body, stdout=writer)
    os.close(writer)
    assert done.returncode in (0, 128 + signal.SIGPIPE)
    assert done.stderr == b""


COMMAND = """
import sys, types
from repose_jax import cli
command = types.ModuleType(cli.__name__ + ".shout")
command.add_arguments, command.run = (lambda parser: None), (lambda args: print("x"))
sys.modules[command.__name__], cli.COMMANDS["shout"] = command, ""
sys.exit(cli.main(["shout"]))
"""


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_takes_nothing_is_an_error_of_the_command():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND], stdout=full, stderr=subprocess.PIPE, env=environment
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"repose shout: error: No space left on device")
    assert done.stderr.count(b"\n") == 1


def test_a_program_without_an_output_runs():
    code = CODE.format(body="print('x'); print('y', file=sys.stderr); return 3")
    script = "import os, sys; os.close(1); os.close(2); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", script, sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, env=environment).returncode == 3


@NEEDS_FULL
def test_an_output_on_a_full_disk_is_an_error_of_one_line():
    with open("/dev/full", "wb") as full:
        done = run("print('x')", stdout=full, env={"PYTHONUNBUFFERED": ""})
    assert done.returncode == 2
    assert done.stderr.decode().startswith("error: standard output: No space left on device")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("kind", ["full", "closed"])
@NEEDS_FULL
def test_messages_that_nobody_can_read_end_no_program(kind):
    reader, writer = os.pipe()
    os.close(reader)
    body = "[print('x' * 10**5, file=sys.stderr, flush=True) for _ in range(3)]; print('end')"
    with open("/dev/full", "wb") as full, open(writer, "wb") as closed:
        done = run(body, stderr=full if kind == "full" else closed)
    assert (done.returncode, done.stdout) == (0, b"end\n")
