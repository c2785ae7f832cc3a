"""What a plan says in the cases that the examples do not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rebalancer.placement.explain import Breach, Conflict
from rebalancer.plan.model import NO_WAY, Unplaced
from rebalancer.policy.model import Rung
from rebalancer.report import hosts_json, print_check, print_hosts, print_plan
from tests.report.worlds import UUIDS, cluster, console, plan, step

FULL = Breach(rule="capacity: memory", amount=1.0, text="h2: 18 GiB of memory, limit 16 GiB")


def shown(*arguments: object, width: int = 80, **options: object) -> str:
    made, out = console(width)
    print_plan(made, plan(*arguments, **options), policy="test")  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, "Nothing to do: all rules hold"),
        ({"after": (FULL,), "before": (FULL,)}, "Nothing can be done: no sequence of migrations repairs"),
        ({"unplaced": (Unplaced(domain="db", uuid=UUIDS["db"], host="h2"),)}, "Nothing can be done: what should move"),
        ({"notes": ("min_gain",)}, "Nothing to do: see the notes."),
    ],
)
def test_nothing_to_do_is_an_answer_with_a_reason(options, answer):
    assert answer in shown(**options)


def test_why_a_domain_cannot_be_placed_host_by_host():
    text = shown(unplaced=(Unplaced(domain="db", uuid=UUIDS["db"], host="h2", reasons={"h1": "pin: no", "h3": ""}),))
    assert "Cannot be moved: 1 domain\ndb on h2\n    h1: pin: no\n    h3: would be allowed" in text


def test_hosts_with_the_same_reason_are_told_together():
    reasons = {f"h{number}": "pin: no" for number in range(1, 7)} | {"i": "full"}
    text = shown(unplaced=(Unplaced(domain="db", uuid=UUIDS["db"], host="h2", reasons=reasons),))
    assert "db on h2\n    h1, h2, h3, h4 and 2 more: pin: no\n    i: full" in text


def test_what_cannot_be_reached_is_not_told_as_if_it_were_a_rule():
    found = Conflict(rules=("pin: app", NO_WAY), domains=(UUIDS["db"],), proved=True)
    text = shown(conflicts=(found, Conflict(rules=("ban", "limits"), domains=(UUIDS["web"],))), width=100)
    assert "• pin: app, for 'db' on h2: no migrations that lead there were found\n" in text
    assert "• ban + limits, for 'web' on h2 (as far as was searched)\n" in text


def test_broken_rules_are_repaired_remain_or_become_others():
    moved = Breach(rule="capacity: memory", amount=1.0, text="h1: 40 GiB of memory, limit 32 GiB")
    gone = Breach(rule="pin", amount=1.0, text="'db' on h2")
    same = Breach(rule="ban", amount=1.0, text="'web' on h2")
    text = shown(step("db", 1), before=(FULL, gone, same), after=(moved, same))
    assert [line.split(":")[0] for line in text.splitlines() if line.startswith(("✔", "✘"))] == [
        "✔ repaired  pin",
        "✘ was       capacity",
        "✘ becomes   capacity",
        "✘ remains   ban",
    ]


def test_a_thousand_broken_rules_are_not_a_thousand_lines():
    many = tuple(Breach(rule="pin", amount=1.0, text=f"'d{index}'") for index in range(1000))
    text = shown(before=many, after=many)
    assert "and 970 more" in text
    assert text.count("pin: ") == 30


def test_a_migration_that_does_not_converge_says_what_is_done_then():
    assert "writes its memory faster than it can be sent: auto converge, then cancel" in shown(
        step("db", 1, converges=False), width=120
    )


@pytest.mark.parametrize(
    ("rung", "words"),
    [
        (Rung.AUTO_CONVERGE, "writes faster than it can be sent: auto_converge slows it down until it can be"),
        (Rung.POST_COPY, "writes faster than it can be sent: post_copy lets it go on at its destination"),
        (Rung.PAUSE, "writes faster than it can be sent: it is paused for the rest"),
    ],
)
def test_a_migration_that_ends_by_a_rung_of_the_policy_says_so(rung, words):
    made = step("db", 1)
    made = replace(made, predicted=replace(made.predicted, rung=rung))
    assert words in shown(made, width=120)
    assert words.split(":")[0] in " ".join(shown(made, width=200).split())


def test_an_offline_migration_says_that_the_domain_stands_still():
    text = shown(step("web", 1), step("db", 2, after=("s1",), live=False), width=160)
    assert "400 Mbit/s, offline" in text
    assert "all the time" in text
    assert "+12 s" in text


def test_waiting_steps_name_what_they_wait_for():
    assert "+12 s, after s1: takes 12 s" in shown(step("web", 1), step("db", 2, after=("s1",)))


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ((8.0, 2.0, 2.0), "proved optimal: no placement has a lower score"),
        ((8.0, 0.0, 0.0), "proved optimal: no placement has a lower score"),
        ((8.0, 2.0, 1.0), "at most 50% from optimal: no placement has a score below 1\n"),
        ((8.0, 3.0, 2.0), "at most 33.4% from optimal: no placement has a score below 2\n"),
        ((8.0, 2.0, 0.0), "at most 100% from optimal: no placement has a score below 0\n"),
    ],
)
def test_each_plan_says_how_far_from_optimal_it_may_be(scores, words):
    assert words in shown(step("db", 1), scores=scores)


def test_hosts_that_are_not_up_are_marked_with_the_reason():
    text = shown(step("db", 1), width=120)
    assert "2 hosts read, 2 domains running" in text
    assert "h3 is unreachable: no route to host" in text
    assert "h2 (maintenance)" in text
    assert "gpu" in text


def test_an_overloaded_host_is_shown_with_more_than_all():
    assert "112%" in shown()


def test_check_without_broken_rules_says_so():
    made, out = console()
    print_check(made, plan(), policy="test")
    assert "All rules hold." in out.getvalue()


def test_hosts_in_a_table_and_in_a_list():
    for width in (100, 40):
        made, out = console(width)
        print_hosts(made, cluster())
        text = " ".join(out.getvalue().split())
        assert "live, rename, bandwidth cap, over tcp" in text
        assert "2 gpu" in text
        assert "no route to host" in text
    assert '"state": "unreachable"' in hosts_json(cluster())
