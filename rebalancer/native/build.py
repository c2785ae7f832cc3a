"""Compiles the kernels with Numba and keeps the machine code: ``python -m rebalancer.native.build FILE``.

Runs in a process of its own, so that whoever uses the kernels never imports Numba, which takes as long as a whole
plan for a small cluster.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

import numba
from numba import carray, types

from rebalancer.native import compiling

__all__ = ["main"]


def machine_code() -> tuple[str, bytes]:
    """The symbol of the entry and the object file that holds it."""
    numba.config.LOOP_VECTORIZE = 0  # costs a third of the time and gains nothing
    numba.config.SLP_VECTORIZE = 0
    # Without wrappers for Python, of which only the outermost function would need any, and it is called by ctypes.
    compiling.use(numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True))
    from rebalancer.placement.kernels.entry import run

    whole, real, number = types.CPointer(types.int64), types.CPointer(types.float64), types.int64
    signature = types.int64(whole, number, real, number, whole, number, real, number, number)

    def entry(ci, ci_size, cf, cf_size, si, si_size, sf, sf_size, task):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0913
        return run(
            carray(ci, (ci_size,)), carray(cf, (cf_size,)), carray(si, (si_size,)), carray(sf, (sf_size,)), task
        )

    function = numba.cfunc(signature, error_model="numpy")(entry)
    # What ctypes calls is the function itself, not its wrapper, which reports errors to Python; there are none.
    return function.native_name.removeprefix("cfunc."), function._library._get_compiled_object()


def main() -> None:
    """Writes the file that is named, whole or not at all."""
    symbol, code = machine_code()
    target = Path(sys.argv[1])
    with NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(symbol.encode() + b"\0" + code)
    Path(file.name).replace(target)


if __name__ == "__main__":
    main()
