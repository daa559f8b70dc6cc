"""What a command does once, before it computes: keep compiled programs, keep freed memory.

It is for the program to decide such things, not for a library: nothing happens by importing.
"""

import ctypes
import hashlib
import os
import pathlib
import platform
import re
import sys

import jax

_ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd", "/dev/accel0", "/dev/vfio")  # NVIDIA, AMD, TPU
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # options of mallopt(3)
_MADV_HUGEPAGE = 14  # of madvise(2)
_HUGE_PAGE = 2 << 20


def prepare() -> None:
    """Prepares the process. Call it before JAX computes anything."""
    keep_programs()
    if not any(map(os.path.exists, _ACCELERATORS)):
        keep_memory()


def keep_programs() -> None:
    """Keeps what XLA compiles in a folder, so that the next run need not compile it again.

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


def keep_memory() -> None:
    """Lets the process keep the memory that it frees, in huge pages, if the allocator is glibc's.

    On a CPU XLA takes the memory for all temporary arrays of a step, gigabytes, when the step
    begins, and gives it back at its end. For the next step the kernel clears and maps it again,
    page by page: a sixth of the time of a training step (docs/performance.md). Here all memory
    comes from one heap that never shrinks. Small and lasting blocks go to its beginning, so that
    the large ones find their place free again. What is reserved occupies nothing until it is used.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "gnu_get_libc_version"):
        return
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1)):
        libc.mallopt(option, value)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Between the two a wall that stays, or the freed blocks would become one.
    small, _, large = (libc.malloc(size) for size in (memory // 32, 64 << 20, memory // 2))
    if small and large:
        first = -(-small // _HUGE_PAGE) * _HUGE_PAGE
        libc.madvise(first, large + memory // 2 - first, _MADV_HUGEPAGE)
    libc.free(small)
    libc.free(large)
