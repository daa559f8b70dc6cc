"""Starts `main.py` with `small_config`."""

import dataclasses
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
from typing import IO

ROOT = pathlib.Path(__file__).parents[1]
TIMEOUT = 300  # seconds, after which a hanging test fails


@dataclasses.dataclass(frozen=True)
class Started:
    """A process, and the file of its output: an unread pipe would block it."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def printed(self) -> str:
        """Its output until now; the position of the file does not change."""
        return os.pread(self.output.fileno(), 1 << 20, 0).decode(errors="replace")


def start(*flags: str, config: str = "tests/small_config.py", **environment: str) -> Started:
    """Starts `main.py`."""
    output = tempfile.TemporaryFile()  # noqa: SIM115 (`finish` closes it)
    process = subprocess.Popen(
        [sys.executable, "main.py", f"--config={config}", *flags],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    return Started(process, output)


def finish(*started: Started) -> list[tuple[int, str]]:
    """Waits for processes and returns the exit status and output of each."""
    results = []
    try:
        for one in started:
            status = one.process.wait(TIMEOUT)
            one.output.seek(0)
            results.append((status, one.output.read().decode()))
    finally:
        for one in started:
            one.process.kill()
            one.output.close()
    return results


def run(*flags: str, **options: str) -> tuple[int, str]:
    """Runs `main.py` to its end."""
    ((status, printed),) = finish(start(*flags, **options))
    return status, printed


def start_two(*flags: str, **environment: str) -> list[Started]:
    """Starts two processes of one run, with one device each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    xla_flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=1"
    return [
        start(
            *flags,
            **environment,
            XLA_FLAGS=xla_flags,
            JAX_COORDINATOR_ADDRESS=address,
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(process),
        )
        for process in range(2)
    ]
