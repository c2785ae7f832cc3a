"""Which moves block each other for good: those of which none can be made before another of them has been.

A domain that does not fit at its goal waits for those that stand there and are to leave. Of the strongly connected
parts of who waits for whom, those that wait for nobody outside are knots: somebody of them has to go elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rebalancer.plan.walk import Walk

__all__ = ["knots", "sinks"]


def knots(walk: Walk, left: Iterable[int]) -> tuple[frozenset[int], ...]:
    """Of the domains that could not be moved from where the walk stands; the smallest first."""
    waiting = dict.fromkeys(left)
    everybody = list(waiting)
    waits = {
        domain: everybody
        # Who stands anywhere may matter to rules on groups.
        if walk.reaches_far(domain)
        else [other for other in walk.on[walk.goal[domain]] if other in waiting]
        for domain in everybody
        if not walk.fits(domain, walk.goal[domain])
    }
    found = sinks({domain: [other for other in others if other in waits] for domain, others in waits.items()})
    return tuple(sorted(found, key=lambda knot: (len(knot), sorted(knot))))


def sinks(waits: Mapping[int, Sequence[int]]) -> list[frozenset[int]]:
    """The strongly connected parts from which nothing leads out (Tarjan, "Depth-first search and linear graph
    algorithms", 1972, without recursion).

    >>> sinks({1: [2], 2: [1], 3: [1]})
    [frozenset({1, 2})]
    """
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    part: dict[int, int] = {}
    stack: list[int] = []
    found: list[frozenset[int]] = []
    for root in waits:
        work = [] if root in number else [(root, iter(waits[root]))]
        if work:
            number[root] = low[root] = len(number)
            stack.append(root)
        while work:
            node, following = work[-1]
            for other in following:
                if other not in number:
                    number[other] = low[other] = len(number)
                    stack.append(other)
                    work.append((other, iter(waits[other])))
                    break
                if other not in part:
                    low[node] = min(low[node], number[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    at = stack.index(node)
                    members, stack[at:] = stack[at:], []
                    part.update(dict.fromkeys(members, node))
                    found.append(frozenset(members))
    return [members for members in found if all(other in members for node in members for other in waits[node])]
