"""A simulated cluster: who runs where, what is under way, and what happens as time goes by.

Pure: no files, no threads, no real time. :meth:`Simulation.advance` moves the world from event to event (a round or a
phase ends, a fault begins or ends), so that results do not depend on how often anybody looks.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

from rebalancer.cluster import Cluster, DirectedLink, Domain, DomainState, Host, Network
from rebalancer.drivers import MigrationOptions, Sighting
from rebalancer_simulator.faults import Faults, Outage
from rebalancer_simulator.sharing import fair_shares
from rebalancer_simulator.transfer import Phase, Transfer

__all__ = ["ADAPTER", "KEEPALIVE", "WIRE", "Simulation", "Traffic"]

WIRE = 1514 / 1448
"""Bytes on the wire for each byte of a migration: Ethernet, IP and TCP headers."""
ADAPTER = 10e9 / 8
"""Bytes per second, each way, that a host sends or receives where no link says otherwise."""
KEEPALIVE = 30.0
"""Seconds of silence after which libvirt's hosts give a migration up (5 s × (5 + 1))."""
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What migrations sent over each direction of each link in a stretch of time; bytes per second on the wire.

    ``throttled`` leaves out switchovers, which no hypervisor throttles.
    """

    start: float
    end: float
    rates: Mapping[DirectedLink, float]
    throttled: Mapping[DirectedLink, float]


class Simulation:
    """The state of the world; change it only by :meth:`begin`, :meth:`advance` and the hands-on methods for tests."""

    def __init__(self, cluster: Cluster, faults: Faults | None = None, *, now: float = 0.0) -> None:
        self.now = now
        self.faults = faults or Faults()
        self.changes = 0
        """Completed moves and changes by hand so far."""
        self.transfers: list[Transfer] = []
        self.traffic: list[Traffic] = []
        self._begun: list[Transfer] = []
        self._origin = cluster
        self._network = Network(cluster.links)
        self._hosts: dict[str, Host] = {host.name: host for host in cluster.hosts}
        self._domains: dict[tuple[str, str], Domain] = {(d.host, d.uuid): d for d in cluster.domains}
        self._replaced: dict[tuple[str, str], Domain] = {}
        """Definitions that an arriving domain of the same UUID has taken the place of, to be put back if it fails."""
        self._taken_back: set[tuple[str, str]] = set()
        """Where domains run on as a migration away from there has failed."""
        self._held: set[tuple[str, str]] = set()
        """Where domains stand still as a migration away from there has failed."""
        self._late: list[tuple[float, Transfer]] = []
        """When destinations start what their sources have taken back."""

    # What is to be seen

    @property
    def running(self) -> list[Transfer]:
        self._begun = [transfer for transfer in self._begun if not transfer.done]
        return list(self._begun)

    def host(self, name: str) -> Host | None:
        return self._hosts.get(name)

    def domains_on(self, host: str) -> tuple[Domain, ...]:
        """Running and defined domains, as the host lists them."""
        return tuple(domain for (where, _), domain in self._domains.items() if where == host)

    def find(self, host: str, uuid: str) -> Sighting | None:
        domain = self._domains.get((host, uuid))
        if domain is None:
            return None
        migrating = any(t.uuid == uuid and host in (t.source, t.destination) for t in self.running)
        return Sighting(
            name=domain.name,
            state=domain.state,
            migrating=migrating,
            taken_back=(host, uuid) in self._taken_back,
            held=(host, uuid) in self._held,
        )

    def under_way(self, uuid: str, source: str) -> Transfer | None:
        """The migration of a domain away from a host, if there is one."""
        return next((t for t in self.running if (t.uuid, t.source) == (uuid, source)), None)

    def seen(self) -> Cluster:
        """The cluster as its hosts list it, what is under way on both of its ends."""
        return replace(self._origin, hosts=tuple(self._hosts.values()), domains=tuple(self._domains.values()))

    def settled(self) -> Cluster:
        """The cluster as if what is under way had not been begun: what to write to disk."""
        arriving = {(t.destination, t.uuid) for t in self.running}
        before = {(t.source, t.uuid): t.state_before for t in self.running}
        domains = {key: d for key, d in self._domains.items() if key not in arriving}
        domains |= {key: d for key, d in self._replaced.items() if key in arriving}
        return replace(
            self._origin,
            hosts=tuple(self._hosts.values()),
            domains=tuple(replace(d, state=before.get(key, d.state)) for key, d in domains.items()),
        )

    def next_event(self) -> float:
        """When anything next happens by itself; infinity: nothing will."""
        rates = self._rates()
        due = [self._due(t, rates[t.number]) for t in self.running]
        return min([self.faults.next_change(self.now), *due, *self._starts()])

    # What can be done

    def begin(self, uuid: str, source: str, destination: str, options: MigrationOptions) -> Transfer:
        """Starts a migration. A refusal is a transfer that has ended with an error, as with libvirt's jobs."""
        domain = self._domains.get((source, uuid))
        route = self._network.route(source, destination)
        breakdown = self.faults.breakdown(len(self.transfers) + 1)
        memory = float(domain.migration.memory) if domain else 0.0
        transfer = Transfer(
            number=len(self.transfers) + 1,
            uuid=uuid,
            source=source,
            destination=destination,
            name=options.new_name or (domain.name if domain else ""),
            memory=memory,
            dirty_rate=float((domain.migration.dirty_rate if domain else None) or 0.0),
            max_downtime=0.3 if options.max_downtime is None else options.max_downtime,
            cap=options.bandwidth or FOREVER,
            path=route or (("out", source), ("in", destination)),
            started=self.now,
            state_before=domain.state if domain else DomainState.UNKNOWN,
            auto_converge=options.auto_converge,
            post_copy_allowed=options.post_copy,
            breaks_at=breakdown.fraction * memory if breakdown else FOREVER,
            hangs=breakdown.hangs if breakdown else False,
            doubles=breakdown.doubles if breakdown else False,
            late=breakdown.late if breakdown else 0.0,
            break_message=breakdown.message if breakdown else "",
            suspended=not options.live or (domain is not None and domain.state is not DomainState.RUNNING),
        )
        refusal = self._refusal(domain, transfer)
        self.transfers.append(transfer)
        self._begun.append(transfer)
        if refusal is not None or domain is None:
            transfer.fail(self.now, refusal or "")
            return transfer
        key = (destination, uuid)
        if key in self._domains:
            self._replaced[key] = self._domains[key]
        self._domains[key] = replace(domain, host=destination, name=transfer.name, state=DomainState.PAUSED)
        if transfer.suspended:
            self._set_state(source, uuid, DomainState.PAUSED)
        return transfer

    def take_up(self, transfer: Transfer, here: DomainState, there: DomainState) -> None:
        """A migration that goes on though this world did not see it begin, and the domain's states on its ends."""
        key = (transfer.destination, transfer.uuid)
        domain = self._domains[transfer.source, transfer.uuid]
        if key in self._domains:
            self._replaced[key] = self._domains[key]
        self._domains[key] = replace(domain, host=transfer.destination, name=transfer.name, state=there)
        self._set_state(transfer.source, transfer.uuid, here)
        self.transfers.append(transfer)
        self._begun.append(transfer)

    def cancel(self, transfer: Transfer) -> bool:
        """Whether it could be cancelled: not any more once the guest runs at its destination."""
        if transfer.done or transfer.phase in (Phase.FINISH, Phase.POST_COPY):
            return False
        if not transfer.hung:
            self._fail(transfer, "operation aborted: migration out job: canceled by client")
        return True

    def suspend(self, transfer: Transfer) -> None:
        if transfer.phase in (Phase.SETUP, Phase.COPY):
            transfer.suspend()
            self._set_state(transfer.source, transfer.uuid, DomainState.PAUSED)

    def start_post_copy(self, transfer: Transfer) -> bool:
        """Whether it could be: the first round must have begun."""
        if transfer.phase is not Phase.COPY or not transfer.post_copy_allowed or transfer.hung:
            return False
        transfer.start_post_copy()
        self._hand_over(transfer)
        return True

    def put(self, domain: Domain) -> None:
        """By hand: defines or starts a domain on its host, or changes it."""
        self._domains[domain.host, domain.uuid] = domain
        self._taken_back.discard((domain.host, domain.uuid))
        self.changes += 1

    def take(self, host: str, uuid: str) -> Domain:
        """By hand: destroys and undefines a domain."""
        self.changes += 1
        self._taken_back.discard((host, uuid))
        return self._domains.pop((host, uuid))

    def let_go_on(self, host: str, uuid: str) -> None:
        """By hand: a domain that stands still runs again."""
        self._set_state(host, uuid, DomainState.RUNNING)
        self.changes += 1

    def make_stand_still(self, host: str, uuid: str, *, held: bool = False) -> None:
        """By hand: a domain that runs is paused; ``held``: as its migration would leave it."""
        self._set_state(host, uuid, DomainState.PAUSED)
        if held:
            self._held.add((host, uuid))
        self.changes += 1

    def press(self, host: str, **pressure: float) -> None:
        """By hand: what is short on a host from now on."""
        self._hosts[host] = replace(self._hosts[host], pressure=pressure)

    # How time goes by

    def advance(self, to: float) -> None:
        """Lets time go on until ``to`` (seconds; the past is ignored)."""
        self._apply_faults()
        while self.now < to:
            rates = self._rates()
            due = {t.number: self._due(t, rates[t.number]) for t in self.running}
            until = min([to, self.faults.next_change(self.now), *due.values(), *self._starts()])
            self._record(until, rates)
            for transfer in self.running:
                transfer.elapse(until - self.now, rates[transfer.number])
            self.now = until
            for transfer in self.running:
                if due[transfer.number] <= until:
                    self._turn(transfer, rates[transfer.number])
            self._start_late()
            self._apply_faults()

    def _due(self, transfer: Transfer, rate: float) -> float:
        silence = FOREVER if transfer.silent_since is None else transfer.silent_since + KEEPALIVE
        return min(self.now + transfer.time_left(rate), silence)

    def _rates(self) -> dict[int, float]:
        """Bytes of each migration per second, headers not counted."""
        cut = self.faults.cut(self.now)
        running = self.running
        resources: set[Hashable] = {resource for t in running for resource in t.path}
        capacities: dict[Hashable, float] = {
            r: (0.0 if r.link in cut else self._network.capacity[r.link] / WIRE)
            if isinstance(r, DirectedLink)
            else ADAPTER
            for r in resources
        }
        paths = {t.number: t.path for t in running}
        rates = fair_shares({t.number: t.ceiling for t in running}, paths, capacities)
        small = [t for t in running if t.phase is Phase.COPY and t.sent == 0 and t.fits_downtime(rates[t.number])]
        for transfer in small:
            transfer.switch_over()
        return fair_shares({t.number: t.ceiling for t in running}, paths, capacities) if small else rates

    def _record(self, until: float, rates: Mapping[int, float]) -> None:
        total: dict[DirectedLink, float] = {}
        throttled: dict[DirectedLink, float] = {}
        for transfer in self.running:
            for link in transfer.path:
                if isinstance(link, DirectedLink) and (rate := rates[transfer.number] * WIRE):
                    total[link] = total.get(link, 0.0) + rate
                    if transfer.phase is not Phase.SWITCHOVER:
                        throttled[link] = throttled.get(link, 0.0) + rate
        if total and until > self.now:
            self.traffic.append(Traffic(self.now, until, total, throttled))

    def _turn(self, transfer: Transfer, rate: float) -> None:
        if transfer.silent_since is not None and self.now >= transfer.silent_since + KEEPALIVE:
            self._fail(transfer, "internal error: connection closed due to keepalive timeout")
            return
        phase = transfer.phase
        transfer.turn(self.now, rate)
        if transfer.error is not None:
            self._fail(transfer, transfer.error, doubles=transfer.doubles)
        elif phase is Phase.SWITCHOVER:
            self._hand_over(transfer)
        elif phase is Phase.FINISH:
            if transfer.number in self.faults.keeps_definition:
                self._set_state(transfer.source, transfer.uuid, DomainState.SHUT_OFF)
            else:
                del self._domains[transfer.source, transfer.uuid]
                self._taken_back.discard((transfer.source, transfer.uuid))
            self._replaced.pop((transfer.destination, transfer.uuid), None)
            self.changes += 1

    def _apply_faults(self) -> None:
        dead, cut = self.faults.daemon_dead(self.now), self.faults.cut(self.now)
        for transfer in self.running:
            if transfer.phase in (Phase.SETUP, Phase.COPY, Phase.SWITCHOVER) and dead & {
                transfer.source,
                transfer.destination,
            }:
                self._fail(transfer, "internal error: client socket is closed")
            silent = transfer.phase in (Phase.COPY, Phase.SWITCHOVER) and any(
                isinstance(link, DirectedLink) and link.link in cut for link in transfer.path
            )
            if not silent:
                transfer.silent_since = None
            elif transfer.silent_since is None:
                transfer.silent_since = self.now

    # How a migration ends

    def _hand_over(self, transfer: Transfer) -> None:
        """The guest stops at its source and goes on at its destination, paused only if it was so before."""
        paused_before = transfer.state_before is not DomainState.RUNNING
        self._set_state(transfer.source, transfer.uuid, DomainState.PAUSED)
        self._set_state(
            transfer.destination, transfer.uuid, transfer.state_before if paused_before else DomainState.RUNNING
        )

    def _fail(self, transfer: Transfer, message: str, *, doubles: bool = False) -> None:
        """The guest runs on at its source; the destination forgets it, or starts it late."""
        if not transfer.done:
            transfer.fail(self.now, message)
        key = (transfer.destination, transfer.uuid)
        if doubles:
            silence = Outage(host=transfer.destination, since=self.now, until=self.now + transfer.late)
            self.faults = replace(self.faults, outages=(*self.faults.outages, silence))
            self._late.append((silence.until, transfer))
            self._replaced.pop(key, None)
        else:
            del self._domains[key]
            if key in self._replaced:
                self._domains[key] = self._replaced.pop(key)
        self._set_state(transfer.source, transfer.uuid, transfer.state_before)
        if transfer.state_before is DomainState.RUNNING:
            self._taken_back.add((transfer.source, transfer.uuid))
        self._start_late()

    def _starts(self) -> list[float]:
        return [time for time, _ in self._late]

    def _start_late(self) -> None:
        """What stands still where it was received, its destination not having heard that the migration has failed."""
        for time, transfer in [each for each in self._late if each[0] <= self.now]:
            self._late.remove((time, transfer))
            if (transfer.destination, transfer.uuid) in self._domains:
                self._set_state(transfer.destination, transfer.uuid, transfer.state_before)
                self.changes += 1

    def _set_state(self, host: str, uuid: str, state: DomainState) -> None:
        self._domains[host, uuid] = replace(self._domains[host, uuid], state=state)
        self._taken_back.discard((host, uuid))
        self._held.discard((host, uuid))

    def _refusal(self, domain: Domain | None, transfer: Transfer) -> str | None:
        """Why a migration cannot begin, in libvirt's words where it has some."""
        there = self._hosts.get(transfer.destination)
        if domain is None:
            return f"Domain not found: no domain with matching uuid '{transfer.uuid}'"
        if not domain.state.active:
            return "Requested operation is not valid: domain is not running"
        if not domain.migration.allowed:
            return f"Requested operation is not valid: {domain.migration.reason or 'domain cannot be migrated'}"
        if any(t.uuid == transfer.uuid for t in self.running):
            return "Timed out during operation: cannot acquire state change lock: another migration job is running"
        if there is None or not there.readable or self.faults.outage(there.name, self.now) is not None:
            return f"unable to connect to server at '{transfer.destination}:16509': No route to host"
        return self._clash(domain, transfer) or self._shortage(domain, there)

    def _clash(self, domain: Domain, transfer: Transfer) -> str | None:
        if transfer.destination == transfer.source:
            return f"internal error: Attempt to migrate guest to the same host {transfer.source}"
        for other in self.domains_on(transfer.destination):
            if other.uuid == domain.uuid and other.state.active:
                return f"Requested operation is not valid: domain is already active as '{other.name}'"
            if other.uuid == domain.uuid and other.name != transfer.name:
                return f"operation failed: domain '{other.name}' is already defined with uuid {other.uuid}"
            if other.uuid != domain.uuid and other.name == transfer.name:
                return f"operation failed: domain '{other.name}' already exists with uuid {other.uuid}"
        return None

    def _shortage(self, domain: Domain, there: Host) -> str | None:
        if missing := domain.missing_on(there):
            return f"unsupported configuration: {there.name} lacks {', '.join(missing)}"
        limit = there.capacity.get("memory", FOREVER)
        taken = sum(d.uses.get("memory", 0.0) for d in self.domains_on(there.name) if d.state.active)
        if taken + domain.uses.get("memory", 0.0) > limit:
            return "internal error: process exited while connecting to monitor: cannot allocate guest memory"
        return None
