"""Can a lab run on this machine, and if not, why not."""

import os
import shutil
import sys
from typing import Final, NoReturn

import pytest

from .shell import ENVIRONMENT, run

TOOLS: Final = (
    "ip", "tc", "unshare", "nsenter", "mount", "sshd", "ssh", "ssh-keygen",
    "libvirtd", "virtlogd", "virsh", "qemu-system-x86_64",
)  # fmt: skip

# What a lab makes, made inside a network namespace that ends with this script: the answer of the kernel itself.
_PROBE: Final = """
mount -t tmpfs tmpfs /run
ip link add br0 type bridge
ip link add name port type veth peer name plug
tc qdisc add dev port root tbf rate 1mbit burst 128k latency 50ms
"""


def what_is_missing() -> str | None:
    """The reason why no lab can run here, or None."""
    if sys.platform != "linux":
        return f"the lab needs Linux, this is {sys.platform}"
    if os.geteuid() != 0:
        return "the lab needs root (it makes namespaces)"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=ENVIRONMENT["PATH"]) is None]
    if missing:
        return f"the lab needs {', '.join(missing)}: run tests/lab/packages.sh"
    namespaces = ["--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc"]
    probe = run(["unshare", *namespaces, "sh", "-ec", _PROBE], check=False)
    if probe.returncode != 0:
        return f"the lab needs namespaces, veth, bridge and tbf, but the kernel says: {probe.stderr.strip()}"
    return None


def skip_or_fail(reason: str) -> NoReturn:
    """Skip with the reason; in CI fail with it, as the tests would be skipped there for ever and nobody would see."""
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
