"""Machine code of the kernels: from the cache, compiled once where it is not there.

The cache holds one file for each version of the kernels and kind of processor. LLVM loads it in milliseconds; that
takes llvmlite, which comes with the extra ``[fast]``, but not Numba.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Runner", "available", "cached", "compile_now", "listeners"]

Runner = Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], int], int]
"""Calls a task of the kernels: ``ci, cf, si, sf, task``; the interpreter lock is released meanwhile."""

listeners: list[Callable[[str], None]] = []
"""Who is told that kernels are being compiled."""

_UNUSED = (
    "NRT_Free",
    "NRT_MemInfo_alloc_safe_aligned",
    "NRT_MemInfo_call_dtor",
    "NRT_decref",
    "NRT_incref",
    "numba_do_raise",
    "numba_gil_ensure",
    "numba_gil_release",
    "numba_runtime_build_excinfo_struct",
    "numba_unpickle",
)
"""What compiled code names for the case of exceptions and allocations, of which kernels have none."""


def available() -> bool:
    """Whether the extra ``[fast]`` is installed."""
    return importlib.util.find_spec("numba") is not None and importlib.util.find_spec("llvmlite") is not None


@lru_cache(maxsize=1)
def cached() -> Runner | None:
    """The compiled kernels if they are in the cache."""
    if not available():
        return None
    with suppress(OSError, RuntimeError, ValueError):
        return _loaded(_path().read_bytes())
    return None


def compile_now() -> Runner | None:
    """Compiles the kernels into the cache, which takes about half a minute; None where that fails.

    Of several processes that want to, one does and the others wait.
    """
    path = _path()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                announce("compiling the search for this machine, once; it takes about half a minute")
                command = [sys.executable, "-m", "rebalancer.native.build", str(path)]
                # The same kernels as this process has, wherever it found them.
                where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
                subprocess.run(command, capture_output=True, check=False, env=where)  # noqa: S603
        cached.cache_clear()
        return cached()
    return None


def announce(message: str) -> None:
    """Tells whoever listens; the command line does."""
    for listener in listeners:
        listener(message)


def _path() -> Path:
    """Where the machine code for this processor and these kernels is, or will be."""
    import llvmlite
    import llvmlite.binding as llvm

    digest = hashlib.sha256()
    kernels = Path(__file__).parent.parent / "placement" / "kernels"
    for source in (*sorted(kernels.glob("*.py")), Path(__file__).parent / "build.py"):
        digest.update(source.read_bytes())
    features = llvm.get_host_cpu_features().flatten()
    for part in (llvmlite.__version__, llvm.get_host_cpu_name(), features, sys.platform):
        digest.update(part.encode() + b"\0")
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "rebalancer" / f"kernels-{digest.hexdigest()[:20]}"


def _loaded(content: bytes) -> Runner:
    import llvmlite.binding as llvm

    symbol, _, code = content.partition(b"\0")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    abort = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for name in _UNUSED:
        llvm.add_symbol(name, abort)
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    # Numba's calling convention: where the result goes, where an exception goes, the arguments; a status.
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, *(6 * (ctypes.c_void_p,)), ctypes.c_int64)
    function = prototype(engine.get_function_address(symbol.decode()))

    def run(
        ci: NDArray[np.int64], cf: NDArray[np.float64], si: NDArray[np.int64], sf: NDArray[np.float64], task: int
    ) -> int:
        result, exception = ctypes.c_int64(), ctypes.c_void_p()
        arrays = (array.ctypes.data for array in (ci, cf, si, sf))
        status = function(ctypes.addressof(result), ctypes.addressof(exception), *arrays, task)
        if status != 0:
            raise RuntimeError(f"a kernel ended with status {status}")
        return result.value

    run.engine = engine  # type: ignore[attr-defined]  # the code lives as long as its engine
    return run
