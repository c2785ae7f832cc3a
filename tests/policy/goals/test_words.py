"""What goals say of themselves and of what does not fit them."""

from __future__ import annotations

import re

import pytest

from rebalancer.cluster import Cluster
from rebalancer.errors import InvalidInput
from rebalancer.placement.bounds import score_bound
from rebalancer.placement.search import search
from rebalancer.placement.state import State
from rebalancer.policy import Compiled, check_policy, compile_problem, load_policies
from tests.policy.worlds import GIB, cluster, domain, host

HEADER = "apiVersion: rebalancer/v1\nkind: Policy\n"


def compiled(goals: str, found: Cluster) -> Compiled:
    policy = load_policies(["./p.yaml"], lambda _: f"{HEADER}goals:\n  - {goals}\n")
    return compile_problem(policy, found)


def warnings(clause: str, found: Cluster, section: str = "goals") -> list[str]:
    policy = load_policies(["./p.yaml"], lambda _: f"{HEADER}{section}:\n  - {clause}\n")
    errors, cautions = check_policy(policy, found)
    assert errors == ()
    return [str(caution) for caution in cautions]


SMALL = cluster(
    [host("h1", labels={"tier": "web"}, distance={"h2": 4.0}), host("h2")],
    [
        domain("a", "h1", labels={"tier": "web"}, loads={"p95@1h": {"cpu": 3.0}}),
        domain("b", "h2", labels={"tier": "db"}),
    ],
)


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ("balance: {}", "4:14: balance: 'resource' is missing; add e.g. resource: cpu"),
        ("balance: {resource: cpu, resources: {cpu: 1}}", "balance: has both 'resource' and 'resources'"),
        ("balance: {resource: cpu, form: excess}", "write e.g. form: excess, threshold: 80%"),
        ("balance: {resource: cpu, threshold: 80%}", "write e.g. form: excess, threshold: 80%"),
        ("balance: {resource: cpu, form: excess, threshold: 80%, tolerance: 5%}", "raise the threshold instead"),
        (
            "balance: {resource: cpu, form: ranges}",
            "4:36: balance: form: 'ranges' is not known; .* did you mean 'range'?",
        ),
        ("balance: {resource: cpu, load: worst}", "4:36: balance: load: 'worst' is not known; write max; "),
        ("balance: {resources: {cpu: -1}}", "4:32: balance: cpu: must be more than 0"),
        ("headroom: {resource: memory, target: 80 GB, capacity: safe}", "leave one of them out"),
        ("headroom: {resource: memory, target: lots}", "4:42: headroom: target: .* or a share such as 80%"),
        ("headroom: {resource: memory, per: 0}", "4:39: headroom: per: must be more than 0"),
        ("ratio: {of: cpu, to: memory, target: 4 Gib}", "4:42: ratio: target: .* did you mean GB or GiB?"),
        ("move_cost: {per_move: 'uses.cpu == 1.0'}", "4:28: move_cost: per_move: must be a number for each domain"),
        ("move_cost: {per_move: [1]}", "4:27: move_cost: per_move: must be a number or text, not a list"),
        ("move_cost: {per_group: {weight: 1}}", "move_cost: per_group: 'group' is missing"),
        ("custom: {}", "custom: needs either 'cost' or 'condition'"),
        ("custom: {cost: 'uses.cpu'}", "4:21: custom: cost: there is no variable 'uses.cpu'; write domain.uses"),
        ("custom: {cost: 'domain.nme'}", "there is no variable 'domain.nme'; did you mean 'domain.name'?"),
        ("custom: {condition: 'domain.uses.cpu'}", "must be true or false for each pair"),
    ],
)
def test_a_wrong_goal_is_refused_with_what_to_write(goal: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        compiled(goal, SMALL)


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ("custom: {cost: '0.0 - domain.uses.cpu'}", "is -1 for domain 'a' on host 'h1'; a cost is at least 0"),
        ("custom: {cost: '1.0 / (domain.uses.cpu - 1.0)'}", "the result is no finite number"),
        ("move_cost: {per_move: '0.0 - uses.cpu'}", "is -1 for domain 'a'; a cost is at least 0"),
    ],
)
def test_a_cost_that_is_none_is_said_with_where_it_arises(goal: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        compiled(goal, SMALL)


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ("balance: {resource: cpu, load: p95}", "no p95 of 'cpu' is known of 'b': what they use counts instead"),
        ("headroom: {resource: cpu, load: mean}", "no mean of 'cpu' is known of 'a' and 1 more"),
        ("headroom: {resource: cpu, capacity: cpu_safe}", "no host reports a capacity of 'cpu_safe'"),
        ("ratio: {of: cpu, to: gpu, target: 1}", "no host reports a capacity of 'gpu'"),
        ("move_cost: {per_move: 'double(labels.price)'}", "no domain has what 'double\\(labels.price\\)' reads"),
        ("move_cost: {per_group: {group: labels.app}}", "no domain is in a group by 'labels.app'"),
        ("move_cost: {per_distance: {}}", "no distances are known from h2: taken to be 0"),
        ("custom: {condition: 'domain.labels.tier == host.labels.tier'}", "it holds on no host for 'b'"),
    ],
)
def test_what_probably_is_not_meant_is_a_warning(goal: str, message: str) -> None:
    (found,) = warnings(goal, SMALL)
    assert found.startswith("p.yaml:4:")
    assert re.search(message, found)


def test_a_condition_that_must_hold_refuses_with_itself() -> None:
    (found,) = warnings("custom: {condition: 'domain.labels.tier == host.labels.tier'}", SMALL, "rules")
    assert found.endswith("it holds on no host for 'b'")


def test_several_resources_are_several_parts_of_the_score() -> None:
    problem = compiled("balance: {resources: {cpu: 2, memory: 1}, load: p95, weight: 3}", SMALL).problem
    assert [(term.name, term.weight) for term in problem.terms if term.tier] == [
        ("balance: cpu p95", 6.0),
        ("balance: memory p95", 3.0),
    ]


def test_a_price_on_moves_has_a_part_for_each_kind() -> None:
    problem = compiled("move_cost: {per_move: 1, per_group: {group: labels.tier}, per_distance: {}}", SMALL).problem
    names = [term.name for term in problem.terms if term.tier]
    assert names == ["move_cost", "move_cost per labels.tier", "move_cost per distance"]


def test_an_expression_that_all_domains_share_is_asked_once_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rebalancer.policy.expressions.MAX_PAIRS", 4)
    many = cluster(
        [host("h1", labels={"price": "1"}), host("h2", labels={"price": "2"})],
        [domain(f"d{n}", "h1", labels={"app": "ab"[n % 2]}) for n in range(50)],
    )
    cost = "domain.labels.app == 'a' ? double(host.labels.price) : 0.0"
    problem = compiled(f'custom: {{cost: "{cost}"}}', many).problem
    assert State(problem).costs().sum() == 25
    with pytest.raises(InvalidInput, match="tells 50 domains and 2 hosts apart"):
        compiled("""custom: {cost: "domain.name == host.name ? 0 : 1"}""", many)


def test_hosts_are_freed_entirely_however_many_there_are() -> None:
    hosts = [host(f"h{n}", capacity={"cpu": 32.0, "memory": 256.0 * GIB}) for n in range(60)]
    domains = [
        domain(f"d{n}", f"h{n % 60}", uses={"cpu": 1.0, "memory": (8.0, 16.0, 24.0, 32.0)[n % 4] * GIB})
        for n in range(120)
    ]
    policy = load_policies(["consolidate"], str)
    problem = compile_problem(policy, cluster(hosts, domains)).problem
    found = search(problem, effort=1).host
    # 2400 GiB, at most 230.4 GiB on each host: 11 would do.
    assert len(set(found.tolist())) <= 12
    assert score_bound(problem) <= State(problem, found).costs()[2:].sum()
