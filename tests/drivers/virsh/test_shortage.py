"""What libvirt says when a destination is short of memory, and what is made of it."""

from __future__ import annotations

import pytest
from rebalancer_virsh.shortage import free_memory, shortage

GIB = 2**30
ENDED = "internal error: process exited while connecting to monitor"
REFUSED = f"{ENDED}: cannot set up guest memory 'pc.ram': Cannot allocate memory"


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (REFUSED, "h2 has no memory for 'web': "),
        ("error: unable to map backing store for guest RAM: Cannot allocate memory", "h2 has no memory for 'web': "),
        (ENDED, "h2 ended the process of 'web' as it arrived"),
        ("internal error: qemu unexpectedly closed the monitor: ", "h2 ended the process of 'web' as it arrived"),
    ],
)
def test_it_says_who_lacks_how_much_and_what_to_do(words: str, begins: str) -> None:
    told = shortage(words, "web", "h2", 8 * GIB, 6 * GIB)
    assert told is not None
    assert told.startswith(begins)
    assert "it needs 8 GiB, 6 GiB are free there, 2 GiB are missing. Free some there, or plan anew" in told


def test_a_limit_is_looked_for_where_the_host_has_enough() -> None:
    told = shortage(REFUSED, "web", "h2", 8 * GIB, 60 * GIB)
    assert told is not None
    assert "missing" not in told
    assert "limit" in told


def test_nothing_is_made_up_where_no_figures_are_known() -> None:
    told = shortage(REFUSED, "web", "h2", 0.0, None)
    assert told is not None
    assert told.startswith("h2 has no memory for 'web'. ")


@pytest.mark.parametrize(
    "words",
    [
        "operation failed: migration out job: unexpectedly failed",
        f"{ENDED}: qemu: -device foo: no such device",
        "",
    ],
)
def test_other_failures_stay_as_they_are(words: str) -> None:
    assert shortage(words, "web", "h2", 8 * GIB, GIB) is None


def test_what_is_cached_can_be_given_away() -> None:
    answer = "total  :             24683628 KiB\nfree   :  100 KiB\nbuffers:   10 KiB\ncached :   5 KiB\n"
    assert free_memory(answer) == 115 * 1024
    assert free_memory("what?") is None
