from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rebalancer.cluster import Cluster, HostState
from rebalancer.errors import InvalidInput
from rebalancer.placement.search import search
from rebalancer.policy import compile_problem, load_policies, policy_names, policy_text
from tests.policy.worlds import GIB, cluster, domain, host


def placed(policy: str, found: Cluster) -> dict[str, list[str]]:
    """Host → names of the domains that it has in the end."""
    compiled = compile_problem(load_policies([policy], str), found)
    result = search(compiled.problem, seed=0)
    ends: dict[str, list[str]] = {item.name: [] for item in found.hosts}
    for item, where in zip(compiled.view.domains, result.host, strict=True):
        ends[found.hosts[int(where)].name].append(item.name)
    return ends


def test_the_ready_made_policies_are_known_by_name() -> None:
    assert {"balance", "consolidate", "evacuate"} <= set(policy_names())
    for name in policy_names():
        text, file = policy_text(name)
        assert file == f"policies/{name}.yaml"
        loaded = load_policies([name], str)
        assert loaded.name == name
        assert loaded.description
        assert loaded.goals
        assert "extends: [./" not in text


def test_an_unknown_name_lists_the_names() -> None:
    with pytest.raises(InvalidInput, match=r"there are: .*balance, .*consolidate, .*evacuate"):
        load_policies(["xyz"], str)


def test_balance_spreads_what_stands_on_one_host() -> None:
    ends = placed("balance", cluster([host(f"h{n}") for n in (1, 2, 3)], [domain(f"d{n}", "h1") for n in range(9)]))
    # Nine domains of 8 GiB over three hosts of 64 GiB.
    assert [len(names) for names in ends.values()] == [3, 3, 3]


def test_balance_leaves_noise_alone() -> None:
    random = np.random.default_rng(1)
    domains = [
        domain(f"d{n}", f"h{n % 3 + 1}", uses={"cpu": 1.0 + float(random.normal(0, 0.1)), "memory": 8.0 * GIB})
        for n in range(9)
    ]
    ends = placed("balance", cluster([host(f"h{n}") for n in (1, 2, 3)], domains))
    assert ends == {f"h{n + 1}": [f"d{m}" for m in range(9) if m % 3 == n] for n in range(3)}


def test_balance_makes_sensible_moves_among_many_hosts() -> None:
    hosts = [host(f"h{n}") for n in range(40)]
    domains = [domain(f"d{n}", f"h{n % 40}") for n in range(120)] + [domain(f"e{n}", "h0") for n in range(4)]
    ends = placed("balance", cluster(hosts, domains))
    assert len(ends["h0"]) <= 4


def test_evacuate_empties_the_host_and_moves_nothing_else() -> None:
    hosts = [host("h1", state=HostState.MAINTENANCE), host("h2"), host("h3")]
    domains = [domain("a", "h1"), domain("b", "h1"), domain("c", "h2"), domain("d", "h2"), domain("e", "h2")]
    ends = placed("evacuate", cluster(hosts, domains))
    assert ends["h1"] == []
    assert {"c", "d", "e"} <= set(ends["h2"])
    assert set(ends["h3"]) == {"a", "b"}, "the emptier host takes them"


def test_consolidate_frees_hosts_and_keeps_headroom() -> None:
    hosts = [host(f"h{n}") for n in (1, 2, 3, 4)]
    domains = [domain(f"d{n}", f"h{n % 4 + 1}", uses={"cpu": 0.5, "memory": 8.0 * GIB}) for n in range(8)]
    ends = placed("consolidate", cluster(hosts, domains))
    # 90% of 64 GiB hold seven domains of 8 GiB.
    assert sorted(len(names) for names in ends.values() if names) in ([1, 7], [2, 6], [3, 5], [4, 4])


def test_the_example_policy_loads() -> None:
    found = load_policies(["examples/policy.yaml"], lambda path: (Path(__file__).parents[2] / path).read_text("utf-8"))
    assert found.name == "production"
    assert len(found.goals) == 3
