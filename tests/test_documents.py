"""Files as people write them: every problem at once, where it is, in plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from rebalancer.documents import (
    BytesField,
    CoresField,
    DurationField,
    FileModel,
    Model,
    Name,
    RateField,
    ShareField,
    header,
    parse_document,
    validate,
)
from rebalancer.documents.describe import describe
from rebalancer.errors import InvalidInput, Position


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Item(Model):
    name: Name
    size: BytesField = 0
    rate: RateField = 0.0
    wait: DurationField = 0.0
    share: ShareField = 0.0
    cores: CoresField = 0.0


class Square(Model):
    kind: Literal["square"]
    side: int


class Circle(Model):
    kind: Literal["circle"]
    radius: int


class File(FileModel):
    items: tuple[Item, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)
    colour: Colour = Colour.RED
    count: int = Field(default=1, gt=0)
    either: int | str | Item = 1
    shape: Annotated[Square | Circle, Field(discriminator="kind")] | None = None
    named: dict[Name, int] = Field(default_factory=dict)
    on: bool = False
    start: Annotated[str, Field(alias="from")] = ""


HEADER = "apiVersion: rebalancer/v1\nkind: Policy\n"


def read(text: str, file: str = "f.yaml") -> File:
    document = parse_document(text, file)
    header(document, "Policy")
    return validate(document, File)


def problems(text: str, file: str = "f.yaml") -> list[str]:
    with pytest.raises(InvalidInput) as error:
        read(text, file)
    return str(error.value).split("\n")


def test_values_are_those_of_yaml_1_2():
    text = """
time: 22:30
country: no
switch: on
date: 2026-11-22
octal: 010
hex: 0x1F
new_octal: 0o17
int: -12
float: 1.5e3
underscore: 1_000
nothing:
tilde: ~
yes: True
quoted: "12"
infinite: .inf
empty: ''
block: |
  two
  lines
"""
    assert parse_document(text, "f").data == {
        "time": "22:30",
        "country": "no",
        "switch": "on",
        "date": "2026-11-22",
        "octal": "010",
        "hex": 31,
        "new_octal": 15,
        "int": -12,
        "float": 1500.0,
        "underscore": "1_000",
        "nothing": None,
        "tilde": None,
        "yes": True,
        "quoted": "12",
        "infinite": ".inf",
        "empty": "",
        "block": "two\nlines\n",
    }


def test_reads_quantities_enums_and_lists():
    file = read(
        HEADER
        + """
colour: green
from: here
items:
  - {name: a, size: 64 GiB, rate: 1 Gbit/s, wait: 15 min, share: 40%, cores: 1.5 cores}
"""
    )
    assert file.colour is Colour.GREEN
    assert file.start == "here"
    assert file.items == (
        Item(name="a", size=64 * 2**30, rate=125e6, wait=900.0, share=0.4, cores=1.5),  # type: ignore[arg-type]
    )


def test_anchors_and_aliases_are_fine():
    assert parse_document("a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]", "f").data == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": [{"b": [1, 2]}, {"b": [1, 2]}],
    }


def test_all_problems_at_once_in_the_order_of_the_file():
    text = """apiVersion: rebalancer/v1
kind: Policy
items:
  - name: x
    siez: 3
  - size: 10G
  - 3
  - {name: "", size: true}
colour: grene
labels: {a: 1, b: no, d: 1.10}
count: 0
either: [x]
shape: {kind: triangle}
named: {" a": 1, b: 1.0}
on: yes
nothing_like_it: 1
"""
    assert problems(text) == [
        "f.yaml:5:5: unknown key 'siez'; did you mean 'size'?",
        "f.yaml:6:5: items[1]: 'name' is missing",
        "f.yaml:6:11: size: unknown unit 'G' in '10G'; did you mean GB or GiB?",
        "f.yaml:7:5: items[2]: must be a mapping, not a number (3)",
        "f.yaml:8:12: name: must not be empty",
        "f.yaml:8:22: size: true is not a quantity; write a size such as 64 GiB",
        "f.yaml:9:9: colour: 'grene' is not known; write 'red' or 'green'; did you mean 'green'?",
        "f.yaml:10:13: a: must be text, not a number (1); put it in quotes",
        "f.yaml:10:26: d: must be text, not a number (1.1); put it in quotes",
        "f.yaml:11:8: count: must be more than 0, not 0",
        "f.yaml:12:9: either: must be a whole number or text or a mapping, not a list",
        "f.yaml:13:8: shape: kind 'triangle' is not known; write 'square' or 'circle'",
        "f.yaml:14:9: key ' a': must not contain control characters nor begin or end with spaces",
        "f.yaml:14:21: b: must be a whole number, not a number (1.0)",
        "f.yaml:15:5: on: must be true or false, not text ('yes')",
        (
            "f.yaml:16:1: unknown key 'nothing_like_it'; the keys here are: "
            "apiVersion, colour, count, either, from, items, kind, labels, metadata, named, on, shape"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "either: {nam: x}",
            ["f.yaml:3:9: either: 'name' is missing", "f.yaml:3:10: unknown key 'nam'; did you mean 'name'?"],
        ),
        (
            "shape: {kind: square, sied: 3}",
            ["f.yaml:3:8: shape: 'side' is missing", "f.yaml:3:23: unknown key 'sied'; did you mean 'side'?"],
        ),
        ("shape: {side: 3}", ["f.yaml:3:8: shape: 'kind' is missing"]),
        ("items: {}", ["f.yaml:3:8: items: must be a list, not a mapping"]),
        ("items:\n", ["f.yaml:3:7: items: must be a list, not null"]),
        ("metadata: {nmae: x}", ["f.yaml:3:12: unknown key 'nmae'; did you mean 'name'?"]),
        ("labels: {'\x41\\e': 1}", ["f.yaml:3:17: A\\e: must be text, not a number (1); put it in quotes"]),
        ('colour: "a\\e[2J"', [r"f.yaml:3:9: colour: 'a\x1b[2J' is not known; write 'red' or 'green'"]),
        ("named: {é: x}", ["f.yaml:3:12: é: must be a whole number, not text ('x')"]),
    ],
)
def test_messages(text, expected):
    assert problems(HEADER + text) == expected


def test_an_error_inside_an_alias_points_at_the_anchor():
    assert problems(HEADER + "labels: &x {a: b}\nnamed: *x") == [
        "f.yaml:3:16: a: must be a whole number, not text ('b')"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f.yaml:1:1: the file is empty; expected a Policy"),
        ("# nothing\n", "f.yaml:1:1: the file is empty; expected a Policy"),
        ("[1]", "f.yaml:1:1: expected a Policy, not a list"),
        ("kind: Policy", "f.yaml:1:1: 'apiVersion' is missing; add 'apiVersion: rebalancer/v1'"),
        (
            "apiVersion: rebalancer/v1\nkind: Inventory",
            "f.yaml:2:7: this is an Inventory; expected a Policy",
        ),
        (
            "apiVersion: rebalancer/v2\nkind: Policy",
            "f.yaml:1:13: apiVersion 'rebalancer/v2' is not known; this version reads 'rebalancer/v1'",
        ),
        (
            "apiversion: rebalancer/v1\nkind: policy",
            (
                "f.yaml:1:1: unknown key 'apiversion'; did you mean 'apiVersion'?\n"
                "f.yaml:2:7: kind 'policy' is not known; expected 'Policy'"
            ),
        ),
        (
            "apiVersion: [rebalancer/v1]\nkind: 3",
            (
                "f.yaml:1:13: apiVersion a list is not known; this version reads 'rebalancer/v1'\n"
                "f.yaml:2:7: kind 3 is not known; expected 'Policy'"
            ),
        ),
    ],
)
def test_header(text, expected):
    assert problems(text) == expected.split("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: key 'a' is already given in line 1"),
        (
            "a: {b: 1,\n b: 2}\na: 1",
            "f.yaml:2:2: key 'b' is already given in line 1\nf.yaml:3:1: key 'a' is already given in line 1",
        ),
        ('{"a": 1,\n"b": {"c": 1,\n "c": 2}}', "f.yaml:3:2: key 'c' is already given in line 2"),
        ("a: *web", "f.yaml:1:4: there is no anchor '&web'; put text that starts with '*' in quotes"),
        ("a: &x [*x]", "f.yaml:1:8: '*x' refers to itself"),
        (
            "a: *.web",
            (
                "f.yaml:1:5: did not find expected alphabetic or numeric character "
                "(while scanning an alias; put text that starts with '*' or '&' in quotes)"
            ),
        ),
        (
            "a: !ruby/object 1",
            "f.yaml:1:4: tags are not supported: '!ruby/object'; put text that starts with '!' in quotes",
        ),
        (
            "a: !!python/name:os.system ''",
            (
                "f.yaml:1:4: tags are not supported: 'tag:yaml.org,2002:python/name:os.system'; "
                "put text that starts with '!' in quotes"
            ),
        ),
        (
            "select: a ? b : c: d",
            "f.yaml:1:15: mapping values are not allowed in this context (put text that contains ': ' in quotes)",
        ),
        (
            "a:\n\t- b",
            (
                "f.yaml:2:1: found character that cannot start any token "
                "(while scanning for the next token; use spaces, not tabs)"
            ),
        ),
        ("1: 2", "f.yaml:1:1: a key must be text; put 1 in quotes"),
        ("{}: 2", "f.yaml:1:1: a key must be text, not a mapping or a list"),
        ("? [a]\n: 2", "f.yaml:1:3: a key must be text, not a mapping or a list"),
        ("<<: {a: 1}", "f.yaml:1:1: merge keys (<<) are not supported; write the keys out"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a file holds one document; this starts another"),
        ("a: \0", "f.yaml:1:4: control character U+0000 is not allowed"),
        ("é: \x1b[2J", "f.yaml:1:4: control character U+001B is not allowed"),
        ("a: \ud800", "f.yaml:1:4: control character U+D800 is not allowed"),
        ('{"a": "\\ud800"}', "f.yaml:1:1: half a surrogate pair in '\\ud800'"),
        ("a: 'x\n", "f.yaml:2:1: found unexpected end of stream (while scanning a quoted scalar)"),
        ("[" * 100_000, "f.yaml:1:1: nested more than 64 deep"),
        ("- " * 100 + "a", "f.yaml:1:129: nested more than 64 deep"),
        ('{"a":' * 80 + "1" + "}" * 80, "f.yaml:1:1: nested more than 64 deep"),
        (f"a: {'9' * 1000}", "f.yaml:1:4: a number of 1000 digits is too long"),
        ('{"a": ' + "9" * 5000 + "}", "f.yaml:1:7: a number of 5000 digits is too long"),
    ],
)
def test_refuses(text, expected):
    with pytest.raises(InvalidInput) as error:
        parse_document(text, "f.yaml")
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,\n "b": }', "f.json:2:7: not valid JSON: Expecting value"),
        ("a: 1", "f.json:1:1: not valid JSON: Expecting value"),
        ('{"a": NaN}', "f.json:1:1: not valid JSON: NaN is not a number"),
        ("[" * 100_000, "f.json:1:1: nested more than 64 deep"),
    ],
)
def test_refuses_json(text, expected):
    with pytest.raises(InvalidInput) as error:
        parse_document(text, "f.json")
    assert str(error.value) == expected


def test_flow_style_that_is_not_json_is_yaml():
    assert parse_document("{a: 1, b: [x]}", "f.yaml").data == {"a": 1, "b": ["x"]}


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert parse_document("\ufeffa: 1", "f").data == {"a": 1}
    assert parse_document('\ufeff{"a": 1}', "f").data == {"a": 1}


@pytest.mark.parametrize("aliases", [10, 1000])
def test_a_billion_laughs_end_at_once(aliases):
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * aliases)}]" for i in range(1, 12)]
    with pytest.raises(InvalidInput, match="more than 1,000,000 values"):
        parse_document("\n".join(lines), "f")


def test_depth_counts_through_aliases():
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 100)]
    with pytest.raises(InvalidInput, match="nested more than 64 deep"):
        parse_document("\n".join(lines), "f")


def test_positions():
    yaml = parse_document("é: {b: [1, {c: 2}]}\r\nd:\r\n  - x\r\n", "f")
    json_document = parse_document('{"é": {"b": [1,\n {"c": 2}]}, "x\\"y": ["]"]}', "f")
    assert yaml.position() == Position("f", 1, 1)
    assert yaml.position(["é", "b", 1, "c"]) == Position("f", 1, 16)
    assert yaml.position(["é", "b", 1, "c"], key=True) == Position("f", 1, 13)
    assert yaml.position(["d", 0]) == Position("f", 3, 5)
    assert yaml.position(["d", 7, "x"]) == yaml.position(["d"])
    assert json_document.position(["é", "b", 1, "c"]) == Position("f", 2, 8)
    assert json_document.position(["é", "b", 1, "c"], key=True) == Position("f", 2, 3)
    assert json_document.position(['x"y', 0]) == Position("f", 2, 23)
    assert json_document.position(["missing"]) == Position("f", 1, 1)


def test_part_of_a_document():
    document = parse_document("list:\n  - {name: a}\n  - {naem: b}\n", "f")
    assert validate(document, Item, ["list", 0]) == Item(name="a")
    with pytest.raises(InvalidInput, match=r"f:3:5: 'name' is missing\nf:3:6: unknown key 'naem'"):
        validate(document, Item, ["list", 1])


def test_large_json_points_at_the_error_too():
    data = {"apiVersion": "rebalancer/v1", "kind": "Policy", "items": [{"name": f"n{i}"} for i in range(10_000)]}
    data["items"][9_999]["size"] = "1 Gib"  # type: ignore[index]
    assert problems(json.dumps(data, indent=0), "f.json") == [
        "f.json:30004:9: size: unknown unit 'Gib' in '1 Gib'; did you mean GB or GiB?"
    ]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(VALUES)
def test_json_reads_back(value):
    assert parse_document(json.dumps(value), "f.json").data == value


@given(VALUES)
def test_json_positions_lead_to_the_value(value):
    text = json.dumps(value, indent=1)
    document = parse_document(text, "f.json")
    lines = text.split("\n")

    def visit(part: object, path: list[str | int]) -> None:
        place = document.position(path)
        assert lines[place.line - 1][place.column - 1] == json.dumps(part)[0]
        pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, inner in pairs:
            visit(inner, [*path, key])

    visit(value, [])


@given(st.text(alphabet=st.sampled_from("ab:-?&*!|>'\"%@`{}[],#~ \n\t0123.éx\\"), max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_position(text):
    try:
        document = parse_document(text, "f")
        header(document, "Policy")
    except InvalidInput as error:
        for problem in error.problems:
            assert problem.position is not None
            assert problem.message.isprintable()


def test_the_json_schema_knows_units_and_descriptions():
    schema = Item.model_json_schema()
    assert schema["properties"]["size"]["type"] == ["number", "string"]
    assert schema["additionalProperties"] is False


class Described(Model):
    pass


class Inner(Model):
    size: int = 0
    """How large."""


class Outer(Described):
    inner: Inner
    """What it holds."""


def test_what_a_model_contains_is_described_although_it_was_used_before():
    Inner.model_validate({"size": 1})
    Outer.model_validate({"inner": {"size": 1}})
    describe()
    schema = Outer.model_json_schema()
    assert schema["properties"]["inner"]["description"] == "What it holds."
    assert schema["$defs"]["Inner"]["properties"]["size"]["description"] == "How large."
