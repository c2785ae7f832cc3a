"""``rebalance evacuate --deadline``"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from rebalancer.cli.options import time_until
from tests.cli.test_apply import where

POLICY = ("-p", "./policy.yaml")
NOW = datetime(2026, 11, 26, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30min", 1800),
        ("90", 90),
        ("22:00", 1800),
        ("21:00", 23.5 * 3600),
        ("2026-11-26T23:00", 5400),
        ("2026-11-26T23:00+01:00", 1800),
    ],
)
def test_a_duration_or_a_time(text, seconds):
    assert time_until(text, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "words"), [("soon", "or a time such as 22:00"), ("25:00", "22:00"), ("2026-11-26T20:00", "has passed")]
)
def test_what_is_neither_is_refused_with_what_to_write(text, words):
    with pytest.raises(ValueError, match=words):
        time_until(text, NOW)


def test_nothing_is_started_when_somebody_would_be_late(cli, example):
    before = where(example)
    ended = cli("evacuate", "h1", "--deadline", "30s", "--yes", "-p", "evacuate")
    assert ended.status == 1
    assert "cannot leave h1 in time: " in ended.err
    assert "nothing was started (--partial moves the others)" in ended.err
    assert "To be empty in 30 s: h1" in ended.out
    assert where(example) == before


def test_partly_those_in_time_are_moved_and_json_says_who(cli, example):
    ended = cli("evacuate", "h1", "--deadline", "30s", "--yes", "--partial", "--format", "json", "-p", "evacuate")
    assert ended.status == 0, ended.err
    assert "warning: cannot leave h1: " in ended.err
    found = json.loads(ended.out)["deadline"]
    assert found["hosts"] == ["h1"]
    assert found["within"] == 30
    moved = {uuid for uuid, place in json.loads(ended.out)["where"].items() if place["host"] != "h1"}
    assert set(found["predicted"]["in_time"]) == moved
    assert len(moved) + len(found["predicted"]["late"]) == 9
    # What took how long is said by the example's clock, which runs on while this machine does other things.
    assert set(found["in_time"]) <= moved
    assert len(found["in_time"]) + len(found["late"]) == 9


def test_rounds_have_it_together(cli, example):
    ended = cli("evacuate", "h1", "h3", "--batch", "1", "--deadline", "1s", "--yes")
    assert ended.status == 1
    assert "nothing was started (--partial empties the other hosts)" in ended.err
