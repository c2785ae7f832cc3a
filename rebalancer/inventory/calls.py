"""``safeguards:`` and ``hooks:`` of an inventory, as values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rebalancer.cluster.units import Seconds
from rebalancer.documents import Document
from rebalancer.errors import Problem
from rebalancer.inventory.entries import CallEntry, InventoryFile
from rebalancer.inventory.safeguards import Call, Hook, Moment, Probe, Safeguards

__all__ = ["check_calls", "safeguards_of"]

ASKED = frozenset({Moment.BEFORE_RUN, Moment.BEFORE_STEP})
"""Moments at which a hook may veto."""


def safeguards_of(written: InventoryFile, directory: Path) -> Safeguards:
    """``directory``: the inventory's, from which relative paths of commands lead."""
    found = written.safeguards
    given = Safeguards()
    return Safeguards(
        pressure=found.pressure,
        probes=tuple(
            Probe(name=probe.name, call=_call(probe, directory), every=probe.every or Seconds(30.0))
            for probe in found.probes
        ),
        patience=found.patience or given.patience,
        hooks=tuple(
            Hook(
                moment=moment,
                call=_call(hook, directory),
                veto=moment in ASKED and hook.veto is not False,
            )
            for moment in Moment
            for hook in getattr(written.hooks, moment.value)
        ),
    )


def check_calls(document: Document, written: InventoryFile, problems: list[Problem]) -> None:
    """What the schema cannot say: one of two keys, and a veto only where somebody is asked."""
    for path, call in _calls(written):
        if (call.command is None) == (call.url is None):
            problems.append(Problem("needs a 'command' or a 'url', one of them", document.position([*path])))
    for moment in Moment:
        for index, hook in enumerate(getattr(written.hooks, moment.value)):
            if hook.veto and moment not in ASKED:
                message = f"a hook of {moment.value} cannot veto: what it is told of has happened"
                problems.append(Problem(message, document.position(["hooks", moment.value, index, "veto"])))


def _calls(written: InventoryFile) -> Iterator[tuple[tuple[str | int, ...], CallEntry]]:
    for index, probe in enumerate(written.safeguards.probes):
        yield ("safeguards", "probes", index), probe
    for moment in Moment:
        for index, hook in enumerate(getattr(written.hooks, moment.value)):
            yield ("hooks", moment.value, index), hook


def _call(entry: CallEntry, directory: Path) -> Call:
    command = entry.command or ()
    if command and os.sep in command[0]:
        program = os.path.normpath(directory / os.path.expanduser(command[0]))  # noqa: PTH111 - as in file.py
        command = (program, *command[1:])
    return Call(command=command, url=entry.url or "", timeout=entry.timeout or Seconds(30.0))
