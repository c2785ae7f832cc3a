"""Smallest sets of rules that cannot be kept together."""

from __future__ import annotations

import numpy as np
import pytest

from rebalancer.placement import Problem, State, Term, search
from rebalancer.placement.conflicts import LIMITS, conflicts
from rebalancer.placement.explain import Conflict
from rebalancer.placement.part import grows, part_of
from rebalancer.placement.primitives import AllowedHosts, Capacity, GroupMost
from tests.placement.optimum import optimum
from tests.placement.problems import random_problem


def can_be_kept(problem: Problem, conflict: Conflict, *, without: str = "") -> bool:
    rules = tuple(term for term in problem.terms if term.hard and term.name in conflict.rules and term.name != without)
    known = conflict.domains or problem.domains
    domains = np.array([problem.domains.index(uuid) for uuid in known])
    part = part_of(problem, domains, rules, limited=LIMITS in conflict.rules and without != LIMITS)
    return bool(optimum(part)[1] <= 1e-9)


@pytest.mark.parametrize("seed", range(100))
def test_conflicts_are_real_and_as_small_as_can_be(seed: int) -> None:
    problem = random_problem(seed)
    found = search(problem).host
    told = conflicts(problem, found)
    broken = State(problem, found).costs()[1] > 1e-9
    assert bool(told) == bool(broken)
    for conflict in told:
        assert conflict.proved
        assert not can_be_kept(problem, conflict)
        for rule in conflict.rules:
            assert can_be_kept(problem, conflict, without=rule)


def crowded(domains: int, hosts: int, *, limit: float, pinned: int = 0) -> Problem:
    """Domains of size 1; the first ``pinned`` may run on the first host alone."""
    masks = np.zeros((1, hosts), dtype=np.bool_)
    masks[0, 0] = True
    return Problem(
        hosts=tuple(f"h{h}" for h in range(hosts)),
        domains=tuple(f"d{d}" for d in range(domains)),
        start=np.arange(domains) % hosts,
        terms=(
            Term(
                name="capacity",
                primitive=Capacity(resource="cpu", demand=np.ones(domains), limit=np.full(hosts, limit)),
            ),
            Term(
                name="apart",
                primitive=GroupMost(
                    group=np.full(domains, -1), zone=np.arange(hosts), most=1, fixed=np.zeros((1, hosts), np.int64)
                ),
            ),
            Term(
                name="pin",
                primitive=AllowedHosts(masks=masks, mask=np.where(np.arange(domains) < pinned, 0, -1)),
            ),
        ),
    )


def told(problem: Problem) -> tuple[Conflict, ...]:
    return conflicts(problem, search(problem).host)


def test_domains_that_are_not_needed_are_left_out() -> None:
    (conflict,) = told(crowded(300, 30, limit=12.0, pinned=13))
    assert conflict.rules == ("capacity", "pin")
    assert conflict.domains == tuple(f"d{d}" for d in range(13))
    assert conflict.proved


def test_a_cluster_that_is_too_small_says_so_at_once() -> None:
    (conflict,) = told(crowded(3000, 300, limit=9.0))
    assert conflict.rules == ("capacity",)
    assert conflict.proved


def test_what_can_be_kept_is_in_no_conflict() -> None:
    assert told(crowded(300, 30, limit=12.0, pinned=12)) == ()


def test_with_no_time_left_only_what_bounds_say_is_told() -> None:
    problem = crowded(300, 30, limit=12.0, pinned=13)
    found = search(problem).host
    assert all(conflict.proved for conflict in conflicts(problem, found, lambda: 1.0))


def test_parts_are_made_of_rules_that_more_domains_never_help() -> None:
    problem = random_problem(7)
    kept = np.arange(len(problem.domains) - 1)
    terms = tuple(term for term in problem.terms if grows(term.primitive))
    part = part_of(problem, kept, terms)
    whole = State(problem)
    names = {term.name for term in terms}
    for name, cost in State(part).parts().items():
        assert name not in names or cost <= whole.parts()[name] + 1e-9
