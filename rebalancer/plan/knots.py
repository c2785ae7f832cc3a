"""Which moves block each other for good: those of which none can be made before another of them has been.

A domain that does not fit at its goal waits for those that stand there and are to leave. Of the strongly connected
parts of who waits for whom, those that wait for nobody outside are knots: somebody of them has to go elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rebalancer.plan.walk import Walk

__all__ = ["knots", "sinks"]

_ANYBODY = -1
"""Stands for all that block or are blocked, so that who waits for all of them is one edge."""


def knots(walk: Walk, left: Iterable[int]) -> tuple[frozenset[int], ...]:
    """Of the domains that could not be moved from where the walk stands; the smallest first."""
    blocked = dict.fromkeys(domain for domain in left if not walk.fits(domain, walk.goal[domain]))
    waits = {
        # Who stands anywhere may matter to rules on groups.
        domain: [_ANYBODY] if walk.reaches_far(domain) else [o for o in walk.on[walk.goal[domain]] if o in blocked]
        for domain in blocked
    }
    waits[_ANYBODY] = list(blocked)
    found = [part - {_ANYBODY} for part in sinks(waits) if part != {_ANYBODY}]
    return tuple(sorted(found, key=lambda knot: (len(knot), sorted(knot))))


def sinks(waits: Mapping[int, Sequence[int]]) -> list[frozenset[int]]:
    """The strongly connected parts from which nothing leads out.

    >>> sinks({1: [2], 2: [1], 3: [1]})
    [frozenset({1, 2})]
    """
    from networkx import DiGraph, attracting_components  # slow to load, and nearly no plan needs it

    graph: DiGraph[int] = DiGraph()
    graph.add_nodes_from(waits)
    graph.add_edges_from((node, other) for node, others in waits.items() for other in others)
    return [frozenset(part) for part in attracting_components(graph)]
