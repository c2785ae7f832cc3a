from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import Seconds
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.plan.make import assess, make_plan
from rebalancer.policy import check_policy, compile_problem
from tests.policy.test_compile import policy
from tests.policy.worlds import cluster, cost, domain, host, placements

HOSTS = [host("h1"), host("h2"), host("h3")]
GUARDED = "protect: [{select: \"labels.critical == 'yes'\", reason: ask the DB team}]\n"


def test_a_protected_domain_is_never_touched_and_the_reason_names_the_entry() -> None:
    found = cluster(HOSTS, [domain("db", "h1", labels={"critical": "yes"}), domain("web", "h1")])
    emptied = found.with_maintenance(frozenset({"h1"}))
    plan = make_plan(emptied, policy(GUARDED), effort=1)
    assert set(plan.placement) == {"uuid-web"}
    (left,) = plan.unplaced
    assert left.domain == "db"
    assert left.reasons["h2"].startswith("protect: protected by p.yaml:3:11: ask the DB team")
    (term,) = [term for term in compile_problem(policy(GUARDED), emptied).problem.terms if term.name == "protect"]
    assert term.physical


def test_a_protected_domain_does_not_even_step_aside() -> None:
    # Full hosts: a and b can only change places if c gives way for a while.
    full = {"uses": {"memory": 60.0 * 2**30}}
    items = [
        domain("a", "h1", **full),
        domain("b", "h2", **full),
        domain("c", "h3", labels={"critical": "yes"}, uses={"memory": 5.0 * 2**30}),
    ]
    rules = (
        "rules: [{capacity: {resource: memory}}, {pin: {select: \"name == 'a'\", hosts: [h2]}},"
        " {pin: {select: \"name == 'b'\", hosts: [h1]}}]\n"
    )
    found = cluster([*HOSTS[:2], host("h3")], items)
    assert make_plan(found, policy(GUARDED + rules), effort=1).steps == ()


ALL = "hints: {allow: [stay, avoid, only, apart, together]}\n"


def hinted(**labels: str) -> dict[str, object]:
    return {"labels": {f"rebalance.{key}": value for key, value in labels.items()}}


def allowed(text: str, item: dict[str, object]) -> set[str]:
    compiled = compile_problem(policy(text), cluster(HOSTS, [domain("a", "h1", **item)]))
    masks = [t.primitive.masks[0] for t in compiled.problem.terms if isinstance(t.primitive, AllowedHosts)]
    return {each.name for h, each in enumerate(HOSTS) if all(mask[h] for mask in masks)}


def test_hints_forbid_hosts_and_never_the_one_it_is_on() -> None:
    assert allowed(ALL, hinted(stay="true")) == {"h1"}
    assert allowed(ALL, hinted(stay="false")) == {"h1", "h2", "h3"}
    assert allowed(ALL, hinted(avoid="h1, h2")) == {"h1", "h3"}
    assert allowed(ALL, hinted(only="h3")) == {"h1", "h3"}
    assert allowed(ALL, hinted(only="nowhere")) == {"h1"}
    assert allowed("hints: {allow: [stay]}\n", hinted(avoid="h2")) == {"h1", "h2", "h3"}
    assert allowed("", hinted(stay="true")) == {"h1", "h2", "h3"}


def test_hints_may_stand_in_tags() -> None:
    text = "hints: {from: tags, allow: [stay, avoid]}\n"
    assert allowed(text, {"labels": {"description": "the shop; rebalance:avoid=h2"}}) == {"h1", "h3"}
    assert allowed(text, {"labels": {"tags": "x Rebalance:Stay"}}) == {"h1"}
    assert allowed(text, hinted(stay="true")) == {"h1", "h2", "h3"}


def test_apart_and_together_only_keep_what_is_there_from_getting_worse() -> None:
    items = [domain(name, on, **hinted(apart="x")) for name, on in (("a", "h1"), ("b", "h1"), ("c", "h2"))]
    found = cluster(HOSTS, items)
    compiled = compile_problem(policy(ALL), found)
    (term,) = compiled.problem.terms
    for placement in placements(compiled.view):
        counts = {name: list(placement.values()).count(name) for name in ("h1", "h2", "h3")}
        expected = max(counts["h1"] - 2, 0) + max(counts["h2"] - 1, 0) + max(counts["h3"] - 1, 0)
        assert cost(term.primitive, compiled.view, placement) == expected
    together = cluster(HOSTS, [domain(name, on, **hinted(together="x")) for name, on in (("a", "h1"), ("b", "h2"))])
    compiled = compile_problem(policy(ALL), together)
    assert all(
        cost(t.primitive, compiled.view, p) == 0 for t in compiled.problem.terms for p in placements(compiled.view)
    )


def test_what_is_no_hint_is_told() -> None:
    found = cluster(HOSTS, [domain("a", "h1", **hinted(sty="true", apart="", together="x", only="h1"))])
    _, warnings = check_policy(policy("hints: {allow: [stay, apart, only]}\n"), found)
    assert [warning.message for warning in warnings] == [
        "hints: domain 'a': there is no hint 'sty'; did you mean 'stay'?",
        "hints: domain 'a': the hint 'apart' says nothing",
        "hints: domain 'a': the hint 'together' is not allowed by the policy and does not count",
    ]


VALUES = st.sampled_from(["true", "h1", "h2 h3", "x", "", "nowhere", "'; rm -rf /"])
LABELS = st.dictionaries(
    st.sampled_from(["stay", "avoid", "only", "apart", "together", "nonsense"]).map(lambda word: f"rebalance.{word}"),
    VALUES,
)


@given(st.lists(st.tuples(st.sampled_from(["h1", "h2", "h3"]), LABELS), max_size=5))
def test_no_hint_makes_anything_move(items: list[tuple[str, dict[str, str]]]) -> None:
    found: Cluster = cluster(HOSTS, [domain(f"d{n}", on, labels=labels) for n, (on, labels) in enumerate(items)])
    assert assess(found, policy(ALL)).violations_before == ()
    assert Seconds(0.0) == make_plan(found, policy(ALL), effort=1).makespan
