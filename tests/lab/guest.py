"""The lab's guests: the image, the domain's XML, and what a guest says on its serial port."""

import struct
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

BOOT_SECTOR: Final = Path(__file__).with_name("guest.bin")
TICKS_PER_SECOND: Final = 18.2065  # of the PC's timer
_PAGES_PER_MIB: Final = 256
_RATE_AT: Final = 0x1F0
_FLOPPY: Final = 1440 << 10


@dataclass(frozen=True)
class Guest:
    """One guest, wherever it runs now and whatever it is called there."""

    uuid: str
    name: str
    serial: Path

    def counters(self) -> list[int]:
        """Every number it has printed so far: 1, 2, 3, …, one a timer tick (18.2 a second)."""
        try:
            lines = self.serial.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [int(line, 16) for line in lines[:-1]]  # what follows the last newline is still being printed

    def is_counting(self, timeout: float = 10) -> bool:
        """Does it print one more number within `timeout` seconds?"""
        before = len(self.counters())
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if len(self.counters()) > before:
                return True
            time.sleep(0.02)
        return False


def assert_never_reset(counters: Sequence[int]) -> None:
    """The guest ran on and on: every number is one more than the last. A reset starts again at 1."""
    assert counters, "the guest never printed a number"
    for before, after in pairwise(counters):
        assert after == before + 1, f"the guest printed {after} after {before}"


def image(*, memory_mib: int, dirty_mib_per_s: float, working_set_mib: float | None) -> bytes:
    """A floppy whose guest rewrites `dirty_mib_per_s` of a working set (by default: as much as it rewrites in 1 s)."""
    working_set = dirty_mib_per_s if working_set_mib is None else working_set_mib
    room = memory_mib - 2  # the guest itself is in the first MiB, the firmware's tables are at the end
    if not 0 <= working_set <= room:
        raise ValueError(f"a working set of {working_set} MiB does not fit into {room} of {memory_mib} MiB")
    pages_per_tick = round(dirty_mib_per_s * _PAGES_PER_MIB / TICKS_PER_SECOND)
    if pages_per_tick and not working_set:
        raise ValueError("a guest that dirties memory needs a working set")
    sector = bytearray(BOOT_SECTOR.read_bytes())
    struct.pack_into("<II", sector, _RATE_AT, pages_per_tick, round(working_set * _PAGES_PER_MIB))
    return bytes(sector).ljust(_FLOPPY, b"\0")


def domain_xml(*, uuid: str, name: str, memory_mib: int, floppy: Path, serial: Path) -> str:
    """The domain of a guest. Of type qemu, as /dev/kvm proves nothing: it may open and yet run no guest."""
    domain = ET.Element("domain", type="qemu")
    ET.SubElement(domain, "name").text = name
    ET.SubElement(domain, "uuid").text = uuid
    ET.SubElement(domain, "memory", unit="MiB").text = str(memory_mib)
    ET.SubElement(domain, "vcpu").text = "1"
    system = ET.SubElement(domain, "os")
    ET.SubElement(system, "type", arch="x86_64", machine="pc").text = "hvm"
    ET.SubElement(system, "boot", dev="fd")
    cpu = ET.SubElement(domain, "cpu", mode="custom", match="exact")
    ET.SubElement(cpu, "model").text = "qemu64"
    devices = ET.SubElement(domain, "devices")
    ET.SubElement(devices, "emulator").text = "/usr/bin/qemu-system-x86_64"
    disk = ET.SubElement(devices, "disk", type="file", device="floppy")
    ET.SubElement(disk, "driver", name="qemu", type="raw")
    ET.SubElement(disk, "source", file=str(floppy))
    ET.SubElement(disk, "target", dev="fda")
    ET.SubElement(disk, "readonly")
    port = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(port, "source", path=str(serial), append="on")  # append: a migrated guest goes on in the same file
    return ET.tostring(domain, encoding="unicode")
