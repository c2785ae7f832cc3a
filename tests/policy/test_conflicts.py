from __future__ import annotations

import pytest

from rebalancer.cluster import Cluster
from rebalancer.errors import InvalidInput
from rebalancer.policy import check_policy, load_policies
from tests.policy.test_compile import HEADER, policy
from tests.policy.worlds import GIB, cluster, domain, host

DB = {"app": "db"}
FOUND = cluster(
    [host("h1", labels={"rack": "r1"}), host("h2", labels={"rack": "r1"}), host("h3", labels={"rack": "r2"})],
    [domain("a", "h1", labels=DB), domain("b", "h2", labels=DB), domain("c", "h3", labels=DB), domain("web", "h1")],
)


def found(text: str, on: Cluster = FOUND) -> tuple[list[str], list[str]]:
    errors, warnings = check_policy(policy(text), on)
    return [str(problem) for problem in errors], [str(problem) for problem in warnings]


def test_rules_that_together_leave_no_host_name_each_other() -> None:
    text = (
        "rules:\n"
        "  - pin: {select: \"labels.app == 'db'\", hosts: \"labels.rack == 'r1'\"}\n"
        "  - capacity: {resource: memory}\n"
        "  - ban: {select: \"name in ['a', 'c']\", hosts: [h1, h2]}\n"
    )
    assert found(text) == (
        ["p.yaml:6:10: ban: leaves no host together with pin in p.yaml:4:10 to 'a', 'c'"],
        [],
    )
    assert found(text.replace("[h1, h2]}", "[h1, h2], soft: 3}")) == ([], [])


def test_three_rules_may_be_needed() -> None:
    text = (
        'rules:\n  - ban: {select: "true", hosts: [h1]}\n  - ban: {select: "true", hosts: [h2]}\n'
        "  - ban: {select: \"name == 'a'\", hosts: [h3]}\n"
    )
    assert found(text)[0] == [
        "p.yaml:6:10: ban: leaves no host together with ban in p.yaml:4:10 and ban in p.yaml:5:10 to 'a'"
    ]


def test_where_it_is_up_to_where_domains_stand_it_is_a_warning() -> None:
    pinned = "rules:\n  - pin: {select: \"labels.app == 'db'\", hosts: [h1]}\n"
    stays = pinned + "  - stay: {select: \"labels.app == 'db'\"}\n"
    assert found(stays) == (
        [],
        ["p.yaml:5:11: stay: leaves no host together with pin in p.yaml:4:10 to 'b', 'c'"],
    )
    protected = pinned + "protect: [{select: \"name == 'c'\"}]\n"
    assert found(protected) == (
        [],
        ["p.yaml:4:10: pin: leaves no host together with protect in p.yaml:5:11 to 'c'"],
    )


def test_more_domains_than_zones() -> None:
    text = "rules:\n  - anti_affinity: {group: labels.app, across: rack}\n"
    assert found(text)[1] == [
        "p.yaml:4:20: anti_affinity: 3 domains are in a group ('a', 'b', 'c'), and 1 a 'rack' make room for 2 only"
    ]
    assert found(text.replace("rack}", "rack, most: 2}")) == ([], [])
    assert found(text.replace(", across: rack", "")) == ([], [])


def test_domains_that_no_host_can_hold() -> None:
    large = cluster(FOUND.hosts, [domain("big", "h1", uses={"memory": 100.0 * GIB})])
    assert found("rules:\n  - capacity: {resource: memory, most: 50%}\n", large)[1] == [
        "p.yaml:4:15: capacity: no host can hold 'big': the largest gives 32 GiB",
        (
            "p.yaml:4:15: capacity: all domains together need 100 GiB of memory, and all hosts that accept domains "
            "give 96 GiB"
        ),
    ]


@pytest.mark.parametrize("soft", ["", ", soft: 2"])
def test_what_no_cluster_can_keep_is_refused_when_it_is_read(soft: str) -> None:
    text = f"rules: [{{affinity: {{group: labels.app{soft}}}}}, {{anti_affinity: {{group: labels.app}}}}]\n"
    if soft:
        policy(text)
    else:
        with pytest.raises(InvalidInput, match=r"p\.yaml:3:\d+: anti_affinity: contradicts affinity in p\.yaml:3:20: "):
            policy(text)


def test_layers_contradict_each_other_with_both_files() -> None:
    files = {
        "./base.yaml": 'rules: [{pin: {select: "true", hosts: [h1]}}]\n',
        "./site.yaml": "rules: [{ban: {select: \"name == 'a'\", hosts: [h1]}}]\n",
    }
    with pytest.raises(InvalidInput, match=r"^site\.yaml:3:15: ban: contradicts pin in base\.yaml:3:15: "):
        load_policies(["./base.yaml", "./site.yaml"], lambda path: HEADER + files[f"./{path.removeprefix('./')}"])


def test_what_does_not_contradict_is_accepted() -> None:
    policy(
        "rules:\n"
        "  - affinity: {group: labels.app, across: rack}\n"
        "  - anti_affinity: {group: labels.app}\n"
        "  - pin: {select: \"labels.app == 'db'\", hosts: [h1, h2]}\n"
        "  - pin: {select: \"labels.app == 'web'\", hosts: [h3]}\n"
        "  - ban: {select: \"labels.app == 'db'\", hosts: [h1]}\n"
        "  - spread: {group: labels.app, least: 2}\n"
    )


def test_selectors_of_new_sections_are_checked() -> None:
    text = (
        "protect: [{select: \"labels.ap == 'db'\"}]\n"
        "overrides: [{select: \"name == 'nobody'\", without: [stay]}]\n"
        "limits: {per_group: {group: labels.team, most: 1}, confirmations: 2}\n"
    )
    assert found(text)[1] == [
        (
            "p.yaml:3:20: protect: no domain is selected by 'labels.ap == 'db'': none has the label 'ap'; "
            "did you mean 'app'?"
        ),
        "p.yaml:4:22: overrides: no domain is selected by 'name == 'nobody''",
        "p.yaml:5:21: limits: per_group: no domain is in a group by 'labels.team': none has the label 'team'",
    ]
