"""Inventory files: what is read and what is refused, with positions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rebalancer.cluster import Domain, Link
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import DriverHost
from rebalancer.errors import InvalidInput
from rebalancer.inventory import (
    Call,
    Hook,
    Inventory,
    Moment,
    Probe,
    Safeguards,
    load_inventory,
    parse_inventory,
)
from tests.inventory.drivers import TestDriver, loader

HEADER = "apiVersion: rebalancer/v1\nkind: Inventory\n"

TEXT = (
    HEADER
    + """metadata: {name: lab}
defaults:
  driver: virsh
  uri: qemu:///system
  transport: ssh
  ssh: {user: root, key: ~/.ssh/id, known_hosts: ./known_hosts, port: 22, connect_timeout: 10 s}
  shared_storage: [/srv/shared]
  labels: {site: a}
  capacity: {cpu: 8}
hosts:
  - {name: h1, address: 10.77.0.1, peer: "qemu+tcp://h1/system", labels: {rack: r1}, maintenance: true}
  - name: h2
    driver: simulator
    uri: simulator:world.yaml
    transport: local
    ssh: {port: 2222, config: ../ssh_config}
    shared_storage: []
    labels: {site: b}
    capacity: {memory: 2 GiB}
    settings: {shade: [1, {a: b}]}
links:
  - {name: h1-nic, connects: [h1, tor1], capacity: 10 Gbit/s}
labels:
  - {select: "name.startsWith('db')", set: {app: db}}
"""
)


def parse(text: str, file: str = "/etc/rebalancer/inventory.yaml") -> Inventory:
    return parse_inventory(text, file, load=loader(TestDriver("virsh"), TestDriver("simulator")))


def test_reads_every_key():
    inventory = parse(TEXT)
    first, second = inventory.hosts
    key = os.path.expanduser("~/.ssh/id")  # noqa: PTH111
    assert inventory.name == "lab"
    assert first.driver == "virsh"
    assert first.reach == DriverHost(
        name="h1",
        address="10.77.0.1",
        uri="qemu:///system",
        peer="qemu+tcp://h1/system",
        settings={
            "base_directory": "/etc/rebalancer",
            "ssh": {
                "user": "root",
                "key": key,
                "known_hosts": "/etc/rebalancer/known_hosts",
                "port": 22,
                "connect_timeout": 10.0,
            },
            "shared_storage": ("/srv/shared",),
            "transport": "ssh",
        },
    )
    assert first.labels == {"site": "a", "rack": "r1"}
    assert first.capacity == {"cpu": 8}
    assert first.maintenance
    assert second.driver == "simulator"
    assert second.reach == DriverHost(
        name="h2",
        address="h2",
        uri="simulator:world.yaml",
        settings={
            "base_directory": "/etc/rebalancer",
            "ssh": {
                "user": "root",
                "key": key,
                "known_hosts": "/etc/rebalancer/known_hosts",
                "port": 2222,
                "config": "/etc/ssh_config",
                "connect_timeout": 10.0,
            },
            "shared_storage": (),
            "transport": "local",
            "shade": [1, {"a": "b"}],
        },
    )
    assert second.labels == {"site": "b"}
    assert second.capacity == {"cpu": 8, "memory": 2 * 2**30}
    assert not second.maintenance
    assert inventory.links == (Link(name="h1-nic", connects=("h1", "tor1"), capacity=BytesPerSecond(1.25e9)),)
    (rule,) = inventory.label_rules
    database = Domain(name="db1", uuid="7d0e85ba-2118-4f16-866e-915f206f88e6", host="h1", labels={"app": "x", "y": "z"})
    assert rule.apply(database).labels == {"app": "db", "y": "z"}
    assert str(rule.position) == "/etc/rebalancer/inventory.yaml:26:14"


def test_the_least_that_can_be_said():
    (host,) = parse(HEADER + "hosts: [{name: h1}]").hosts
    assert host.driver == "virsh"
    assert host.reach.address == "h1"
    assert host.reach.settings == {"base_directory": "/etc/rebalancer"}


def test_paths_are_relative_to_the_file(tmp_path: Path):
    path = tmp_path / "inventory.yaml"
    path.write_text(HEADER + "hosts: [{name: h1, ssh: {key: keys/id}}]\nshared_storage: [/srv]")
    (host,) = load_inventory(path, load=loader(TestDriver())).hosts
    assert host.reach.settings == {
        "base_directory": str(tmp_path),
        "ssh": {"key": str(tmp_path / "keys/id")},
        "shared_storage": ("/srv",),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hosts: []", "3:8: hosts: must have at least 1 items"),
        ("links: []", "1:1: 'hosts' is missing"),
        ("hosts: [{name: h1}, {name: h1}]", "3:28: there is a host 'h1' already, in line 3"),
        ("hosts: [{name: ''}]", "3:16: name: must not be empty"),
        ('hosts: [{name: "a\\nb"}]', "3:16: name: must not contain control characters nor begin or end with spaces"),
        ("hosts: [{name: h1, adress: x}]", "3:20: unknown key 'adress'; did you mean 'address'?"),
        ("hosts: [{name: h1, address: -oProxyCommand=x}]", "3:29: address: must not begin with '-'"),
        ("hosts: [{name: h1, ssh: {user: -l}}]", "3:32: user: must not begin with '-'"),
        ("hosts: [{name: h1, ssh: {port: 0}}]", "3:32: port: must be at least 1, not 0"),
        ("hosts: [{name: h1, transport: tcp}]", "3:31: transport: 'tcp' is not known; write 'local' or 'ssh'"),
        (
            "hosts: [{name: h1, shared_storage: [srv]}]",
            ("3:37: shared_storage[0]: must be an absolute path, as seen on the hosts"),
        ),
        (
            "hosts: [{name: h1, capacity: {memory: 2 Gib}}]",
            "3:39: memory: unknown unit 'Gib' in '2 Gib'; did you mean GB or GiB?",
        ),
        (
            "hosts: [{name: h1, settings: {ssh: {}}}]",
            "3:30: settings: 'ssh' does not belong here, but beside 'settings'",
        ),
        ("hosts: [{name: h1, driver: virhs}]", "3:28: there is no driver 'virhs' (installed: virsh, simulator)"),
        (
            "hosts: [{name: h1}, {name: h2}]\ndefaults: {driver: virhs}",
            "4:20: there is no driver 'virhs' (installed: virsh, simulator)",
        ),
        ("hosts: [{name: h1, uri: 'x:///', ssh: {user: a}}]", "3:39: host 'h1': there is no setting 'ssh'"),
        ("hosts: [{name: h1, uri: 'x:///', settings: {colour: a}}]", "3:53: host 'h1': there is no setting 'colour'"),
        ("hosts: [{name: h1, uri: 'x:///'}]\ndefaults: {ssh: {user: a}}", "4:17: host 'h1': there is no setting 'ssh'"),
        (
            "hosts: [{name: h1, address: 10.0.0.1}, {name: h2, address: 10.0.0.1}]",
            "3:60: host 'h2' has the address and URI of host 'h1'",
        ),
        (
            "hosts: [{name: h1}]\nlinks: [{name: a, connects: [h1, h1], capacity: 1 Gbit/s}]",
            "4:29: link 'a' connects 'h1' with itself",
        ),
        (
            (
                "hosts: [{name: h1}]\nlinks: [{name: a, connects: [h1, t], capacity: 1},\n"
                " {name: a, connects: [h1, t], capacity: 1}]"
            ),
            "5:9: there is a link 'a' already, in line 4",
        ),
        (
            "hosts: [{name: h1}]\nlinks: [{name: a, connects: [h1, t], capacity: 0}]",
            "4:48: capacity: must be more than 0",
        ),
        (
            "hosts: [{name: h1}]\nswitches: [tor1]\nlinks: [{name: a, connects: [h1, tor2], capacity: 1}]",
            "5:34: link 'a' ends at 'tor2', which is neither a host nor a switch; did you mean 'tor1'?",
        ),
        ("hosts: [{name: h1}]\nswitches: [h1]", "4:12: 'h1' is a host already"),
        ("hosts: [{name: h1}]\nlabels: [{select: 'true', set: {}}]", "4:32: set: must have at least 1 items"),
        (
            "hosts: [{name: h1}]\nlabels: [{select: 'true', sett: {a: b}}]",
            "4:27: unknown key 'sett'; did you mean 'set'?",
        ),
        (
            "hosts: [{name: h1}]\nhooks: {before_run: [{timeout: 3 s}]}",
            "4:22: needs a 'command' or a 'url', one of them",
        ),
        (
            "hosts: [{name: h1}]\nhooks: {after_run: [{command: [a], veto: true}]}",
            "4:42: a hook of after_run cannot veto: what it is told of has happened",
        ),
        (
            "hosts: [{name: h1}]\nhooks: {after_run: [{command: 'rm -rf /'}]}",
            "4:31: command: must be a list, not text ('rm -rf /')",
        ),
        (
            "hosts: [{name: h1}]\nhooks: {after_run: [{url: 'file:///etc/passwd'}]}",
            "4:27: url: must be a URL such as http://127.0.0.1:8080/hook",
        ),
        (
            "hosts: [{name: h1}]\nsafeguards: {pressure: {disk: 10%}}",
            "4:24: pressure: 'disk' has no pressure; write 'cpu', 'memory' or 'io'",
        ),
        ("hosts: [{name: h1}]\nsafeguards: {probes: [{name: a}]}", "4:23: needs a 'command' or a 'url', one of them"),
    ],
)
def test_refuses(text, expected):
    with pytest.raises(InvalidInput) as error:
        parse(HEADER + text, "inventory.yaml")
    assert f"inventory.yaml:{expected}" in str(error.value).split("\n")


def test_points_into_a_wrong_selector():
    with pytest.raises(InvalidInput) as error:
        parse(HEADER + "hosts: [{name: h1}]\nlabels: [{select: \"true && nme == 'x'\", set: {a: b}}]", "i.yaml")
    assert str(error.value).startswith("i.yaml:4:28: select: ")


def test_no_ssh_config_may_be_wanted():
    inventory = parse(HEADER + "hosts:\n  - {name: h1, ssh: {config: false}}\n")
    assert inventory.hosts[0].reach.settings["ssh"] == {"config": False}


def test_safeguards_and_hooks():
    inventory = parse(
        HEADER
        + """hosts: [{name: h1}]
safeguards:
  pressure: {memory: 20%}
  probes:
    - {name: storage, command: [./probe, --all], every: 1 min}
  patience: 5 min
hooks:
  before_step:
    - {command: ["true"]}
    - {url: "http://127.0.0.1/x", veto: false, timeout: 2 s}
  on_failure: [{command: [/usr/bin/page]}]
""",
        "/srv/cluster/inventory.yaml",
    )
    assert inventory.safeguards == Safeguards(
        pressure={"memory": 0.2},
        probes=(Probe(name="storage", call=Call(command=("/srv/cluster/probe", "--all")), every=Seconds(60.0)),),
        patience=Seconds(300.0),
        hooks=(
            Hook(moment=Moment.BEFORE_STEP, call=Call(command=("true",)), veto=True),
            Hook(moment=Moment.BEFORE_STEP, call=Call(url="http://127.0.0.1/x", timeout=Seconds(2.0))),
            Hook(moment=Moment.ON_FAILURE, call=Call(command=("/usr/bin/page",))),
        ),
    )
