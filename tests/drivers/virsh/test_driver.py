from __future__ import annotations

import pytest
from rebalancer_virsh import VirshDriver
from rebalancer_virsh.driver import _transport

from rebalancer.drivers import Driver, DriverHost
from rebalancer.drivers.commands import LocalTransport

DRIVER: Driver = VirshDriver()  # the type checker's test that it is one


def check(uri: str = "qemu:///system", **settings: object) -> list[tuple[tuple[str, ...], str]]:
    return DRIVER.check(DriverHost(name="h1", address="10.0.0.1", uri=uri, settings=settings))


def test_what_an_inventory_says_is_fine() -> None:
    ssh = {"user": "root", "port": 22, "key": "/k", "known_hosts": "/kh", "connect_timeout": 5.5, "command_timeout": 60}
    assert check(ssh={**ssh, "config": False}, shared_storage=["/srv"], transport="ssh", base_directory="/x") == []
    assert check() == []


@pytest.mark.parametrize(
    ("settings", "path", "says"),
    [
        ({"shared_storge": ["/x"]}, ("shared_storge",), "no setting"),
        ({"transport": "telnet"}, ("transport",), "ssh or local"),
        ({"uri": "nonsense"}, ("uri",), "not a libvirt URI"),
        ({"shared_storage": ["srv"]}, ("shared_storage",), "absolute paths"),
        ({"shared_storage": "/srv"}, ("shared_storage",), "absolute paths"),
        ({"ssh": "root"}, ("ssh",), "must be settings"),
        ({"ssh": {"keys": "/k"}}, ("ssh", "keys"), "no such setting"),
        ({"ssh": {"port": "22"}}, ("ssh", "port"), "does not fit"),
        ({"ssh": {"port": 0}}, ("ssh", "port"), "out of range"),
        ({"ssh": {"port": 70000}}, ("ssh", "port"), "out of range"),
        ({"ssh": {"config": True}}, ("ssh", "config"), "does not fit"),
        ({"ssh": {"connect_timeout": -1}}, ("ssh", "connect_timeout"), "out of range"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(settings: dict[str, object], path: tuple[str, ...], says: str) -> None:
    ((where, message),) = check(**settings)  # type: ignore[arg-type]
    assert where == path
    assert says in message


@pytest.mark.parametrize(("address", "transport"), [("", None), ("10.0.0.1", "local")])
def test_commands_run_here_where_there_is_no_address(address: str, transport: str | None) -> None:
    settings = {"transport": transport} if transport else {}
    assert isinstance(_transport(DriverHost(name="h1", address=address, settings=settings)), LocalTransport)
