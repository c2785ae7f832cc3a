"""ProxLB's configuration (``proxlb.yaml``) as a policy, and what ``proxlb --dry-run --json`` prints as a cluster.

The configuration names nodes and pools, but says nothing about guests: without the second file there is no cluster.
What guests' tags and pools mean is written as rules over labels that our inventory has to give them:

==================  ============================================================================
``pool``            the pool that a guest is in
``plb_affinity``    its tag ``plb_affinity_…``: those with the same are kept together
plb_anti_affinity   its tag ``plb_anti_affinity_…``: those with the same are kept apart
``plb_ignore``      there where it has a tag ``plb_ignore…``: it is not moved
==================  ============================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from rebalancer.cluster.text import printable
from rebalancer.imports.labels import TagLabels
from rebalancer.imports.model import Imported, SourceText
from rebalancer.imports.proxlb_config import (
    Balancing,
    Kind,
    Method,
    Mode,
    Pool,
    PoolType,
    ProxLbConfig,
    ProxmoxCluster,
    parse_config,
)
from rebalancer.imports.proxlb_state import ProxLbState, parse_state
from rebalancer.imports.writing import Entry, PolicyText, cel_text, label, name_in, name_not_in

__all__ = ["import_proxlb"]

_PREFERRED = 1000
"""Weight of what ProxLB keeps to only while it balances: ten times a node that is wholly out of balance."""


def import_proxlb(source: SourceText, state: SourceText | None = None) -> Imported:
    """``state``: what ``proxlb --dry-run --json`` printed. Raises InvalidInput with positions."""
    config, unknown = parse_config(source.text, source.file)
    settings = _Settings(config)
    found = None
    if state is not None:
        found = parse_state(state.text, state.file, mode=settings.mode, reserve=settings.reserve, pools=settings.pools)
    missing = (*_without_equivalent(settings), *_unknown(unknown))
    file = printable(PurePath(source.file).name, 100)
    policy = PolicyText(
        name="proxlb",
        description=f"What ProxLB keeps to and aims at, imported from {file}",
        preface=(f"Imported from {file} (ProxLB). Credentials are not copied.",),
        rules=(
            *_capacity(settings),
            *_cpu(settings, found),
            *_nodes(settings),
            *_guests(settings, found),
            *_groups(settings, found),
            *_pools(settings, found),
            *_pins(found),
        ),
        goals=_goals(settings),
        migration=_migration(settings),
        without_equivalent=missing,
    )
    return Imported(
        policy=str(policy),
        cluster=None if found is None else found.cluster,
        notes=(*_about_state(found), *missing),
    )


class _Settings:
    """The configuration with ProxLB's defaults filled in."""

    def __init__(self, config: ProxLbConfig) -> None:
        self.cluster = config.proxmox_cluster or ProxmoxCluster()
        self.balancing = config.balancing or Balancing()
        self.solver = bool(config.solver and config.solver.enable)
        self.mode = self.balancing.mode or Mode.USED
        self.method = self.balancing.method or Method.MEMORY
        self.maintenance = tuple(dict.fromkeys(self.cluster.maintenance_nodes or ()))
        self.ignored = tuple(dict.fromkeys(self.cluster.ignore_nodes or ()))
        self.pools: Mapping[str, Pool] = {
            name: pool for name, pool in (self.balancing.pools or {}).items() if pool is not None
        }

    @property
    def reserves(self) -> dict[str, float]:
        """GiB of memory, by node, where a node has a reserve of its own; ProxLB takes 0 for none."""
        given = self.balancing.node_resource_reserve or {}
        return {
            node: amounts["memory"]
            for node, amounts in given.items()
            if node != "defaults" and amounts.get("memory", 0) > 0
        }

    @property
    def default_reserve(self) -> float:
        return (self.balancing.node_resource_reserve or {}).get("defaults", {}).get("memory", 0)

    def reserve(self, node: str) -> float:
        return self.reserves.get(node, self.default_reserve)

    @property
    def threshold(self) -> float | None:
        """Per cent of the method's resource, up to which a node is left alone."""
        given = self.balancing
        thresholds = {
            Method.MEMORY: given.memory_threshold,
            Method.CPU: given.cpu_threshold,
            Method.DISK: given.disk_threshold,
        }
        return thresholds[self.method]


def _capacity(settings: _Settings) -> Iterator[Entry]:
    soft = {"soft": _PREFERRED} if settings.cluster.overprovisioning else {}
    why = "overprovisioning: true: memory may be overcommitted, but need not be." if soft else "Memory must suffice."
    by_amount: dict[float, list[str]] = {}
    for node, amount in settings.reserves.items():
        by_amount.setdefault(amount, []).append(node)
    for amount, nodes in by_amount.items():
        rule = {"resource": "memory", "reserve": _gib(amount), "hosts": name_in(nodes), **soft}
        yield Entry({"capacity": rule}, f"{why} node_resource_reserve, in GiB.")
        why = ""
    others: dict[str, object] = {"resource": "memory"}
    others |= {"reserve": _gib(settings.default_reserve)} if settings.default_reserve else {}
    others |= {"hosts": name_not_in(settings.reserves)} if settings.reserves else {}
    yield Entry({"capacity": {**others, **soft}}, why)


def _cpu(settings: _Settings, state: ProxLbState | None) -> Iterator[Entry]:
    if settings.balancing.cpu_overcommit is None and not settings.solver:
        return  # ProxLB itself has no limit; it is its solver's
    resource = "cpu" if state is None or settings.mode is Mode.ASSIGNED else "cpu_assigned"
    why = "cpu_overcommit: of assigned CPUs." + (" Our drivers report measured load as cpu." if state is None else "")
    ratio = settings.balancing.cpu_overcommit or 2.0
    yield Entry({"capacity": {"resource": resource, "overcommit": ratio}}, why)


def _gib(amount: float) -> str:
    return f"{int(amount) if amount == int(amount) else amount} GiB"


def _nodes(settings: _Settings) -> Iterator[Entry]:
    if settings.maintenance:
        why = "maintenance_nodes are emptied; our own way is `maintenance: true` in the inventory."
        yield Entry({"ban": {"select": "true", "hosts": name_in(settings.maintenance)}}, why)
    if settings.ignored:
        why = "ignore_nodes: nothing leaves them and nothing comes."
        yield Entry({"stay": {"select": name_in(settings.ignored, "host")}}, why)
        yield Entry({"ban": {"select": name_not_in(settings.ignored, "host"), "hosts": name_in(settings.ignored)}})


def _guests(settings: _Settings, state: ProxLbState | None) -> Iterator[Entry]:
    if state is None or any("plb_ignore" in domain.labels for domain in state.cluster.domains):
        yield Entry({"stay": {"select": "'plb_ignore' in labels"}}, "Guests with a tag plb_ignore… are not moved.")
    if settings.balancing.ignore_guests:
        why = "ignore_guests, taken as whole names."
        yield Entry({"stay": {"select": name_in(settings.balancing.ignore_guests)}}, why)
    types = settings.balancing.balance_types or (Kind.VM, Kind.CT)
    if Kind.VM not in types:
        yield Entry({"stay": {"select": "labels.type == 'vm'"}}, "balance_types without vm: machines are not moved.")


def _groups(settings: _Settings, state: ProxLbState | None) -> Iterator[Entry]:
    soft = {} if settings.balancing.enforce_affinity else {"soft": _PREFERRED}
    reason = "enforce_affinity" if not soft else "no enforce_affinity: only preferred"
    words = (
        ("affinity", "plb_affinity", "are kept together", None if state is None else state.affinity),
        ("anti_affinity", "plb_anti_affinity", "are kept apart", None if state is None else state.anti_affinity),
    )
    for rule, tag, meaning, labels in words:
        names = (tag,) if labels is None else labels.names
        why = f"Guests with the same tag {tag}_… {meaning} ({reason})."
        for name in names:
            yield Entry({rule: {"group": label(name), **soft}}, why)
            why = ""


def _pools(settings: _Settings, state: ProxLbState | None) -> Iterator[Entry]:
    soft = {} if settings.balancing.enforce_affinity else {"soft": _PREFERRED}
    for name, pool in settings.pools.items():
        select = _in_pool(name, None if state is None else state.pools)
        if select is None:
            continue
        why = f"Pool {name}."
        if pool.type is not None:
            rule = "affinity" if pool.type is PoolType.AFFINITY else "anti_affinity"
            yield Entry({rule: {"select": select, **soft}}, why)
            why = ""
        if pool.pin and state is None:  # with a state, pins of tags and of pools are guests' labels
            strict = {} if pool.strict else {"soft": _PREFERRED}
            yield Entry({"pin": {"select": select, "hosts": name_in(pool.pin), **strict}}, why)


def _in_pool(name: str, labels: TagLabels | None) -> str | None:
    """The selector of a pool's guests; None: it has none."""
    if labels is None:
        return f"labels.pool == {cel_text(name)}"
    if name not in labels.slot:
        return None
    return f"{label(labels.names[labels.slot[name]])} == {cel_text(name)}"


def _pins(state: ProxLbState | None) -> Iterator[Entry]:
    why = "Guests pinned by tags plb_pin_…, pools or HA rules."
    for nodes, strict in sorted((state.pins() if state else {}).items()):
        rule = {"select": f"labels.plb_pin == {cel_text(nodes)}", "hosts": name_in(nodes.split(","))}
        yield Entry({"pin": {**rule, **({} if strict else {"soft": _PREFERRED})}}, why)
        why = ""


def _goals(settings: _Settings) -> Sequence[Entry]:
    spread = 10 if settings.balancing.balanciness is None else settings.balancing.balanciness
    rule: dict[str, object] = {"resource": settings.method.value, "weight": 1}
    why = (
        f"method: {settings.method}, balanciness: {spread:g}. Hosts within half of it of their mean are within it of"
        " each other."
    )
    if settings.threshold is not None:
        rule |= {"form": "excess", "threshold": f"{settings.threshold:g}%"}
        why = f"{settings.method}_threshold: hosts up to it are left alone, those beyond give away what is too much."
    elif spread:
        # A tolerance of 50% and more would mean that nothing is ever out of balance, as it does for ProxLB.
        rule |= {"tolerance": f"{min(spread, 100) / 2:g}%"}
    left_out = (*settings.maintenance, *settings.ignored)
    rule |= {"hosts": name_not_in(left_out)} if left_out else {}
    return (
        Entry({"balance": rule}, why),
        Entry({"move_cost": {"per_move": 0.01}}, "Not in ProxLB: of two ways to get there, the one with fewer moves."),
    )


def _migration(settings: _Settings) -> Sequence[Entry]:
    given = settings.balancing
    at_once = (given.parallel_jobs or 5) if given.parallel else 1
    entry: dict[str, object] = {"select": "true"}
    entry |= {"live": False} if given.live is False else {}
    inflow = at_once if given.max_node_inflow is None else max(1, min(given.max_node_inflow, at_once))
    entry |= {"concurrency": {"per_host": inflow, "total": at_once}}
    entry |= {"timeout": f"{given.max_job_validation or 1800} s"}
    why = (
        "parallel, parallel_jobs: migrations at once. max_job_validation: after it ProxLB only stops looking; here the"
    )
    why += " migration is cancelled."
    if given.max_node_inflow is not None:
        why += " max_node_inflow: per_host, which counts those that leave a node, too."
    return (Entry(entry, why),)


def _without_equivalent(settings: _Settings) -> Iterator[str]:
    given = settings.balancing
    told = (
        (not given.enable, "enable: false: ProxLB moves nothing; here it is `apply` that moves"),
        (
            settings.mode is Mode.PSI,
            "mode: psi: our drivers report no pressure of guests; where a snapshot has it, write `load: pressure`",
        ),
        (
            settings.mode is Mode.ASSIGNED,
            "mode: assigned: memory is what a guest is given here, too, but cpu is measured load where hosts report it",
        ),
        (
            settings.mode is Mode.USED and settings.method is not Method.CPU,
            f"mode: used: {settings.method} is what a guest is given; for what it uses of it, write `load: used`",
        ),
        (settings.method is Method.DISK, "method: disk: only hosts that report disk are balanced"),
        (
            bool(settings.cluster.maintenance_nodes_schedule),
            "maintenance_nodes_schedule: write `maintenance: {hosts: […], windows: [{cron: …, duration: …}]}`",
        ),
        (
            any(
                value is not None and value != settings.threshold
                for value in (given.memory_threshold, given.cpu_threshold, given.disk_threshold)
            ),
            "thresholds: only that of the method counts",
        ),
        (given.live is False, "live: false: the guest is paused while it is copied, not shut down"),
        (given.with_local_disks is True, "with_local_disks: whether local disks travel is up to the driver"),
        (given.with_conntrack_state is True, "with_conntrack_state: connection tracking does not travel"),
        (
            bool(given.balance_larger_guests_first),
            "balance_larger_guests_first: moves are chosen all together; a higher `per_move` prefers one to several",
        ),
        (bool(given.enforce_pinning), "enforce_pinning: pins are always enforced here, unless soft"),
        (Kind.CT in (given.balance_types or ()), "balance_types with ct: containers are not moved"),
        (_other_reserves(given), "node_resource_reserve: of memory only, as in ProxLB"),
    )
    return (words for holds, words in told if holds)


def _other_reserves(given: Balancing) -> bool:
    return any(set(amounts) - {"memory"} for amounts in (given.node_resource_reserve or {}).values())


def _unknown(keys: Sequence[str]) -> Iterator[str]:
    if keys:
        shown = ", ".join(printable(key, 60) for key in keys[:6])
        yield f"keys that are not known here: {shown}" + (f" and {len(keys) - 6} more" if len(keys) > 6 else "")


def _about_state(state: ProxLbState | None) -> Iterator[str]:
    if state is None:
        yield (
            "no cluster.json: a configuration says nothing about guests; give --state what proxlb --dry-run --json"
            " prints, or read the hosts with an inventory"
        )
        yield "rules by pool and by plb_ tags need labels of these names on domains (see `labels` of an inventory)"
        return
    containers = sum(domain.labels.get("type") == "ct" for domain in state.cluster.domains)
    if containers:
        yield f"containers: {containers}, none of which can be migrated"
