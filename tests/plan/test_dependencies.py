"""What a step needs of those before it."""

from __future__ import annotations

from dataclasses import replace

from rebalancer.plan.dependencies import Dependencies
from rebalancer.plan.ledger import Ledger
from tests.plan.worlds import world

A, C, B = 0, 1, 2
U, V = 0, 1


def dependencies(hosts: str) -> Dependencies:
    moves = world(hosts, "")
    (term,) = moves.problem.terms
    both = replace(term, primitive=replace(term.primitive, both_ends=True))
    moves = replace(moves, problem=replace(moves.problem, terms=(both,)))
    return Dependencies(Ledger(moves.cluster, moves.problem), moves.problem.start.tolist())


def test_of_what_counts_on_both_ends_a_host_that_was_passed_is_freed() -> None:
    found = dependencies("a8:u 4; c8:v 4; b8:k 4")
    assert found.start(U, A, B, "u") == ()
    found.finish("s1", U, A, B, "u")
    assert found.start(U, B, C, "u") == ("s1",)
    found.finish("s2", U, B, C, "u")
    assert found.start(V, C, B, "v") == ("s2",), "k stands on b, and u did"


def test_of_what_counts_on_both_ends_home_is_never_freed_and_never_waited_for() -> None:
    found = dependencies("a8:u 4; c8:v 4; b8")
    assert found.start(U, A, B, "u") == ()
    found.finish("s1", U, A, B, "u")
    assert found.start(V, C, A, "v") == (), "there is room besides"
    found.finish("s2", V, C, A, "v")
    assert found.start(U, B, A, "u") == ("s1",)
