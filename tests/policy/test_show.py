from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.documents import parse_document
from rebalancer.policy import load_policies, policy_names, show_policy
from rebalancer.policy.aggressiveness import LEVELS
from rebalancer.policy.show import flow
from tests.policy.test_compile import HEADER, policy

EVERYTHING = """\
extends: [balance]
metadata: {name: site}
rules:
  - stay: {select: "labels.app == 'db'"}
names: {on_clash: order}
limits: {aggressiveness: 2, min_gain: 7%, per_group: {group: labels.app, most: 1}}
protect: [{select: "name == 'x'", reason: "yes"}]
overrides:
  - {select: "name == 'y'", without: [stay], rules: [{ban: {select: "true", hosts: [h1]}}], migration: {live: false}}
hints: {from: tags, allow: [stay]}
"""


def test_everything_is_shown_with_where_it_comes_from() -> None:
    shown = show_policy(policy(EVERYTHING))
    assert "# Effective policy: site\n" in shown
    assert "  - capacity: {resource: memory, most: 98%}  # policies/balance.yaml:12\n" in shown
    assert "  - stay: {select: \"labels.app == 'db'\"}  # p.yaml:6\n" in shown
    assert f"  # aggressiveness: 2 = {LEVELS[2].words}:  # p.yaml:8\n" in shown
    assert "  payback: 1 h  # p.yaml:8\n" in shown
    assert "  min_gain: 7%  # p.yaml:8\n" in shown
    assert "20%" not in shown
    assert "  on_clash: order  # p.yaml:7\n" in shown


@pytest.mark.parametrize("text", ["", EVERYTHING, *(f"limits: {{aggressiveness: {level}}}\n" for level in LEVELS)])
def test_what_is_shown_says_the_same(text: str) -> None:
    found = policy(text)
    again = load_policies(["./shown.yaml"], lambda _: show_policy(found))
    assert again.digest == found.digest
    assert (again.name, again.description) == (found.name or "shown", found.description)


@pytest.mark.parametrize("name", policy_names())
def test_ready_made_policies_say_the_same_when_shown(name: str) -> None:
    found = load_policies([name], str)
    assert load_policies(["./shown.yaml"], lambda _: show_policy(found)).digest == found.digest


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.text(max_size=8)
    | st.sampled_from(["1e3", "0o7", "10%"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_any_value_reads_back_as_it_was(value: object) -> None:
    text = f"x: {flow(value)}\n"
    if any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or ord(char) > 0xFFFD for char in text[:-1]):
        return
    assert parse_document(HEADER + text, "p.yaml").at(["x"]) == value
