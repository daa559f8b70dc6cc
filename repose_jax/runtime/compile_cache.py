"""Where compiled programs are kept from one run of a command to the next.

It is for the program to decide such things, not for a library: nothing happens by importing.
"""

import hashlib
import os
import pathlib
import platform
import re

import jax


def keep_programs() -> None:
    """Keeps what XLA compiles in a folder, so that the next run need not compile it again.

    Call it before JAX compiles anything.

    The folder is in `repose_jax` of $XDG_CACHE_HOME or ~/.cache, one for each kind of processor, as
    a home may be shared by several. JAX's own settings stand above it: JAX_COMPILATION_CACHE_DIR
    is another folder, JAX_ENABLE_COMPILATION_CACHE=0 keeps nothing.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    jax.config.update("jax_compilation_cache_dir", str(cache / "repose_jax" / _processor()))


def _processor() -> str:
    """Names the kind of processor, by what it is called and what it can."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else platform.processor()
    kind = re.findall(r"^(?:model name|flags|Features)\s*:.*$", text, re.MULTILINE)[:2] or [text]
    return f"{platform.machine()}-{hashlib.sha256(repr(kind).encode()).hexdigest()[:12]}"
