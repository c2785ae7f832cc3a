from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.drivers.xml import XML_LIMIT, integer, parse_xml, text


def test_elements_are_read() -> None:
    root = parse_xml(b"\n<domain><name> a&lt;b </name><memory unit='KiB'>1024</memory><empty/></domain>\n", "domain")
    assert text(root, "name") == "a<b"
    assert integer(root, "memory") == 1024
    assert text(root, "empty") is None
    assert text(root, "missing") is None
    assert integer(root, "missing") is None


def test_a_name_that_is_no_ascii() -> None:
    assert text(parse_xml("<d><name>☃ é</name></d>".encode(), "d"), "name") == "☃ é"


BOMB = b"""<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><d>&c;</d>"""


@pytest.mark.parametrize(
    "document",
    [
        BOMB,
        b"<!DOCTYPE d><d/>",
        b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/x.dtd"><d/>',
        b" " * 5000 + b"<!DOCTYPE d [ ]><d/>",
        '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x "y">]><d>&x;</d>'.encode("utf-16"),
    ],
)
def test_documents_with_a_doctype_are_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"answered XML with a DOCTYPE|did not answer XML"):
        parse_xml(document, "d")


def test_no_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    document = f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]><d>&x;</d>'
    with pytest.raises(ValueError, match="DOCTYPE or entities"):
        parse_xml(document.encode(), "d")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "did not answer XML"),
        (b"command not found\x1b[31m", "did not answer XML .*command not found"),
        (b"<d>", "did not answer XML"),
        (b"<d>\xff</d>", "did not answer XML"),
        (b"<x/>", "root <x> in place of <d>"),
        (b"<d>" * 5000, "did not answer XML"),
        (b"<d>" + b" " * XML_LIMIT + b"</d>", "more than the limit"),
    ],
)
def test_what_is_no_answer_is_said_in_one_line(document: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_xml(document, "d")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("number", ["-1", "1e9", "٣", "9" * 30, "1 2"])
def test_numbers_are_whole_and_bounded(number: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        integer(parse_xml(f"<d><n>{number}</n></d>".encode(), "d"), "n")


@given(st.binary(max_size=400))
def test_nothing_but_value_errors(document: bytes) -> None:
    with suppress(ValueError):
        parse_xml(document, "d")
