"""The plan file: JSON to review, diff, sign off and apply later. All numbers in base units."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from rebalancer.cluster import Caps, Cluster, DirectedLink
from rebalancer.cluster.snapshot import dump_snapshot, fingerprint, parse_snapshot
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.documents import Document, Model, header, parse_document, validate
from rebalancer.errors import InvalidInput, Problem
from rebalancer.placement.explain import Breach, Conflict
from rebalancer.plan.addresses import address_clashes, clashes_on_the_way
from rebalancer.plan.experience import Basis
from rebalancer.plan.model import Deadline, Guards, Pace, Plan, Prediction, Reason, Score, Step, Unplaced
from rebalancer.policy.model import MigrationSettings, Rung
from rebalancer.policy.windows import WindowEntry

__all__ = ["dump_plan", "parse_plan"]


NAME_PATTERN = r"^[^/\x00-\x1f\x7f]+$"
"""No hypervisor takes anything else for a name (see :func:`rebalancer.plan.names.new_name`)."""

Number = int | float
"""What is whole stays whole, so that a plan that is read and written again is the same to the byte."""


Amount = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0)]


class _Metadata(Model):
    name: str = ""
    created_at: str
    cluster: str
    policy: str
    seed: int
    version: str


class _Score(Model):
    total: Number
    parts: dict[str, Number]


class _Scores(Model):
    before: _Score
    after: _Score
    bound: Number = 0.0
    gap: Number = 0.0


class _Violation(Model):
    rule: str
    amount: Number
    text: str


class _Violations(Model):
    before: tuple[_Violation, ...] = ()
    after: tuple[_Violation, ...] = ()


class _Reason(Model):
    rule: str
    before: Number = 0.0
    after: Number = 0.0
    text: str = ""


class _Prediction(Model):
    start: Number
    duration: Number
    downtime: Number
    bytes: int
    converges: bool = True
    rung: Rung | None = None
    writes: Basis = Basis.ASSUMED
    overheads: Basis = Basis.ASSUMED
    setup: Number = 0.0
    finish: Number = 0.0
    burst: int | None = Field(default=None, ge=0)
    floor: Number | None = Field(default=None, ge=0)


class _Options(Model):
    per_host: int = Field(ge=1)
    total: int = Field(ge=1)
    bandwidth: Number | None = None
    max_downtime: Number = Field(gt=0)
    timeout: Number | None = Field(default=None, gt=0)
    when_not_converging: tuple[Rung, ...] = ()
    transport: str | None = None
    weight: Number = Field(default=1.0, gt=0)
    priority: int = 0
    retries: int = Field(default=0, ge=0, le=10)
    retry_after: Number = Field(default=60.0, gt=0)


class _Step(Model):
    id: str
    action: Literal["migrate"] = "migrate"
    domain: str
    uuid: str
    source: str
    destination: str
    new_name: Annotated[str, Field(min_length=1, max_length=255, pattern=NAME_PATTERN)] | None = None
    live: bool
    links: tuple[str, ...] = ()
    bandwidth: Number | None = Field(default=None, gt=0)
    after: tuple[str, ...] = ()
    uses: dict[str, Amount] = Field(default_factory=dict)
    options: _Options
    predicted: _Prediction
    why: tuple[_Reason, ...] = ()


class _Unplaced(Model):
    domain: str
    uuid: str
    host: str
    reasons: dict[str, str] = Field(default_factory=dict)


class _Conflict(Model):
    rules: tuple[str, ...]
    domains: tuple[str, ...] = ()
    proved: bool = False


class _Makespan(Model):
    predicted: Number = 0.0
    bound: Number = 0.0


class _PerDomain(Model):
    most: int = Field(ge=1)
    within: Number = Field(gt=0)


class _Pace(Model):
    per_hour: int | None = Field(default=None, ge=1)
    per_domain: _PerDomain | None = None
    cooldown: Amount | None = None


class _Guards(Model):
    links: dict[str, Amount | dict[str, Amount]] = Field(default_factory=dict)
    """One cap for both directions of a link, or one for each, by the end that it leads from."""
    slots: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    hosts: dict[str, dict[str, Amount]] = Field(default_factory=dict)
    pace: _Pace = _Pace()


class _Deadline(Model):
    """``in_time`` and ``late`` are for readers: they follow from the steps."""

    hosts: frozenset[str]
    within: Amount
    strict: bool = False
    in_time: tuple[str, ...] = ()
    late: dict[str, Number] = Field(default_factory=dict)


class _PlanFile(Model):
    api_version: str = Field(alias="apiVersion")
    kind: str
    metadata: _Metadata
    score: _Scores
    violations: _Violations = _Violations()
    placement: dict[str, str] = Field(default_factory=dict)
    steps: tuple[_Step, ...] = ()
    makespan: _Makespan = _Makespan()
    unplaced: tuple[_Unplaced, ...] = ()
    conflicts: tuple[_Conflict, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """For readers: they follow from snapshot and steps."""
    guards: _Guards
    windows: tuple[WindowEntry, ...] = ()
    deadline: _Deadline | None = None
    snapshot: dict[str, object]


def dump_plan(plan: Plan) -> str:
    """Equal plans give equal text, byte for byte."""
    data = {
        "apiVersion": "rebalancer/v1",
        "kind": "Plan",
        "metadata": {
            "name": plan.snapshot.name,
            "created_at": plan.created_at,
            "cluster": plan.fingerprint,
            "policy": plan.policy,
            "seed": plan.seed,
            "version": plan.version,
        },
        "score": {
            "before": {"total": plan.before.total, "parts": dict(plan.before.parts)},
            "after": {"total": plan.after.total, "parts": dict(plan.after.parts)},
            "bound": plan.bound,
            "gap": plan.gap,
        },
        "violations": {
            "before": [_breach(breach) for breach in plan.violations_before],
            "after": [_breach(breach) for breach in plan.violations_after],
        },
        "placement": dict(plan.placement),
        "steps": [_step(step) for step in plan.steps],
        "makespan": {"predicted": plan.makespan, "bound": plan.makespan_bound},
        "unplaced": [
            {"domain": each.domain, "uuid": each.uuid, "host": each.host, "reasons": dict(each.reasons)}
            for each in plan.unplaced
        ],
        "conflicts": [
            {"rules": list(each.rules), "domains": list(each.domains), "proved": each.proved} for each in plan.conflicts
        ],
        "notes": list(plan.notes),
        "warnings": [str(clash) for clash in (*address_clashes(plan.snapshot), *clashes_on_the_way(plan))],
        "guards": {
            "links": _caps(plan.guards.links),
            **({"slots": dict(plan.guards.slots)} if plan.guards.slots else {}),
            "hosts": {resource: dict(limits) for resource, limits in plan.guards.hosts.items()},
            **_pace(plan.guards.pace),
        },
        **({"windows": [window.model_dump() for window in plan.windows]} if plan.windows else {}),
        **_deadline(plan),
        "snapshot": json.loads(dump_snapshot(plan.snapshot)),
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _deadline(plan: Plan) -> Mapping[str, object]:
    """Nothing where there is none."""
    if plan.deadline is None:
        return {}
    return {
        "deadline": {
            "hosts": sorted(plan.deadline.hosts),
            "within": plan.deadline.within,
            "strict": plan.deadline.strict,
            "in_time": list(plan.in_time),
            "late": dict(plan.late),
        }
    }


def _to_deadline(deadline: _Deadline | None) -> Deadline | None:
    if deadline is None:
        return None
    return Deadline(hosts=deadline.hosts, within=Seconds(deadline.within), strict=deadline.strict)


def _caps(caps: Caps) -> Mapping[str, object]:
    written: dict[str, object] = {link: rate for link, rate in caps.items() if isinstance(link, str)}
    for name in dict.fromkeys(link.link for link in caps if isinstance(link, DirectedLink)):
        written[name] = {
            link.start: rate for link, rate in caps.items() if isinstance(link, DirectedLink) and link.link == name
        }
    return written


def _to_caps(written: Mapping[str, float | Mapping[str, float]]) -> Iterator[tuple[str | DirectedLink, BytesPerSecond]]:
    for name, cap in written.items():
        if isinstance(cap, Mapping):
            yield from ((DirectedLink(name, end), BytesPerSecond(rate)) for end, rate in cap.items())
        else:
            yield name, BytesPerSecond(cap)


def _pace(pace: Pace) -> Mapping[str, object]:
    """Nothing where nothing is limited."""
    per_domain = pace.per_domain and {"most": pace.per_domain[0], "within": pace.per_domain[1]}
    written = {"per_hour": pace.per_hour, "per_domain": per_domain, "cooldown": pace.cooldown}
    found = {key: value for key, value in written.items() if value is not None}
    return {"pace": found} if found else {}


def _to_pace(pace: _Pace) -> Pace:
    return Pace(
        per_hour=pace.per_hour,
        per_domain=(pace.per_domain.most, Seconds(pace.per_domain.within)) if pace.per_domain else None,
        cooldown=None if pace.cooldown is None else Seconds(pace.cooldown),
    )


def _breach(breach: Breach) -> Mapping[str, object]:
    return {"rule": breach.rule, "amount": breach.amount, "text": breach.text}


def _step(step: Step) -> Mapping[str, object]:
    settings, predicted = step.settings, step.predicted
    return {
        "id": step.id,
        "action": step.action,
        "domain": step.domain,
        "uuid": step.uuid,
        "source": step.source,
        "destination": step.destination,
        "new_name": step.new_name,
        "live": settings.live,
        "links": list(step.links),
        "bandwidth": step.bandwidth,
        "after": list(step.after),
        "uses": dict(step.uses),
        "options": {
            "per_host": settings.per_host,
            "total": settings.total,
            "bandwidth": settings.bandwidth,
            "max_downtime": settings.max_downtime,
            "timeout": settings.timeout,
            "when_not_converging": [rung.value for rung in settings.when_not_converging],
            "transport": settings.transport,
            "weight": settings.weight,
            "priority": settings.priority,
            "retries": settings.retries,
            "retry_after": settings.retry_after,
        },
        "predicted": {
            "start": predicted.start,
            "duration": predicted.duration,
            "downtime": predicted.downtime,
            "bytes": predicted.bytes,
            "converges": predicted.converges,
            "rung": None if predicted.rung is None else predicted.rung.value,
            "writes": predicted.writes.value,
            "overheads": predicted.overheads.value,
            "setup": predicted.setup,
            "finish": predicted.finish,
            "burst": predicted.burst,
            "floor": predicted.floor,
        },
        "why": [
            {"rule": reason.rule, "before": reason.before, "after": reason.after, "text": reason.text}
            for reason in step.why
        ],
    }


def parse_plan(text: str, file: str) -> Plan:
    """A plan from its file's text; raises :class:`~rebalancer.errors.InvalidInput` with positions."""
    document = parse_document(text, file)
    header(document, "Plan")
    found = validate(document, _PlanFile)
    snapshot = parse_snapshot(json.dumps(found.snapshot), file)
    _check(document, found, {host.name for host in snapshot.hosts}, {link.name for link in snapshot.links})
    _replay(document, found, snapshot)
    return Plan(
        snapshot=snapshot,
        fingerprint=found.metadata.cluster,
        policy=found.metadata.policy,
        seed=found.metadata.seed,
        created_at=found.metadata.created_at,
        version=found.metadata.version,
        steps=tuple(_to_step(step) for step in found.steps),
        placement=found.placement,
        before=Score(total=found.score.before.total, parts=found.score.before.parts),
        after=Score(total=found.score.after.total, parts=found.score.after.parts),
        bound=found.score.bound,
        violations_before=tuple(Breach(rule=v.rule, amount=v.amount, text=v.text) for v in found.violations.before),
        violations_after=tuple(Breach(rule=v.rule, amount=v.amount, text=v.text) for v in found.violations.after),
        unplaced=tuple(Unplaced(domain=u.domain, uuid=u.uuid, host=u.host, reasons=u.reasons) for u in found.unplaced),
        conflicts=tuple(Conflict(rules=c.rules, domains=c.domains, proved=c.proved) for c in found.conflicts),
        notes=found.notes,
        makespan_bound=Seconds(found.makespan.bound),
        guards=Guards(
            links=dict(_to_caps(found.guards.links)),
            slots=found.guards.slots,
            ends={link.name: link.connects for link in snapshot.links},
            hosts=found.guards.hosts,
            pace=_to_pace(found.guards.pace),
        ),
        windows=found.windows,
        deadline=_to_deadline(found.deadline),
    )


def _to_step(step: _Step) -> Step:
    options = step.options
    return Step(
        id=step.id,
        action=step.action,
        domain=step.domain,
        uuid=step.uuid,
        source=step.source,
        destination=step.destination,
        new_name=step.new_name,
        links=step.links,
        bandwidth=None if step.bandwidth is None else BytesPerSecond(step.bandwidth),
        after=step.after,
        uses=step.uses,
        settings=MigrationSettings(
            live=step.live,
            per_host=options.per_host,
            total=options.total,
            bandwidth=None if options.bandwidth is None else BytesPerSecond(options.bandwidth),
            max_downtime=Seconds(options.max_downtime),
            timeout=None if options.timeout is None else Seconds(options.timeout),
            when_not_converging=options.when_not_converging,
            transport=options.transport,
            weight=float(options.weight),
            priority=options.priority,
            retries=options.retries,
            retry_after=Seconds(options.retry_after),
        ),
        predicted=Prediction(
            start=Seconds(step.predicted.start),
            duration=Seconds(step.predicted.duration),
            downtime=Seconds(step.predicted.downtime),
            bytes=Bytes(step.predicted.bytes),
            converges=step.predicted.converges,
            rung=step.predicted.rung,
            writes=step.predicted.writes,
            overheads=step.predicted.overheads,
            setup=Seconds(step.predicted.setup),
            finish=Seconds(step.predicted.finish),
            burst=None if step.predicted.burst is None else Bytes(step.predicted.burst),
            floor=None if step.predicted.floor is None else BytesPerSecond(step.predicted.floor),
        ),
        why=tuple(Reason(rule=r.rule, before=r.before, after=r.after, text=r.text) for r in step.why),
    )


def _check(document: Document, plan: _PlanFile, hosts: set[str], links: set[str]) -> None:
    """What the types cannot say: references lead somewhere, and steps only wait for earlier ones."""
    problems: list[Problem] = []
    known: set[str] = set()
    for index, step in enumerate(plan.steps):
        at = ("steps", index)
        for key, name in (("source", step.source), ("destination", step.destination)):
            if name not in hosts:
                problems.append(
                    Problem(f"there is no host '{name}' in the plan's snapshot", document.position([*at, key]))
                )
        problems += [
            Problem(f"there is no link '{name}' in the plan's snapshot", document.position([*at, "links", i]))
            for i, name in enumerate(step.links)
            if name not in links
        ]
        problems += [
            Problem(f"'{name}' is not the id of an earlier step", document.position([*at, "after", i]))
            for i, name in enumerate(step.after)
            if name not in known
        ]
        if step.id in known:
            problems.append(Problem(f"the id '{step.id}' is there twice", document.position([*at, "id"])))
        known.add(step.id)
    if problems:
        raise InvalidInput(problems)


def _replay(document: Document, plan: _PlanFile, snapshot: Cluster) -> None:
    """Each step finds its domain where and as the plan's own snapshot, and the steps before, have put it."""
    if fingerprint(snapshot) != plan.metadata.cluster:
        raise InvalidInput(
            "the plan file has been changed by hand: its snapshot is not the one that it was made for",
            document.position(["snapshot"], key=True),
        )
    place = {domain.uuid: (domain.host, domain.name) for domain in snapshot.active_domains}
    problems: list[Problem] = []

    def wrong(index: int, key: str, message: str) -> None:
        problems.append(Problem(message, document.position(["steps", index, key])))

    for index, step in enumerate(plan.steps):
        if step.uuid not in place:
            wrong(index, "uuid", "no such domain runs in the plan's snapshot")
            continue
        host, name = place[step.uuid]
        if step.source != host:
            wrong(index, "source", f"at this step the domain is on {host}")
        if step.domain != name:
            wrong(index, "domain", f"at this step the domain is called '{name}'")
        if step.destination == step.source:
            wrong(index, "destination", "the domain is on this host already")
        place[step.uuid] = (step.destination, step.new_name or step.domain)
    if problems:
        raise InvalidInput(problems)
