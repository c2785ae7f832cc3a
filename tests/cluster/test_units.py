"""Quantities: what is read, what is refused, and that both directions agree."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster.units import (
    format_bytes,
    format_duration,
    format_rate,
    parse_bytes,
    parse_cores,
    parse_duration,
    parse_quantity,
    parse_rate,
    parse_share,
)

AMOUNTS = st.floats(min_value=0, max_value=1e15)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_bytes, "64 GiB", 64 * 2**30),
        (parse_bytes, "64GiB", 64 * 2**30),
        (parse_bytes, " 1.5 MB ", 1_500_000),
        (parse_bytes, 4096, 4096),
        (parse_bytes, 2**53 + 1, 2**53 + 1),
        (parse_bytes, "9007199254740993 B", 2**53 + 1),
        (parse_rate, "400 Mbit/s", 50_000_000.0),
        (parse_rate, "30 MiB/s", 30 * 2**20),
        (parse_rate, "1 bit/s", 0.125),
        (parse_duration, "300 ms", 0.3),
        (parse_duration, "15 min", 900.0),
        (parse_duration, "2 h", 7200.0),
        (parse_cores, "1.5 cores", 1.5),
        (parse_cores, "1 core", 1.0),
        (parse_cores, 4, 4.0),
        (parse_share, "40%", 0.4),
        (parse_share, "35 %", 0.35),
        (parse_share, 0.4, 0.4),
        (lambda value: parse_quantity("cpu", value), "8 cores", 8.0),
        (lambda value: parse_quantity("memory", value), "1 GiB", 2**30),
        (lambda value: parse_quantity("network", value), "1 Gbit/s", 125_000_000),
        (lambda value: parse_quantity("slots", value), 12, 12),
        (parse_bytes, "1e3 kB", 1_000_000),
    ],
)
def test_reads(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_bytes, "10G", "unknown unit 'G' in '10G'; did you mean GB or GiB?"),
        (parse_bytes, "10 Gb", "did you mean GB or GiB?"),
        (parse_rate, "100 Mb/s", "did you mean MB/s or MiB/s or Mbit/s?"),
        (parse_rate, "100 Mbps", "did you mean MB/s or MiB/s or Mbit/s?"),
        (lambda value: parse_quantity("memory", value), "10 Gib", "did you mean GB or GiB?"),
        (lambda value: parse_quantity("network", value), "10 kb/s", "did you mean kB/s or KiB/s or kbit/s?"),
        (parse_duration, "5 m", "did you mean ms or min?"),
        (parse_duration, "5 x", "write a duration such as 300 ms, 30 s or 15 min"),
        (parse_bytes, "-1 GiB", "is negative"),
        (parse_bytes, -1, "is negative"),
        (parse_bytes, True, "true is not a quantity"),
        (parse_bytes, None, "null is not a quantity"),
        (parse_bytes, [1], "a list is not a quantity"),
        (parse_bytes, "", "'' is not a quantity"),
        (parse_bytes, "GiB", "is not a quantity"),
        (parse_bytes, "1,5 GiB", "unknown unit ',5 GiB'"),
        (parse_bytes, "22:30", "unknown unit ':30'"),
        (parse_bytes, float("nan"), "out of range"),
        (parse_bytes, float("inf"), "out of range"),
        (parse_bytes, "1e99 PB", "out of range"),
        (parse_bytes, "1e999999999", "unknown unit"),
        (parse_bytes, "9" * 5000, "is not a quantity"),
        (parse_bytes, "1 \x1b[2J", r"\x1b"),
        (parse_share, "40 percent", "units: %"),
    ],
)
def test_refuses_with_what_to_write_instead(parse, text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        parse(text)
    assert len(str(error.value)) < 250
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_bytes(68719476736), "64 GiB"),
        (format_bytes(0), "0 B"),
        (format_bytes(1500), "1.5 KiB"),
        (format_rate(50e6), "400 Mbit/s"),
        (format_rate(0.1), "0.8 bit/s"),
        (format_duration(0), "0 ms"),
        (format_duration(0.08), "80 ms"),
        (format_duration(0.9996), "1 s"),
        (format_duration(12.5), "12.5 s"),
        (format_duration(59.97), "1 min"),
        (format_duration(200), "3 min 20 s"),
        (format_duration(7500), "2 h 5 min"),
        (format_duration(3605), "1 h"),
        (format_duration(-90), "-1 min 30 s"),
        (format_duration(float("inf")), "∞"),
    ],
)
def test_writes(text, expected):
    assert text == expected


@given(AMOUNTS)
def test_what_is_written_reads_back_within_its_precision(amount):
    assert parse_bytes(format_bytes(amount)) == pytest.approx(amount, rel=0.06, abs=1)
    assert parse_rate(format_rate(amount)) == pytest.approx(amount, rel=0.06, abs=0.02)


@given(st.integers(min_value=0, max_value=10**24))
def test_whole_numbers_stay_exact(amount):
    assert parse_quantity("cpu", amount) == parse_quantity("memory", amount) == amount
    assert parse_bytes(amount) == parse_bytes(f"{amount} B") == amount


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    for parse in (parse_bytes, parse_rate, parse_duration, parse_cores, parse_share):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert str(error).isprintable()  # noqa: PT017
