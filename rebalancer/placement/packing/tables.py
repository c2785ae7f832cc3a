"""The four arrays under construction, and the sums of demands over hosts that they hold."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from rebalancer.placement.primitives import FloatArray, IntArray
from rebalancer.values import dataclass

__all__ = ["Buffer", "Rows", "Tables"]


@dataclass
class Buffer:
    """An array under construction."""

    kind: type
    parts: list[IntArray | FloatArray] = field(default_factory=list)
    size: int = 0

    def add(self, values: object) -> int:
        """The offset at which the values will stand."""
        flat: IntArray | FloatArray = np.ascontiguousarray(values, dtype=self.kind).ravel()
        offset, self.size = self.size, self.size + len(flat)
        self.parts.append(flat)
        return offset

    def whole(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.concatenate([*self.parts, np.zeros(1, dtype=self.kind)])


@dataclass
class Tables:
    """``ci``, ``cf``, ``si``, ``sf``: see :mod:`rebalancer.placement.kernels.layout`.

    ``broken``: whether a hard rule is broken at the start, as far as packing has seen; rules on failover are not.
    """

    ci: Buffer = field(default_factory=lambda: Buffer(np.int64))
    cf: Buffer = field(default_factory=lambda: Buffer(np.float64))
    si: Buffer = field(default_factory=lambda: Buffer(np.int64))
    sf: Buffer = field(default_factory=lambda: Buffer(np.float64))
    broken: bool = False


@dataclass
class Rows:
    """Sums of demands over hosts: each demand once."""

    domains: int
    demands: list[FloatArray] = field(default_factory=list)
    both: list[bool] = field(default_factory=list)
    known: dict[tuple[bytes, bool], int] = field(default_factory=dict)

    def row(self, demand: FloatArray, both: bool = False) -> int:
        demand = np.asarray(demand, dtype=np.float64)
        key = (demand.tobytes(), both)
        if key not in self.known:
            self.known[key] = len(self.demands)
            self.demands.append(demand)
            self.both.append(both)
        return self.known[key]
