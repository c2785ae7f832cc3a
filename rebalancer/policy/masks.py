"""Building :class:`~rebalancer.placement.primitives.AllowedHosts` from rows that domains share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from rebalancer.placement.primitives import AllowedHosts, BoolArray, IntArray

__all__ = ["Rows"]


class _Reasons(Mapping[tuple[int, int], str]):
    """Why row m forbids host h; the words are made only when they are asked for."""

    def __init__(self, masks: BoolArray, words: tuple[str | Callable[[int], str], ...]) -> None:
        self._masks = masks
        self._words = words

    def __getitem__(self, key: tuple[int, int]) -> str:
        row, host = key
        if not (0 <= row < len(self._words) and 0 <= host < self._masks.shape[1]) or self._masks[row, host]:
            raise KeyError(key)
        words = self._words[row]
        return words if isinstance(words, str) else words(host)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((int(row), int(host)) for row, host in np.argwhere(~self._masks))

    def __len__(self) -> int:
        return int((~self._masks).sum())


class Rows:
    """Rows of allowed hosts, each under a key; domains with the same key share a row."""

    def __init__(self, domains: int, hosts: int) -> None:
        self._mask: IntArray = np.full(domains, -1, dtype=np.int64)
        self._hosts = hosts
        self._rows: dict[object, int] = {}
        self._masks: list[BoolArray] = []
        self._words: list[str | Callable[[int], str]] = []

    def restrict(
        self, domain: int, key: object, allowed: Callable[[], BoolArray], reason: str | Callable[[int], str]
    ) -> None:
        """Ties a domain to the row of ``key``: bool[H] and why a host (by index) is not in it. Made once a key."""
        if key not in self._rows:
            self._rows[key] = len(self._masks)
            self._masks.append(allowed())
            self._words.append(reason)
        self._mask[domain] = self._rows[key]

    def primitive(self) -> AllowedHosts | None:
        """None where no domain is restricted."""
        if not self._masks:
            return None
        masks = np.array(self._masks, dtype=np.bool_).reshape(len(self._masks), self._hosts)
        return AllowedHosts(masks=masks, mask=self._mask, reasons=_Reasons(masks, tuple(self._words)))
