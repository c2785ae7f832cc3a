"""What kernels can be asked for, by number. Apart from the kernels, which compiled ones do without."""

from __future__ import annotations

__all__ = [
    "ANNEAL",
    "BEGIN",
    "DESCEND",
    "MOVE",
    "RESTORE_BEST",
    "SAMPLE",
    "SHIFT",
    "TAKE_BACK",
    "TRADE_PLACES",
    "TRY_ALL",
    "TRY_SOME",
]

BEGIN, SHIFT, MOVE, ANNEAL, DESCEND, TAKE_BACK, RESTORE_BEST, SAMPLE, TRY_ALL, TRY_SOME, TRADE_PLACES = range(11)
