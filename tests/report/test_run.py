"""What is said of a run, while it goes on and when it has ended."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.drivers import Progress
from rebalancer.execution import Outcome, Place, StopSignal
from rebalancer.report import print_run, run_json
from rebalancer.report.progress import progress
from tests.report.worlds import console, outcome, plan, result, step

PLAN = plan(step("web", 1), step("db", 2, after=("s1",)))
HOME = {"web": Place(host="h1", name="web"), "db": Place(host="h2", name="db")}


def shown(*outcomes, where=HOME, differences=()):
    made, out = console(100)
    print_run(made, PLAN, result(PLAN, *outcomes, where=where), differences)
    return out.getvalue()


def test_all_done():
    text = shown(outcome(1, Outcome.DONE), outcome(2, Outcome.DONE))
    assert text.startswith("\nRun 7: 2 done\n")
    assert "web     h2      h1     web" in text
    assert "All done" in text


@pytest.mark.parametrize("kind", [Outcome.FAILED, Outcome.SKIPPED, Outcome.NOT_STARTED])
def test_what_was_not_done_says_why_and_what_to_do(kind):
    text = shown(outcome(1, Outcome.DONE), outcome(2, kind, "the host is gone"))
    assert f"✘ s2 db: {kind}, h2 → h1: the host is gone" in text
    assert "what was not done is as it was before. To go on: rebalance resume 7; or plan" in text


def test_where_the_cluster_is_other_than_planned_it_is_to_be_planned_again():
    left_alone = replace(outcome(1, Outcome.FAILED, "'web' is not on h2 any more; it is on h3 now"), outdated=True)
    text = " ".join(shown(left_alone, outcome(2, Outcome.SKIPPED, "it needs s1 of 'web' (failed)")).split())
    assert "the cluster is no longer the one planned for. Left alone: s1; skipped," in text
    assert "To go on: plan again, from how things are now." in text
    assert "resume" not in text


def test_what_is_unknown_is_to_be_looked_at_first():
    text = shown(outcome(1, Outcome.DONE), outcome(2, Outcome.UNKNOWN, "h1 is silent"), where={"web": HOME["web"]})
    assert "nobody could say" in text
    assert "Look at what is unknown first" in text


def test_a_run_that_the_hosts_contradict_is_not_complete():
    done = (outcome(1, Outcome.DONE), outcome(2, Outcome.DONE))
    assert "✘ 'db' runs nowhere" in shown(*done, differences=["'db' runs nowhere"])
    data = json.loads(run_json(PLAN, result(PLAN, *done, where=HOME), ["'db' runs nowhere"]))
    assert (data["complete"], data["problems"]) == (False, ["'db' runs nowhere"])


def test_progress_counts_what_earlier_attempts_have_done():
    made, out = console(100)
    with progress(made, StopSignal()) as observer:
        observer.run_started(PLAN, 7, 1)
        observer.step_finished(PLAN.steps[1], outcome(2, Outcome.DONE))
    first, last = out.getvalue().splitlines()
    assert first == "run 7: 2 steps, 1 done already"
    assert last.endswith("(2 of 2)")


def test_progress_of_a_run_of_one_step_says_so():
    made, out = console(100)
    with progress(made, StopSignal()) as observer:
        observer.run_started(replace(PLAN, steps=PLAN.steps[:1]), 7)
    assert out.getvalue() == "run 7: 1 step\n"


def test_progress_as_lines_tells_quarters_and_stopping_once():
    made, out = console(100)
    stop = StopSignal()
    with progress(made, stop) as observer:
        observer.run_started(PLAN, 7)
        observer.step_started(PLAN.steps[0], BytesPerSecond(50e6))
        for sent in (0, 10, 30, 60, 55, 80, 80):
            if sent == 80 and not stop.requested:
                stop.request()
            observer.step_progress(PLAN.steps[0], Progress(processed=Bytes(sent), remaining=Bytes(100 - sent)), None)
        observer.step_progress(PLAN.steps[0], Progress(elapsed=Seconds(3.0)), None)
        observer.step_finished(PLAN.steps[0], outcome(1, Outcome.DONE))
        observer.step_finished(PLAN.steps[1], outcome(2, Outcome.NOT_STARTED, "the run was stopped"))
    assert out.getvalue().splitlines() == [
        "run 7: 2 steps",
        "s1 web, h2 → h1: started at 400 Mbit/s",
        "s1 web, h2 → h1: 25% sent",
        "s1 web, h2 → h1: 50% sent",
        "stopping: what runs is finished, nothing more is started; once more to cancel what runs",
        "s1 web, h2 → h1: 75% sent",
        "✔ s1 web: done, h2 → h1 in 11 s, paused 50 ms (1 of 2)",
        "✘ s2 db: not started, h2 → h1: the run was stopped (2 of 2)",
    ]


def told(act, *, terminal=False):
    made, out = console(100, terminal=terminal)
    with progress(made, StopSignal()) as observer:
        act(observer)
    return out.getvalue()


def test_what_holds_a_run_is_told_once_and_that_it_goes_on():
    def hold(observer):
        observer.run_held(("3 domains were moved in the last hour: the next may go in 58 min",))
        observer.run_held(("3 domains were moved in the last hour: the next may go in 57 min",))
        observer.run_held(("the run is paused: the probe 'storage' fails: no answer",))
        observer.run_held(())

    assert told(hold).splitlines() == [
        "held: 3 domains were moved in the last hour: the next may go in 58 min",
        "held: the run is paused: the probe 'storage' fails: no answer",
        "goes on",
    ]


def set_up(observer):
    step = PLAN.steps[0]
    observer.step_started(step, BytesPerSecond(1.0), ("s7",))
    observer.rates_changed({"s1": BytesPerSecond(1.0), "s7": BytesPerSecond(50e6)})
    observer.step_progress(step, Progress(elapsed=Seconds(1.0)), BytesPerSecond(1.0))
    observer.rates_changed({"s1": BytesPerSecond(50e6)})
    observer.rates_changed({"s1": BytesPerSecond(25e6)})


def test_the_rate_of_what_is_only_set_up_is_told_when_it_sends():
    assert told(set_up).splitlines() == [
        "s1 web, h2 → h1: started, sends once s7 has been sent",
        "s1 web, h2 → h1: sends at 400 Mbit/s",
    ]


def test_the_bar_of_what_is_only_set_up_shows_no_rate():
    def bars(observer):
        set_up(observer)
        observer.step_progress(PLAN.steps[0], Progress(elapsed=Seconds(2.0)), BytesPerSecond(50e6))

    shown = told(bars, terminal=True)
    assert "8 bit/s" not in shown
    assert "400 Mbit/s" in shown


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_tried_again_says_why_and_starts_anew(terminal):
    def twice(observer):
        observer.step_started(PLAN.steps[0], None)
        observer.step_postponed(PLAN.steps[0], "the host is gone; tried again in 1 min")
        observer.step_started(PLAN.steps[0], None)
        observer.step_finished(PLAN.steps[0], outcome(1, Outcome.DONE))

    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told(twice, terminal=terminal))
    assert "✘ s1 web, h2 → h1: the host is gone; tried again in 1 min" in plain
    assert all(frame.count("starting") <= 1 for frame in plain.split("\r")), "no bar of the first attempt beside it"
