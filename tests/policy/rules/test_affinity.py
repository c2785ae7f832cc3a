from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rebalancer.policy import View
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.rules.affinity import Affinity
from tests.policy.worlds import agrees, views


@given(views(), st.sampled_from(["host", "rack"]), st.integers(1, 2), st.booleans(), st.booleans())
def test_no_group_is_spread_over_more_zones_than_allowed(
    view: View, across: str, most: int, by_app: bool, only_databases: bool
) -> None:
    rule = Affinity(
        group=DomainKey("labels.app") if by_app else None,
        select=DomainSelector("labels.app == 'db'" if only_databases else "true"),
        across=across,
        most=most,
    )
    # A host without the label is a zone of its own.
    zone = {
        item.name: item.labels["rack"] if across == "rack" and "rack" in item.labels else f"host {item.name}"
        for item in view.hosts
    }

    def surplus(placement: dict[str, str]) -> float:
        zones: dict[str | None, set[str]] = {}
        for item in view.domains:
            app = item.labels.get("app")
            if (by_app and app is None) or (only_databases and app != "db"):
                continue
            zones.setdefault(app if by_app else None, set()).add(zone[placement[item.uuid]])
        return sum(max(len(found) - most, 0) for found in zones.values())

    agrees(rule.terms(view), view, surplus)
