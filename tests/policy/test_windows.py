from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.plan.file import dump_plan, parse_plan
from rebalancer.plan.make import make_plan
from rebalancer.policy import WindowEntry, check_policy, compile_problem, load_policies, opening, show_policy
from tests.policy.test_compile import policy
from tests.policy.worlds import cluster, domain, host

SATURDAYS = WindowEntry.model_validate({"cron": "0 22 * * 6", "duration": 4 * 3600.0, "zone": "Europe/Berlin"})
UUID = "00000000-0000-0000-0000-000000000001"
TEXT = 'windows: [{cron: "0 22 * * 6", duration: 4 h, zone: Europe/Berlin}]\n'


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2026-11-28T20:59:00Z", "closed until 2026-11-28 22:00 CET (for 1 min)"),
        ("2026-11-28T21:00:00Z", "open until 2026-11-29 02:00 CET (for 4 h)"),
        ("2026-11-29T00:59:59Z", "open until 2026-11-29 02:00 CET (for 1 s)"),
        ("2026-11-29T01:00:00Z", "closed until 2026-12-05 22:00 CET (for 6 d 20 h)"),
        ("2026-08-01T20:30:00Z", "open until 2026-08-02 02:00 CEST (for 3 h 30 min)"),
    ],
)
def test_a_window_is_open_from_its_start_for_its_duration(now: str, words: str) -> None:
    assert opening([SATURDAYS], at(now)).words(at(now)) == words


def test_of_several_the_longest_open_and_the_next_to_open_count() -> None:
    short = WindowEntry(cron="0 21 * * *", duration=3600.0)  # type: ignore[arg-type]
    long = WindowEntry(cron="30 20 * * *", duration=7200.0)  # type: ignore[arg-type]
    now = at("2026-11-28T21:10:00Z")
    found = opening([short, long], now)
    assert found.until == at("2026-11-28T22:30:00Z")
    assert found.next == at("2026-11-29T20:30:00Z")
    assert not opening([], now).is_open


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.integers(0, 23),
    st.integers(1, 40),
)
def test_openness_agrees_with_looking_back_day_by_day(moment: datetime, hour: int, hours: int) -> None:
    now = moment.replace(tzinfo=UTC)
    window = WindowEntry(cron=f"0 {hour} * * *", duration=hours * 3600.0)  # type: ignore[arg-type]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [midnight + timedelta(days=day, hours=hour) for day in range(-3, 1)]
    ends = [start + timedelta(hours=hours) for start in starts if start <= now < start + timedelta(hours=hours)]
    assert opening([window], now).until == max(ends, default=None)


def test_windows_are_part_of_the_policy_and_of_the_plan() -> None:
    found = policy(TEXT + "rules: [{maintenance: {hosts: [h1]}}]\n")
    assert load_policies(["./shown.yaml"], lambda _: show_policy(found)).digest == found.digest
    assert found.digest != policy("rules: [{maintenance: {hosts: [h1]}}]\n").digest
    assert 'windows:\n  - {cron: "0 22 * * 6", duration: 4 h, zone: Europe/Berlin}  # p.yaml:3\n' in show_policy(found)
    plan = make_plan(cluster([host("h1"), host("h2")], [domain("a", "h1", uuid=UUID)]), found)
    assert plan.windows == (SATURDAYS,)
    assert parse_plan(dump_plan(plan), "plan.json").windows == plan.windows


NIGHTLY = """\
rules:
  - maintenance: {hosts: [h1], windows: [{cron: "0 22 * * *", duration: 2 h}]}
  - pin: {select: "name == 'a'", hosts: [h1], windows: [{cron: "0 0 * * *", duration: 22 h}]}
goals:
  - pack: {windows: [{cron: "0 3 * * *", duration: 1 h}]}
"""


@pytest.mark.parametrize(
    ("taken_at", "counting"),
    [
        ("2026-11-28T12:00:00Z", ["pin: name == 'a'"]),
        ("2026-11-28T22:30:00Z", ["maintenance: h1"]),
        ("2026-11-28T03:30:00Z", ["pin: name == 'a'", "pack: memory"]),
    ],
)
def test_rules_and_goals_with_windows_count_while_one_is_open(taken_at: str, counting: list[str]) -> None:
    found = replace(cluster([host("h1"), host("h2")], [domain("a", "h1")]), taken_at=taken_at)
    compiled = compile_problem(policy(NIGHTLY), found)
    assert [term.name for term in compiled.problem.terms] == counting
    errors, warnings = check_policy(policy(NIGHTLY), found)
    assert not errors
    assert len([each for each in warnings if "does not count now: its windows are closed until" in str(each)]) == (
        3 - len(counting)
    )


def test_without_the_time_of_the_snapshot_nobody_knows() -> None:
    errors, _ = check_policy(policy(NIGHTLY), cluster([host("h1")]))
    assert str(errors[0]) == (
        "p.yaml:4:41: maintenance: nobody knows whether its windows are open: the snapshot has no 'taken_at'"
    )
