"""Which processes belong together, by their environment, and how they wait for each other."""

import os
import re
import socket
import subprocess
import sys

import pytest

from repose_jax.runtime import distributed
from repose_jax.runtime.distributed import Place

JAX = {
    "JAX_COORDINATOR_ADDRESS": "localhost:1234",
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "1",
}
ALLOCATION = {  # `salloc -n2`
    "SLURM_JOB_ID": "3",
    "SLURM_JOB_NODELIST": "n[01-02]",
    "SLURM_NTASKS": "2",
}
BATCH = {**ALLOCATION, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}  # `sbatch -n2`
STEP = {  # `srun -n2`
    **BATCH,
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "n[01-02]",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
    "SLURM_PROCID": "1",
}
SHELL = {**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}  # `srun --pty bash`
MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
PMI = {"PMI_SIZE": "4", "PMI_RANK": "2"}
ADDRESS = {"JAX_COORDINATOR_ADDRESS": "localhost:1234"}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        ALLOCATION,
        BATCH,
        SHELL,
        {"JAX_NUM_PROCESSES": "1"},
        {**JAX, "JAX_NUM_PROCESSES": "1"},
        {**MPI, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
        {"PMI_RANK": "0"},
        {"OMPI_COMM_WORLD_RANK": "0"},
        dict.fromkeys(JAX, ""),
    ],
)
def test_one_process_is_alone(variables, capsys):
    assert distributed.place(variables) is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        (JAX, Place("localhost:1234", 2, 1)),
        ({**SHELL, **JAX}, Place("localhost:1234", 2, 1)),
        ({**MPI, **JAX}, Place("localhost:1234", 2, 1)),
        (STEP, Place("n01:61533", 2, 1)),
        ({**STEP, "SLURM_STEP_NODELIST": "a-1,b2"}, Place("a-1:61533", 2, 1)),
        ({**STEP, "JAX_COORDINATOR_PORT": "99"}, Place("n01:99", 2, 1)),
        ({**STEP, **ADDRESS}, Place("localhost:1234", 2, 1)),
        (
            {**STEP, "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_LOCALID": "1"},
            Place("n01:61533", 2, 1, 1),
        ),
        ({**MPI, **ADDRESS}, Place("localhost:1234", 4, 3, 1)),
        ({**STEP, **MPI, **ADDRESS}, Place("localhost:1234", 4, 3, 1)),
        ({**PMI, **ADDRESS}, Place("localhost:1234", 4, 2)),
    ],
)
def test_several_processes_have_a_whole_environment(variables, found):
    assert distributed.place(variables) == found


@pytest.mark.parametrize("variables", [MPI, PMI, {**STEP, "SLURM_STEP_NODELIST": ""}])
def test_processes_that_cannot_find_each_other_run_alone_with_a_warning(variables, capsys):
    assert distributed.place(variables) is None
    error = capsys.readouterr().err
    assert error.startswith("warning: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"JAX_COORDINATOR_ADDRESS": ""}, "JAX_COORDINATOR_ADDRESS is not set, but JAX_NUM_P"),
        ({"JAX_NUM_PROCESSES": ""}, "JAX_NUM_PROCESSES is not set"),
        ({"JAX_PROCESS_ID": ""}, "JAX_PROCESS_ID is not set"),
        ({"JAX_NUM_PROCESSES": "two"}, "JAX_NUM_PROCESSES is 'two'; it must be an integer"),
        ({"JAX_NUM_PROCESSES": "0"}, "JAX_NUM_PROCESSES is '0'"),
        ({"JAX_PROCESS_ID": "-1"}, "JAX_PROCESS_ID is '-1'"),
        ({"JAX_PROCESS_ID": "2"}, "JAX_PROCESS_ID is 2; it must be below JAX_NUM_PROCESSES"),
        ({"JAX_COORDINATOR_ADDRESS": "localhost"}, "'localhost'; it must be HOST:PORT"),
        ({"JAX_COORDINATOR_ADDRESS": "localhost:99999"}, "it must be HOST:PORT"),
        ({"JAX_COORDINATOR_ADDRESS": "host.invalid:12"}, "of an unknown host"),
    ],
)
def test_a_wrong_variable_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        distributed.place({**JAX, **change})


def test_a_port_of_another_program_is_an_error():
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        address = f"localhost:{other.getsockname()[1]}"
        with pytest.raises(ConnectionError, match="Another program uses port"):
            distributed.join(Place(address, 2, 0))


WAIT = """
import os, sys
from repose_jax.runtime import distributed
distributed.PATIENCE_S, distributed.TIMEOUT_S = 0, 1
try:
    distributed.join(distributed.Place("localhost:9", 2, 1))
except ConnectionError as error:
    print(error)
print(os.environ["http_proxy"])
"""


def test_a_process_says_what_it_waits_for_and_gives_up():
    done = subprocess.run(
        [sys.executable, "-c", WAIT],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "http_proxy": "http://x:9"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    waited = r"Process 1 of 2 has waited [01] s until process 0 listens at localhost:9\.\n"
    assert re.match(waited, done.stderr)
    error, proxy = done.stdout.splitlines()
    assert error.startswith("Waited 1 s until process 0 listens at localhost:9. Each process ")
    assert proxy == "http://x:9"
