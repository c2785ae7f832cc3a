from __future__ import annotations

from dataclasses import replace

import pytest

from rebalancer.cluster import Domain, DomainState, Host
from rebalancer.placement.problem import Term
from rebalancer.policy import Compiled, Names, OnClash, compile_problem
from rebalancer.policy.load import load_policies
from rebalancer.policy.model import Policy
from rebalancer.policy.renaming import RENAMED
from tests.policy.worlds import ABLE, Placement, cluster, cost, domain, host

HOSTS = [host("h1"), host("h2"), host("h3")]
WEBS = [domain("web", "h1", uuid="a"), domain("web", "h2", uuid="b"), domain("db", "h1")]
UNABLE = replace(ABLE, rename=False)


def policy(text: str) -> Policy:
    head = "apiVersion: rebalancer/v1\nkind: Policy\nmetadata: {name: test}\n"
    return load_policies(["./test.yaml"], lambda _: head + text)


def compiled(policy: Policy, hosts: list[Host] = HOSTS, domains: list[Domain] = WEBS) -> Compiled:
    return compile_problem(policy, cluster(hosts, domains))


def named(problem: Compiled, name: str) -> list[Term]:
    return [term for term in problem.problem.terms if term.name == name]


def renamed(problem: Compiled, placement: Placement) -> float:
    """What new names cost, unweighted. Domains that are not mentioned stay."""
    whole = {item.uuid: item.host for item in problem.view.domains} | placement
    (term,) = named(problem, RENAMED)
    return cost(term.primitive, problem.view, whole)


def test_who_ends_up_where_its_name_is_taken_costs_something() -> None:
    found = compiled(Policy(name="", digest=""))
    assert renamed(found, {}) == 0
    assert renamed(found, {"a": "h2"}) == 1
    assert renamed(found, {"a": "h3"}) == 0
    assert renamed(found, {"a": "h3", "b": "h3", "uuid-db": "h3"}) == 1


def test_what_waiting_solves_costs_nothing() -> None:
    assert renamed(compiled(Policy(name="", digest="")), {"a": "h2", "b": "h1"}) == 0


def test_a_name_that_is_only_defined_is_taken() -> None:
    defined = [WEBS[0], replace(WEBS[1], state=DomainState.SHUT_OFF), domain("db", "h1")]
    assert renamed(compiled(Policy(name="", digest=""), domains=defined), {"a": "h2"}) == 1


def test_a_start_with_a_name_twice_on_a_host_costs_nothing() -> None:
    # As plans are made for the way back, where a domain is taken to have its old name already.
    found = compiled(Policy(name="", digest=""), domains=[WEBS[0], replace(WEBS[1], host="h1"), WEBS[2]])
    assert renamed(found, {}) == 0
    assert renamed(found, {"a": "h3", "b": "h3"}) == 1


def test_where_names_cannot_change_they_must_not_meet_and_cost_nothing() -> None:
    found = compiled(Policy(name="", digest=""), hosts=[HOSTS[0], HOSTS[1], host("h3", migration=UNABLE)])
    assert renamed(found, {"a": "h3", "b": "h3"}) == 0
    (rule,) = named(found, "names")
    assert cost(rule.primitive, found.view, {"a": "h3", "b": "h3", "uuid-db": "h1"}) == 1
    bound = compiled(Policy(name="", digest=""), hosts=[host("h1", migration=UNABLE), *HOSTS[1:]])
    assert named(bound, RENAMED) == []


@pytest.mark.parametrize("names", [Names(on_clash=OnClash.ORDER), Names(on_clash=OnClash.FORBID), Names(rename_cost=0)])
def test_names_that_never_change_or_cost_nothing_have_no_price(names: Names) -> None:
    found = compiled(Policy(name="", digest="", names=names))
    assert all(term.hard for term in found.problem.terms)


def test_names_that_nobody_shares_have_no_price() -> None:
    assert compiled(Policy(name="", digest=""), domains=[WEBS[0], WEBS[2]]).problem.terms == ()


def test_new_names_cost_nothing_on_a_higher_tier() -> None:
    goals = "goals: [{balance: {resource: cpu}}, {move_cost: {per_move: 1, tier: 3}}]\n"
    (term,) = named(compiled(policy(goals)), RENAMED)
    assert (term.tier, term.weight) == (3, 0.1)
    (later,) = named(compiled(policy(f"{goals}limits: {{only_repairs: true}}\n")), RENAMED)
    assert later.tier == 4
    (alone,) = named(compiled(policy("names: {rename_cost: 2.5}\n")), RENAMED)
    assert (alone.tier, alone.weight) == (1, 2.5)


def test_where_moves_cost_nothing_those_of_shared_names_cost_as_much_as_a_new_name() -> None:
    (term,) = named(compiled(policy("goals: [{balance: {resource: cpu}}]\n")), "names: moved")
    found = compiled(policy(""))
    assert term.weight * cost(term.primitive, found.view, {"a": "h2", "b": "h3", "uuid-db": "h3"}) == pytest.approx(0.2)
    assert named(compiled(policy("goals: [{move_cost: {per_move: 0.01}}]\n")), "names: moved") == []
