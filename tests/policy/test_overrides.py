from __future__ import annotations

from rebalancer.policy import compile_problem
from tests.policy.test_compile import policy
from tests.policy.worlds import ABLE, Placement, cluster, cost, domain, host

DEV = {"tier": "dev", "app": "web"}
FOUND = cluster(
    [host("h1"), host("h2", migration=ABLE)],
    [domain("a", "h1", labels=DEV), domain("b", "h1", labels=DEV), domain("c", "h2", labels={"app": "web"})],
)


def costs(text: str, placement: Placement) -> dict[str, float]:
    compiled = compile_problem(policy(text), FOUND)
    whole = {item.uuid: item.host for item in FOUND.domains} | placement
    return {term.name: cost(term.primitive, compiled.view, whole) for term in compiled.problem.terms}


APART = "rules: [{anti_affinity: {group: labels.app}}]\n"


def test_a_rule_is_lifted_for_some_domains_also_where_others_lack_the_label() -> None:
    assert costs(APART, {}) == {"anti_affinity: labels.app": 1}
    lifted = APART + "overrides: [{select: \"labels.tier == 'dev'\", without: [anti_affinity]}]\n"
    (found,) = costs(lifted, {"uuid-c": "h1"}).items()
    assert found == ("anti_affinity: labels.app where true except labels.tier == 'dev'", 0)


def test_a_rule_of_its_own_counts_nobody_else() -> None:
    own = (
        "overrides: [{select: \"labels.tier == 'dev'\","
        " rules: [{anti_affinity: {most: 1}}, {stay: {select: \"name == 'a'\"}}]}]\n"
    )
    assert list(costs(own, {"uuid-c": "h1"}).values()) == [1, 0]
    assert list(costs(own, {"uuid-a": "h2"}).values()) == [0, 1]


def test_a_weight_differs_by_lifting_and_saying_it_anew() -> None:
    text = (
        'rules: [{ban: {select: "true", hosts: [h2], soft: 1}}]\n'
        "overrides: [{select: \"labels.tier == 'dev'\", without: [ban],"
        ' rules: [{ban: {select: "true", hosts: [h2], soft: 9}}]}]\n'
    )
    terms = compile_problem(policy(text), FOUND).problem.terms
    assert [(term.weight, term.tier) for term in terms] == [(1, 1), (9, 1)]


def test_migration_of_an_override_wins() -> None:
    found = policy(
        "migration: [{live: true, timeout: 1 min}]\n"
        "overrides: [{select: \"labels.tier == 'dev'\", migration: {live: false}}]\n"
    )
    assert [found.migration_settings(item).live for item in FOUND.domains] == [False, False, True]
    assert [found.migration_settings(item).timeout for item in FOUND.domains] == [60, 60, 60]


def test_overrides_are_part_of_the_digest() -> None:
    texts = [
        "",
        'overrides: [{select: "true", without: [stay]}]',
        'overrides: [{select: "true", without: [ban]}]',
        'overrides: [{select: "true", rules: [{stay: {select: "true"}}]}]',
        'overrides: [{select: "true", migration: {live: false}}]',
        'protect: [{select: "true"}]',
        "hints: {allow: [stay]}",
        "hints: {allow: [avoid]}",
        "limits: {payback: 1 h}",
    ]
    assert len({policy(text).digest for text in texts}) == len(texts)
