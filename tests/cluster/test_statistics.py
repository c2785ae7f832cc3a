from __future__ import annotations

import pytest

from rebalancer.cluster import Domain
from rebalancer.cluster.statistics import find_statistic, parse_statistic


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("p95", "p95"),
        ("p99.9", "p99.9"),
        ("requested", "requested"),
        ("mean@60 min", "mean@1h"),
        ("p95 @ 168 h", "p95@7d"),
        ("max@90s", "max@90s"),
        ("max@300", "max@5min"),
        ("last@0.5s", "last@0.5s"),
    ],
)
def test_a_statistic_has_one_spelling(text: str, spelling: str) -> None:
    assert parse_statistic(text) == spelling
    assert parse_statistic(spelling) == spelling


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("worst", "'worst' is not known; write max"),
        ("average@1h", "write mean"),
        ("p0", "a percentile such as p95"),
        ("p95@", "write a duration"),
        ("p95@0s", "must be longer than 0"),
        ("p95@1 fortnight", "unknown unit 'fortnight'"),
    ],
)
def test_what_is_none_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_statistic(text)


def test_without_a_window_the_longest_counts() -> None:
    known = ["p95@90min", "p95@1d", "p95@2h", "p9@7d"]
    assert find_statistic("p95", known) == "p95@1d"
    assert find_statistic("p95", ["p95", *known]) == "p95"
    assert find_statistic("p95@2h", known) == "p95@2h"
    assert find_statistic("p95@3h", known) is None
    assert find_statistic("mean", known) is None


def test_a_domain_knows_some_figures_of_its_load() -> None:
    loads = {"p95@1h": {"cpu": 2.5}, "p95@1d": {"memory": 1.0}, "requested": {"cpu": 4.0}}
    item = Domain(name="a", uuid="u", host="h", uses={"cpu": 1.2}, loads=loads)
    assert item.load("cpu") == 1.2
    assert item.load("cpu", "p95") == 2.5
    assert item.load("memory", "p95") == 1.0
    assert item.load("cpu", "mean") is None
