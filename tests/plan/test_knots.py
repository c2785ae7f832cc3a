from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.plan.knots import sinks
from rebalancer.plan.schedule import StuckMovesError, schedule
from tests.plan.worlds import world


@pytest.mark.parametrize(
    ("hosts", "goals", "expected"),
    [
        ("a8:u 8; b8:v 8", "u>b v>a", ["uv"]),
        ("a12:u 12; b12:v 8; c4:w 4", "u>b v>a w>a", ["uv"]),
        ("a8:u 8; b8:v 8; c6:w 6; d6:x 6", "u>b v>a w>d x>c", ["uv", "wx"]),
        ("a8:u 8; b8:v 8; c8:w 8", "u>b v>c w>a", ["uvw"]),
    ],
)
def test_who_blocks_each_other_is_told_apart_from_who_only_waits(hosts: str, goals: str, expected: list[str]) -> None:
    moves = world(hosts, goals)
    with pytest.raises(StuckMovesError) as raised:
        schedule(moves)
    assert ["".join(sorted(moves.domains[domain].name for domain in knot)) for knot in raised.value.knots] == expected


graphs = st.integers(1, 6).flatmap(
    lambda size: st.fixed_dictionaries({node: st.lists(st.integers(0, size - 1), max_size=3) for node in range(size)})
)


@given(graphs)
def test_sinks_are_the_parts_that_lead_nowhere_else(waits: dict[int, list[int]]) -> None:
    reach = {(node, other) for node, others in waits.items() for other in others} | {(node, node) for node in waits}
    for middle, one, other in product(waits, repeat=3):
        if (one, middle) in reach and (middle, other) in reach:
            reach.add((one, other))
    parts = {frozenset(o for o in waits if (node, o) in reach and (o, node) in reach) for node in waits}
    closed = {part for part in parts if all(o in part for node in part for o in waits if (node, o) in reach)}
    found = sinks(waits)
    assert set(found) == closed
    assert len(found) == len(closed)
