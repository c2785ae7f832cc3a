from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rebalancer.policy import Caution, During, View
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.rules.anti_affinity import AntiAffinity
from tests.policy.worlds import agrees, cluster, domain, host, views


@given(views(), st.sampled_from(["host", "rack"]), st.integers(1, 2), st.booleans(), st.booleans())
def test_no_zone_has_more_of_a_group_than_allowed(
    view: View, across: str, most: int, by_app: bool, only_databases: bool
) -> None:
    rule = AntiAffinity(
        group=DomainKey("labels.app") if by_app else None,
        select=DomainSelector("labels.app == 'db'" if only_databases else "true"),
        across=across,
        most=most,
    )
    zone = {item.name: item.name if across == "host" else item.labels.get("rack") for item in view.hosts}

    def surplus(placement: dict[str, str]) -> float:
        members: Counter[tuple[str | None, str]] = Counter()
        for item in view.domains:
            app = item.labels.get("app")
            where = zone[placement[item.uuid]]
            if where is None or (by_app and app is None) or (only_databases and app != "db"):
                continue
            members[app if by_app else None, where] += 1
        return sum(max(number - most, 0) for number in members.values())

    agrees(rule.terms(view), view, surplus)


def test_when_it_has_to_hold_is_passed_on() -> None:
    view = View(cluster([host("h1")]))
    assert [term.continuous for term in AntiAffinity().terms(view)] == [True]
    assert [term.continuous for term in AntiAffinity(during=During.RELAXED).terms(view)] == [False]


def test_its_name_says_what_is_kept_apart() -> None:
    rule = AntiAffinity(group=DomainKey("labels.app"), select=DomainSelector("labels.tier == 'db'"), across="rack")
    assert rule.title == "anti_affinity: labels.app where labels.tier == 'db' across rack"
    assert AntiAffinity().title == "anti_affinity"


def test_a_label_that_no_host_has_is_an_error_with_the_nearest() -> None:
    view = View(cluster([host("h1", labels={"rack": "r1"})]))
    ((path, problem),) = AntiAffinity(across="rakc").check(view)
    assert (path, str(problem)) == (("across",), "no host has the label 'rakc'; did you mean 'rack'?")


def test_a_label_that_some_hosts_lack_is_a_warning() -> None:
    view = View(cluster([host("h1", labels={"rack": "r1"}), host("h2")]))
    ((_, problem),) = AntiAffinity(across="rack").check(view)
    assert isinstance(problem, Caution)
    assert "h2" in str(problem)


def test_a_selector_that_selects_nothing_is_a_warning_that_names_the_label() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1", labels={"licence": "x"})]))
    found = [str(problem) for _, problem in AntiAffinity(select=DomainSelector("labels.lisence == 'x'")).check(view)]
    assert found == [
        "no domain is selected by 'labels.lisence == 'x'': none has the label 'lisence'; did you mean 'licence'?"
    ]


def test_a_group_that_nothing_is_in_is_a_warning() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1")]))
    ((path, problem),) = AntiAffinity(group=DomainKey("labels.app")).check(view)
    assert path == ("group",)
    assert isinstance(problem, Caution)
