"""A checkpoint of any number of devices and processes resumes on any other."""

import os
import pathlib
import shutil

import numpy as np
import processes
import pytest
import small_data
from small_run import records

from repose_jax.training import loop

pytestmark = pytest.mark.slow
STEPS = (5, 6)  # of the third epoch, which is trained elsewhere


def train_on_eight_devices(workdir: pathlib.Path, data_dir: pathlib.Path, epochs: int) -> None:
    config = small_data.experiment(data_dir, train={"epochs": epochs})
    loop.train_and_evaluate(config, workdir)


def train_on_one(workdir: pathlib.Path, data_dir: pathlib.Path, epochs: int) -> None:
    status, printed = processes.run(
        *flags(workdir, data_dir, epochs),
        XLA_FLAGS=os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=1",
    )
    assert status == 0, printed


def train_on_two_processes(workdir: pathlib.Path, data_dir: pathlib.Path, epochs: int) -> None:
    for status, printed in processes.finish(
        *processes.start_two(*flags(workdir, data_dir, epochs))
    ):
        assert status == 0, printed


def flags(workdir: pathlib.Path, data_dir: pathlib.Path, epochs: int) -> tuple[str, ...]:
    return (
        f"--workdir={workdir}",
        f"--config.data.data_dir={data_dir}",
        f"--config.train.epochs={epochs}",
    )


def losses(workdir: pathlib.Path) -> list[float]:
    return [r["loss"] for r in records(workdir, "train") if r["step"] in STEPS]


@pytest.fixture(scope="module")
def begun(data_dir, tmp_path_factory):
    """Makes the workdir of two epochs on some devices; once for each."""
    made: dict[str, pathlib.Path] = {}

    def begin(train) -> pathlib.Path:
        if train.__name__ not in made:
            made[train.__name__] = tmp_path_factory.mktemp(train.__name__)
            train(made[train.__name__], data_dir, epochs=2)
        return made[train.__name__]

    return begin


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (train_on_eight_devices, train_on_two_processes),
        (train_on_eight_devices, train_on_one),
        (train_on_two_processes, train_on_eight_devices),
        (train_on_one, train_on_eight_devices),
    ],
)
def test_a_run_resumes_on_other_devices_with_the_same_losses(
    first, then, begun, data_dir, tmp_path
):
    found = []
    for number, train in enumerate((first, then)):
        workdir = shutil.copytree(begun(first), tmp_path / str(number))
        train(workdir, data_dir, epochs=3)
        found.append(losses(workdir))
    assert len(found[0]) == len(STEPS)
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-6)
