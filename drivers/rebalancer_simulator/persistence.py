"""What is under way in a simulated world, as plain values: migrations outlive the process that started them.

Between two actions the world is deterministic, so what was saved then tells everything: whoever takes it up lets the
time since go by. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from rebalancer.cluster import DirectedLink, DomainState
from rebalancer_simulator.simulation import Simulation
from rebalancer_simulator.transfer import Phase, Transfer

__all__ = ["dump_running", "restore_running", "signature"]

_TIMES = ("started", "ended", "silent_since")
"""Of the world's clock, which starts anew with each process."""


def signature(simulation: Simulation) -> Hashable:
    """Differs whenever an action has changed what is under way."""
    return tuple(
        (t.number, t.phase, t.cap, t.suspended, t.hung, t.throttle, t.silent_since is None) for t in simulation.running
    )


def dump_running(simulation: Simulation) -> dict[str, Any]:
    return {"now": simulation.now, "transfers": [_dump(simulation, transfer) for transfer in simulation.running]}


def restore_running(simulation: Simulation, data: Mapping[str, Any]) -> None:
    """Into a world as it was before them (:meth:`Simulation.settled`) and at the time that it was saved at.

    Raises KeyError, TypeError or ValueError where the data is not what :func:`dump_running` makes.
    """
    shift = simulation.now - float(data["now"])
    for saved in data["transfers"]:
        values = {field.name: saved[field.name] for field in fields(Transfer)}
        values |= {name: values[name] + shift for name in _TIMES if values[name] is not None}
        transfer = Transfer(
            **values
            | {
                "phase": Phase(values["phase"]),
                "state_before": DomainState(values["state_before"]),
                "path": tuple(_resource(each) for each in values["path"]),
                "number": len(simulation.transfers) + 1,
            }
        )
        simulation.take_up(transfer, DomainState(saved["here"]), DomainState(saved["there"]))


def _dump(simulation: Simulation, transfer: Transfer) -> dict[str, Any]:
    here = simulation.find(transfer.source, transfer.uuid)
    there = simulation.find(transfer.destination, transfer.uuid)
    return {
        **{field.name: getattr(transfer, field.name) for field in fields(Transfer)},
        "path": [_plain(each) for each in transfer.path],
        "here": here.state if here else DomainState.UNKNOWN,
        "there": there.state if there else DomainState.UNKNOWN,
    }


def _plain(resource: Hashable) -> list[object]:
    if isinstance(resource, DirectedLink):
        return ["link", resource.link, resource.start]
    return ["adapter", *resource] if isinstance(resource, tuple) else ["other", resource]


def _resource(saved: Sequence[Any]) -> Hashable:
    kind, *rest = saved
    return DirectedLink(*rest) if kind == "link" else tuple(rest)
