"""Setup of JAX for a command, before its first array."""

import os


def start_jax() -> None:
    """Sets JAX up: the cache of compiled programs, and the other processes of the run, if any.

    Under Slurm's `srun` JAX finds the other processes. Elsewhere each process has the variables
    JAX_COORDINATOR_ADDRESS (HOST:PORT of the first), JAX_NUM_PROCESSES and JAX_PROCESS_ID.
    """
    from repose_jax.runtime import compile_cache

    compile_cache.keep_programs()
    if "JAX_COORDINATOR_ADDRESS" in os.environ or "SLURM_STEP_NODELIST" in os.environ:
        import jax

        count, index = (os.environ.get(f"JAX_{key}") for key in ("NUM_PROCESSES", "PROCESS_ID"))
        jax.distributed.initialize(
            num_processes=None if count is None else int(count),
            process_id=None if index is None else int(index),
        )
