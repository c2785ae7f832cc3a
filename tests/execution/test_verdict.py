"""What two hosts can say of a domain, and what it means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rebalancer.cluster import DomainState
from rebalancer.drivers import Sighting
from rebalancer.execution import Outcome, Place
from rebalancer.execution.hosts import Finding
from rebalancer.execution.verdict import judge
from tests.execution.worlds import cluster, domain, step

RUNS = Sighting(name="a", state=DomainState.RUNNING)
MOVES = Sighting(name="a", state=DomainState.RUNNING, migrating=True)
PAUSED = Sighting(name="a", state=DomainState.PAUSED)
INCOMING = Sighting(name="a", state=DomainState.PAUSED, migrating=True)
OTHER = Sighting(name="b", state=DomainState.RUNNING)
OFF = Sighting(name="a", state=DomainState.SHUT_OFF)
SILENT = "timed out"
WORLD = cluster(["h1", "h2"], [domain("a", "h1")])
STEP = step(WORLD, 1, "a", "h1", "h2")
H1, H2 = Place(host="h1", name="a"), Place(host="h2", name="a")


@pytest.mark.parametrize(
    ("source", "destination", "outcome", "place", "certain"),
    [
        (None, RUNS, Outcome.DONE, H2, True),
        (OFF, RUNS, Outcome.DONE, H2, False),
        (SILENT, RUNS, Outcome.UNKNOWN, H2, False),
        (RUNS, RUNS, Outcome.UNKNOWN, None, False),
        (PAUSED, RUNS, Outcome.UNKNOWN, None, False),
        (RUNS, None, Outcome.FAILED, H1, True),
        (RUNS, OFF, Outcome.FAILED, H1, True),
        (RUNS, SILENT, Outcome.FAILED, H1, False),
        (PAUSED, None, Outcome.FAILED, H1, False),
        (OFF, None, Outcome.FAILED, H1, False),
        (RUNS, PAUSED, Outcome.FAILED, H1, False),
        (MOVES, None, Outcome.UNKNOWN, None, False),
        (MOVES, INCOMING, Outcome.UNKNOWN, None, False),
        (MOVES, SILENT, Outcome.UNKNOWN, None, False),
        (SILENT, INCOMING, Outcome.UNKNOWN, None, False),
        (SILENT, None, Outcome.UNKNOWN, None, False),
        (SILENT, SILENT, Outcome.UNKNOWN, None, False),
        (None, SILENT, Outcome.UNKNOWN, None, False),
        (None, None, Outcome.UNKNOWN, None, False),
        (None, OFF, Outcome.UNKNOWN, None, False),
        (None, PAUSED, Outcome.UNKNOWN, H2, False),
        (None, INCOMING, Outcome.UNKNOWN, None, False),
        (None, OTHER, Outcome.UNKNOWN, Place(host="h2", name="b"), False),
    ],
)
def test_what_the_hosts_say_decides(
    source: Sighting | str | None,
    destination: Sighting | str | None,
    outcome: Outcome,
    place: Place | None,
    certain: bool,
) -> None:
    verdict = judge(STEP, DomainState.RUNNING, finding("h1", source), finding("h2", destination))
    assert (verdict.outcome, verdict.place, verdict.certain) == (outcome, place, certain)
    assert verdict.reason or certain


@pytest.mark.parametrize(("here", "doubled"), [(RUNS, True), (PAUSED, False), (MOVES, False), (None, False)])
def test_what_runs_on_both_hosts_is_told_apart(here: Sighting | None, doubled: bool) -> None:
    assert judge(STEP, DomainState.RUNNING, finding("h1", here), finding("h2", RUNS)).doubled is doubled


def test_a_silent_source_is_believed_where_it_had_said_that_it_moved_the_domain() -> None:
    verdict = judge(STEP, DomainState.RUNNING, finding("h1", SILENT), finding("h2", RUNS), reported=True)
    assert (verdict.outcome, verdict.place) == (Outcome.DONE, H2)
    assert "h1 could not be asked" in verdict.reason


def test_remains_that_stand_still_are_no_second_domain() -> None:
    verdict = judge(STEP, DomainState.RUNNING, finding("h1", PAUSED), finding("h2", RUNS))
    assert "its remains stand still on h1: 'rebalance resume' removes them" in verdict.reason


@pytest.mark.parametrize("held", [True, False])
def test_where_a_migration_has_left_a_domain_standing_still_it_is_said_what_lets_it_go_on(held: bool) -> None:
    here = replace(PAUSED, held=held)
    verdict = judge(STEP, DomainState.RUNNING, finding("h1", here), finding("h2", None))
    assert verdict.reason.startswith("it is paused on h1")
    assert ("'rebalance resume' lets it go on" in verdict.reason) is held


def test_a_domain_that_was_paused_may_arrive_paused() -> None:
    verdict = judge(STEP, DomainState.PAUSED, finding("h1", None), finding("h2", PAUSED))
    assert verdict.outcome is Outcome.DONE
    doubtful = judge(STEP, DomainState.PAUSED, finding("h1", SILENT), finding("h2", PAUSED))
    assert doubtful.outcome is Outcome.UNKNOWN


def finding(host: str, said: Sighting | str | None) -> Finding:
    if isinstance(said, str):
        return Finding(host=host, error=said)
    return Finding(host=host, sighting=said)


def test_a_guest_that_has_shut_itself_down_where_it_arrived_is_said_to_be_there() -> None:
    verdict = judge(STEP, DomainState.RUNNING, finding("h1", None), finding("h2", OFF))
    assert verdict.reason == "it runs nowhere: h1 does not know it any more, and on h2 it is shut off"
