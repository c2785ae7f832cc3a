"""MAC addresses that several domains have, and plans that bring them together."""

from __future__ import annotations

from dataclasses import replace

from rebalancer.cluster import Cluster, DomainState
from rebalancer.plan.addresses import address_clashes, clashes_on_the_way
from rebalancer.plan.file import dump_plan, parse_plan
from rebalancer.plan.make import make_plan
from tests.plan.test_make import cluster, policy

MAC = "52:54:00:12:34:56"


def with_addresses(world: Cluster, **networks: str) -> Cluster:
    """The domains of these names have :data:`MAC`, on these networks."""
    return replace(
        world,
        domains=tuple(
            replace(d, interfaces={MAC: networks[d.name]}) if d.name in networks else d for d in world.domains
        ),
    )


TWO = cluster("h1", "h2", memory=16, a=("h1", 4), b=("h2", 4), c=("h1", 4))


def test_a_warning_names_both_domains_their_hosts_and_the_address() -> None:
    (clash,) = address_clashes(with_addresses(TWO, a="bridge br0", b=""))
    assert str(clash) == f"MAC address {MAC}: 'a' on h1 (bridge br0) and 'b' on h2"


def test_what_does_not_run_and_what_is_seen_twice_clashes_with_nobody() -> None:
    world = with_addresses(TWO, a="", b="")
    off = replace(world, domains=tuple(replace(d, state=DomainState.SHUT_OFF) for d in world.domains[:1]))
    assert address_clashes(replace(off, domains=(*off.domains, *world.domains[1:]))) == ()
    twice = replace(world.domains[1], host="h1")
    assert address_clashes(replace(world, domains=(world.domains[1], twice))) == ()


def brought(world: Cluster, moves: str) -> list[str]:
    """The clashes of the plan that moves ``name>host``."""
    rules = [
        f"pin: {{select: \"name == '{name}'\", hosts: [{host}]}}"
        for name, host in (m.split(">") for m in moves.split())
    ]
    text = "rules:\n" + "".join(f"  - {rule}\n" for rule in rules)
    return [str(clash) for clash in clashes_on_the_way(make_plan(world, policy(text)))]


def test_a_plan_that_brings_two_onto_one_network_says_so() -> None:
    expected = f"MAC address {MAC}: the plan brings 'a' (now on h1) and 'b' (now on h2) together on h2, bridge br0"
    assert brought(with_addresses(TWO, a="bridge br0", b="bridge br0"), "a>h2") == [expected]
    assert brought(with_addresses(TWO, a="", b="bridge br0"), "a>h2") == [expected]


def test_not_on_different_networks_nor_where_they_are_together_already() -> None:
    assert brought(with_addresses(TWO, a="bridge br0", b="bridge br1"), "a>h2") == []
    assert brought(with_addresses(TWO, a="", c=""), "b>h1") == []


def test_two_that_pass_each_other_are_together_for_a_time() -> None:
    found = brought(with_addresses(TWO, a="bridge br0", b="bridge br0"), "a>h2 b>h1")
    assert found
    assert all("together on h" in words for words in found)


def test_the_plan_file_says_so_too() -> None:
    world = with_addresses(TWO, a="bridge br0", b="bridge br0")
    plan = make_plan(world, policy("rules: []"))
    assert MAC in dump_plan(plan)
    assert dump_plan(parse_plan(dump_plan(plan), "p.json")) == dump_plan(plan)
