from __future__ import annotations

import pytest

from rebalancer.cluster import Cluster
from rebalancer.errors import InvalidInput
from rebalancer.policy import Caution, StepRules, check_policy, compile_problem, load_policies, show_policy
from tests.policy.test_compile import HEADER, policy
from tests.policy.worlds import cluster, domain, host

EVERYTHING = """\
steps:
  precedence:
    - {select: "labels.tier == 'web'", after: "labels.tier == 'db'", group: labels.app}
  serialize:
    - {select: "labels.tier == 'db'"}
  sync:
    - {select: "labels.tier == 'web'", group: labels.app}
  deadline:
    - {select: "labels.tier == 'db'", within: 10 min}
  no_delay:
    - {select: "name == 'db-x'"}
"""


def shops() -> Cluster:
    domains = [
        domain(f"{tier}-{app}", "h1", labels={"tier": tier, "app": app}) for app in ("x", "y") for tier in ("db", "web")
    ]
    return cluster([host("h1"), host("h2")], [*domains, domain("other", "h1", labels={"tier": "web"})])


def rules(text: str) -> StepRules:
    return compile_problem(policy(text), shops()).steps


def findings(text: str) -> list[str]:
    errors, warnings = check_policy(policy(text), shops())
    return [*(f"error: {each}" for each in errors), *(f"warning: {each}" for each in warnings)]


def test_every_key_comes_to_domains() -> None:
    found = rules(EVERYTHING)
    assert [(sorted(o.first), sorted(o.then)) for o in found.precedence] == [([0], [1]), ([2], [3])]
    assert found.precedence[0].name == "precedence: labels.tier == 'web' after labels.tier == 'db' ('x')"
    assert [sorted(group.domains) for group in found.serialize] == [[0, 2]]
    assert [sorted(group.domains) for group in found.sync] == [[1], [3]]
    assert [(sorted(limit.domains), limit.within) for limit in found.deadline] == [([0, 2], 600.0)]
    assert [sorted(group.domains) for group in found.no_delay] == [[0]]
    assert found
    assert findings(EVERYTHING) == []


def test_without_a_group_all_wait_for_all() -> None:
    (order,) = rules(
        "steps: {precedence: [{select: \"labels.tier == 'web'\", after: \"labels.tier == 'db'\"}]}"
    ).precedence
    assert (sorted(order.first), sorted(order.then)) == ([0, 2], [1, 3, 4])


def test_nothing_said_is_nothing_asked() -> None:
    assert not rules("")
    assert "steps" not in show_policy(policy(""))


def test_layers_append_and_the_digest_tells() -> None:
    texts = {"a.yaml": 'steps: {serialize: [{select: "true"}]}\n', "b.yaml": "extends: [./a.yaml]\n" + EVERYTHING}
    both = load_policies(["./b.yaml"], lambda path: HEADER + texts[path.removeprefix("./")])
    assert [located.entry.select.source for located in both.steps.serialize] == ["true", "labels.tier == 'db'"]
    assert both.digest != policy(EVERYTHING).digest


def test_it_is_shown_with_where_it_comes_from_and_reads_back() -> None:
    found = policy(EVERYTHING)
    shown = show_policy(found)
    assert "steps:\n  precedence:\n    - {select: \"labels.tier == 'web'\"" in shown
    assert "    - {select: \"labels.tier == 'db'\", within: 10 min}  # p.yaml:11\n" in shown
    assert load_policies(["./shown.yaml"], lambda _: shown).digest == found.digest


def test_waiting_in_a_circle_is_refused() -> None:
    text = """\
steps:
  precedence:
    - {select: "name == 'db-x'", after: "name == 'web-x'"}
    - {select: "name == 'web-x'", after: "name in ['db-x', 'db-y']"}
"""
    (found,) = findings(text)
    assert found.startswith("error: p.yaml:6:7: steps: precedence: nobody would ever start: ")
    assert "'web-x' waits for 'db-x' for 'web-x'" in found or "'db-x' waits for 'web-x' for 'db-x'" in found


def test_one_that_waits_for_itself_is_refused() -> None:
    (found,) = findings('steps: {precedence: [{select: "true", after: "name == \'db-x\'"}]}')
    assert found.endswith("steps: precedence: nobody would ever start: 'db-x' waits for 'db-x'")


def test_together_and_one_at_a_time_is_refused() -> None:
    (found,) = findings(
        "steps:\n  serialize: [{select: \"labels.tier == 'db'\"}]\n  sync: [{select: 'true', group: labels.tier}]\n"
    )
    assert found == (
        "error: p.yaml:5:10: steps: sync: 'db-x' and 'db-y' cannot start together, as serialize in p.yaml:4:15 wants "
        "one at a time"
    )


def test_at_once_and_after_others_is_a_warning() -> None:
    text = """\
steps:
  no_delay: [{select: "name == 'db-x'"}]
  precedence: [{select: "name == 'db-x'", after: "name == 'db-y'"}]
"""
    errors, (warning,) = check_policy(policy(text), shops())
    assert not errors
    assert isinstance(warning, Caution)
    assert "no_delay: 'db-x' has to wait by precedence" in str(warning)


@pytest.mark.parametrize("key", ["select", "after"])
def test_a_selector_that_selects_nothing_is_a_warning(key: str) -> None:
    keys = {"select": "labels.tier == 'web'", "after": "labels.tier == 'db'", key: "labels.teir == 'x'"}
    text = 'steps:\n  precedence:\n    - select: "{select}"\n      after: "{after}"\n'.format(**keys)
    (found,) = findings(text)
    line = 5 if key == "select" else 6
    assert found.startswith(f"warning: p.yaml:{line}:{15 if key == 'select' else 14}: steps: precedence: no domain")
    assert "did you mean 'tier'?" in found


def test_an_expression_that_fails_has_its_position() -> None:
    text = "steps: {deadline: [{select: '1 / 0 == 1', within: 5 min}]}"
    (found,) = findings(text)
    assert found.startswith("error: p.yaml:3:20: steps: deadline: the expression '1 / 0 == 1' fails")
    with pytest.raises(InvalidInput, match="fails for domain"):
        rules(text)
