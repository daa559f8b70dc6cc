"""Several processes of one run: which belong together, and how they find each other."""

import dataclasses
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Mapping

import jax

_COORDINATOR, _COUNT, _INDEX = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
# What starts processes, the innermost first, as Slurm may start the others: the variables of the
# number of processes and of a process's index, and the same of those on its machine.
_LAUNCHERS = (
    (
        *("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
        *("OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ),
    ("PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_STEP_TASKS_PER_NODE", "SLURM_LOCALID"),
)
_FIRST_PORT, _PORTS = 61440, 4096  # chosen by the step of Slurm
PATIENCE_S = 60
TIMEOUT_S = 300


@dataclasses.dataclass(frozen=True)
class Place:
    """The place of a process among those of its run.

    Attributes:
        coordinator: HOST:PORT where the first process listens.
        count: number of processes.
        index: index of this process, from 0.
        local: its index among the processes of its machine, which is that of its GPU; None if it
            has all GPUs.
    """

    coordinator: str
    count: int
    index: int
    local: int | None = None


def place(variables: Mapping[str, str]) -> Place | None:
    """Returns the place of this process by its environment; None for one that runs alone.

    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID have precedence. What they leave
    out comes from Open MPI, from another MPI (PMI), or from the step of Slurm, which also has an
    address. The allocation of Slurm alone, as `salloc`, `sbatch` and `srun --pty` make it, is one
    process.

    Args:
        variables: the environment.

    Raises:
        ValueError: a value that has no meaning, or a variable of JAX without the others; names it.
    """
    found = {key: value for key, value in variables.items() if value.strip()}
    given = [key for key in (_COORDINATOR, _COUNT, _INDEX) if key in found]
    launcher = next((names for names in _LAUNCHERS if {*names[:2]} <= found.keys()), None)
    counted = _COUNT if _COUNT in found else launcher and launcher[0]
    indexed = _INDEX if _INDEX in found else launcher and launcher[1]
    if counted is None and not given:
        return None
    if counted is None:
        raise ValueError(_missing(_COUNT, given))
    count = _number(found, counted, least=1)
    if count == 1:
        return None
    if indexed is None:
        raise ValueError(_missing(_INDEX, given))
    index = _number(found, indexed)
    if index >= count:
        raise ValueError(f"{indexed} is {index}; it must be below {counted}, which is {count}.")
    coordinator = found.get(_COORDINATOR)
    if coordinator is None and launcher and launcher[0].startswith("SLURM"):
        coordinator = _address_of_step(found)
    elif coordinator is not None:
        _check_address(coordinator)
    if coordinator is None and given:
        raise ValueError(_missing(_COORDINATOR, given))
    if coordinator is None:
        print(
            f"warning: {counted} is {count}, but {_COORDINATOR} is not set: this process runs "
            "alone. To join all, set it to HOST:PORT of the first.",
            file=sys.stderr,
        )
        return None
    local = None
    if launcher and (counted, indexed) == launcher[:2] and {*launcher[2:]} <= found.keys():
        alone = re.fullmatch(r"1(\(x[0-9]+\))?", found[launcher[2]])  # Slurm: 1(x4), on 4 machines
        local = None if alone else _number(found, launcher[3])
    return Place(coordinator, count, index, local)


def join(found: Place) -> None:
    """Joins this process to the others; call it before JAX computes anything.

    It can be interrupted, and reports what it waits for after a minute.

    Raises:
        ConnectionError: the others did not come, or their settings are not the same.
    """
    if found.index == 0:
        _check_free(found.coordinator)
    failures: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                found.coordinator,
                num_processes=found.count,
                process_id=found.index,
                local_device_ids=_devices(found.local),
                cluster_detection_method="deactivate",
                initialization_timeout=2 * TIMEOUT_S + 60,  # at which it aborts the process
            )
        except Exception as error:
            failures.append(error)

    proxies = {key: os.environ.pop(key) for key in [*os.environ] if key.lower().endswith("_proxy")}
    try:
        # In a thread, so that signals are answered; the others are joined directly, not by proxies.
        _wait(threading.Thread(target=initialize, daemon=True), found)
    finally:
        os.environ.update(proxies)
    if failures:
        reason = str(failures[0]).strip().partition("\n")[0]
        raise ConnectionError(
            f"The processes at {found.coordinator} do not join: {reason}"
        ) from failures[0]


def _wait(thread: threading.Thread, found: Place) -> None:
    """Runs a thread to its end; reports every minute, and gives up after five."""
    others = "the others connect to" if found.index == 0 else "process 0 listens at"
    begun = reported = time.monotonic()
    thread.start()
    while thread.is_alive():
        thread.join(0.5)
        now = time.monotonic()
        if now - begun > TIMEOUT_S:
            raise ConnectionError(
                f"Waited {TIMEOUT_S} s until {others} {found.coordinator}. Each process needs the "
                f"same {_COORDINATOR} and {_COUNT} ({found.count}), and its own {_INDEX} from 0 "
                f"(here {found.index})."
            )
        if now - reported > PATIENCE_S:
            reported = now
            print(
                f"Process {found.index} of {found.count} has waited {now - begun:.0f} s until "
                f"{others} {found.coordinator}.",
                file=sys.stderr,
                flush=True,
            )


def _devices(local: int | None) -> list[int] | None:
    return None if local is None or "JAX_LOCAL_DEVICE_IDS" in os.environ else [local]


def _number(variables: Mapping[str, str], name: str, least: int = 0) -> int:
    text = variables[name].strip()
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise ValueError(f"{name} is {text!r}; it must be an integer of at least {least}.")
    return int(text)


def _missing(name: str, given: list[str]) -> str:
    return (
        f"{name} is not set, but {' and '.join(given)}. To join the processes of a run, set "
        f"{_COORDINATOR} to HOST:PORT of the first, {_COUNT}, and {_INDEX} from 0; otherwise none."
    )


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ValueError(f"{_COORDINATOR} is {address!r}; it must be HOST:PORT.")
    try:
        socket.getaddrinfo(host.strip("[]"), int(port))
    except OSError as error:
        raise ValueError(f"{_COORDINATOR} is {address!r}, of an unknown host ({error}).") from error


def _check_free(address: str) -> None:
    """Refuses a port on which another program listens: gRPC would share it."""
    port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ConnectionError(
                f"Another program uses port {port}, where the first process listens "
                f"({error.strerror}); set {_COORDINATOR} to another HOST:PORT."
            ) from error


def _address_of_step(variables: Mapping[str, str]) -> str | None:
    """Returns an address on the first machine of a step of Slurm; None if it is not known."""
    nodes = variables.get("SLURM_STEP_NODELIST", "")
    first = re.match(r"([^,\[\]]+)(?:\[([0-9]+))?", nodes)  # n1,n2 or n[01-03,07],m1
    job = re.fullmatch(r"[0-9]+", variables.get("SLURM_JOB_ID", ""))
    if not first or not job:
        return None
    step = variables.get("SLURM_STEP_ID", "0")
    number = int(job[0]) * 31 + (int(step) if step.isdecimal() else 0)
    port = variables.get("JAX_COORDINATOR_PORT") or _FIRST_PORT + number % _PORTS
    return f"{first[1]}{first[2] or ''}:{port}"
