from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, Host, HostState, MigrationTraits
from rebalancer.placement import search
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.policy import Compiled, Names, OnClash, Policy, compile_problem
from tests.cluster.clusters import clusters
from tests.policy.worlds import ABLE, Placement, cluster, cost, domain, host

ANYTHING = Policy(name="", digest="")


def compiled(hosts: list[Host], domains: list[Domain], names: Names | None = None) -> Compiled:
    return compile_problem(Policy(name="", digest="", names=names or Names()), cluster(hosts, domains))


def broken(problem: Compiled, placement: Placement) -> dict[str, float]:
    """Rule → cost, of the rules that the placement breaks. Domains that are not mentioned stay."""
    whole = {item.uuid: item.host for item in problem.view.domains} | placement
    costs = {term.name: cost(term.primitive, problem.view, whole) for term in problem.problem.terms if term.hard}
    return {name: amount for name, amount in costs.items() if amount}


def reason(problem: Compiled, rule: str, uuid: str, on: str) -> str:
    (term,) = [term for term in problem.problem.terms if term.name == rule]
    assert isinstance(term.primitive, AllowedHosts)
    row = int(term.primitive.mask[problem.problem.domains.index(uuid)])
    return term.primitive.reasons[row, problem.view.host_index[on]]


def test_a_simple_cluster_needs_no_terms() -> None:
    assert compiled([host("h1"), host("h2")], [domain("a", "h1")]).problem.terms == ()


def test_a_host_in_maintenance_is_to_be_emptied() -> None:
    found = compiled([host("h1", state=HostState.MAINTENANCE, reason="new fans"), host("h2")], [domain("a", "h1")])
    assert broken(found, {}) == {"maintenance": 1}
    assert broken(found, {"uuid-a": "h2"}) == {}
    assert reason(found, "maintenance", "uuid-a", "h1") == "h1 is in maintenance: new fans"


def test_nothing_can_be_done_about_a_domain_on_a_host_that_is_down() -> None:
    found = compiled([host("h1", state=HostState.DOWN), host("h2")], [domain("a", "h1"), domain("b", "h2")])
    assert broken(found, {}) == {}
    assert broken(found, {"uuid-a": "h2"}) == {"migratable": 1}
    assert broken(found, {"uuid-b": "h1"}) == {"maintenance": 1}
    assert reason(found, "migratable", "uuid-a", "h2") == "cannot be migrated: h1 is down"


def test_a_domain_goes_only_where_everything_is_that_it_needs() -> None:
    needs = {"network": frozenset({"br-prod"}), "machine": frozenset({"q35"})}
    hosts = [
        host("h1"),
        host("h2", offers={"network": frozenset({"br-lab"}), "machine": frozenset({"q35"})}),
        host("h3", offers={"network": frozenset({"br-prod"})}),
    ]
    found = compiled(hosts, [domain("a", "h1", needs=needs), domain("b", "h1", needs=needs), domain("c", "h1")])
    assert broken(found, {"uuid-a": "h2"}) == {"compatible": 1}
    assert broken(found, {"uuid-a": "h3", "uuid-c": "h2"}) == {}
    assert reason(found, "compatible", "uuid-a", "h2") == "h2 lacks network 'br-prod'"
    (term,) = found.problem.terms
    assert isinstance(term.primitive, AllowedHosts)
    assert len(term.primitive.masks) == 1, "domains of one kind share a row"


def test_where_a_domain_runs_it_can_run() -> None:
    found = compiled(
        [host("h1", offers={"network": frozenset()}), host("h2")],
        [domain("a", "h1", needs={"network": frozenset({"br0"})})],
    )
    assert broken(found, {}) == {}


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (
            domain("a", "h1", migration=MigrationTraits(allowed=False, reason="PCI device 0000:03:00.0")),
            "cannot be migrated: PCI device 0000:03:00.0",
        ),
        (domain("a", "h1", state=DomainState.IN_SHUTDOWN), "cannot be migrated while it is 'in shutdown'"),
        (domain("a", "h1", state=DomainState.SUSPENDED), "cannot be migrated while it is 'pmsuspended'"),
    ],
)
def test_a_domain_that_cannot_be_migrated_stays_and_says_why(item: Domain, why: str) -> None:
    found = compiled([host("h1"), host("h2")], [item])
    assert broken(found, {"uuid-a": "h2"}) == {"migratable": 1}
    assert reason(found, "migratable", "uuid-a", "h2") == why


def test_by_default_a_host_that_cannot_migrate_live_is_left_alone() -> None:
    offline = Capabilities(offline=True)
    found = compiled([host("h1", migration=offline), host("h2")], [domain("a", "h1"), domain("b", "h2")])
    assert broken(found, {"uuid-a": "h2"}) == {"migratable": 1}
    assert broken(found, {"uuid-b": "h1"}) == {"migratable": 1}
    assert reason(found, "migratable", "uuid-a", "h2").startswith("cannot be migrated: h1 cannot migrate live; ")


def test_a_leftover_definition_is_no_clash_but_another_name_is() -> None:
    hosts = [host("h1"), host("h2"), host("h3")]
    found = compiled(
        hosts,
        [
            domain("a", "h1"),
            domain("a", "h2", state=DomainState.SHUT_OFF),
            domain("old-a", "h3", uuid="uuid-a", state=DomainState.SHUT_OFF),
        ],
    )
    assert broken(found, {"uuid-a": "h2"}) == {}
    assert broken(found, {"uuid-a": "h3"}) == {"identity": 1}
    assert reason(found, "identity", "uuid-a", "h3") == "h3 knows its UUID as 'old-a' (shut off)"


def test_a_domain_that_is_active_twice_is_not_touched() -> None:
    found = compiled([host("h1"), host("h2"), host("h3")], [domain("a", "h1"), domain("a", "h2")])
    assert found.problem.domains == ("uuid-a",)
    assert broken(found, {}) == {}
    assert broken(found, {"uuid-a": "h3"}) == {"identity": 1}
    assert "is active on h1 and h2 at once" in reason(found, "identity", "uuid-a", "h3")


DATABASES = [domain("database", "h1"), domain("database", "h2", uuid="other")]


def test_names_may_meet_where_they_can_be_changed() -> None:
    found = compiled([host("h1"), host("h2")], DATABASES)
    assert broken(found, {"uuid-database": "h2"}) == {}


@pytest.mark.parametrize("on_clash", [OnClash.FORBID, OnClash.ORDER])
def test_names_that_may_not_change_may_not_meet_but_may_change_places(on_clash: OnClash) -> None:
    found = compiled([host("h1"), host("h2")], DATABASES, Names(on_clash=on_clash))
    assert broken(found, {"uuid-database": "h2"}) == {"names": 1}
    assert broken(found, {"uuid-database": "h2", "other": "h1"}) == {}


def test_a_name_that_is_only_defined_is_taken() -> None:
    stopped = replace(DATABASES[1], state=DomainState.SHUT_OFF)
    found = compiled([host("h1"), host("h2")], [DATABASES[0], stopped], Names(on_clash=OnClash.FORBID))
    assert broken(found, {"uuid-database": "h2"}) == {"names": 1}


@pytest.mark.parametrize("unable", ["h1", "h2", "h3"])
def test_a_name_that_is_defined_on_a_host_that_can_rename_is_no_matter_elsewhere(unable: str) -> None:
    hosts = [host(name, migration=replace(ABLE, rename=name != unable)) for name in ("h1", "h2", "h3")]
    home, *others = (name for name in ("h2", "h1", "h3") if name != unable)
    defined = [domain("web", name, uuid=name, state=DomainState.SHUT_OFF) for name in (*others, unable)]
    found = compiled(hosts, [domain("web", home), *defined])
    assert search(found.problem).host.tolist() == found.problem.start.tolist()
    assert broken(found, {"uuid-web": unable}) == {"names": 1}
    assert broken(found, {"uuid-web": others[0]}) == {}


def test_by_default_hosts_that_cannot_rename_are_avoided() -> None:
    unable = replace(ABLE, rename=False)
    to_unable = compiled([host("h1"), host("h2", migration=unable), host("h3")], [*DATABASES, domain("web", "h1")])
    # h2 cannot rename what arrives, nor what leaves it.
    assert broken(to_unable, {"uuid-database": "h2"}) == {"names": 1}
    assert broken(to_unable, {"other": "h1"}) == {"names": 1}
    assert broken(to_unable, {"uuid-web": "h2"}) == {}
    stopped = replace(DATABASES[1], state=DomainState.SHUT_OFF)
    defined = compiled([host("h1"), host("h2", migration=unable), host("h3")], [DATABASES[0], stopped])
    assert broken(defined, {"uuid-database": "h2"}) == {"names": 1}
    assert broken(defined, {"uuid-database": "h3"}) == {}


@given(clusters())
def test_any_cluster_compiles_and_its_arrays_fit(found: Cluster) -> None:
    problem = compile_problem(ANYTHING, found).problem
    for term in problem.terms:
        if isinstance(term.primitive, AllowedHosts):
            assert term.primitive.mask.shape == (len(problem.domains),)
            assert term.primitive.masks.shape[1] == len(problem.hosts)
            assert all(isinstance(words, str) for words in term.primitive.reasons.values())
