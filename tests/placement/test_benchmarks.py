"""What ``tests/benchmarks/test_search.py`` measures with, in small."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.benchmarks.charts import line_chart
from tests.benchmarks.searching.clusters import crowded
from tests.benchmarks.searching.measure import measure

SVG = "{http://www.w3.org/2000/svg}"


def test_searches_are_measured() -> None:
    found = measure(["balance", "6", "60", "--effort", "1"])
    assert (found.hosts, found.domains, found.broken) == (6, 60, 0)
    assert found.bound <= found.after < found.before
    assert found.evaluations > 0
    assert found.memory > 10_000_000


def test_evacuations_need_others_to_step_aside() -> None:
    cluster = crowded(20, 400)
    room = {host.name: host.capacity["memory"] for host in cluster.hosts}
    for domain in cluster.domains:
        room[domain.host] -= domain.uses["memory"]
    assert max(room[host.name] for host in cluster.hosts[1:]) < cluster.domains[0].uses["memory"]
    found = measure(["evacuate", "20", "400"])
    assert found.broken == 0
    assert found.moved > 4


@pytest.mark.parametrize("values", [[(1.0, 2.0)], [(100.0, 0.5), (1000.0, 3.0), (100_000.0, 70.0)]])
def test_charts_show_every_point(values: list[tuple[float, float]]) -> None:
    chart = ET.fromstring(line_chart({"a < b": values, "c": values}, title="T", x="x", y="y"))
    assert len(chart.findall(f"{SVG}circle")) == 2 * len(values)
    names = [each.text for each in chart.findall(f"{SVG}text")]
    assert {"a < b", "c", "T", "x", "y"} <= set(names)
    _, _, width, height = map(float, chart.attrib["viewBox"].split())
    for circle in chart.findall(f"{SVG}circle"):
        assert 0 < float(circle.attrib["cx"]) < width
        assert 0 < float(circle.attrib["cy"]) < height
