"""Compiles the kernels if they are not in the cache: ``python -m rebalancer.native``."""

from __future__ import annotations

import sys

from rebalancer.native import library


def main() -> None:
    """Ends with status 1 where they cannot be compiled."""
    library.listeners.append(print)
    if library.cached() is None and (not library.available() or library.compile_now() is None):
        sys.exit("the search cannot be compiled here: it is interpreted")


if __name__ == "__main__":
    main()
