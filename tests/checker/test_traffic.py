"""Links by the checker's own count."""

from __future__ import annotations

from dataclasses import replace

from rebalancer.checker.timeline import predicted
from rebalancer.checker.traffic import overloaded
from rebalancer.cluster import Cluster
from rebalancer.cluster.units import Seconds
from rebalancer.plan.model import Step
from tests.execution.worlds import cluster, domain, step

WORLD = cluster(["h1", "h2"], [domain("a", "h1"), domain("b", "h1")], uplink=1.25e9)


def moved(world: Cluster, number: int, name: str, start: float) -> Step:
    """In 10 s, of which it sends for the 8.5 after the first."""
    made = step(world, number, name, "h1", "h2", start=start)
    return replace(made, predicted=replace(made.predicted, setup=Seconds(1.0), finish=Seconds(0.5)))


def jams(second: float) -> list[str]:
    spans = predicted([moved(WORLD, 1, "a", 0.0), moved(WORLD, 2, "b", second)])
    return [text for _, text in overloaded(spans, WORLD.links, {}, {"uplink": 1})]


def test_a_link_is_used_from_the_first_byte_to_the_last() -> None:
    assert jams(8.5) == []
    assert jams(8.4) == ["s2 is one of 2 at once on uplink; 1 are allowed"]
