"""The suite runs on the CPU with eight simulated devices, at full matrix-product precision.

Most of its time would go into compiling: so code is compiled quickly instead of well, and what is
compiled is kept for the session, for the processes that tests start too.
"""

import os
import pathlib
import tempfile

import pytest

_COMPILED = tempfile.TemporaryDirectory(prefix="compiled_")

os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0",
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    "JAX_COMPILATION_CACHE_DIR": _COMPILED.name,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> pathlib.Path:
    """Where the dataset `small` is prepared."""
    import small_data

    directory = tmp_path_factory.mktemp("data")
    small_data.prepare(directory)
    return directory
