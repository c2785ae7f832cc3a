"""Compiles the kernels with Numba and keeps the machine code: ``python -m rebalancer.native.build FILE``.

Runs in a process of its own, so that whoever uses the kernels never imports Numba, which takes as long as a whole
plan for a small cluster.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numba
from numba import types
from numba.core.codegen import JITCodeLibrary

from rebalancer.native import compiling

__all__ = ["main"]

_TYPES = {
    # Not arrays, of which Numba hands on seven numbers with each call and looks whether an index is negative: less than
    # half as fast.
    "Ints": types.CPointer(types.int64),
    "Floats": types.CPointer(types.float64),
    "int": types.int64,
    "float": types.float64,
    "bool": types.boolean,
    "None": types.void,
}


def compiled(function: Callable[..., Any]) -> Any:
    """A kernel compiled for the types that it is annotated with, once, whatever it is called with."""
    *arguments, result = (_TYPES[str(kind)] for kind in function.__annotations__.values())
    # Without wrappers for Python, of which only the outermost function would need any, and it is called by ctypes.
    options = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(result(*arguments), **options)(function)


@contextmanager
def _linked_only() -> Iterator[None]:
    """Leaves what is compiled meanwhile as it is lowered: it is optimised as a part of what it is linked into.

    Numba would make machine code of each function by itself, in which all that it calls is optimised again: two
    thirds of the time, for nothing that is used.
    """

    name = "_optimize_final_module"
    before = getattr(JITCodeLibrary, name)
    setattr(JITCodeLibrary, name, lambda _: None)
    try:
        yield
    finally:
        setattr(JITCodeLibrary, name, before)


def machine_code() -> tuple[str, bytes]:
    """The symbol of the entry and the object file that holds it."""
    numba.config.LOOP_VECTORIZE = 0  # costs a third of the time and gains nothing
    numba.config.SLP_VECTORIZE = 0
    compiling.use(compiled)
    with _linked_only():
        from rebalancer.placement.kernels.entry import run

    ints, floats, number = _TYPES["Ints"], _TYPES["Floats"], _TYPES["int"]
    signature = number(ints, floats, ints, floats, number)

    def entry(ci: Any, cf: Any, si: Any, sf: Any, task: Any) -> Any:
        return run(ci, cf, si, sf, task)

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
