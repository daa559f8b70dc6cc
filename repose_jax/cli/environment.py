"""Setup of JAX for a command, before its first array."""

import os


def start_jax(*, join: bool = False) -> None:
    """Sets JAX up: its devices, and the cache of compiled programs.

    Args:
        join: join this process to the others of the run, if its environment has some; see
            `repose_jax.runtime.distributed.place`.

    Raises:
        ValueError: a variable of JAX has a value without meaning.
        OSError: the other processes are missing.
    """
    import jax

    from repose_jax.runtime import compile_cache, distributed

    compile_cache.keep_programs()
    if join and (place := distributed.place(os.environ)):
        distributed.join(place)
    try:
        jax.devices()
    except RuntimeError as error:
        asked = os.environ.get("JAX_PLATFORMS")
        where = f" (JAX_PLATFORMS is {asked!r})" if asked else ""
        raise ValueError(f"JAX finds no devices{where}: {str(error).splitlines()[0]}") from error
