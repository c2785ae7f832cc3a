from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import Domain, Host
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.policy import Caution, Rule, View
from rebalancer.policy.expressions import DomainSelector, HostSelector
from rebalancer.policy.rules.ban import Ban
from rebalancer.policy.rules.pin import Pin
from rebalancer.policy.rules.stay import Stay
from tests.policy.worlds import agrees, cluster, domain, host, views

SELECT = st.sampled_from(["true", "labels.app == 'db'", "labels.app == 'none'"])
HOSTS: st.SearchStrategy[tuple[HostSelector | tuple[str, ...], Callable[[Host], bool]]] = st.sampled_from(
    [
        (("h1",), lambda item: item.name == "h1"),
        (("h2", "h3"), lambda item: item.name in ("h2", "h3")),
        (HostSelector("labels.rack == 'r1'"), lambda item: item.labels.get("rack") == "r1"),
    ]
)


def selected(select: str, item: Domain) -> bool:
    return select == "true" or item.labels.get("app") == select.split("'")[1]


@given(views(), SELECT, HOSTS)
def test_pinned_domains_run_on_their_hosts_only(
    view: View, select: str, hosts: tuple[HostSelector | tuple[str, ...], Callable[[Host], bool]]
) -> None:
    rule = Pin(select=DomainSelector(select), hosts=hosts[0])
    by_name = view.cluster.host_by_name
    agrees(
        rule.terms(view),
        view,
        lambda placement: sum(
            selected(select, item) and not hosts[1](by_name[placement[item.uuid]]) for item in view.domains
        ),
    )


@given(views(), SELECT, HOSTS)
def test_banned_domains_run_elsewhere(
    view: View, select: str, hosts: tuple[HostSelector | tuple[str, ...], Callable[[Host], bool]]
) -> None:
    rule = Ban(select=DomainSelector(select), hosts=hosts[0])
    by_name = view.cluster.host_by_name
    agrees(
        rule.terms(view),
        view,
        lambda placement: sum(
            selected(select, item) and hosts[1](by_name[placement[item.uuid]]) for item in view.domains
        ),
    )


@given(views(), SELECT)
def test_domains_that_stay_are_not_moved(view: View, select: str) -> None:
    agrees(
        Stay(select=DomainSelector(select)).terms(view),
        view,
        lambda placement: sum(selected(select, item) and placement[item.uuid] != item.host for item in view.domains),
    )


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Pin(select=DomainSelector("true"), hosts=("h1",)), "pinned to h1"),
        (Pin(select=DomainSelector("true"), hosts=HostSelector("name == 'h1'")), "pinned to hosts with name == 'h1'"),
        (Ban(select=DomainSelector("true"), hosts=("h2",)), "banned from h2"),
        (Stay(select=DomainSelector("true")), "must stay on h1"),
    ],
)
def test_a_refused_host_has_a_reason(rule: Rule, reason: str) -> None:
    view = View(cluster([host("h1"), host("h2")], [domain("a", "h1")]))
    (term,) = rule.terms(view)
    assert isinstance(term.primitive, AllowedHosts)
    assert dict(term.primitive.reasons) == {(0, 1): reason}
    assert len(term.primitive.reasons) == 1
    assert term.primitive.reasons.get((0, 0)) is None


def test_an_unknown_host_is_an_error_with_the_nearest() -> None:
    view = View(cluster([host("node1"), host("node2")], [domain("a", "node1")]))
    ((path, problem),) = Pin(select=DomainSelector("true"), hosts=("node1", "nod2")).check(view)
    assert (path, str(problem)) == (("hosts", 1), "there is no host 'nod2'; did you mean 'node2'?")
    assert not isinstance(problem, Caution)


def test_hosts_that_nothing_selects_are_a_warning() -> None:
    view = View(cluster([host("h1", labels={"licensed": "x"})], [domain("a", "h1")]))
    ((path, problem),) = Ban(select=DomainSelector("true"), hosts=HostSelector("labels.licenced == 'x'")).check(view)
    assert path == ("hosts",)
    assert isinstance(problem, Caution)
    assert str(problem).endswith("none has the label 'licenced'; did you mean 'licensed'?")
