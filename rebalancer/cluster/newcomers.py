"""Files of domains that do not run yet, as ``place`` and ``simulate`` read them.

::

    apiVersion: rebalancer/v1
    kind: Domains
    domains:
      - {name: web, count: 3, uses: {cpu: 2, memory: 4 GiB}, labels: {app: web}}

are ``web-1``, ``web-2`` and ``web-3``.
"""

from __future__ import annotations

from typing import Annotated
from uuid import NAMESPACE_OID, uuid5

from pydantic import Field

from rebalancer.cluster.entries import NewDomainEntry, unique
from rebalancer.cluster.model import Domain, MigrationTraits
from rebalancer.cluster.units import Bytes
from rebalancer.documents import FileModel, PositiveField, header, parse_document, validate
from rebalancer.errors import InvalidInput, Problem

__all__ = ["clones", "parse_newcomers"]

_MOST = 100_000


class _Entry(NewDomainEntry):
    count: PositiveField = 1
    """How many alike; each has its number at the end of its name."""


class _Domains(FileModel):
    domains: Annotated[tuple[_Entry, ...], Field(min_length=1)]


def parse_newcomers(text: str, file: str, *, one_of_each: bool = False) -> tuple[Domain, ...]:
    """The domains that a file describes, on no host; raises InvalidInput with every problem and its position.
    ``one_of_each``: whatever ``count`` says."""
    document = parse_document(text, file)
    header(document, "Domains")
    entries = validate(document, _Domains).domains
    problems: list[Problem] = []
    unique(document, "domains", "domain", [entry.name for entry in entries], problems)
    if sum(entry.count for entry in entries) > _MOST:
        problems.append(Problem(f"more than {_MOST:,} domains", document.position(["domains"])))
    if problems:
        raise InvalidInput(problems)
    found: list[Domain] = []
    for entry in entries:
        domain = _domain(entry)
        found += [domain] if entry.count == 1 or one_of_each else clones(domain, entry.count)
    return tuple(found)


def clones(domain: Domain, number: int) -> list[Domain]:
    """Domains alike that differ in name and UUID."""
    found: list[Domain] = []
    for index in range(1, number + 1):
        name = f"{domain.name}-{index}"
        found.append(
            Domain(
                name=name,
                uuid=_uuid(name),
                host=domain.host,
                uses=domain.uses,
                labels=domain.labels,
                needs=domain.needs,
                migration=domain.migration,
                loads=domain.loads,
            )
        )
    return found


def _domain(entry: _Entry) -> Domain:
    return Domain(
        name=entry.name,
        uuid=_uuid(entry.name),
        host="",
        uses=entry.uses,
        labels=entry.labels,
        needs=entry.needs,
        migration=MigrationTraits(memory=Bytes(round(entry.uses.get("memory", 0)))),
        loads=entry.loads,
    )


def _uuid(name: str) -> str:
    """Always the same for a name, as the same input has to give the same result."""
    return str(uuid5(NAMESPACE_OID, f"rebalancer newcomer {name}"))
