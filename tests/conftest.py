"""The suite runs on the CPU with eight simulated devices, at full matrix-product precision.

Most of its time would be compilation: so code is compiled with few optimisations and cached for the
session, also for the processes that tests start (and for later sessions in
TEST_COMPILATION_CACHE_DIR).
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import tempfile
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" not in os.environ:  # the session's other processes inherit all this
    _COMPILED = tempfile.TemporaryDirectory(prefix="compiled_")
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")
        + " --xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0",
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("TEST_COMPILATION_CACHE_DIR", _COMPILED.name),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> pathlib.Path:
    """The folder of the prepared dataset `small`."""
    import small_data

    directory = tmp_path_factory.mktemp("data")
    small_data.prepare(directory)
    return directory


@dataclasses.dataclass(frozen=True)
class Trained:
    """The finished run of `small_config`; tests that continue it take a copy."""

    config: Any
    workdir: pathlib.Path
    tally: Any
    printed: str


@pytest.fixture(scope="session")
def trained(data_dir, tmp_path_factory) -> Trained:
    """An uninterrupted run, with a picture."""
    import small_data

    from repose_jax.training import loop as train

    workdir = tmp_path_factory.mktemp("trained")
    config = small_data.experiment(data_dir, eval={"pictures": 1})
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tally = train.train_and_evaluate(config, workdir)
    return Trained(config, workdir, tally, printed.getvalue())
