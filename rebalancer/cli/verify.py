"""After a run: whether every host, read again, agrees with what the run says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebalancer.cluster.text import shown

if TYPE_CHECKING:
    from rebalancer.cluster import Cluster
    from rebalancer.execution import RunResult

__all__ = ["contradictions"]


def contradictions(result: RunResult, cluster: Cluster) -> tuple[str, ...]:
    """What is other than the run says; domains of which it said nothing, and hosts that do not answer, are not."""
    found: list[str] = []
    silent = {host.name for host in cluster.hosts if not host.readable}
    for uuid, place in result.where.items():
        if place is None or place.host in silent:
            continue
        seen = [domain for domain in cluster.domains_by_uuid.get(uuid, ()) if domain.state.active]
        if [(domain.host, domain.name) for domain in seen] != [(place.host, place.name)]:
            said = f"{shown(place.name)} ({uuid}) should run on {place.host}"
            really = " and ".join(f"on {domain.host} as {shown(domain.name)}" for domain in seen)
            found.append(f"{said}, but runs {really}" if really else f"{said}, but runs nowhere")
    return tuple(found)
