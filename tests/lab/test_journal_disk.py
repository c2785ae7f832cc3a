"""Without a journal nothing is started: its disk is full, or may not be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rebalancer.execution import Journal

from .cluster import Lab
from .commands import Rebalance, capacity
from .shell import run


@pytest.fixture
def rebalance(prepare: Callable[..., Rebalance]) -> Iterator[Rebalance]:
    """With its journal on a disk of its own, of 256 KiB."""
    found = prepare(capacity=capacity(2), hosts=2)
    state = Path(found.environment["XDG_STATE_HOME"])
    state.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=256k", "journal", str(state)])
    try:
        yield found
    finally:
        run(["umount", str(state)])


def fill(directory: Path) -> None:
    with suppress(OSError), (directory / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


@pytest.mark.parametrize("first", [True, False], ids=["a new journal", "one that is there"])
@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_no_migration_is_started(clean_lab: Lab, rebalance: Rebalance, kind: str, first: bool) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "web", 64)
    state = Path(rebalance.environment["XDG_STATE_HOME"])
    if not first:
        Journal(state / "rebalancer/journal.sqlite").close()
    if kind == "full":
        fill(state)
    else:
        run(["mount", "-o", "remount,ro", str(state)])
    policy = rebalance.policy("go", 'rules:\n  - pin: {select: "true", hosts: [h2]}\n')
    said = rebalance("apply", "-p", policy, "--yes", status=1)
    assert "the journal" in said
    assert any(words in said for words in ("full", "No space left", "read-only", "readonly", "Read-only")), said
    assert clean_lab.where(guest) == {"h1": "running"}
    log = clean_lab["h1"].directory / "var/log/libvirt/qemu/web.log"
    assert "initiating migration" not in log.read_text()
    run(["mount", "-o", "remount,rw", str(state)])
