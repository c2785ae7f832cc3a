from __future__ import annotations

from dataclasses import fields, replace

import pytest
from rebalancer_virsh.hypervisors import MIB
from rebalancer_virsh.request import MigrationRequest, migration_request

from rebalancer.cluster import Capabilities, Domain, DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import DriverHost, MigrationOptions
from rebalancer.errors import Unsupported
from tests.drivers.virsh.fake import ALPHA

ALL = Capabilities(
    **{field.name: True for field in fields(Capabilities) if field.type in ("bool", bool)},
    transports=("tcp", "tls"),
)
DOMAIN = Domain(name="alpha", uuid=ALPHA, host="h1")
H2 = DriverHost(name="h2", address="10.0.0.2", peer="qemu+tcp://h2/system")


def request(
    domain: Domain = DOMAIN,
    destination: DriverHost = H2,
    can: Capabilities = ALL,
    kind: str = "qemu",
    **options: object,
) -> MigrationRequest:
    return migration_request("h1", can, kind, domain, destination, MigrationOptions(**options))  # type: ignore[arg-type]


def test_a_plain_migration() -> None:
    assert request().arguments == (
        *("migrate", "--p2p", "--domain", ALPHA, "--desturi", "qemu+tcp://h2/system"),
        *("--live", "--persistent", "--undefinesource", "--migrateuri", "tcp://10.0.0.2"),
    )


def test_a_transient_domain_stays_one() -> None:
    arguments = request(replace(DOMAIN, persistent=False)).arguments
    assert "--persistent" not in arguments
    assert "--undefinesource" not in arguments


def test_every_option_is_passed_on() -> None:
    found = request(
        live=False,
        new_name="--dname",
        transport="tls",
        bandwidth=BytesPerSecond(20.9 * MIB),
        max_downtime=Seconds(0.25),
        auto_converge=True,
        post_copy=True,
    )
    assert "--live" not in found.arguments
    assert {"--tls", "--auto-converge", "--postcopy"} <= set(found.arguments)
    assert found.arguments[found.arguments.index("--bandwidth") + 1] == "20"
    assert found.arguments[found.arguments.index("--postcopy-bandwidth") + 1] == "20"
    assert found.arguments[-2:] == ("--dname", "--dname")
    assert found.max_downtime == 250


def test_a_name_that_stays_is_not_asked_for() -> None:
    assert "--dname" not in request(new_name="alpha").arguments


def test_a_domain_that_is_shut_off_moves_its_definition() -> None:
    found = request(replace(DOMAIN, state=DomainState.SHUT_OFF), new_name="b", bandwidth=BytesPerSecond(9.0 * MIB))
    assert found.arguments[6:] == ("--offline", "--persistent", "--undefinesource", "--dname", "b")
    assert not found.active


@pytest.mark.parametrize(
    ("destination", "uri", "peer", "data"),
    [
        (H2, "qemu+ssh://x/system", "qemu+ssh://x/system", "tcp://10.0.0.2"),
        (H2, "tcp://10.9.9.9:50000", "qemu+tcp://h2/system", "tcp://10.9.9.9:50000"),
        (H2, "rdma://10.9.9.9", "qemu+tcp://h2/system", "rdma://10.9.9.9"),
        (replace(H2, peer=""), None, "qemu+ssh://10.0.0.2/system", "tcp://10.0.0.2"),
        (replace(H2, peer="", address="fe80::1"), None, "qemu+ssh://[fe80::1]/system", "tcp://[fe80::1]"),
        (replace(H2, address=""), None, "qemu+tcp://h2/system", None),
    ],
)
def test_where_to(destination: DriverHost, uri: str | None, peer: str, data: str | None) -> None:
    arguments = request(destination=destination, uri=uri).arguments
    assert arguments[arguments.index("--desturi") + 1] == peer
    assert (arguments[arguments.index("--migrateuri") + 1] if "--migrateuri" in arguments else None) == data


@pytest.mark.parametrize(
    ("option", "asked"),
    [
        ("live", {}),
        ("offline", {"live": False}),
        ("rename", {"new_name": "b"}),
        ("bandwidth", {"bandwidth": BytesPerSecond(9.0 * MIB)}),
        ("max_downtime", {"max_downtime": Seconds(1)}),
        ("auto_converge", {"auto_converge": True}),
        ("post_copy", {"post_copy": True}),
    ],
)
def test_what_is_not_offered_is_refused(option: str, asked: dict[str, object]) -> None:
    request(**asked)
    with pytest.raises(Unsupported, match=f"h1: {option} is not supported"):
        request(can=replace(ALL, **{option: False}), **asked)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"bandwidth": BytesPerSecond(MIB - 1)}, "no caps below 1 MiB/s"),
        ({"transport": "ssh"}, "it has: tcp, tls"),
        ({"new_name": ""}, "cannot be a name"),
        ({"new_name": "a/b"}, "cannot be a name"),
        ({"new_name": "a\nb"}, "cannot be a name"),
        ({"uri": "--unsafe"}, "is not a URI"),
        ({"destination": DriverHost(name="h2")}, "neither a 'peer' nor an 'address'"),
        ({"domain": replace(DOMAIN, uuid="alpha; destroy x")}, "is not a UUID"),
        ({"domain": replace(DOMAIN, state=DomainState.SHUT_OFF, persistent=False)}, "neither running nor defined"),
    ],
)
def test_what_cannot_be(asked: dict[str, object], says: str) -> None:
    with pytest.raises(Unsupported, match=says):
        request(**asked)  # type: ignore[arg-type]
