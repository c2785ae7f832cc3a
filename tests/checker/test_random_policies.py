"""Random clusters under random policies, all the way from the policy to the plan: what is planned is sound."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from rebalancer.checker import check_plan
from rebalancer.cluster import Cluster, Domain, DomainState
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.plan.make import make_plan
from rebalancer.policy.model import Policy
from tests.plan.test_make import cluster, policy
from tests.plan.worlds import nic

TOGETHER = (
    "",
    "{anti_affinity: {group: labels.app}}",
    "{anti_affinity: {group: labels.app, most: 2, during: relaxed}}",
    "{affinity: {group: labels.app}}",
    "{spread: {group: labels.app, least: 2}}",
)
"""Of these one at a time: they contradict each other."""
PLACES = (
    "{pin: {select: \"labels.app == 'a'\", hosts: [h1]}}",
    "{ban: {select: \"labels.app == 'b'\", hosts: [h2]}}",
    "{stay: {select: \"name == 'd1'\"}}",
)
LIMITS = (
    "{}",
    "{max_moves: 3}",
    "{per_host: 2}",
    "{arrivals_per_host: 1}",
    "{max_bytes: 6 GiB}",
    "{per_group: {group: labels.app, most: 1}}",
    "{per_hour: 2}",
)
NAMES = ("{}", "{on_clash: order}", "{on_clash: forbid}", "{free_in: cluster}")
STEPS = (
    "{}",
    '{sync: [{select: "true", group: labels.app}]}',
    '{serialize: [{select: "true"}]}',
    "{precedence: [{select: \"labels.app == 'a'\", after: \"labels.app == 'b'\"}]}",
)
GOALS = ("[]", "[{balance: {resource: memory}}]", "[{pack: {}}]")


_BLOCK = 10


@pytest.mark.parametrize("first", range(0, 40, _BLOCK))
def test_what_is_planned_under_a_policy_is_sound(first: int) -> None:
    steps = 0
    for number in range(first, first + _BLOCK):
        random = Random(f"policies {number}")
        world, rules = random_cluster(random), random_policy(random)
        plan = make_plan(world, rules, effort=1)
        found = check_plan(plan, rules, seed=number)
        assert not found, f"case {number}: {'; '.join(map(str, found))}"
        steps += len(plan.steps)
    assert steps >= _BLOCK


def random_cluster(random: Random) -> Cluster:
    """3 or 4 hosts, up to 10 domains, with names that clash, definitions that earlier migrations left, some that cannot
    be moved, and half of the time a host to be emptied, or links."""
    hosts = [f"h{number}" for number in range(1, random.randint(4, 5))]
    sizes = {f"d{number}": (random.choice(hosts), random.choice([1, 1, 2, 3, 4])) for number in range(1, 11)}
    world = cluster(*hosts, memory=random.choice([10, 12, 16]), **sizes)
    taken: set[tuple[str, str]] = set()
    domains = [_varied(random, domain, taken) for domain in world.domains[: random.randint(3, 10)]]
    for domain in tuple(domains):
        host = random.choice(hosts)
        if random.random() < 0.2 and host != domain.host and (host, domain.name) not in taken:
            taken.add((host, domain.name))
            domains.append(replace(domain, host=host, state=DomainState.SHUT_OFF))
    world = replace(world, domains=tuple(domains))
    if random.random() < 0.5:
        world = replace(world, links=tuple(nic(host, random.choice([1e8, 1e9])) for host in hosts))
    return world.with_maintenance(frozenset({random.choice(hosts)})) if random.random() < 0.5 else world


def random_policy(random: Random) -> Policy:
    chosen = ("{capacity: {resource: memory}}", random.choice(TOGETHER), *random.sample(PLACES, random.randint(0, 2)))
    rules = ", ".join(filter(None, chosen))
    return policy(
        f"rules: [{rules}]\ngoals: {random.choice(GOALS)}\nlimits: {random.choice(LIMITS)}\n"
        f"names: {random.choice(NAMES)}\nsteps: {random.choice(STEPS)}\nlinks: [{{select: 'true', most: 50%}}]\n"
    )


def _varied(random: Random, domain: Domain, taken: set[tuple[str, str]]) -> Domain:
    name = random.choice(["web", "db", domain.name, domain.name])
    name = domain.name if (domain.host, name) in taken else name
    taken.add((domain.host, name))
    written = random.choice([None, BytesPerSecond(1e6), BytesPerSecond(4e7)])
    traits = replace(domain.migration, allowed=random.random() > 0.08, dirty_rate=written)
    return replace(domain, name=name, labels={"app": random.choice("abc")}, migration=traits)
