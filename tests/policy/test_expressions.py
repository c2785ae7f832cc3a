from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import Cluster, DomainState, Link
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.documents import Model, parse_document, validate
from rebalancer.errors import InvalidInput
from rebalancer.policy.expression_errors import ExpressionError
from rebalancer.policy.expressions import (
    DomainKey,
    DomainNumber,
    DomainSelector,
    HostSelector,
    LinkSelector,
    PairCondition,
    PairNumber,
)
from tests.cluster.clusters import clusters
from tests.policy.worlds import domain, host

WEB = domain("web-1", "h1", labels={"app": "shop", "a.b": "c", "odd": "("}, uses={"cpu": 2, "memory": 3.5})


@pytest.mark.parametrize(
    ("source", "matches"),
    [
        ("true", True),
        ("false", False),
        ("name == 'web-1'", True),
        ("uuid == 'uuid-web-1' && host == 'h1' && state == 'running' && persistent", True),
        ("name.startsWith('web') && name.endsWith('1') && name.contains('b-')", True),
        ("name.matches('^web-[0-9]+$')", True),
        ("labels.app in ['shop', 'cart']", True),
        ("labels['a.b'] == 'c'", True),
        ("'app' in labels && !('tier' in labels) && has(labels.app)", True),
        ("uses.cpu > 1.5 && uses['memory'] < 4.0", True),
        # What is missing selects nothing, whichever way the question is put.
        ("labels.tier == 'db'", False),
        ("labels.tier != 'db'", False),
        ("!(labels.tier == 'db')", False),
        ("uses.gpu >= 0.0", False),
        ("has(labels.tier) ? labels.tier == 'db' : true", True),
        ("labels.tier == 'db' || name == 'web-1'", True),
    ],
)
def test_a_selector_selects(source: str, matches: bool) -> None:
    assert DomainSelector(source).matches(WEB) is matches


def test_hosts_and_links_are_selected_by_what_they_have() -> None:
    assert HostSelector("labels.rack == 'r1' && capacity.cpu >= 8.0 && state == 'up'").matches(
        host("h1", labels={"rack": "r1"})
    )
    link = Link(name="uplink", connects=("h1", "tor"), capacity=BytesPerSecond(1e9))
    assert LinkSelector("'h1' in connects && capacity > 1e6 && name == 'uplink'").matches(link)


def test_a_key_names_a_group_or_none() -> None:
    assert DomainKey("labels.app + '/' + host").key(WEB) == "shop/h1"
    assert DomainKey("labels.tier").key(WEB) is None


def test_a_number_is_whole_or_not_or_missing() -> None:
    assert DomainNumber("uses.cpu * 1.5").number(WEB) == 3
    assert DomainNumber("labels.size()").number(WEB) == 3
    assert DomainNumber("double(labels.price)").number(WEB) is None
    with pytest.raises(InvalidInput, match="fails for domain 'web-1': the result is no finite number"):
        DomainNumber("1.0 / (uses.cpu - 2.0)").number(WEB)


def test_other_figures_of_a_load_are_read_by_statistic_and_resource() -> None:
    item = domain("a", "h1", loads={"p95@1h": {"cpu": 2.5}, "max": {"cpu": 3.0}})
    assert DomainSelector("loads['p95@1h'].cpu > 2.0 && loads.max.cpu == 3.0").matches(item)
    assert not DomainSelector("loads.mean.cpu < 9.0").matches(item)
    assert HostSelector("pressure.cpu > 0.1").matches(host("h1", pressure={"cpu": 0.2}))


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("domain.labels.app == host.labels.serves", [[True, None], [False, None], [None, None]]),
        ("domain.labels['app'] == host.name", [[False, False], [False, True], [None, None]]),
        ("domain . uses . cpu <= host.capacity['cpu'] / 8.0", [[False, False], [True, True], [True, True]]),
        ("domain.labels.exists(key, domain.labels[key] == host.name)", [[False, False], [False, True], [False, False]]),
        ("domain.host != host.name // host.nothing", [[False, True], [True, False], [False, True]]),
        ("'app' in domain.labels && host.name != 'domain.uses'", [[True, True], [True, True], [False, False]]),
    ],
)
def test_a_pair_is_told_apart_by_what_is_read_of_it(source: str, rows: list[list[bool | None]]) -> None:
    domains = [
        domain("a", "h1", labels={"app": "shop"}, uses={"cpu": 2.0}),
        domain("b", "h2", labels={"app": "h2"}),
        domain("c", "h1"),
    ]
    hosts = [host("h1", labels={"serves": "shop"}), host("h2")]
    row_of, table = PairCondition(source).table(domains, hosts)
    assert [table[row] for row in row_of] == rows


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("labels.app + host", ["shoph1", "shoph2", None]),
        ("labels['app'] + labels . tier", ["shop1", "shop2", None]),
        ("labels.exists(name, name == 'tier') ? labels.tier : name", ["1", "2", "c"]),
        ("has(labels.tier) ? string(uses.cpu) : 'none'", ["1", "2", "none"]),
        ("string(loads.p95.cpu) // name", ["3", "4", None]),
        ("uuid == '' || !persistent || state == 'paused' ? 'odd' : 'name'", ["name", "odd", "name"]),
        ("labels.size() > 1 ? 'many' : 'few'", ["many", "many", "few"]),
    ],
)
def test_domains_are_told_apart_by_whatever_is_read_of_them(source: str, values: list[str | None]) -> None:
    first = domain("a", "h1", labels={"app": "shop", "tier": "1"}, uses={"cpu": 1.0})
    second = replace(
        domain("b", "h2", labels={"app": "shop", "tier": "2"}, uses={"cpu": 2.0}), state=DomainState.PAUSED
    )
    third = domain("c", "h1")
    domains = [replace(first, loads={"p95": {"cpu": 3.0}}), replace(second, loads={"p95": {"cpu": 4.0}}), third]
    assert [DomainKey(source).key(each) for each in [*domains, *domains]] == [*values, *values]


def test_pairs_that_are_alike_are_looked_at_once() -> None:
    domains = [domain(f"d{n}", "h1", labels={"app": str(n % 2), "other": str(n)}) for n in range(9)]
    rows, table = PairNumber("int(domain.labels.app)").table(domains, [host("h1"), host("h2")])
    assert rows == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert table == [[0, 0], [1, 1]]


def test_an_expression_is_its_text() -> None:
    assert DomainSelector("true") == DomainSelector("true")
    assert DomainSelector("true") != DomainSelector("false")
    assert len({DomainSelector("true"), DomainSelector("true")}) == 1
    assert str(pickle.loads(pickle.dumps(DomainSelector("name == 'a'")))) == "name == 'a'"


class _Holder(Model):
    select: DomainSelector = DomainSelector("true")
    hosts: HostSelector | tuple[str, ...] = ()


def test_an_expression_is_read_from_text_and_written_as_text() -> None:
    text = '{"select": "name == \'a\'", "hosts": ["h1"]}'
    read = validate(parse_document(text, "x.json"), _Holder)
    assert read == _Holder(select=DomainSelector("name == 'a'"), hosts=("h1",))
    assert read.model_dump(mode="json") == {"select": "name == 'a'", "hosts": ["h1"]}


@pytest.mark.parametrize("source", ["1 / 0 == 1", "name.matches(labels.odd)", "int(name) == 1", "[name][3] == 'a'"])
def test_an_expression_that_fails_is_said_not_taken_for_no(source: str) -> None:
    with pytest.raises(InvalidInput, match="fails for domain 'web-1': "):
        DomainSelector(source).matches(WEB)


def test_an_expression_cannot_run_long() -> None:
    many = "[" + ",".join(["1"] * 150) + "]"
    endless = DomainSelector(f"{many}.all(a, {many}.all(b, {many}.size() > a + b))")
    with pytest.raises(InvalidInput, match="it loops too often"):
        endless.matches(WEB)
    with pytest.raises(ExpressionError, match="longer than 2000 characters"):
        DomainSelector("true || " * 300 + "true")
    with pytest.raises(ExpressionError, match="nested too deeply"):
        DomainSelector("(" * 400 + "true" + ")" * 400)
    with pytest.raises(ExpressionError, match="has more than 2 of map"):
        DomainSelector("[name] . map(x, x + x).map // why not\n(x, x + x).map(x, x + x)[0] == name")
    # What only looks like loops is none.
    assert not DomainSelector("name in ['.map(', '.all(', '.exists(']").matches(WEB)


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        ("nme == 'a'", 1, "there is no variable 'nme'; did you mean 'name'?"),
        ("name == up", 9, "text stands in quotes: 'up'"),
        ("name = 'a'", 6, "syntax error: unexpected '='; write =="),
        ("not persistent", 5, "write ! for not"),
        ("name == 'a", 9, "a quotation mark is not closed"),
        ("(name == 'a'", 13, "missing ')' at the end"),
        ("labels.a-b == 'c'", 10, "'a-b' is read as a subtraction; write labels['a-b']"),
        ("labels.a.b == 'c'", 9, "a name with a dot is written labels['a.b']"),
        ("labels == 'db'", 8, "write labels.NAME for one label"),
        ("uses.cpu > 3", 10, "write numbers with a decimal point, e.g. 3.0"),
        ("labels.count == 3", 14, "put the number in quotes"),
        ("dyn(true)", 1, "but 'dyn(true)' is of no fixed type"),
        ("name == 'é' && nme == 'x'", 16, "did you mean 'name'?"),
    ],
)
def test_an_error_says_where_and_what_to_write(source: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        DomainSelector(source)
    assert message in str(raised.value)
    assert (raised.value.line, raised.value.column) == (1, column)


def _error(kind: Callable[[str], object], source: str) -> ExpressionError | None:
    try:
        kind(source)
    except ExpressionError as error:
        return error
    return None


@given(st.text(max_size=30))
def test_any_text_is_an_expression_or_an_error(source: str) -> None:
    for kind in (DomainSelector, DomainKey, DomainNumber, HostSelector, LinkSelector, PairCondition, PairNumber):
        error = _error(kind, source)
        assert error is None or (error.line >= 1 and error.column >= 1)


def _quoted(text: str) -> str:
    return "'" + "".join(f"\\U{ord(char):08x}" for char in text) + "'"


@given(clusters())
def test_any_name_and_label_is_only_text(cluster: Cluster) -> None:
    for item in cluster.domains:
        assert DomainSelector("name == name && !(name in ['', 'nobody at all'])").matches(item)
        for key, value in item.labels.items():
            if "\0" not in key + value:
                assert DomainKey(f"labels[{_quoted(key)}]").key(item) == value


@pytest.mark.parametrize("odd", ["a\0b", "a\udcffb"])
def test_what_is_no_text_is_not_cut_short(odd: str) -> None:
    item = domain(odd, "h1", labels={odd: odd})
    assert DomainSelector("name.startsWith('a') && name.endsWith('b') && name.size() == 3").matches(item)
    assert DomainSelector("labels.all(key, labels[key].endsWith('b'))").matches(item)
