from __future__ import annotations

import pytest
from rebalancer_virsh.connection import VirshConnection
from rebalancer_virsh.pressure import parse_pressure

from rebalancer.drivers import DriverHost, ReadOptions
from tests.drivers.virsh.fake import FakeTransport, host_answers

PRESSED = {"cpu": 0.125, "io": 0.0, "memory": 1.0}


def test_a_hosts_pressure_is_read_with_it_and_by_itself() -> None:
    connection = VirshConnection(DriverHost(name="h1"), FakeTransport(host_answers()), [])
    assert connection.pressure() == PRESSED
    assert connection.read(ReadOptions())[0].pressure == PRESSED


@pytest.mark.parametrize(
    "answer",
    [b"", b"grep: /proc/pressure/io: No such file\n", b"\xff\x00", b"/proc/pressure/cpu:some avg10=1e9 total=0\n"],
)
def test_a_host_that_does_not_say_has_none(answer: bytes) -> None:
    assert parse_pressure(answer) == {}
