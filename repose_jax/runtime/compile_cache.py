"""Cache of compiled programs, from one run of a command to the next.

Commands enable it; importing this package changes no setting of JAX.
"""

import hashlib
import os
import pathlib
import platform
import re
import sys

import jax


def keep_programs() -> None:
    """Caches compiled programs in a folder, so that the next run need not compile them again.

    Call it before JAX compiles anything.

    The folder is in `repose_jax` of $XDG_CACHE_HOME or ~/.cache, one for each kind of processor, as
    a home may be shared by several. JAX's own settings have precedence: JAX_COMPILATION_CACHE_DIR
    is another folder, JAX_ENABLE_COMPILATION_CACHE=0 caches nothing. Where the folder is not
    writable, a line says so and nothing is cached.
    """
    disabled = os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "").lower() in ("0", "false", "no")
    if disabled or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = cache / "repose_jax" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{folder} is not writable")
    except (OSError, RuntimeError) as error:  # the latter: no home
        print(
            f"warning: compiled programs are not cached ({error}); set XDG_CACHE_HOME to a "
            "writable folder.",
            file=sys.stderr,
        )
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))


def _processor() -> str:
    """Names the kind of processor by its model and its instruction sets."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else platform.processor()
    kind = re.findall(r"^(?:model name|flags|Features)\s*:.*$", text, re.MULTILINE)[:2] or [text]
    return f"{platform.machine()}-{hashlib.sha256(repr(kind).encode()).hexdigest()[:12]}"
