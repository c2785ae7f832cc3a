"""Inventory files → :class:`~rebalancer.inventory.Inventory`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rebalancer.cluster.entries import check_links, links_of, suggestion, unique
from rebalancer.cluster.text import shown
from rebalancer.documents import Document, header, parse_document, validate
from rebalancer.drivers import Driver, DriverHost, load_driver
from rebalancer.errors import InvalidInput, Position, Problem, RebalancerError
from rebalancer.files import read_text
from rebalancer.inventory.calls import check_calls, safeguards_of
from rebalancer.inventory.entries import HostEntry, InventoryFile, SshEntry
from rebalancer.inventory.model import Inventory, InventoryHost, LabelRule

__all__ = ["load_inventory", "parse_inventory"]

DEFAULT_DRIVER = "virsh"

_PATHS = ("key", "known_hosts", "config")


def load_inventory(path: str | os.PathLike[str], *, load: Callable[[str], Driver] = load_driver) -> Inventory:
    """The inventory in a file; raises InvalidInput."""
    return parse_inventory(read_text(path), os.fspath(path), load=load)


def parse_inventory(text: str, file: str, *, load: Callable[[str], Driver] = load_driver) -> Inventory:
    """The inventory that a text describes; raises InvalidInput with every problem and its position.

    Connects to nothing, but asks each host's driver whether it understands the host's entry.
    """
    document = parse_document(text, file)
    header(document, "Inventory")
    written = validate(document, InventoryFile)
    hosts = tuple(_host(written, entry, Path(file).absolute().parent) for entry in written.hosts)
    problems: list[Problem] = []
    unique(document, "hosts", "host", [host.name for host in hosts], problems)
    _check_reach(document, hosts, problems)
    _check_drivers(document, hosts, load, problems)
    check_links(document, written.links, problems)
    _check_ends(document, written, problems)
    _check_distances(document, written, problems)
    check_calls(document, written, problems)
    if problems:
        found = dict.fromkeys(problems)  # what is wrong with a default is wrong for every host
        raise InvalidInput(sorted(found, key=lambda problem: problem.position or Position(file, 0, 0)))
    return Inventory(
        name=written.metadata.name,
        hosts=hosts,
        links=links_of(written.links),
        label_rules=tuple(
            LabelRule(select=rule.select, labels=rule.labels, position=document.position(["labels", index, "select"]))
            for index, rule in enumerate(written.labels)
        ),
        file=file,
        safeguards=safeguards_of(written, Path(file).absolute().parent),
    )


def _host(written: InventoryFile, entry: HostEntry, directory: Path) -> InventoryHost:
    defaults = written.defaults
    return InventoryHost(
        driver=entry.driver or defaults.driver or DEFAULT_DRIVER,
        reach=DriverHost(
            name=entry.name,
            address=entry.address or entry.name,
            uri=entry.uri or defaults.uri or "",
            peer=entry.peer or "",
            settings=_settings(written, entry, directory),
        ),
        labels={**defaults.labels, **entry.labels},
        capacity={**defaults.capacity, **entry.capacity},
        maintenance=entry.maintenance,
        distance=entry.distance,
    )


def _settings(written: InventoryFile, entry: HostEntry, directory: Path) -> dict[str, object]:
    """Only what is written, so that a driver can refuse what it does not understand."""
    defaults = written.defaults
    ssh = {**_ssh(defaults.ssh, directory), **_ssh(entry.ssh, directory)}
    storage = [
        given for given in (entry.shared_storage, defaults.shared_storage, written.shared_storage) if given is not None
    ]
    settings: dict[str, object] = {**defaults.settings, **entry.settings}
    settings["base_directory"] = str(directory)
    if ssh:
        settings["ssh"] = ssh
    if storage:
        settings["shared_storage"] = storage[0]
    if transport := entry.transport or defaults.transport:
        settings["transport"] = transport
    return settings


def _ssh(entry: SshEntry | None, directory: Path) -> dict[str, object]:
    if entry is None:
        return {}
    given = entry.model_dump(exclude_none=True)
    return {key: _local(value, directory) if key in _PATHS and value else value for key, value in given.items()}


def _local(path: str, directory: Path) -> str:
    return os.path.normpath(directory / os.path.expanduser(path))  # noqa: PTH111 - pathlib's raises for unknown users


def _check_reach(document: Document, hosts: Sequence[InventoryHost], problems: list[Problem]) -> None:
    """No host is listed twice under different names, as far as the file can tell."""
    seen: dict[object, str] = {}
    for index, host in enumerate(hosts):
        address = host.reach.address
        if address == host.name:
            continue
        ssh = host.reach.settings.get("ssh")
        port = ssh.get("port") if isinstance(ssh, Mapping) else None
        first = seen.setdefault((host.driver, address, port, host.reach.uri), host.name)
        if first != host.name:
            message = f"host {shown(host.name)} has the address and URI of host {shown(first)}"
            problems.append(Problem(message, document.position(["hosts", index, "address"])))


def _check_drivers(
    document: Document, hosts: Sequence[InventoryHost], load: Callable[[str], Driver], problems: list[Problem]
) -> None:
    drivers: dict[str, Driver | str] = {}
    for index, host in enumerate(hosts):
        if host.driver not in drivers:
            try:
                drivers[host.driver] = load(host.driver)
            except RebalancerError as error:
                drivers[host.driver] = str(error)
        driver = drivers[host.driver]
        if isinstance(driver, str):
            problems.append(Problem(driver, _written_at(document, index, ("driver",))))
            continue
        for path, message in driver.check(host.reach):
            text = f"host {shown(host.name)}: {message}"
            problems.append(Problem(text, _written_at(document, index, path)))


def _written_at(document: Document, index: int, path: Sequence[str]) -> Position:
    """Where a setting of a host is written: at the host, under ``settings``, or in the defaults."""
    host: list[str | int] = ["hosts", index]
    for start in (host, [*host, "settings"], ["defaults"], ["defaults", "settings"], []):
        try:
            document.at([*start, *path[:1]])
        except (LookupError, TypeError):
            continue
        return document.position([*start, *path])
    return document.position(host)


def _check_distances(document: Document, written: InventoryFile, problems: list[Problem]) -> None:
    known = {entry.name for entry in written.hosts}
    for index, entry in enumerate(written.hosts):
        for name in entry.distance:
            if name not in known:
                message = f"distance: there is no host {shown(name)}{suggestion(name, known)}"
                problems.append(Problem(message, document.position(["hosts", index, "distance", name], key=True)))


def _check_ends(document: Document, written: InventoryFile, problems: list[Problem]) -> None:
    hosts = {host.name for host in written.hosts}
    for index, switch in enumerate(written.switches or ()):
        if switch in hosts:
            message = f"{shown(switch)} is a host already"
            problems.append(Problem(message, document.position(["switches", index])))
    if written.switches is None:
        return
    known = hosts.union(written.switches)
    for index, link in enumerate(written.links):
        for end, name in enumerate(link.connects):
            if name not in known:
                message = f"link {shown(link.name)} ends at {shown(name)}, which is neither a host nor a switch"
                position = document.position(["links", index, "connects", end])
                problems.append(Problem(message + suggestion(name, known), position))
