"""One migration under way: virsh waits for its end, a thread watches it and does what is asked of it.

The source's daemon migrates by itself (peer to peer). So when the connection to it is lost, nothing is decided: the
source is asked, once it can be, whether it still has the domain.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from rebalancer.cluster import Capabilities
from rebalancer.cluster.model import DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers.audit import tell
from rebalancer.drivers.commands import Completed, RunningCommand
from rebalancer.drivers.protocol import MigrationOutcome, Progress, Sighting
from rebalancer.errors import HostError, HostUnreachable, MigrationFailed, RebalancerError, Unsupported
from rebalancer_virsh.hypervisors import kind_of
from rebalancer_virsh.jobs import Job, parse_job
from rebalancer_virsh.meaning import meaning
from rebalancer_virsh.request import MigrationRequest, whole_mib
from rebalancer_virsh.shortage import MEMORY_COMMAND, free_memory, shortage
from rebalancer_virsh.virsh import Answer, Virsh, answer_of, first_error

__all__ = ["VirshMigration"]

_LOOK_EVERY = 0.5
_TELL_EVERY = 10.0
_STEP = 0.05
"""Seconds between looks whether virsh has ended; costs no traffic."""
_CALL_TIMEOUT = Seconds(20.0)
_ASK_DESTINATION_TIMEOUT = Seconds(10.0)
_RECONNECT_FOR = 120.0
_RECONNECT_EVERY = 2.0
_STUCK = 5.0
"""Seconds without a byte after which a post-copy whose connection broke is taken up again."""
_GOES_ON_BY_ITSELF = "running (unpaused)"
"""Or somebody has told it to go on, which does no harm here."""
_POST_COPY_SPEED = "migrate-setspeed --postcopy"


class VirshMigration:
    """See :class:`rebalancer.drivers.Migration`. What is asked of it is done by its thread, until it succeeds or ends.

    ``find`` asks the source for the domain; ``closed`` is set once the connection to the source is given up;
    ``adopted``: it was started earlier, and the virsh that waited for it is gone.
    """

    def __init__(
        self,
        virsh: Virsh,
        peer: Virsh,
        can: Capabilities,
        request: MigrationRequest,
        find: Callable[[str], Sighting | None],
        closed: threading.Event,
        *,
        adopted: bool = False,
    ) -> None:
        self._host = virsh.host
        self._virsh = virsh
        self._peer = peer
        self._can = can
        self._request = request
        self._find = find
        self._closed = closed
        self._adopted = adopted
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._wishes: dict[str, str] = {}
        self._changed: set[str] = set()
        self._before: dict[str, str] = {}
        self._progress = Progress()
        self._outcome: MigrationOutcome | None = None
        self._error: RebalancerError | None = None
        self._job_seen = False
        self._tell_at = 0.0
        self._raw = True
        self._left: tuple[float, int | None] = (self._began, None)
        """Since when so many bytes are left."""
        self._thread = threading.Thread(target=self._run, name=f"migration {request.uuid}", daemon=True)

    def start(self) -> VirshMigration:
        self._thread.start()
        return self

    # What is asked of it: none of these waits.

    def done(self) -> bool:
        return self._ended.is_set()

    def progress(self) -> Progress:
        with self._lock:
            return self._progress

    def result(self) -> MigrationOutcome:
        self._ended.wait()
        if self._error is not None:
            raise self._error
        assert self._outcome is not None  # noqa: S101 - one of the two is there at the end
        return self._outcome

    def set_bandwidth(self, bandwidth: BytesPerSecond) -> None:
        if not self._can.set_bandwidth:
            raise Unsupported(self._host, "set_bandwidth")
        cap = str(whole_mib(self._host, bandwidth))
        self._wish("migrate-setspeed", cap)
        if "--postcopy" in self._request.arguments:
            self._wish(_POST_COPY_SPEED, cap)

    def cancel(self) -> None:
        if not self._can.cancel:
            raise Unsupported(self._host, "cancel")
        self._wish("domjobabort")

    def start_post_copy(self) -> None:
        if "--postcopy" not in self._request.arguments:
            raise Unsupported(self._host, "post_copy", "the migration was started without it")
        self._wish("migrate-postcopy")

    def pause(self) -> None:
        self._wish("suspend")

    def _wish(self, command: str, value: str = "") -> None:
        with self._lock:
            self._wishes[command] = value
        self._wake.set()

    # Its thread.

    def _run(self) -> None:
        try:
            self._outcome = self._migrate()
        except RebalancerError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - whoever waits for the result must learn of it
            self._error = MigrationFailed(self._host, f"watching the migration failed: {error!r}")
            self._error.__cause__ = error
        finally:
            if self._error is not None:
                with suppress(RebalancerError):
                    self._restore()
                    self._take_disks_back()
            self._ended.set()

    def _migrate(self) -> MigrationOutcome:
        if self._adopted:
            return self._settle("it ended without moving the domain", looks=2, cause=None)
        self._prepare()
        self._take_disks_back()
        try:
            completed = self._carry_out(self._request.arguments)
        except HostUnreachable as error:
            return self._settle(error.message, looks=2, cause=error)
        if completed.exit_status == 0:
            return self._measured()
        words = first_error(completed.stderr) or f"virsh ended with status {completed.exit_status}"
        return self._settle(self._in_plain_words(words), looks=1, cause=None)

    def _carry_out(self, arguments: Sequence[str]) -> Completed:
        """Waits for virsh, watching; raises HostUnreachable."""
        command = self._virsh.start(*arguments)
        try:
            while not command.done():
                self._attend()
                self._wait(command)
            completed = command.result(_CALL_TIMEOUT)
        except HostUnreachable as error:
            tell(self._host, self._virsh.shown(*arguments), f"out of sight: {error.message}")
            raise
        finally:
            command.close()
        tell(self._host, self._virsh.shown(*arguments), answer_of(completed))
        return completed

    def _in_plain_words(self, words: str) -> str:
        """libvirt's own, after what they mean where that is known."""
        request, free = self._request, None
        if (told := meaning(words, request.name, request.destination)) is not None:
            return f"{told} ({words})"
        if shortage(words, "", "", 0.0, None) is None:
            return words
        with suppress(HostError):
            answer = self._peer.run(MEMORY_COMMAND, timeout=_ASK_DESTINATION_TIMEOUT)
            free = free_memory(answer.stdout.decode("utf-8", "replace"))
        return f"{shortage(words, request.name, request.destination, request.memory, free)} ({words})"

    def _prepare(self) -> None:
        """Sets what must be set before, and notes what to set back: both stay with the domain otherwise."""
        uuid = self._request.uuid
        commands = [f"domname {uuid}"]
        if self._request.active and self._can.set_bandwidth:
            commands += [f"migrate-getspeed {uuid}", f"migrate-getmaxdowntime {uuid}"]
        if self._request.max_downtime is not None:
            commands.append(f"migrate-setmaxdowntime {uuid} {self._request.max_downtime}")
        answers = {
            answer.command.partition(" ")[0]: answer for answer in self._virsh.batch(commands, timeout=_CALL_TIMEOUT)
        }
        # Unlike other commands, this one does not take a domain that is merely called like the UUID.
        if answers["domname"].error:
            raise MigrationFailed(self._host, f"has no domain {uuid} ({answers['domname'].error})")
        for get, setter in (
            ("migrate-getspeed", "migrate-setspeed"),
            ("migrate-getmaxdowntime", "migrate-setmaxdowntime"),
        ):
            if get in answers and _number(answers[get]):
                self._before[setter] = _number(answers[get])
        if self._request.max_downtime is not None:
            if answers["migrate-setmaxdowntime"].error:
                # Older libvirt: only while it migrates.
                self._wish("migrate-setmaxdowntime", str(self._request.max_downtime))
            else:
                self._changed.add("migrate-setmaxdowntime")

    def _wait(self, command: RunningCommand) -> None:
        until = time.monotonic() + _LOOK_EVERY
        while time.monotonic() < until and not command.done():
            if self._closed.is_set():
                raise HostUnreachable(self._host, "the connection is closed")
            if self._wake.wait(_STEP):
                self._wake.clear()
                return

    def _attend(self) -> None:
        """Looks how far it is, and does what is asked. A call that does not come through is made again next time."""
        if not self._request.active:
            return
        with suppress(HostError, ValueError):
            if not self._job_seen:
                self._look()
            # Before there is a job, a cap would be the domain's own, and not this migration's.
            if self._job_seen:
                self._fulfil()
                self._look()

    def _look(self) -> None:
        options = ["--rawstats"] if self._raw else []
        # Looked at twice a second: not every look is for the record.
        told = time.monotonic() >= self._tell_at
        self._tell_at = time.monotonic() + _TELL_EVERY if told else self._tell_at
        completed = self._virsh.run("domjobinfo", *options, self._request.uuid, timeout=_CALL_TIMEOUT, told=told)
        if completed.exit_status != 0:
            if b"support option" in completed.stderr:
                self._raw = False
            return
        job = parse_job(completed.stdout.decode("utf-8", "replace"))
        if job.migrating:
            self._job_seen = True
            with self._lock:
                self._progress = job.progress(self._elapsed())

    def _fulfil(self) -> None:
        with self._lock:
            wishes = dict(self._wishes)
            sending = self._progress.processed is not None
        if "domjobabort" in wishes:
            wishes = {"domjobabort": ""}
        elif not sending:
            # Until then the cap that it was started with is still to be set, and would undo this one.
            wishes = {command: value for command, value in wishes.items() if "setspeed" not in command}
        for command, value in wishes.items():
            arguments = [*command.split(), self._request.uuid, *([value] if value else [])]
            completed = self._virsh.run(*arguments, timeout=_CALL_TIMEOUT)
            if completed.exit_status == 0:
                self._changed.add(command)
                with self._lock:
                    if self._wishes.get(command) == value:
                        del self._wishes[command]

    def _restore(self) -> None:
        """Cap and downtime stay with a domain that did not move: set back."""
        if not self._closed.is_set():
            uuid = self._request.uuid
            commands = [f"{setter} {uuid} {value}" for setter, value in self._before.items() if setter in self._changed]
            if commands:
                self._virsh.batch(commands, timeout=_CALL_TIMEOUT)

    def _take_disks_back(self) -> None:
        """From the other end of a migration that broke in its last moments.

        QEMU (seen of 7.2) lets such a guest go on by itself, and the disks stay given away (``bdrv_inactivate_all``):
        the guest's next write, or its next migration, ends its process. It takes them back when it is told to let the
        guest go on (``qmp_cont``), for which that must stand still.
        """
        uuid = self._request.uuid
        if self._closed.is_set() or not self._request.active or kind_of(self._virsh.uri) != "qemu":
            return
        (state,) = self._virsh.batch([f"domstate {uuid} --reason"], timeout=_CALL_TIMEOUT)
        if state.text.strip() != _GOES_ON_BY_ITSELF:
            return
        seen = self._find(uuid)
        if seen is None or seen.migrating:
            return
        suspended, resumed = self._virsh.batch([f"suspend {uuid}", f"resume {uuid}"], timeout=_CALL_TIMEOUT)
        if resumed.error and not suspended.error:
            raise MigrationFailed(self._host, f"{uuid} stands still, and cannot be let go on ({resumed.error})")

    # Its end.

    def _settle(self, words: str, *, looks: int, cause: BaseException | None) -> MigrationOutcome:
        """Something went wrong: is the domain still there? ``looks`` without a job prove that there is none."""
        quiet = 0
        until = time.monotonic() + _RECONNECT_FOR
        while not self._closed.is_set():
            try:
                sighting = self._find(self._request.uuid)
            except HostError as error:
                if time.monotonic() > until:
                    raise HostUnreachable(
                        self._host, f"whether {self._request.uuid} moved is not known: {words}; {error.message}"
                    ) from error
                self._closed.wait(_RECONNECT_EVERY)
                continue
            if sighting is not None and sighting.migrating:
                quiet, until = 0, time.monotonic() + _RECONNECT_FOR
                self._attend()
                if self._is_torn() and self._taken_up():
                    return self._measured()
                self._closed.wait(_LOOK_EVERY)
                continue
            if sighting is None or (self._request.active and sighting.state is DomainState.SHUT_OFF):
                return self._gone(words, cause)
            quiet += 1
            if quiet >= looks:
                raise MigrationFailed(self._host, words) from cause
            self._closed.wait(_RECONNECT_EVERY)
        raise HostUnreachable(self._host, f"whether {self._request.uuid} moved is not known: {words}") from cause

    def _is_torn(self) -> bool:
        """Whether its guest stands still, part of its memory here and part there, and nothing is sent any more."""
        now, left = time.monotonic(), self.progress().remaining
        if "--postcopy" not in self._request.arguments or left != self._left[1]:
            self._left = (now, left)
        if now - self._left[0] < _STUCK:
            return False
        with suppress(HostError):
            state = self._virsh.run("domstate", self._request.uuid, "--reason", timeout=_CALL_TIMEOUT, told=False)
            return b"post-copy failed" in state.stdout
        return False

    def _taken_up(self) -> bool:
        """Whether the rest has been sent over a new connection; libvirt can do that since 8.6."""
        with suppress(HostError):
            # QEMU does not give the old one up by itself for many minutes.
            self._virsh.run("domjobabort", "--postcopy", self._request.uuid, timeout=_CALL_TIMEOUT)
            if self._carry_out((*self._request.arguments, "--postcopy-resume")).exit_status == 0:
                return True
        self._left = (time.monotonic(), self._left[1])
        return False

    def _gone(self, words: str, cause: BaseException | None) -> MigrationOutcome:
        """The source has it no more. So is a transient one that crashed: ask the destination."""
        there: bool | None = None
        with suppress(HostError):
            completed = self._peer.run("domname", self._request.uuid, timeout=_ASK_DESTINATION_TIMEOUT)
            there = completed.exit_status == 0
        # Where the destination cannot be asked: virsh told of no failure, so it has moved.
        if there or (there is None and cause is not None):
            return self._measured()
        raise MigrationFailed(
            self._host,
            f"{words}; the domain is no longer there, "
            + ("and not on the destination either" if there is False else "and the destination does not answer"),
        ) from cause

    def _measured(self) -> MigrationOutcome:
        """What it took: by the destination's count, which it keeps for a while, or else by ours."""
        if self._request.active and self._can.progress:
            for options in (("--completed", "--keep-completed", "--rawstats"), ("--completed",)):
                with suppress(HostError, ValueError):
                    job = self._ask_destination(*options)
                    outcome = job.outcome() if job else None
                    if outcome is not None:
                        return outcome
        return MigrationOutcome(duration=self._elapsed(), transferred=self.progress().processed)

    def _ask_destination(self, *options: str) -> Job | None:
        completed = self._peer.run("domjobinfo", *options, self._request.uuid, timeout=_ASK_DESTINATION_TIMEOUT)
        if completed.exit_status != 0:
            return None
        return parse_job(completed.stdout.decode("utf-8", "replace"))

    def _elapsed(self) -> Seconds:
        return Seconds(time.monotonic() - self._began)


def _number(answer: Answer) -> str:
    """A number that may become part of a command again, or nothing."""
    text = answer.text.strip()
    return text if text.isascii() and text.isdigit() and len(text) <= 20 else ""
