"""ProxLB's configuration file, as far as it concerns placement and migration. Credentials are not even looked at.

Keys that are not known here are skipped and told, as ProxLB skips them; values of a wrong type are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rebalancer.cluster.text import shown
from rebalancer.documents import Document, Name, parse_document, validate
from rebalancer.errors import InvalidInput

__all__ = ["Balancing", "Kind", "Method", "Mode", "Pool", "ProxLbConfig", "parse_config", "unknown_keys"]

_Percent = Annotated[float, Field(ge=0, le=100)]
_Names = Annotated[tuple[Name, ...], Field(max_length=1000)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True, validate_by_name=True
    )


class Method(StrEnum):
    MEMORY = "memory"
    CPU = "cpu"
    DISK = "disk"


class Mode(StrEnum):
    USED = "used"
    ASSIGNED = "assigned"
    PSI = "psi"


class Kind(StrEnum):
    VM = "vm"
    CT = "ct"


class PoolType(StrEnum):
    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"


class Pool(_Section):
    """What holds for the guests of a pool."""

    type: PoolType | None = None
    pin: _Names | None = None
    strict: bool = True


class ProxmoxCluster(_Section):
    maintenance_nodes: _Names | None = None
    maintenance_nodes_schedule: Mapping[str, Any] | None = None
    ignore_nodes: _Names | None = None
    overprovisioning: bool | None = None


class Balancing(_Section):
    """Left out or empty means ProxLB's default, which stands beside it."""

    enable: bool | None = None
    """false"""
    enforce_affinity: bool | None = None
    """false"""
    enforce_pinning: bool | None = None
    """false"""
    parallel: bool | None = None
    """false"""
    parallel_jobs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """5"""
    live: bool | None = None
    """true"""
    with_local_disks: bool | None = None
    """true"""
    with_conntrack_state: bool | None = None
    """true"""
    balance_types: tuple[Kind, ...] | None = None
    max_job_validation: Annotated[int, Field(ge=1, le=10**7)] | None = None
    """1800 s"""
    memory_threshold: _Percent | None = None
    cpu_threshold: _Percent | None = None
    disk_threshold: _Percent | None = None
    balanciness: _Percent | None = None
    """10: percentage points between the most and the least loaded node"""
    method: Method | None = None
    """memory"""
    mode: Mode | None = None
    """used"""
    balance_larger_guests_first: bool | None = None
    node_resource_reserve: Mapping[Name, Mapping[str, Annotated[float, Field(ge=0, le=10**6)]]] | None = None
    """GiB that a node keeps for itself, by node or ``defaults``."""
    psi: Mapping[str, Any] | None = None
    pools: Mapping[Name, Pool | None] | None = None
    cpu_overcommit: Annotated[float, Field(gt=0, le=1000)] | None = None
    """2.0, for the solver only"""
    max_node_inflow: int | None = None
    ignore_guests: _Names | None = None


class Solver(_Section):
    enable: bool | None = None


class ProxLbConfig(_Section):
    proxmox_cluster: ProxmoxCluster | None = None
    balancing: Balancing | None = None
    solver: Solver | None = None


_ELSEWHERE = ("proxmox_api", "service")
"""Sections about reaching the hosts and running the service."""


def parse_config(text: str, file: str) -> tuple[ProxLbConfig, tuple[str, ...]]:
    """(the configuration, the keys in it that are not known here); raises InvalidInput with positions."""
    document = parse_document(text, file)
    data = document.data
    known = (*ProxLbConfig.model_fields, *_ELSEWHERE)
    if not isinstance(data, dict) or not any(key in data for key in known):
        what = "another mapping" if isinstance(data, dict) else shown(data)
        raise InvalidInput(
            f"expected ProxLB's configuration, a mapping with {', '.join(known)}, not {what}"
            " (configurations of ProxLB before 1.1 are not read)",
            document.position(),
        )
    return validate(document, ProxLbConfig), tuple(unknown_keys(document))


def unknown_keys(document: Document) -> Iterator[str]:
    """``balancing.foo``: names only, never values."""
    data = document.data if isinstance(document.data, dict) else {}
    sections: dict[str, type[BaseModel]] = {
        "proxmox_cluster": ProxmoxCluster,
        "balancing": Balancing,
    }
    for key, value in data.items():
        if key not in ProxLbConfig.model_fields and key not in _ELSEWHERE:
            yield key
        model = sections.get(key)
        if model is not None and isinstance(value, dict):
            yield from (f"{key}.{name}" for name in value if name not in model.model_fields)
