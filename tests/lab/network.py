"""The lab's wires: a free subnet, a limit on an interface, and what went over it."""

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from .shell import LabError, run

MIB: Final = 1 << 20


class Subnet:
    """A free 10.77.X.0/24, reserved until `release`."""

    def __init__(self) -> None:
        taken = _networks_in_use()
        for third in range(1, 255):
            network = ipaddress.IPv4Network(f"10.77.{third}.0/24")
            if any(network.overlaps(other) for other in taken):
                continue
            # Two labs that start at once see the same free networks. An abstract socket is a lock that lives in the
            # network namespace, as the addresses do, leaves no file, and goes with the process.
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                lock.bind(f"\0rebalancer-lab {network}")
            except OSError:
                lock.close()
                continue
            self._lock = lock
            self.network = network
            return
        raise LabError("no 10.77.X.0/24 is free")

    def address(self, number: int) -> str:
        """`subnet.address(3)` is for example "10.77.1.3"."""
        return str(self.network[number])

    def release(self) -> None:
        """Let another lab have it."""
        self._lock.close()


def _networks_in_use() -> list[ipaddress.IPv4Network]:
    found = json.loads(run(["ip", "-json", "-4", "address"]).stdout)
    return [
        ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
        for link in found
        for address in link.get("addr_info", [])
        if address["prefixlen"] >= 16  # a wider network leaves room: our /24 is the more specific route
    ]


def limit(namespace: str, interface: str, rate: int) -> None:
    """Limit what leaves by an interface to `rate` bytes per second, counted with the Ethernet headers."""
    burst = max(128 << 10, rate // 50)  # above one segmentation-offload packet of 64 KiB, and at most 20 ms of traffic
    shape = ["tbf", "rate", f"{rate}bps", "burst", str(burst), "latency", "50ms"]
    run(["tc", "-n", namespace, "qdisc", "replace", "dev", interface, "root", *shape])


def unlimit(namespace: str, interface: str) -> None:
    """Lift the limit, if there is one."""
    run(["tc", "-n", namespace, "qdisc", "delete", "dev", interface, "root"], check=False)


def parse_traffic(table: str, interface: str) -> tuple[int, int]:
    """(received, transmitted) bytes of an interface, from the text of a /proc/net/dev."""
    for line in table.splitlines():
        name, colon, figures = line.partition(":")
        if colon and name.strip() == interface:
            columns = figures.split()
            return int(columns[0]), int(columns[8])
    raise LabError(f"no interface {interface} in {table!r}")


class TrafficSampler:
    """Samples a byte counter in the background; afterwards it knows the busiest stretch.

    with TrafficSampler(lab["h1"].transmitted_bytes) as traffic:
        ...
    assert traffic.worst_average(1.0) <= 50 * MIB

    Several counters are one function: `lambda: h1.transmitted_bytes() + h2.transmitted_bytes()`.
    """

    def __init__(self, read: Callable[[], int], *, period: float = 0.25) -> None:
        self.samples: list[tuple[float, int]] = []
        self._read = read
        self._period = period
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_the_end, name="traffic sampler", daemon=True)

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._sample()

    def total(self) -> int:
        """Bytes between the first sample and the last."""
        return self.samples[-1][1] - self.samples[0][1]

    def worst_average(self, window: float) -> float:
        """The highest average, in bytes per second, over any stretch of `window` seconds between two samples.

        A stretch ends at the first sample that makes it long enough, so it may be one period longer than asked.
        """
        worst = None
        end = 0
        for start, (began, before) in enumerate(self.samples):
            end = max(end, start)
            while end < len(self.samples) and self.samples[end][0] - began < window:
                end += 1
            if end == len(self.samples):
                break
            ended, after = self.samples[end]
            worst = max(worst or 0.0, (after - before) / (ended - began))
        if worst is None:
            raise ValueError(f"sampled for less than {window} s")
        return worst

    def _sample_until_the_end(self) -> None:
        while not self._end.wait(self._period):
            self._sample()

    def _sample(self) -> None:
        self.samples.append((time.monotonic(), self._read()))
