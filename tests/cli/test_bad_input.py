"""Bad input: one clear message with its place, exit status 1, no traceback, nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

INVENTORY, WORLD, POLICY, PLAN = "inventory.yaml", "world.yaml", "policy.yaml", "plan.json"
PLANNING = ("plan", "-p", "./policy.yaml")
SNAPSHOT = ("plan", "-p", "./policy.yaml", "--snapshot", "world.yaml")

CASES = {
    # name: (file to spoil, what in it, put instead, command line, what the message says)
    "unknown key in the inventory": (
        INVENTORY,
        "links:",
        "lniks:",
        PLANNING,
        ["inventory.yaml:13:1", "'lniks'", "did you mean 'links'?"],
    ),
    "wrong unit of a link": (
        INVENTORY,
        "capacity: 1 Gbit/s",
        "capacity: 1 Gb",
        PLANNING,
        ["inventory.yaml:17:54", "unknown unit 'Gb'", "Gbit/s"],
    ),
    "negative capacity of a link": (
        INVENTORY,
        "capacity: 1 Gbit/s",
        "capacity: -1 Gbit/s",
        PLANNING,
        ["inventory.yaml:17:54", "negative"],
    ),
    "YAML syntax in the inventory": (INVENTORY, "hosts:", "hosts: [", PLANNING, ["inventory.yaml:"]),
    "a tab in the inventory": (INVENTORY, "  driver:", "\tdriver:", PLANNING, ["inventory.yaml:7:1", "tabs"]),
    "two hosts of one name": (INVENTORY, "name: h2,", "name: h1,", PLANNING, ["there is a host 'h1' already"]),
    "unknown driver": (
        INVENTORY,
        "driver: simulator",
        "driver: simulatr",
        PLANNING,
        ["inventory.yaml:7:11", "no driver 'simulatr'"],
    ),
    "URI that the driver does not know": (
        INVENTORY,
        "simulator:world.yaml",
        "qemu:///system",
        PLANNING,
        ["inventory.yaml:8:8", "simulated world"],
    ),
    "selector of labels": (
        INVENTORY,
        "name.startsWith('web')",
        "name.startsWith('web'",
        PLANNING,
        ["inventory.yaml:19:36"],
    ),
    "a policy as inventory": (
        INVENTORY,
        "kind: Inventory",
        "kind: Policy",
        PLANNING,
        ["inventory.yaml:4:7", "this is a Policy; expected an Inventory"],
    ),
    "another version": (
        INVENTORY,
        "rebalancer/v1",
        "rebalancer/v9",
        PLANNING,
        ["inventory.yaml:3:13", "'rebalancer/v9' is not known"],
    ),
    "unknown key in the policy": (POLICY, "names:", "namse:", PLANNING, ["policy.yaml:8:1", "did you mean 'names'?"]),
    "unknown rule": (
        POLICY,
        "anti_affinity:",
        "antiaffinity:",
        PLANNING,
        ["policy.yaml:6:5", "did you mean 'anti_affinity'?"],
    ),
    "selector with a syntax error": (
        POLICY,
        "select: \"labels.app == 'web'\"",
        'select: "labels.app == "',
        PLANNING,
        ["policy.yaml:6:"],
    ),
    "unknown policy to extend": (
        POLICY,
        "[balance]",
        "[balanec]",
        PLANNING,
        ["policy.yaml:4:11", "did you mean 'balance'?"],
    ),
    "unknown host in a rule": (
        POLICY,
        "hosts: \"labels.disks == 'ssd'\"",
        "hosts: [h22]",
        PLANNING,
        ["policy.yaml:7:", "there is no host 'h22'", "did you mean 'h2'?"],
    ),
    "share without a unit": (POLICY, "most: 40%", "most: 40", PLANNING, ["policy.yaml:10:"]),
    "negative capacity of a host": (
        WORLD,
        "cpu: 16",
        "cpu: -16",
        SNAPSHOT,
        ["world.yaml:7:21", "-16 is negative"],
    ),
    "wrong unit of a domain": (
        WORLD,
        "memory: 8 GiB",
        "memory: 8 GIB",
        SNAPSHOT,
        ["world.yaml:", "unknown unit 'GIB'", "did you mean"],
    ),
    "domain on an unknown host": (WORLD, "host: h2", "host: h9", SNAPSHOT, ["'h9'", "not among the hosts"]),
    "UUID that is none": (WORLD, "uuid: ", "uuid: x", SNAPSHOT, ["world.yaml:22:28", "uuid"]),
    "no plan": (PLAN, "", "not a plan", ("apply", "plan.json", "--yes"), ["plan.json:1:1", "not valid JSON"]),
    "a plan of another kind": (
        PLAN,
        "",
        '{"apiVersion": "rebalancer/v1", "kind": "Cluster"}',
        ("apply", "plan.json", "--yes"),
        ["plan.json:1:", "this is a Cluster; expected a Plan"],
    ),
    "a plan cut off": (
        PLAN,
        "",
        '{"apiVersion": "rebalancer/v1", "kind": "Plan"',
        ("apply", "plan.json", "--yes"),
        ["plan.json:1:"],
    ),
}

ABSENT = {
    "inventory": (("plan", "-i", "nowhere.yaml"), "cannot read nowhere.yaml: there is no such file"),
    "snapshot": (("plan", "--snapshot", "nowhere.json"), "cannot read nowhere.json: there is no such file"),
    "policy file": (("plan", "-p", "./nowhere.yaml"), "cannot read ./nowhere.yaml: there is no such file"),
    "policy name": (("plan", "-p", "balanec"), "there is no ready-made policy 'balanec'; did you mean 'balance'?"),
    "plan": (("apply", "nowhere.json", "--yes"), "cannot read nowhere.json: there is no such file"),
    "directory": (("plan", "-i", "."), "cannot read .: it is a directory"),
    "both": (("plan", "-i", "inventory.yaml", "--snapshot", "world.yaml"), "not both"),
    "output": (("plan", "-o", "nowhere/plan.json"), "cannot write nowhere/plan.json: there is no such file"),
    "measuring a snapshot": (("plan", "--snapshot", "world.yaml", "--dirty-rate"), "--dirty-rate measures on hosts"),
    "journal": (("apply", "--yes", "--journal", "world.yaml/j"), "cannot open the journal world.yaml/j"),
}


def is_clear(err: str) -> bool:
    lines = err.splitlines()
    return bool(lines) and all(line.startswith(("error: ", "warning: ")) for line in lines) and "Traceback" not in err


@pytest.mark.parametrize("name", CASES)
def test_a_spoilt_file(name, example, cli):
    file, old, new, arguments, expected = CASES[name]
    path = example / file
    path.write_text(path.read_text("utf-8").replace(old, new, 1) if old else new, "utf-8")
    files = {path: path.read_bytes() for path in example.iterdir()}
    ended = cli(*arguments)
    assert (ended.status, ended.out) == (1, "")
    assert is_clear(ended.err)
    assert [text for text in expected if text not in ended.err] == []
    assert {path: path.read_bytes() for path in example.iterdir()} == files


@pytest.mark.parametrize("name", ABSENT)
def test_a_file_that_is_not_there(name, example, cli):
    arguments, expected = ABSENT[name]
    ended = cli(*arguments)
    assert ended.status == 1
    assert is_clear(ended.err)
    assert expected in ended.err


def test_no_inventory_at_all(example, cli, monkeypatch):
    monkeypatch.delenv("REBALANCE_INVENTORY")
    ended = cli("plan")
    assert (ended.status, ended.err) == (
        1,
        "error: no inventory: give one with -i FILE, or its name in REBALANCE_INVENTORY\n",
    )


def test_everything_wrong_in_a_file_is_told_at_once(example, cli):
    path = example / "policy.yaml"
    path.write_text(path.read_text("utf-8").replace("names:", "namse:").replace("pin:", "pinn:"), "utf-8")
    ended = cli(*PLANNING)
    assert [line.split(":")[2] for line in ended.err.splitlines()] == ["7", "8"]


def test_an_option_that_hosts_do_not_offer_is_refused_naming_host_and_option(example, cli):
    world = example / "world.yaml"
    world.write_text(world.read_text("utf-8").replace("rename: true", "rename: false", 1), "utf-8")
    ended = cli(*PLANNING)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: h1: rename is not supported")


def test_a_file_that_is_not_text(example, cli):
    Path("policy.yaml").write_bytes(b"kind: \xff\xfe\x00")
    ended = cli(*PLANNING)
    assert ended.status == 1
    assert is_clear(ended.err)
