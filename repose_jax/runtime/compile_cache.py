"""Cache of compiled programs, from one run of a command to the next.

Commands enable it; importing this package changes no setting of JAX.
"""

import hashlib
import math
import os
import pathlib
import platform
import re
import sys
from typing import Any

import jax

from repose_jax.runtime import folders


def keep_programs() -> None:
    """Caches compiled programs in a folder, so that the next run need not compile them again.

    Call it before JAX compiles anything.

    The folder is in `repose_jax` of $XDG_CACHE_HOME or ~/.cache, one for each kind of processor, as
    a home may be shared by several, and each version of Python, as JAX compresses differently.
    JAX's own settings have precedence: JAX_COMPILATION_CACHE_DIR is another folder,
    JAX_ENABLE_COMPILATION_CACHE=0 caches nothing. Where the folder is not writable, a line says so:
    what it holds is used, and nothing is added.
    """
    settings: Any = jax.config
    own = settings.jax_compilation_cache_dir
    if not settings.jax_enable_compilation_cache or "://" in (own or ""):
        return
    problem = None
    try:
        folder = folders.expand(own) if own else folders.cache() / _platform()
        folder.mkdir(parents=True, exist_ok=True)
        settings.update("jax_compilation_cache_dir", str(folder))
        if not os.access(folder, os.W_OK | os.X_OK):
            settings.update("jax_persistent_cache_min_compile_time_secs", math.inf)
            problem = f"{folder} is not writable"
    except OSError as error:
        settings.update("jax_compilation_cache_dir", None)
        problem = str(error)
    if problem:
        print(
            f"warning: compiled programs are not cached ({problem}); set "
            f"{'JAX_COMPILATION_CACHE_DIR' if own else 'XDG_CACHE_HOME'} to a writable folder.",
            file=sys.stderr,
        )


def _platform() -> str:
    """Names the kind of processor, by its model and its instruction sets, and the Python."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else platform.processor()
    kind = re.findall(r"^(?:model name|flags|Features)\s*:.*$", text, re.MULTILINE)[:2] or [text]
    digest = hashlib.sha256(repr(kind).encode()).hexdigest()[:12]
    return "{}-{}-py{}{}".format(platform.machine(), digest, *sys.version_info[:2])
