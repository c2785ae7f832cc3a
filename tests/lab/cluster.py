"""The lab: brings up its hosts, starts guests on them, and goes without a trace."""

import atexit
import os
import uuid as uuids
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .guest import Guest, domain_xml, image
from .host import LabHost
from .inventory import Link, Scalar, inventory, known_hosts
from .ledger import Ledger, remove_leftovers
from .network import Subnet
from .shell import run

_MACHINE: Final = 254  # the machine's own address in the subnet


class Lab:
    """Hosts h1 … hN on a network of their own, which the machine can reach too.

    `Lab(hosts=2).up()` and `down()`, or `with Lab(hosts=2) as lab:`. It also goes down when the process ends, and when
    the process is killed, the next lab on the machine removes what is left.
    """

    def __init__(self, hosts: int = 4) -> None:
        self.hosts: list[LabHost] = []
        self._count = hosts
        self._ledger: Ledger | None = None
        self._subnet: Subnet | None = None

    def __getitem__(self, name: str) -> LabHost:
        """`lab["h1"]`."""
        return next(host for host in self.hosts if host.name == name)

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # Up and down

    def up(self) -> Self:
        """Bring it up. If that fails half-way, or is interrupted, the half is taken down again."""
        remove_leftovers()
        atexit.register(self._down_at_exit, os.getpid())
        try:
            self._ledger = Ledger.open_new()
            self._subnet = Subnet()
            self.shared.mkdir()
            self._make_switch(self._ledger, self._subnet)
            self._make_hosts(self._ledger, self._subnet)
        except BaseException:
            self.down()
            raise
        return self

    def down(self) -> None:
        """Remove all that it made, and nothing else. Can be called again."""
        with ExitStack() as undo:  # what fails or interrupts one of these does not keep the others from being done
            undo.callback(atexit.unregister, self._down_at_exit)
            if self._subnet:
                undo.callback(self._subnet.release)
            if self._ledger:
                undo.callback(self._ledger.remove_all)
            for host in self.hosts:
                undo.callback(host.remove)
            self.hosts, self._ledger, self._subnet = [], None, None

    def _down_at_exit(self, owner: int) -> None:
        if os.getpid() == owner:  # a forked child ends without taking its parent's lab along
            self.down()

    def _make_switch(self, ledger: Ledger, subnet: Subnet) -> None:
        # In a namespace of its own: the machine's firewall may look into the bridges of the machine's namespace (it
        # does where Docker is), and would drop what the hosts send each other.
        switch, link = f"{ledger.prefix}-switch", ledger.prefix
        ledger.intend("namespace", switch)
        run(["ip", "netns", "add", switch])
        run(["ip", "-n", switch, "link", "add", "switch", "type", "bridge"])
        run(["ip", "-n", switch, "link", "set", "switch", "up"])
        ledger.intend("link", link)
        run(["ip", "link", "add", link, "type", "veth", "peer", "name", "machine", "netns", switch])
        run(["ip", "-n", switch, "link", "set", "machine", "master", "switch", "up"])
        run(["ip", "address", "add", f"{subnet.address(_MACHINE)}/24", "dev", link])
        run(["ip", "link", "set", link, "up"])

    def _make_hosts(self, ledger: Ledger, subnet: Subnet) -> None:
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", ledger.prefix, "-f", str(self.key)])
        for number in range(1, self._count + 1):
            name = f"h{number}"
            host = LabHost(
                name,
                address=subnet.address(number),
                directory=ledger.directory / name,
                key=self.key,
                namespace=f"{ledger.prefix}-{name}",
                switch=f"{ledger.prefix}-switch",
            )
            self.hosts.append(host)
            host.install(ledger)
        names = "".join(f"{host.address} {host.name}\n" for host in self.hosts)
        (ledger.directory / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        self.known_hosts.write_text(known_hosts(self.hosts))
        for host in self.hosts:
            host.power_on()
        self._on_every_host(LabHost.wait_until_ready)

    def _on_every_host(self, act: Callable[[LabHost], None]) -> None:
        with ThreadPoolExecutor(len(self.hosts) or 1) as pool:
            list(pool.map(act, self.hosts))

    # Its files

    @property
    def directory(self) -> Path:
        """Where everything of this lab is."""
        if self._ledger is None:
            raise RuntimeError("the lab is not up")
        return self._ledger.directory

    @property
    def prefix(self) -> str:
        """What the names of all its namespaces and links begin with."""
        if self._ledger is None:
            raise RuntimeError("the lab is not up")
        return self._ledger.prefix

    @property
    def shared(self) -> Path:
        """The shared storage: a directory that is the same on every host."""
        return self.directory / "shared"

    @property
    def key(self) -> Path:
        """The private key that lets root in on every host."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The keys of the hosts."""
        return self.directory / "known_hosts"

    def write_inventory(
        self,
        path: Path | None = None,
        *,
        hosts: Sequence[LabHost] | None = None,
        driver: str = "virsh",
        capacity: Mapping[str, Mapping[str, Scalar]] | None = None,
        labels: Mapping[str, Mapping[str, Scalar]] | None = None,
        links: Sequence[Link] = (),
        link_capacity: int | str | None = None,
    ) -> Path:
        """Write an inventory of `hosts`, by default all. `link_capacity` gives each a link to the switch."""
        path = path or self.directory / "inventory.yaml"
        hosts = self.hosts if hosts is None else hosts
        if link_capacity is not None:
            star = [Link(f"{host.name}-nic", (host.name, "switch"), link_capacity) for host in hosts]
            links = [*star, *links]
        text = inventory(
            hosts,
            key=self.key,
            known_hosts=self.known_hosts,
            shared_storage=[self.shared],
            driver=driver,
            capacity=capacity,
            labels=labels,
            links=links,
        )
        path.write_text(text)
        return path

    # Its guests

    def define_guest(
        self,
        host: LabHost,
        name: str,
        memory_mib: int = 64,
        dirty_mib_per_s: float = 0,
        *,
        working_set_mib: float | None = None,
        uuid: str | None = None,
    ) -> Guest:
        """Define a guest that is shut off."""
        guest, xml = self._make_guest(name, memory_mib, dirty_mib_per_s, working_set_mib, uuid)
        host.virsh("define", "--file", str(xml))
        return guest

    def start_guest(
        self,
        host: LabHost,
        name: str,
        memory_mib: int = 64,
        dirty_mib_per_s: float = 0,
        persistent: bool = True,
        uuid: str | None = None,
        *,
        working_set_mib: float | None = None,
    ) -> Guest:
        """Start a guest that rewrites `dirty_mib_per_s` of its memory, and wait until it counts.

        It rewrites all of its working set in turn, by default as much as it rewrites in a second.
        """
        guest, xml = self._make_guest(name, memory_mib, dirty_mib_per_s, working_set_mib, uuid)
        if persistent:
            host.virsh("define", "--file", str(xml))
            host.virsh("start", guest.uuid)
        else:
            host.virsh("create", "--file", str(xml))
        if not guest.is_counting(timeout=60):
            raise RuntimeError(f"the guest {name!r} started on {host.name} but does not count")
        return guest

    def where(self, guest: Guest) -> dict[str, str]:
        """Which hosts know a guest, and in which state it is there: {"h2": "running"}."""
        return {
            host.name: domain.state for host in self.hosts for domain in host.domains() if domain.uuid == guest.uuid
        }

    def reset(self) -> None:
        """Back to how it came up: no guests, links whole and unlimited, daemons running."""
        self._on_every_host(LabHost.reset)
        for path in self.shared.iterdir():
            path.unlink()

    def _make_guest(
        self, name: str, memory_mib: int, dirty: float, working_set: float | None, uuid: str | None
    ) -> tuple[Guest, Path]:
        identity = str(uuids.UUID(uuid)) if uuid else str(uuids.uuid4())
        files = self.shared / identity  # not after the name, which may be anything
        floppy, serial, xml = (files.with_suffix(suffix) for suffix in (".img", ".serial", ".xml"))
        serial.unlink(missing_ok=True)
        floppy.write_bytes(image(memory_mib=memory_mib, dirty_mib_per_s=dirty, working_set_mib=working_set))
        xml.write_text(
            domain_xml(uuid=identity, name=name, memory_mib=memory_mib, floppy=floppy, serial=serial), encoding="utf-8"
        )
        return Guest(identity, name, serial), xml
