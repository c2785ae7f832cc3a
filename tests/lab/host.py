"""One host of the lab: its namespaces, its daemons, what runs on it, and its cable."""

import os
import re
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .ledger import Ledger, end_processes, init_of, processes_in
from .network import limit, parse_traffic, unlimit
from .shell import ENVIRONMENT, LabError, run, wait_until

_BOOT: Final = Path(__file__).with_name("boot.sh")
_LISTS: Final = {"running": "--state-running", "paused": "--state-paused", "shut off": "--state-shutoff"}


@dataclass(frozen=True)
class Domain:
    """What a host says of one domain. `state` is running, paused, shut off or other."""

    name: str
    uuid: str
    state: str


class LabHost:
    """A host: real daemons in a network, mount, UTS and process namespace, plugged into the lab's switch."""

    uri = "qemu:///system"

    def __init__(self, name: str, *, address: str, directory: Path, key: Path, namespace: str, switch: str) -> None:
        self.name = name
        self.address = address
        self.directory = directory
        self._key = key
        self._namespace = namespace
        self._switch = switch
        self._process: subprocess.Popen[bytes] | None = None
        self._init: int | None = None  # the host's process 1, by its id on the machine
        self._counters: int | None = None  # an open /proc/net/dev

    def __repr__(self) -> str:
        return f"LabHost({self.name!r})"

    @property
    def namespace(self) -> str:
        """Its network namespace: the processes in it are the host's."""
        return self._namespace

    @property
    def peer(self) -> str:
        """How the other hosts reach its libvirt."""
        return f"qemu+tcp://{self.name}/system"

    @property
    def host_key(self) -> str:
        """The public ssh host key, as "ssh-ed25519 AAAA…"."""
        return " ".join((self.directory / "etc/ssh/host_key.pub").read_text().split()[:2])

    # Running it

    def install(self, ledger: Ledger) -> None:
        """Plug it into the switch and write its files."""
        ledger.intend("namespace", self._namespace)
        run(["ip", "netns", "add", self._namespace])
        port = ["name", self.name, "netns", self._switch]
        run(["ip", "-n", self._namespace, "link", "add", "eth0", "type", "veth", "peer", *port])
        run(["ip", "-n", self._namespace, "address", "add", f"{self.address}/24", "dev", "eth0"])
        run(["ip", "-n", self._namespace, "link", "set", "lo", "up"])
        run(["ip", "-n", self._namespace, "link", "set", "eth0", "up"])
        run(["ip", "-n", self._switch, "link", "set", self.name, "master", "switch", "up"])
        for tree in ("etc/libvirt", "etc/ssh", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt"):
            (self.directory / tree).mkdir(parents=True)
        key = self.directory / "etc/ssh/host_key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key)])
        for path, text in self._files().items():
            (self.directory / path).write_text(text)

    def power_on(self) -> None:
        """Start its daemons; `wait_until_ready` says when they answer."""
        with (self.directory / "console").open("a") as console:
            process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self._namespace),
                    *("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"),
                    *("sh", str(_BOOT), self.name, str(self.directory), str(self.directory.parent / "hosts")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # a Ctrl-C at the terminal is for pytest, not for the hosts
            )
        self._process = process

        def has_init() -> bool:
            if process.poll() is not None:
                raise LabError(f"{self.name} did not boot: {self._console()}")
            self._init = init_of(self._namespace)
            return self._init is not None

        wait_until(has_init, f"process 1 of {self.name}", every=0.005)
        if self._counters is None:
            # Kept open: the interface, and with it its counters, outlives the host's processes.
            self._counters = os.open(f"/proc/{self._init}/net/dev", os.O_RDONLY | os.O_CLOEXEC)

    def wait_until_ready(self, timeout: float = 20) -> None:
        """Wait until libvirt answers, here and to its peers, and sshd listens."""

        def answers() -> bool:
            return self.is_on() and all(
                run(["nsenter", *self._enter(), *probe], check=False, timeout=timeout).returncode == 0
                for probe in (["test", "-s", "/run/sshd.pid"], ["virsh", "-q", "-c", self.peer, "uri"])
            )

        wait_until(answers, lambda: f"{self.name} to be ready: {self._console()}", timeout=timeout)

    def is_on(self) -> bool:
        """Is it powered on?"""
        return self._init in processes_in(self._namespace)

    def power_off(self) -> None:
        """As if the cable were pulled: SIGKILL for all of it, guests included. Definitions survive, on its disk."""
        end_processes(self._namespace)
        self._init = None
        if self._process:
            self._process.wait(10)
            self._process = None

    def remove(self) -> None:
        """Power it off and let go of what this process holds of it; the ledger removes the rest."""
        try:
            self.power_off()
        finally:
            if self._counters is not None:
                os.close(self._counters)
                self._counters = None

    def run(
        self, arguments: Sequence[str], *, timeout: float = 30, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host, as root, with its files, its network, its name and its processes."""
        return run(["nsenter", *self._enter(), *arguments], timeout=timeout, check=check, stdin=stdin)

    def processes(self, name: str) -> list[int]:
        """Those whose program is called so."""
        found = []
        for pid in processes_in(self.namespace):
            with suppress(OSError):
                if Path(f"/proc/{pid}/exe").readlink().name.startswith(name):
                    found.append(pid)
        return found

    # Libvirt

    def virsh(self, *arguments: str, timeout: float = 60) -> str:
        """What `virsh` prints, run on the host; a LabError if it fails."""
        return self.run(["virsh", "-q", "-c", self.uri, *arguments], timeout=timeout).stdout

    def kill_libvirtd(self) -> None:
        """SIGKILL its libvirtd and wait for its end. Its guests live on."""
        if pid := self._libvirtd():
            self.run(["sh", "-c", 'kill -KILL "$1"', "sh", str(pid)])
            wait_until(lambda: self._libvirtd() is None, f"the end of libvirtd on {self.name}")

    def start_libvirtd(self) -> None:
        """Start its libvirtd, unless it runs, and wait until it answers."""
        if self._libvirtd() is None:
            self.run(["libvirtd", "--listen", "--daemon", "--pid-file", "/run/libvirtd.pid"])
        self.wait_until_ready()

    @contextmanager
    def patience(self, seconds: int) -> Iterator[None]:
        """How long its libvirt waits for its peers; otherwise for 50 s."""
        path = self.directory / "etc/libvirt/qemu.conf"
        before = path.read_text()
        shorter = {"keepalive_interval": seconds // 2, "keepalive_count": 1}
        path.write_text(re.sub(r"(keepalive_\w+) = \d+", lambda found: f"{found[1]} = {shorter[found[1]]}", before))
        self.kill_libvirtd()
        self.start_libvirtd()
        try:
            yield
        finally:
            path.write_text(before)
            self.kill_libvirtd()
            self.start_libvirtd()

    def domains(self) -> list[Domain]:
        """All its domains, by name."""
        # One virsh for all lists: "uuid name" a line, and a name may hold anything but a newline. With -q, echo ends no
        # line. What is in no narrower list (crashed, dying) is left with the first heading.
        headings = {"other": "", **_LISTS}
        answer = self.virsh("; ".join(f"echo '{s}\n'; list --all --uuid --name {o}" for s, o in headings.items()))
        found: dict[str, Domain] = {}
        state = ""
        for line in answer.split("\n"):
            if line in headings:
                state = line
            elif line:
                found[line[:36]] = Domain(line[37:], line[:36], state)
        return sorted(found.values(), key=lambda domain: (domain.name, domain.uuid))

    def running(self) -> dict[str, str]:
        """The names and uuids of the domains that run (not paused, not arriving)."""
        return {domain.name: domain.uuid for domain in self.domains() if domain.state == "running"}

    # The cable

    def shape(self, rate: int) -> None:
        """Limit its link to `rate` bytes per second, in each direction."""
        limit(self._namespace, "eth0", rate)
        limit(self._switch, self.name, rate)

    def unshape(self) -> None:
        """Lift the limit of its link."""
        unlimit(self._namespace, "eth0")
        unlimit(self._switch, self.name)

    def cut(self) -> None:
        """Pull its cable; whoever talked to it hears nothing more."""
        run(["ip", "-n", self._switch, "link", "set", self.name, "down"])

    def mend(self) -> None:
        """Plug its cable in again."""
        run(["ip", "-n", self._switch, "link", "set", self.name, "up"])

    def is_cut(self) -> bool:
        flags = (
            run(["ip", "-n", self._switch, "-o", "link", "show", self.name]).stdout.partition("<")[2].partition(">")[0]
        )
        return "UP" not in flags.split(",")

    def transmitted_bytes(self) -> int:
        """What its eth0 has sent since the lab came up."""
        return self._traffic()[1]

    def received_bytes(self) -> int:
        """What its eth0 has received since the lab came up."""
        return self._traffic()[0]

    # Between two tests

    def reset(self) -> None:
        """Empty it and put everything right that a test can break; if need be by turning it off and on again."""
        self.mend()
        self.unshape()
        try:
            if not self.is_on():
                self.power_on()
                self.wait_until_ready()
            self.start_libvirtd()
            end_processes(self._namespace, called="qemu-system-")  # faster than destroy, which polls, guest by guest
            wait_until(self._is_empty_after_removal, f"{self.name} to be rid of its domains", every=0.1)
        except LabError:
            self.power_off()
            for definition in (self.directory / "etc/libvirt/qemu").glob("*.xml"):
                definition.unlink()
            self.power_on()
            self.wait_until_ready()

    def _is_empty_after_removal(self) -> bool:
        domains = self.virsh("list", "--all", "--uuid", timeout=5).split()
        for verb in ("destroy", "undefine --managed-save --snapshots-metadata"):
            # Each fails for some: destroy for what is shut off, undefine for what was transient.
            commands = "; ".join(f"{verb} {identity}" for identity in domains)
            if domains:
                self.run(["virsh", "-q", "-c", self.uri, commands], check=False, timeout=5)
        return not domains

    # Inside

    def _enter(self) -> list[str]:
        if self._init is None:
            raise LabError(f"{self.name} is off")
        return ["--target", str(self._init), "--net", "--mount", "--uts", "--pid", "--"]

    def _libvirtd(self) -> int | None:
        script = 'pid=$(cat /run/libvirtd.pid) && kill -0 "$pid" && echo "$pid"'
        answer = self.run(["sh", "-c", script], check=False)
        return int(answer.stdout) if answer.returncode == 0 else None

    def _traffic(self) -> tuple[int, int]:
        if self._counters is None:
            raise LabError(f"{self.name} was never on")
        return parse_traffic(os.pread(self._counters, 1 << 16, 0).decode(), "eth0")

    def _console(self) -> str:
        with suppress(FileNotFoundError):
            return (self.directory / "console").read_text().strip()
        return ""

    def _files(self) -> dict[str, str]:
        shared = self.directory.parent
        return {
            "etc/libvirt/libvirtd.conf": (
                'listen_tls = 0\nlisten_tcp = 1\nlisten_addr = "0.0.0.0"\nauth_tcp = "none"\n'
                'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'
                # Its own, or the hosts are one host to libvirt, which does not migrate to itself.
                f'host_uuid = "{uuid.uuid4()}"\n'
            ),
            "etc/libvirt/qemu.conf": (
                'user = "root"\ngroup = "root"\nsecurity_driver = "none"\ncgroup_controllers = []\n'
                'namespaces = []\nstdio_handler = "file"\nremember_owner = 0\n'
                # Longer than a host may be silent for and then go on: see docs/campaigns.md, "Hosts that answer late".
                "keepalive_interval = 5\nkeepalive_count = 9\n"
            ),
            "etc/ssh/sshd_config": (
                f"ListenAddress {self.address}\nHostKey /etc/ssh/host_key\nAuthorizedKeysFile {self._key}.pub\n"
                "PermitRootLogin prohibit-password\nStrictModes no\nUsePAM no\nUseDNS no\nPrintMotd no\n"
                "MaxStartups 200\nMaxSessions 200\nSubsystem sftp internal-sftp\n"
            ),
            "etc/ssh/ssh_config": (  # from host to host, as migration over ssh does
                f"IdentityFile {self._key}\nGlobalKnownHostsFile {shared}/known_hosts\nUserKnownHostsFile none\n"
                "BatchMode yes\n"
            ),
            "etc/passwd": _passwd(Path("/etc/passwd").read_text()),
            "etc/shadow": "root:*:19000:0:99999:7:::\n",
        }


def _passwd(text: str) -> str:
    """This machine's users, root with a shell and a home that have nothing to say at login."""
    lines = [line for line in text.splitlines() if not line.startswith("root:")]
    return "\n".join(["root:x:0:0:root:/run:/bin/sh", *lines, ""])
