from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.placement.packing.reach import reachable


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 6), st.integers(0, 2))
def test_lists_hold_what_is_open_and_where_domains_stand(seed: int, domains: int, hosts: int, sums: int) -> None:
    chance = np.random.default_rng(seed)
    start, row = chance.integers(0, hosts, domains), chance.integers(0, 3, domains)
    forbidden = chance.random((3, hosts)) < 0.3
    need, room = chance.integers(0, 5, (domains, sums)) * 1.0, chance.integers(0, 5, (hosts, sums)) * 1.0
    lists, found, movable = reachable(start, row, forbidden, need, room)
    for domain in range(domains):
        expected = [
            host
            for host in range(hosts)
            if host == start[domain]
            or (
                not forbidden[row[domain], host]
                and all(need[domain, k] <= room[host, k] or need[domain, k] == 0 for k in range(sums))
            )
        ]
        first, number = found[domain].tolist()
        if number >= 0:
            assert lists[first : first + number].tolist() == expected
        else:
            assert len(expected) == hosts
        assert movable[domain] == (len(expected) > 1)


def test_nothing_is_listed_where_everything_is_open() -> None:
    start = np.zeros(3, dtype=np.int64)
    lists, found, movable = reachable(start, start, np.zeros((1, 4), dtype=bool), np.ones((3, 1)), np.ones((4, 1)))
    assert (len(lists), found.tolist(), movable.all()) == (0, [[-1, -1]] * 3, True)
