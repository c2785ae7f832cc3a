"""Leases: one run at a time on a host. Taken all together or not at all, renewed while the run goes on.

A lease has a token that grows each time it passes to another run: whoever comes back after its lease was taken over
finds that the token is another, and may not start anything more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from rebalancer.errors import RunError
from rebalancer.execution.journal.controller import Controller, is_known_dead
from rebalancer.execution.journal.tables import leases
from rebalancer.values import dataclass

__all__ = ["LEASE", "HostsHeldError", "Lease", "RunLostError", "extend", "held_of", "release", "take"]

LEASE = 60.0
"""Seconds that a lease lasts without being renewed; only then may others take the host of a controller that is cut
off. The lease of a process of this machine that is known to be dead need not be waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """``since`` and ``expires`` are seconds since 1970; ``token`` grows with each new holder of the host."""

    host: str
    token: int
    run: int
    controller: str
    who: str
    machine: str
    process: int
    birth: str
    since: float
    expires: float

    def holds(self, now: float) -> bool:
        """Whether its run may still be doing something."""
        return self.expires > now and not is_known_dead(self.machine, self.process, self.birth)


class HostsHeldError(RunError):
    """Other runs have the hosts; ``leases`` says which, whose and since when."""

    def __init__(self, held: Sequence[Lease], now: float) -> None:
        self.leases = tuple(held)
        super().__init__("\n".join(_sentence(run, held, now) for run in sorted({lease.run for lease in held})))


class RunLostError(RunError):
    """Another controller has taken over the run or one of its hosts."""


def take(connection: Connection, hosts: Iterable[str], run: int, controller: Controller, now: float) -> None:
    """The hosts for a run; raises HostsHeldError, and takes none, when another controller holds one."""
    known = {lease.host: lease for lease in _all(connection)}
    wanted = sorted(set(hosts))
    held = [
        known[host]
        for host in wanted
        if host in known and known[host].controller != controller.id and known[host].holds(now)
    ]
    if held:
        raise HostsHeldError(held, now)
    for host in wanted:
        values = {
            "token": known[host].token + 1 if host in known else _last_token(connection, host) + 1,
            "run": run,
            "controller": controller.id,
            "who": controller.who,
            "machine": controller.machine,
            "process": controller.process,
            "birth": controller.birth,
            "since": now,
            "expires": now + LEASE,
        }
        changed = connection.execute(update(leases).where(leases.c.host == host).values(values))
        if not changed.rowcount:
            connection.execute(insert(leases).values(host=host, **values))


def extend(connection: Connection, run: int, controller: Controller, now: float, hosts: Iterable[str] = ()) -> None:
    """Renews what a run holds; raises RunLostError where one of ``hosts`` is no longer its own."""
    mine = (leases.c.run == run) & (leases.c.controller == controller.id)
    own = set(connection.execute(select(leases.c.host).where(mine)).scalars())
    if lost := sorted(set(hosts) - own):
        raise RunLostError(f"{_listed(lost)}: the lease was lost to another run; nothing more is started")
    connection.execute(update(leases).where(mine).values(expires=now + LEASE))


def release(connection: Connection, run: int, controller: Controller) -> None:
    mine = (leases.c.run == run) & (leases.c.controller == controller.id)
    connection.execute(update(leases).where(mine).values(run=None, controller="", expires=0.0))


def held_of(connection: Connection, run: int | None, now: float) -> tuple[Lease, ...]:
    """The leases that hold now, of one run or (None) of all."""
    return tuple(lease for lease in _all(connection) if run in (None, lease.run) and lease.holds(now))


def _all(connection: Connection) -> list[Lease]:
    """Those that have not been given back."""
    rows = connection.execute(select(leases).where(leases.c.run.is_not(None)).order_by(leases.c.host)).mappings()
    return [Lease(**row) for row in rows]


def _last_token(connection: Connection, host: str) -> int:
    return connection.execute(select(leases.c.token).where(leases.c.host == host)).scalar_one_or_none() or 0


def _sentence(run: int, held: Sequence[Lease], now: float) -> str:
    own = [lease for lease in held if lease.run == run]
    first = own[0]
    since = datetime.fromtimestamp(min(lease.since for lease in own), UTC).isoformat(timespec="seconds")
    hosts = _listed([lease.host for lease in own])
    return (
        f"{hosts} {'is' if len(own) == 1 else 'are'} held by run {run} of {first.who} (process {first.process}) since"
        f" {since.replace('+00:00', 'Z')}: wait for its end or stop it with 'rebalance cancel {run}'; if it is dead,"
        f" it gives way in {max(lease.expires for lease in own) - now:.0f} s"
    )


def _listed(hosts: Sequence[str]) -> str:
    return hosts[0] if len(hosts) == 1 else f"{', '.join(hosts[:-1])} and {hosts[-1]}"
