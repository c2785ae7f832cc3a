"""An open connection to one host's libvirt."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from rebalancer.cluster import Capabilities, Domain, DomainState, Host
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.cluster.writes import Window
from rebalancer.drivers.commands import Transport, printable
from rebalancer.drivers.protocol import DriverHost, Entry, Migration, MigrationOptions, ReadOptions, Sighting
from rebalancer.errors import HostAnswerInvalid, MigrationFailed
from rebalancer_virsh import stats as statistics
from rebalancer_virsh.domain import Circumstances, cpu_seconds, parse_domain, parse_info, state_of
from rebalancer_virsh.host import HOST_COMMANDS, HostFacts, net_device_commands, net_devices, read_facts, read_host
from rebalancer_virsh.hypervisors import kind_of
from rebalancer_virsh.jobs import parse_job
from rebalancer_virsh.migration import VirshMigration
from rebalancer_virsh.pressure import PRESSURE_COMMAND, parse_pressure
from rebalancer_virsh.request import migration_request
from rebalancer_virsh.storage import NETWORKED_POOLS, SharedStorage, pool_commands, shared_storage
from rebalancer_virsh.virsh import Answer, Virsh, first_error, uuid_of

__all__ = ["VirshConnection"]

_ALL = "list --all --uuid"
_ROSTER = "list --all --uuid --name"
_ACTIVE = "list --uuid"
_PERSISTENT = "list --all --persistent --uuid"
_SNAPSHOTS = "list --all --with-snapshot --uuid"
_CHECKPOINTS = "list --all --with-checkpoint --uuid"
_LISTS = (_ALL, _PERSISTENT, _SNAPSHOTS, _CHECKPOINTS)
_TOGETHER = 100
"""Domains asked for in one call."""
_GONE = ("failed to get domain", "no domain with matching", "Domain not found")
_TAKEN_BACK = "migration canceled"
"""Why a domain runs that its source has let go on (VIR_DOMAIN_RUNNING_MIGRATION_CANCELED)."""
_HELD = "migrating"
"""Why a domain stands still that is to be switched over (VIR_DOMAIN_PAUSED_MIGRATION)."""
_ONLY_AT_SOURCE = "available only on the source host"
_MEASURE_LONGER = 5.0
"""Seconds that a measurement of dirty rates may take more than it should."""


class VirshConnection:
    """See :class:`rebalancer.drivers.HostConnection`."""

    def __init__(self, host: DriverHost, transport: Transport, shared: Sequence[str]) -> None:
        self._name = host.name
        self._transport = transport
        self._uri = host.uri or "qemu:///system"
        self._kind = kind_of(self._uri)
        self._virsh = Virsh(transport, self._uri)
        self._shared = tuple(shared)
        self._facts: HostFacts | None = None
        self._closed = threading.Event()

    def capabilities(self) -> Capabilities:
        return self._known_facts().capabilities

    def read(self, options: ReadOptions) -> tuple[Host, tuple[Domain, ...]]:
        with self._understanding():
            answers = self._ask([*HOST_COMMANDS, *_LISTS])
            facts = self._take_facts(answers)
            devices, storage = self._details(answers)
            domains = self._domains(answers, facts, storage, options)
            outputs = {command: (answer.output, answer.error) for command, answer in answers.items()}
            host = read_host(self._name, facts, outputs, devices)
            return replace(host, pressure=self.pressure()), domains

    def roster(self) -> Mapping[str, Entry]:
        with self._understanding():
            answers = self._ask([_ROSTER, _ACTIVE])
            self._require(answers[_ROSTER])
            active = self._uuids(answers[_ACTIVE])
            lines = [line for line in answers[_ROSTER].text.splitlines() if line.strip()]
            # A name may begin or end with a space: what follows the UUID and one space is the name to the letter.
            return {
                uuid: Entry(name=line[37:], active=uuid in active)
                for line, uuid in ((line, uuid_of(line[:36])) for line in lines)
            }

    def pressure(self) -> Mapping[str, float]:
        return parse_pressure(self._transport.run(PRESSURE_COMMAND).stdout)

    def find(self, uuid: str) -> Sighting | None:
        with self._understanding():
            uuid = uuid_of(uuid)
            name, state, job = f"domname {uuid}", f"domstate {uuid} --reason", f"domjobinfo {uuid}"
            answers = self._ask([_ALL, name, state, job])
            if uuid not in self._uuids(answers[_ALL]) or _is_gone(answers[name]):
                return None
            self._require(answers[name])
            self._require(answers[state])
            word, _, reason = answers[state].text.strip().partition(" (")
            migrating = _is_migrating(answers[job], reason)
            return Sighting(
                name=answers[name].text,
                state=state_of(word),
                migrating=migrating,
                taken_back=reason.startswith(_TAKEN_BACK),
                held=state_of(word) is DomainState.PAUSED and reason.startswith(_HELD) and not migrating,
            )

    def migrate(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration:
        can = self.capabilities()
        request = migration_request(self._name, can, self._kind, domain, destination, options)
        peer = Virsh(self._transport, request.peer)
        return VirshMigration(self._virsh, peer, can, request, self.find, self._closed).start()

    def adopt(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration | None:
        can = self.capabilities()
        uuid = uuid_of(domain.uuid)
        with self._understanding():
            job = self._ask([f"domjobinfo {uuid}"])[f"domjobinfo {uuid}"]
            seen = self.find(uuid)
        # Of a migration that arrives here the job tells nothing.
        if seen is None or not seen.migrating or _ONLY_AT_SOURCE in job.error:
            return None
        request = migration_request(self._name, can, self._kind, domain, destination, options)
        peer = Virsh(self._transport, request.peer)
        return VirshMigration(self._virsh, peer, can, request, self.find, self._closed, adopted=True).start()

    def discard(self, uuid: str) -> None:
        seen = self.find(uuid)
        if seen is None:
            return
        if seen.migrating or seen.state is DomainState.RUNNING:
            raise MigrationFailed(self._name, f"'{seen.name}' is in use here and is not removed")
        if seen.state.active:
            self._do("destroy", uuid_of(uuid))
        # A transient one is gone with that.
        if self.find(uuid) is not None:
            self._do("undefine", uuid_of(uuid), "--keep-nvram")

    def unpause(self, uuid: str) -> None:
        seen = self.find(uuid)
        if seen is None or seen.migrating or seen.state is not DomainState.PAUSED:
            raise MigrationFailed(self._name, f"{uuid} does not stand still here")
        try:
            self._do("resume", uuid_of(uuid))
        except MigrationFailed:
            # One that is held may go on by itself at any moment.
            if not (seen.held and self._runs(uuid)):
                raise

    def _runs(self, uuid: str) -> bool:
        seen = self.find(uuid)
        return seen is not None and seen.state is DomainState.RUNNING and not seen.migrating

    def suspend(self, uuid: str) -> None:
        seen = self.find(uuid)
        if seen is None or seen.migrating or seen.state is not DomainState.RUNNING:
            raise MigrationFailed(self._name, f"{uuid} does not run here")
        self._do("suspend", uuid_of(uuid))

    def close(self) -> None:
        self._closed.set()
        self._transport.close()

    # Reading

    def _domains(
        self, answers: Mapping[str, Answer], facts: HostFacts, storage: SharedStorage, options: ReadOptions
    ) -> tuple[Domain, ...]:
        uuids = sorted(self._uuids(answers[_ALL]))
        persistent = self._uuids(answers[_PERSISTENT])
        snapshots = set[str]()
        for command in (_SNAPSHOTS, _CHECKPOINTS):
            if not answers[command].error:  # Xen has none, older libvirts have no checkpoints
                snapshots |= self._uuids(answers[command])
        first: dict[str, _Domain] = {}
        for part in _parts(uuids):
            first.update(self._first_look(part))
        running = [uuid for uuid in first if first[uuid].state is DomainState.RUNNING]
        rates, dirty = self._measure(first, running, facts, options)
        return tuple(
            parse_domain(
                self._name,
                uuid,
                seen.xml,
                facts,
                storage,
                Circumstances(
                    state=seen.state,
                    persistent=uuid in persistent,
                    snapshots=uuid in snapshots,
                    stats=seen.stats,
                    rates=rates.get(uuid, {}),
                    dirty=dirty.get(uuid, ()),
                ),
            )
            for uuid, seen in first.items()
        )

    def _first_look(self, uuids: Sequence[str]) -> dict[str, _Domain]:
        """Statistics come first, as in :meth:`_second_look`, so that the times between the two are alike."""
        stats = [statistics.stats_command(uuid) for uuid in uuids]
        infos = [f"dominfo {uuid}" for uuid in uuids]
        xmls = [f"dumpxml {uuid}" for uuid in uuids]
        at = time.monotonic()
        answers = self._ask([*stats, *infos, *xmls])
        found: dict[str, _Domain] = {}
        for uuid, stat, info, xml in zip(uuids, stats, infos, xmls, strict=True):
            if _is_gone(answers[xml]) or _is_gone(answers[info]):
                continue
            self._require(answers[xml])
            found[uuid] = _Domain(answers[stat], answers[info], answers[xml], at)
        return found

    def _measure(
        self, first: Mapping[str, _Domain], running: Sequence[str], facts: HostFacts, options: ReadOptions
    ) -> tuple[dict[str, dict[str, float]], dict[str, tuple[Window, ...]]]:
        """Rates by domain: in cores and bytes per second, and of writing to memory."""
        active = [uuid for uuid in first if first[uuid].state.active]
        if not active:
            return {}, {}
        waited = 0.0
        dirty: dict[str, tuple[Window, ...]] = {}
        for seconds in statistics.windows(options.dirty_rate) if facts.capabilities.dirty_rate and running else ():
            self._ask([f"domdirtyrate-calc {uuid} --seconds {seconds}" for uuid in running])
            time.sleep(seconds)
            waited += seconds
            for uuid, rate in self._dirty_rates(running).items():
                dirty[uuid] = (*dirty.get(uuid, ()), Window(float(seconds), rate))
        if not (options.sample > 0 or dirty):
            return {}, dirty
        if options.sample > waited:
            time.sleep(options.sample - waited)
        rates: dict[str, dict[str, float]] = {}
        for part in _parts(active):
            rates.update(self._second_look(part, first))
        return rates, dirty

    def _second_look(self, uuids: Sequence[str], first: Mapping[str, _Domain]) -> dict[str, dict[str, float]]:
        commands = {uuid: statistics.stats_command(uuid) if first[uuid].stats else f"dominfo {uuid}" for uuid in uuids}
        at = time.monotonic()
        answers = self._ask(list(commands.values()))
        found: dict[str, dict[str, float]] = {}
        for uuid, command in commands.items():
            sample = _sample(answers[command], at)
            found[uuid] = statistics.rates(first[uuid].sample, sample)
        return found

    def _dirty_rates(self, uuids: Sequence[str]) -> dict[str, BytesPerSecond]:
        commands = {f"domstats --raw --dirtyrate {uuid}": uuid for uuid in uuids}
        until = time.monotonic() + _MEASURE_LONGER
        while True:
            found: dict[str, BytesPerSecond] = {}
            waiting = False
            for command, answer in self._ask(list(commands)).items():
                stats = statistics.parse_stats(answer.text)
                rate = statistics.dirty_rate(stats)
                if rate is not None:
                    found[commands[command]] = rate
                waiting = waiting or statistics.is_measuring(stats)
            if not waiting or time.monotonic() > until:
                return found
            time.sleep(0.3)

    def _details(self, answers: Mapping[str, Answer]) -> tuple[tuple[str, ...] | None, SharedStorage]:
        """Network devices (None: unknown) and networked pools, which are asked for one by one."""
        listing, pools = answers["nodedev-list --cap net"], answers[NETWORKED_POOLS]
        devices = () if listing.error else net_device_commands(listing.output)
        networked = () if pools.error else pool_commands(pools.output)
        found = self._ask([*devices, *networked])
        names = None if listing.error else net_devices([found[command].output for command in devices])
        return names, shared_storage(self._shared, [found[command].output for command in networked])

    # Asking

    def _known_facts(self) -> HostFacts:
        if self._facts is None:
            with self._understanding():
                return self._take_facts(self._ask(["capabilities", "version"]))
        return self._facts

    def _take_facts(self, answers: Mapping[str, Answer]) -> HostFacts:
        self._require(answers["capabilities"])
        self._facts = read_facts(self._kind, answers["capabilities"].output, answers["version"].text)
        return self._facts

    def _ask(self, commands: Sequence[str]) -> dict[str, Answer]:
        return {answer.command: answer for answer in self._virsh.batch(commands)} if commands else {}

    def _do(self, *arguments: str) -> None:
        completed = self._virsh.run(*arguments)
        if completed.exit_status != 0:
            raise MigrationFailed(self._name, f"'{arguments[0]}' failed: {first_error(completed.stderr)}")

    def _uuids(self, answer: Answer) -> set[str]:
        self._require(answer)
        return {uuid_of(line) for line in answer.text.splitlines() if line.strip()}

    def _require(self, answer: Answer) -> None:
        if answer.error:
            raise ValueError(f"'{answer.command}' failed: {answer.error}")

    @contextmanager
    def _understanding(self) -> Iterator[None]:
        """Whatever cannot be understood is the host's error, in one line."""
        try:
            yield
        except ValueError as error:
            raise HostAnswerInvalid(self._name, printable(str(error), 400)) from error


class _Domain:
    """The first look at a domain."""

    __slots__ = ("sample", "state", "stats", "xml")

    def __init__(self, stats: Answer, info: Answer, xml: Answer, at: float) -> None:
        self.stats = statistics.parse_stats(stats.text) if not stats.error else {}
        self.xml = xml.output
        self.state = statistics.state_of(self.stats) or state_of(parse_info(info.text).get("State", ""))
        if "cpu.time" not in self.stats:
            self.stats = {}
        self.sample = _sample(stats if self.stats else info, at)


def _sample(answer: Answer, at: float) -> statistics.Sample:
    """Counters from ``domstats``, or, on hypervisors without it, from ``dominfo``."""
    if answer.command.startswith("dominfo"):
        return statistics.Sample(at=at, cpu_time=cpu_seconds(parse_info(answer.text)), net=0, disk=0)
    return statistics.parse_sample(statistics.parse_stats(answer.text), at)


def _is_gone(answer: Answer) -> bool:
    return any(words in answer.error for words in _GONE)


def _is_migrating(job: Answer, reason: str) -> bool:
    """``reason`` is why the domain is in its state."""
    if not job.error:
        return parse_job(job.text).migrating
    # QEMU's destination counts nothing and says so. Where there is no job information at all, the state must do.
    return _ONLY_AT_SOURCE in job.error or reason.startswith(_HELD)


def _parts(uuids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(uuids)
    while part := list(islice(rest, _TOGETHER)):
        yield part
