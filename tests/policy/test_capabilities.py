from __future__ import annotations

from dataclasses import replace

import pytest

from rebalancer.cluster import Cluster, DomainState, Host, HostState, Link, MigrationTraits
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.errors import Unsupported
from rebalancer.policy import compile_problem, load_policies
from tests.policy.test_compile import policy
from tests.policy.worlds import ABLE, cluster, domain, host

LINK = Link(name="uplink", connects=("h1", "h2"), capacity=BytesPerSecond(1e9))


def lacking(name: str, **capabilities: object) -> Host:
    return host(name, migration=replace(ABLE, **capabilities))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "hosts", "message"),
    [
        (
            "migration: [{live: true}]",
            [lacking("h1", live=False), host("h2")],
            "h1: live migration is not supported: asked for in p.yaml:3:20",
        ),
        ("migration: [{live: true}]", [host("h1"), lacking("h2", live=False)], "h2: live migration is not supported"),
        ("migration: [{live: false}]", [lacking("h1", offline=False), host("h2")], "h1: offline migration is not"),
        (
            "migration: [{bandwidth: 10 MiB/s}]",
            [lacking("h1", bandwidth=False), host("h2")],
            "h1: bandwidth is not supported",
        ),
        ("migration: [{max_downtime: 1 s}]", [lacking("h1", max_downtime=False), host("h2")], "h1: max_downtime is"),
        ("migration: [{when_not_converging: [post_copy]}]", [host("h1"), host("h2")], "h1: post_copy is not supported"),
        ("migration: [{when_not_converging: [auto_converge]}]", [host("h1"), host("h2")], "h1: auto_converge is not"),
        (
            "migration: [{when_not_converging: [cancel]}]",
            [lacking("h1", cancel=False), host("h2")],
            "h1: cancel is not supported",
        ),
        ("migration: [{transport: tls}]", [host("h1"), host("h2")], "h1: transport 'tls' is not supported"),
        (
            "names: {on_clash: rename}",
            [lacking("h1", rename=False), host("h2")],
            "h1: rename is not supported: 'a' is several domains' name",
        ),
        (
            "links: [{most: 40%}]",
            [lacking("h1", bandwidth=False), host("h2")],
            "h1: bandwidth is not supported: needed to keep the cap of link 'uplink', asked for in p.yaml:3:16",
        ),
    ],
)
def test_what_is_asked_and_not_offered_is_refused_with_host_and_option(
    text: str, hosts: list[Host], message: str
) -> None:
    found = cluster(
        hosts, [domain("a", "h1"), domain("a", "h2", uuid="other", state=DomainState.SHUT_OFF)], links=(LINK,)
    )
    with pytest.raises(Unsupported) as raised:
        compile_problem(policy(text), found)
    assert str(raised.value).startswith(message)


NOTHING = {
    "live": False,
    "offline": False,
    "rename": False,
    "bandwidth": False,
    "max_downtime": False,
    "cancel": False,
    "transports": (),
}


@pytest.mark.parametrize("name", ["balance", "evacuate", "consolidate"])
def test_what_nobody_asked_for_is_never_refused(name: str) -> None:
    found = cluster([lacking("h1", **NOTHING), lacking("h2", **NOTHING)], [domain("a", "h1")])
    compile_problem(load_policies([name], str), found)


ASKED = "migration: [{live: true, transport: tls, when_not_converging: [post_copy]}]"


@pytest.mark.parametrize(
    "found",
    [
        cluster([lacking("h1", **NOTHING), host("h2")], [domain("a", "h1", migration=MigrationTraits(allowed=False))]),
        cluster([lacking("h1", **NOTHING), host("h2")], [domain("a", "h1", state=DomainState.SHUT_OFF)]),
        cluster([replace(lacking("h1", **NOTHING), state=HostState.UNREACHABLE), host("h2")], [domain("a", "h1")]),
        cluster([lacking("h1", **NOTHING)]),
    ],
)
def test_a_host_that_no_migration_concerns_is_not_asked(found: Cluster) -> None:
    compile_problem(policy(ASKED), found)


def test_only_the_entry_that_counts_is_asked_for() -> None:
    text = "migration:\n  - {transport: tls}\n  - {select: \"name == 'a'\", transport: tcp}\n"
    compile_problem(policy(text), cluster([host("h1"), host("h2")], [domain("a", "h1")]))
    with pytest.raises(Unsupported, match=r"transport 'tls' is not supported: asked for in p\.yaml:4:17"):
        compile_problem(policy(text), cluster([host("h1"), host("h2")], [domain("b", "h1")]))


@pytest.mark.parametrize("text", ["links: [{most: 100%}]", "links: [{select: \"name == 'x'\", most: 1%}]", ""])
def test_a_link_without_a_cap_needs_no_bandwidth(text: str) -> None:
    found = cluster([lacking("h1", bandwidth=False), host("h2")], [domain("a", "h1")], links=(LINK,))
    compile_problem(policy(text), found)


def test_a_cap_concerns_only_hosts_whose_migrations_cross_the_link() -> None:
    links = (
        LINK,
        Link(name="other", connects=("h3", "h4"), capacity=BytesPerSecond(1e9)),
    )
    hosts = [host("h1"), host("h2"), lacking("h3", bandwidth=False), host("h4")]
    found = cluster(hosts, [domain("a", "h3")], links=links)
    compile_problem(policy("links: [{select: \"name == 'uplink'\", most: 40%}]"), found)
