"""The cluster model: what is derived from what was read."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from rebalancer.cluster import Cluster, Domain, DomainState, Host, HostState


def domain(name: str, host: str, number: int = 1, **known: object) -> Domain:
    return Domain(name=name, uuid=f"00000000-0000-4000-8000-{number:012d}", host=host, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", DomainState)
def test_a_domain_that_is_off_occupies_nothing(state):
    assert state.active == (state not in (DomainState.SHUT_OFF, DomainState.CRASHED))


@pytest.mark.parametrize("state", HostState)
def test_hosts_that_are_up_can_be_read(state):
    assert Host(name="h1", state=state).readable == (state in (HostState.UP, HostState.MAINTENANCE))


def test_what_a_host_lacks_is_named_and_what_is_not_known_of_it_is_not_checked():
    needs = {"network": frozenset({"br1", "br0", "br2"}), "cpu_model": frozenset({"EPYC"}), "type": frozenset({"kvm"})}
    host = Host(name="h1", offers={"network": frozenset({"br1"}), "cpu_model": frozenset()})
    assert domain("a", "h2", needs=needs).missing_on(host) == ("cpu model 'EPYC'", "network 'br0'", "network 'br2'")


def test_a_uuid_seen_twice_is_found():
    here, there, other = domain("a", "h1"), domain("b", "h2"), domain("a", "h2", 2, state=DomainState.SHUT_OFF)
    cluster = Cluster(name="", hosts=(Host(name="h1"), Host(name="h2")), domains=(here, there, other))
    assert cluster.domains_by_uuid == {here.uuid: (here, there), other.uuid: (other,)}
    assert cluster.active_domains == (here, there)
    assert cluster.domains_on("h2") == (there, other)
    assert cluster.host_by_name["h2"] == Host(name="h2")


def test_only_hosts_that_are_up_go_into_maintenance():
    hosts = (Host(name="h1"), Host(name="h2", state=HostState.DOWN), Host(name="h3"))
    cluster = Cluster(name="", hosts=hosts, domains=())
    emptied = cluster.with_maintenance(frozenset({"h1", "h2", "h9"}))
    assert [host.state for host in emptied.hosts] == [HostState.MAINTENANCE, HostState.DOWN, HostState.UP]
    assert cluster.hosts == hosts


def test_values_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Host(name="h1").name = "h2"  # type: ignore[misc]
