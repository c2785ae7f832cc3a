"""Carrying out a plan: what may start now is started, what runs is watched, what ended is verified.

One thread, one loop. Nothing is planned here: a step is started as it stands in the plan, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import BytesPerSecond, Seconds, format_duration
from rebalancer.drivers import Clock, Migration
from rebalancer.errors import HostUnreachable, RebalancerError
from rebalancer.execution.admission import Admission
from rebalancer.execution.candidate import Candidate, candidates
from rebalancer.execution.convergence import Trend
from rebalancer.execution.gates import Gates
from rebalancer.execution.guard import Guard
from rebalancer.execution.hosts import Finding, Hosts, ask, guarded, list_domains, roster
from rebalancer.execution.ledger import Ledger
from rebalancer.execution.outcome import Outcome, Place, RunResult, StepOutcome
from rebalancer.execution.record import Record
from rebalancer.execution.recovery import Past
from rebalancer.execution.remains import forget_definition, stop_unexpected
from rebalancer.execution.retry import Retries
from rebalancer.execution.running import Running, options_for, patience, rungs
from rebalancer.execution.stop import StopSignal
from rebalancer.execution.throttle import Throttle
from rebalancer.execution.verdict import Refusal, Verdict, obstacle, whereabouts
from rebalancer.execution.watch import Watch
from rebalancer.plan.model import Plan, Step

__all__ = ["POLL", "Engine"]

POLL = 0.2
"""Seconds between two looks at what runs."""
UNHEARD_INTERVAL = 30.0
"""Seconds between two attempts to ask a host that was silent when a step ended: each may take as long as a timeout."""


class Engine:
    """One plan on its way. ``settled``: what became of steps of an earlier attempt, by id."""

    def __init__(
        self,
        plan: Plan,
        cluster: Cluster,
        hosts: Hosts,
        record: Record,
        clock: Clock,
        stop: StopSignal,
        guard: Guard,
        settled: Mapping[str, StepOutcome] | None = None,
    ) -> None:
        self._hosts = hosts
        self._record = record
        self._clock = clock
        self._stop = stop
        self._started = clock.now()
        self._steps = plan.step_by_id
        self._outcomes: dict[str, StepOutcome] = dict(settled or {})
        # Stable: steps that are to start together keep the plan's order.
        self._pending = sorted(
            (step for step in plan.steps if step.id not in self._outcomes), key=lambda step: step.predicted.start
        )
        self._candidates = candidates(plan, cluster)
        self._running: dict[str, Running] = {}
        self._blocked: dict[str, str] = {}
        self._where: dict[str, Place | None] = {
            step.uuid: Place(host=domain.host, name=domain.name)
            for step in plan.steps
            for domain in cluster.domains_by_uuid.get(step.uuid, ())
            if domain.state.active
        }
        # Of what was read only now nobody could tell that it is not where the run had left it.
        self._where |= {self._steps[key].uuid: outcome.place for key, outcome in self._outcomes.items()}
        self._ledger = Ledger(cluster, plan.steps, plan.guards.hosts)
        lead = min((step.predicted.setup for step in plan.steps), default=Seconds(0.0))
        self._throttle = Throttle(plan.guards, self._running, record, lead)
        self._watch = Watch(hosts, clock, record, self._throttle.favour)
        self._retries = Retries(clock, plan.seed)
        self._gates = Gates([self._retries, *guard.gates])
        self._hooks = guard.hooks
        self._held: dict[str, str] = {}
        """Steps that a gate keeps from being started, and why."""
        self._told: tuple[str, ...] = ()
        """What of it the observer knows."""
        self._admission = Admission(
            self._steps, self._candidates, self._outcomes, self._running, self._ledger, self._throttle
        )
        self._failures: dict[str, str] = {}
        """What steps failed of that are to be tried again."""
        self._unheard: dict[str, Running] = {}
        """Steps that have ended while one of their hosts was silent."""
        self._last_look = False
        self._changed = True
        self._cancelled = False

    def adopt(self, step: Step, migration: Migration | None, past: Past) -> None:
        """A migration that an earlier attempt started; None: it is over, and only remains to be verified."""
        self._pending.remove(step)
        self._ledger.arrive(step)
        running = self._running[step.id] = self._watched(self._candidates[step.id], None)
        running.migration, running.expected, running.suspended = migration, past.expected, past.suspended
        if migration is None:
            running.end(self._clock.now())
        self._record.started(step, None)
        self._throttle.settle()

    def reserve(self, step: Step, rate: BytesPerSecond | None) -> None:
        """For a migration of an earlier attempt that nobody can watch, but that may go on at this rate: its room, and
        its share of the links."""
        self._ledger.arrive(step)
        self._throttle.hold(step.id, self._candidates[step.id].sender.at(rate))

    def carry_out(self) -> None:
        while self._record.lost is None:
            self._cancel_if_asked()
            self._look_after()
            self._reopen()
            self._changed = self._is_news() or self._changed
            if self._changed and self._start_more():
                continue
            if self._is_over:
                self._last_look = True
                if not self._reopen():
                    break
            self._tell_what_holds()
            self._clock.sleep(Seconds(POLL))
        self._close()

    def _reopen(self) -> bool:
        """Whether hosts answer that were silent when a step had ended: what became of it is verified anew. What they
        may have started when its source had taken it back must not wait for somebody to resume the run."""
        now, found, silent = self._clock.now(), False, set[str]()
        for key, running in list(self._unheard.items()):
            if now < running.look_at and not self._last_look:
                continue
            running.look_at = now + UNHEARD_INTERVAL
            if self._last_look:
                del self._unheard[key]
            step, moved_on = running.step, self._has_moved_on(running.step)
            concerned = (step.source,) if moved_on else (step.destination, step.source)
            silent |= {h for h in concerned if h not in silent and not ask(self._hosts, h, step.uuid).answered}
            if not silent.isdisjoint(concerned):
                continue
            self._unheard.pop(key, None)
            if moved_on:
                self._clear_source(step)
            else:
                found = True
                self._look_again(running)
        return found

    def _look_again(self, running: Running) -> None:
        step = running.step
        del self._outcomes[step.id]
        self._throttle.release(step.id)
        running.verify_again(self._clock.now())
        self._running[step.id] = running
        self._record.event("looked at again", step)

    def _clear_source(self, step: Step) -> None:
        left = forget_definition(self._hosts, self._record, step) or ""
        self._outcomes[step.id] = replace(self._outcomes[step.id], reason=left)
        self._record.outcome(step, self._outcomes[step.id])

    def _has_moved_on(self, step: Step) -> bool:
        """Whether the domain's next leg has begun, so that it need not be where this one took it."""
        following = (each for each in self._steps.values() if each.uuid == step.uuid and step.id in each.after)
        known = ((each.id in self._running, self._outcomes.get(each.id)) for each in following)
        return any(runs or (outcome is not None and outcome.started is not None) for runs, outcome in known)

    def forbid(self, reason: str) -> None:
        """Nothing of it is to be started."""
        for step in self._pending:
            self._finish(step, Outcome.NOT_STARTED, reason)
        self._pending = []

    def _tell_what_holds(self) -> None:
        """That a step is tried again later is told when it is put off."""
        held = [self._held[step.id] for step in self._pending if step.id in self._held]
        put_off = {self._retries.hindrance(step) for step in self._pending}
        reasons = tuple(dict.fromkeys(why for why in held if why not in put_off)) if self._may_start else ()
        if reasons != self._told:
            self._told = reasons
            self._record.held(reasons)

    def _is_news(self) -> bool:
        """Whether a gate has opened, a hook has answered, or links are about to become free."""
        opened, answered, sent = self._gates.due(), self._hooks.due(), self._throttle.is_news()
        if sent:
            self._throttle.settle()
        return opened or answered or sent

    def _start_more(self) -> bool:
        """Whether anything was started or given up, so that it is worth looking again at once."""
        self._changed = False
        self._skip_orphans()
        if self._may_start and (
            self._start_what_fits(keep_room=True)
            # With nothing under way, room kept for others is kept for nobody.
            or (not self._running and self._start_what_fits(keep_room=False))
        ):
            self._changed = True
            self._throttle.settle()
        return self._changed

    def result(self) -> RunResult:
        complete = all(outcome.outcome is Outcome.DONE for outcome in self._outcomes.values())
        return RunResult(
            run_id=self._record.run,
            outcomes={step: self._outcomes[step] for step in self._steps},
            complete=complete,
            where={step.uuid: self._where.get(step.uuid) for step in self._steps.values()},
            problems=(*self._record.remarks, *([self._record.broken] if self._record.broken else [])),
        )

    @property
    def _may_start(self) -> bool:
        return not self._stop.requested and self._record.broken is None

    @property
    def _is_over(self) -> bool:
        """Whether nothing runs, and nothing will start that has not."""
        waits = self._pending and self._may_start and (self._gates.waiting or self._hooks.waiting)
        return not (self._running or waits)

    # Looking after what runs

    def _cancel_if_asked(self) -> None:
        if self._stop.cancelled and not self._cancelled:
            self._cancelled = True
            for running in self._running.values():
                self._watch.cancel(running)

    def _look_after(self) -> None:
        for running in list(self._running.values()):
            verdict = self._watch.look(running)
            if verdict is not None:
                self._settle(running, verdict)

    def _settle(self, running: Running, verdict: Verdict) -> None:
        """The step is over: room, names, slots and links go to others, where it is known that they are free."""
        step = running.step
        del self._running[step.id]
        if verdict.outcome is Outcome.DONE:
            self._ledger.moved(step)
        elif verdict.freed:
            self._ledger.stayed(step)
            if verdict.certain and self._may_start and self._try_again(step, running.failure, running.unreachable):
                return
        if verdict.outcome is Outcome.UNKNOWN and not running.over:
            self._throttle.hold(step.id, running.sender.at(running.rate))
        if running.unheard and not self._last_look:
            running.look_at = Seconds(self._clock.now() + UNHEARD_INTERVAL)
            self._unheard[step.id] = running
        self._where[step.uuid] = verdict.place
        told = "" if verdict.outcome is Outcome.DONE else running.failure
        self._finish(step, verdict.outcome, "; ".join(filter(None, (told, verdict.reason))), running)
        self._throttle.settle()

    def _try_again(self, step: Step, reason: str, unreachable: bool) -> bool:
        """Whether a step whose domain is where it was gets another chance: one whose host was out of reach, so that
        nothing was done for it, or one that the policy wants to be tried again."""
        delay = self._retries.postpone(step) if unreachable else self._retries.put_off(step)
        if delay is None:
            return False
        self._hooks.forget(step)
        self._failures[step.id] = reason
        if step not in self._pending:
            self._pending.append(step)
            self._pending.sort(key=lambda step: step.predicted.start)
        self._record.postponed(step, f"{reason}; tried again in {format_duration(delay)}")
        self._throttle.settle()
        return True

    def _finish(
        self, step: Step, outcome: Outcome, reason: str, running: Running | None = None, *, outdated: bool = False
    ) -> None:
        self._changed = True
        finished = Seconds(self._clock.now() - self._started)
        self._outcomes[step.id] = StepOutcome(
            step=step.id,
            outcome=outcome,
            reason=reason,
            place=self._where.get(step.uuid),
            started=running.since(self._started) if running else None,
            finished=finished if running else None,
            measured=running.reported if running else None,
            outdated=outdated,
        )
        self._record.outcome(step, self._outcomes[step.id])
        self._hooks.after_step(step, self._outcomes[step.id])

    # Starting

    def _skip_orphans(self) -> None:
        """Steps that wait for one that will never be done."""
        for step in list(self._pending):
            if lost := self._admission.lost(step):
                self._pending.remove(step)
                self._finish(step, Outcome.SKIPPED, lost)

    def _start_what_fits(self, *, keep_room: bool) -> bool:
        """Whether any step left the queue, be it started or failed."""
        before = len(self._pending)
        passed: dict[str, list[Step]] = {}
        asked: list[Step] = []
        for step in list(self._pending):
            waiting = passed.setdefault(step.destination, [])
            hindrance = self._hindrance(step, waiting if keep_room else [], asked)
            if step not in asked and hindrance is not None and (self._running or not keep_room):
                # What was consented to was a start at once; room that is kept may be had yet, see _start_more.
                self._hooks.forget(step)
            if hindrance is None and self._may_start and self._start(self._candidates[step.id]):
                self._pending.remove(step)
            else:
                if hindrance and hindrance != self._blocked.get(step.id):
                    self._record.waits(step, hindrance)
                self._blocked[step.id] = hindrance or ""
                waiting.append(step)
        return len(self._pending) < before

    def _hindrance(self, step: Step, waiting: list[Step], asked: list[Step]) -> str | None:
        """Why a step cannot start now. Hooks come last: whoever is asked may rely on it that the step is about to.
        ``asked``: the earlier ones that are; it gets this one if it is."""
        held = self._gates.hindrance(step)
        self._held.pop(step.id, None)
        if held is not None:
            self._held[step.id] = held
        hindrance = held or self._admission.hindrance(step, waiting, asked)
        if hindrance is None and (hindrance := self._hooks.hindrance(step)) is not None:
            asked.append(step)
        return hindrance

    def _start(self, candidate: Candidate) -> bool:
        """Whether the step has left the queue. If not, nothing has been done for it."""
        step = candidate.step
        if (veto := self._hooks.veto(step)) is not None:
            self._finish(step, Outcome.NOT_STARTED, veto)
            return True
        try:
            connection = guarded(step.source, lambda: self._hosts.connection(step.source))
            destination = guarded(step.destination, lambda: self._hosts.driver_host(step.destination))
            refusal = self._refusal(candidate)
        except HostUnreachable as error:
            if self._try_again(step, str(error), unreachable=True):
                return False
            refusal = Refusal(reason=str(error), outdated=False)
        except RebalancerError as error:
            refusal = Refusal(reason=str(error), outdated=False)
        if refusal is not None:
            self._refuse(step, refusal)
            return True
        admitted, rate = self._throttle.admit(step.id, candidate.sender)
        options = options_for(step, candidate.offers, rate)
        if not admitted or not self._record.intent(step, asdict(options)):
            return False
        self._ledger.arrive(step)
        running = self._running[step.id] = self._watched(candidate, rate)
        self._record.started(step, rate, self._throttle.behind(step.id))
        try:
            running.migration = guarded(step.source, lambda: connection.migrate(candidate.domain, destination, options))
        except RebalancerError as error:
            # It may have begun nevertheless, so the hosts are asked as after any other end.
            running.end(self._clock.now(), str(error))
            running.unreachable = isinstance(error, HostUnreachable)
        return True

    def _refusal(self, candidate: Candidate) -> Refusal | None:
        """What on the hosts is other than planned; asked right before the start. May raise a RebalancerError."""
        step = candidate.step
        if candidate.fault is not None:
            return Refusal(reason=candidate.fault)
        source = ask(self._hosts, step.source, step.uuid)
        listed = roster(self._hosts, step.destination)
        # Asked for only where it is: what a host does not list it does not know.
        destination = (
            ask(self._hosts, step.destination, step.uuid) if step.uuid in listed else Finding(host=step.destination)
        )
        for finding in (source, destination):
            if finding.unreachable:
                raise HostUnreachable(finding.host, (finding.error or "").removeprefix(f"{finding.host}: "))
        if (found := obstacle(step, candidate.domain.state, source, destination)) is not None:
            self._where[step.uuid] = whereabouts(source, destination, self._where.get(step.uuid))
            stopped = stop_unexpected(self._hosts, self._record, step, source, destination)
            return found if stopped is None else replace(found, reason=f"{found.reason}: {stopped}")
        if not self._ledger.is_as_known(step.destination, listed):
            self._ledger.observe(step.destination, list_domains(self._hosts, step.destination))
        taken = self._ledger.shortage(step) or self._ledger.name_taken(step)
        return None if taken is None else Refusal(reason=taken)

    def _refuse(self, step: Step, refusal: Refusal) -> None:
        """The step is over without having been started; what somebody else has done of it is done."""
        if refusal.outcome is Outcome.DONE:
            self._ledger.arrive(step)
            self._ledger.moved(step)
        self._finish(step, refusal.outcome, refusal.reason, outdated=refusal.outdated)

    def _watched(self, candidate: Candidate, rate: BytesPerSecond | None) -> Running:
        now = self._clock.now()
        return Running(
            step=candidate.step,
            migration=None,
            sender=candidate.sender,
            rate=rate,
            adjustable=candidate.offers.bandwidth and candidate.offers.set_bandwidth,
            expected=candidate.domain.state,
            started=now,
            deadline=now + patience(candidate.step),
            trend=Trend(candidate.step.settings.max_downtime),
            offers=candidate.offers,
            ladder=rungs(candidate.step.settings),
        )

    # The end

    def _close(self) -> None:
        """Steps that nothing will start any more, in their order, so that each can tell what became of the others."""
        for running in list(self._running.values()):
            # Another controller looks after them now.
            del self._running[running.step.id]
            self._where[running.step.uuid] = None
            self._finish(running.step, Outcome.UNKNOWN, self._record.lost or "", running)
        for step in self._pending:
            outcome, reason = self._left_over(step)
            if step.id in self._failures:
                self._finish(step, Outcome.FAILED, f"{self._failures[step.id]}; not tried again: {reason}")
            else:
                self._finish(step, outcome, reason)
        self._pending = []

    def _left_over(self, step: Step) -> tuple[Outcome, str]:
        """What becomes of a step that was not started, and why."""
        if self._stop.requested:
            return Outcome.NOT_STARTED, "the run was stopped"
        if self._record.broken is not None:
            return Outcome.NOT_STARTED, self._record.broken
        if step.id in self._held and not self._admission.lost(step):
            return Outcome.NOT_STARTED, self._held[step.id]
        return Outcome.SKIPPED, self._admission.lost(step) or self._blocked.get(step.id, "")
