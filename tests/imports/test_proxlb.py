"""ProxLB's configuration and dump: what they mean here, what is refused, and that no credentials get through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.cluster import Cluster, Domain, Host, HostState
from rebalancer.errors import InvalidInput
from rebalancer.imports import Imported, SourceText
from rebalancer.imports.proxlb import import_proxlb
from tests.imports.common import placed, policy_of, usable
from tests.imports.test_golden import source

CLUSTER = Cluster(
    name="pve",
    hosts=tuple(Host(name=name, capacity={"memory": 2**36, "cpu": 16}) for name in ("virt01", "virt66", "virt77")),
    domains=(Domain(name="db", uuid="7d0e85ba-2118-4f16-866e-915f206f88e6", host="virt01", labels={"pool": "dev"}),),
)


def read(text: str, state: object = None) -> Imported:
    second = None if state is None else SourceText(json.dumps(state), "state.json")
    return import_proxlb(SourceText(text, "proxlb.yaml"), second)


def balancing(text: str) -> Imported:
    return read(f"balancing: {{enable: true, {text}}}")


def lines(imported: Imported, word: str) -> list[str]:
    return [line.strip() for line in imported.policy.splitlines() if line.strip().startswith(f"- {word}:")]


def state_of(guests: dict[str, dict[str, object]], **node: object) -> dict[str, object]:
    """Guests in the flat form of version 1 on the nodes a and b."""
    figures = {"cpu_total": 8, "memory_total": 2**36, "disk_total": 2**40, **node}
    guest = {"node_current": "a", "id": 1, "cpu_total": 2, "cpu_used": 0.5, "memory_total": 2**32, "memory_used": 2**31}
    guest |= {"disk_total": 2**33, "disk_used": 0, "type": "vm"}
    return {"nodes": {"a": figures, "b": figures}, "guests": {name: guest | entry for name, entry in guests.items()}}


def test_credentials_are_never_copied():
    for state in (None, source("proxlb-state.json")):
        imported = import_proxlb(source("proxlb.yaml"), state)
        text = imported.policy + repr(imported.notes) + repr(imported.cluster)
        for secret in ("crazyPassw0rd", "430e308f", "root@pam", "virt01.example.com"):
            assert secret not in text


@pytest.mark.parametrize("text", ["proxmox_api: {pass: hunter2", "proxmox_api: {pass: hunter2}\nbalancing: []"])
def test_credentials_are_not_in_messages_either(text):
    with pytest.raises(InvalidInput) as error:
        read(text)
    assert "hunter2" not in str(error.value)


def test_a_configuration_alone_has_no_cluster_and_says_so():
    imported = read("balancing: {enable: true}")
    assert imported.cluster is None
    assert imported.notes[0].startswith("no cluster.json")
    usable(imported, CLUSTER)


def test_balanciness_is_twice_the_tolerance():
    assert "tolerance: 2.5%" in lines(balancing("balanciness: 5, method: cpu"), "balance")[0]
    assert lines(balancing("balanciness: 0"), "balance") == ["- balance: {resource: memory, weight: 1}"]
    usable(balancing("balanciness: 100"), CLUSTER)


def test_reserves_by_node_win_over_the_default():
    reserve = "node_resource_reserve: {defaults: {memory: 4}, virt01: {memory: 2}, virt66: {memory: 0}}"
    assert lines(balancing(reserve), "capacity") == [
        "- capacity: {resource: memory, reserve: 2 GiB, hosts: \"name == 'virt01'\"}",
        "- capacity: {resource: memory, reserve: 4 GiB, hosts: \"name != 'virt01'\"}",
    ]


def test_a_threshold_of_the_method_takes_the_place_of_the_balanciness():
    imported = balancing("memory_threshold: 75, cpu_threshold: 60")
    assert lines(imported, "balance") == ["- balance: {resource: memory, weight: 1, form: excess, threshold: 75%}"]
    assert "only that of the method counts" in imported.policy
    usable(imported, CLUSTER)


def test_parallel_jobs():
    assert policy_of(balancing("parallel_jobs: 7")).migration_settings(CLUSTER.domains[0]).total == 1
    assert policy_of(balancing("parallel: true")).migration_settings(CLUSTER.domains[0]).total == 5
    assert policy_of(balancing("parallel: true, parallel_jobs: 7")).migration_settings(CLUSTER.domains[0]).total == 7
    assert policy_of(balancing("live: false")).migration_settings(CLUSTER.domains[0]).live is False


def test_affinity_is_hard_only_when_enforced_and_pins_unless_loose():
    pools = "pools: {dev: {type: affinity, pin: [virt01]}, db: {pin: [virt77], strict: false}}"
    loose, strict = balancing(pools), balancing(f"{pools}, enforce_affinity: true")
    assert all("soft: 1000" in line for line in lines(loose, "affinity"))
    assert not any("soft" in line for line in lines(strict, "affinity"))
    assert ["soft" in line for line in lines(loose, "pin")] == [False, True]
    usable(strict, CLUSTER)


def test_a_dump_becomes_a_cluster_that_can_be_planned():
    imported = import_proxlb(source("proxlb.yaml"), source("proxlb-state.json"))
    placement = placed(imported)
    assert placement["dev1"] == placement["dev2"] != "virt66"
    assert placement["db1"] != placement["db2"]
    assert (placement["still"], placement["pinned"], placement["box"]) == ("virt77", "virt77", "virt77")
    assert imported.cluster is not None
    # 58 GiB are what ProxLB says after it took off the 6 GiB reserved.
    assert imported.cluster.host_by_name["virt01"].capacity["memory"] == 64 * 2**30
    assert imported.cluster.host_by_name["virt66"].state is HostState.MAINTENANCE


@pytest.mark.parametrize(("mode", "memory", "cpu"), [("used", 2**31, 1), ("assigned", 2**32, 2), ("psi", 2**31, 1)])
def test_mode_decides_what_counts(mode, memory, cpu):
    imported = read(f"balancing: {{enable: true, mode: {mode}}}", state_of({"x": {}}))
    assert imported.cluster is not None
    uses = imported.cluster.domains[0].uses
    assert (uses["memory"], uses["cpu"]) == (memory, cpu)
    assert {uses["memory"], *(uses.get(f"memory_{word}") for word in ("used", "assigned"))} == {2**31, 2**32, None}
    usable(imported)


def test_several_tags_of_a_kind_all_hold():
    guests = {
        "x": {"id": 1, "anti_affinity_groups": ["p", "q"]},
        "y": {"id": 2, "anti_affinity_groups": ["q", "r"]},
        "z": {"id": 3, "affinity_groups": ["p", "q"], "node_relationships": ["b", "a"]},
    }
    imported = read("balancing: {enable: true, enforce_affinity: true}", state_of(guests))
    assert len(lines(imported, "anti_affinity")) == 2
    placement = placed(imported)
    assert placement["x"] != placement["y"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "proxlb.yaml:1:1: expected ProxLB's configuration, a mapping with proxmox_cluster, balancing"),
        ("[vm_balancing]\nmethod: memory\n", "proxlb.yaml:"),
        ("a: 1", "not another mapping"),
        ("balancing: {balanciness: ten}", "proxlb.yaml:1:26: balanciness: must be a number"),
        ("balancing: {balanciness: 101}", "1:26: balanciness: must be at most 100"),
        ("balancing:\n  enable: yes\n", "2:11: enable: must be true or false"),
        ("balancing: {method: io}", "1:21: method: "),
        ("balancing: {pools: {dev: {type: friends}}}", "1:33: type: "),
        ("balancing: {parallel_jobs: 0}", "1:28: parallel_jobs: must be at least 1"),
        ("proxmox_cluster: {ignore_nodes: n1}", "1:33: ignore_nodes: must be a list"),
        ("proxmox_cluster: {ignore_nodes: ['']}", "ignore_nodes[0]: "),
        ("balancing: {a: 1, a: 2}", "1:19: key 'a' is already given in line 1"),
        ("balancing: \x1b[2J", "proxlb.yaml:1:12: control character U+001B is not allowed"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(text, expected):
    with pytest.raises(InvalidInput) as error:
        read(text)
    assert any(expected in str(problem) for problem in error.value.problems), error.value


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nodes": []}, "'nodes' is not a mapping"),
        ({"guests": {"x": 1}}, "'x' is not a mapping"),
        ({"guests": {"": {}}}, "'' is not a name"),
        (state_of({"x": {"node_current": "c"}}), "'x' is on 'c', which is not among the nodes"),
        (state_of({"x": {"memory_used": -1}}), "memory used of 'x' is -1, not an amount"),
        (state_of({"x": {"memory_total": "much"}}), "memory total of 'x' is 'much', not an amount"),
        (state_of({"x": {"tags": "a;b"}}), "'tags' is not a list"),
        (state_of({"x": {"pools": ["\x1b[2J"]}}), "'pools' has an item that is not a text of one line"),
        (state_of({}, cpu_total=None), "cpu total of 'a' is null, not an amount"),
    ],
)
def test_what_is_wrong_with_a_dump(change, expected):
    with pytest.raises(InvalidInput) as error:
        read("balancing: {enable: true}", {**state_of({}), **change})
    found = [str(problem) for problem in error.value.problems]
    assert any(expected in problem and problem.startswith("state.json:") for problem in found), found


@pytest.mark.parametrize("text", ["{}", "[]", "12", "no json"])
def test_what_is_no_dump(text):
    with pytest.raises(InvalidInput, match=r"state\.json"):
        import_proxlb(SourceText("balancing: {}", "proxlb.yaml"), SourceText(text, "state.json"))


NAMES = st.text("aä' \"\\|:,{}[]#%&*!-_é日;\n\x00", min_size=1, max_size=8)


@given(NAMES, NAMES, NAMES)
@settings(max_examples=60, deadline=None)
def test_any_name_is_kept_or_refused(pool, guest, tag):
    config = {"balancing": {"pools": {pool: {"type": "affinity", "pin": [tag]}}, "ignore_guests": [guest]}}
    guests = {guest: {"pools": [pool], "affinity_groups": [tag], "tags": [tag], "node_relationships": ["a"]}}
    try:
        imported = read(json.dumps(config), state_of(guests))
    except InvalidInput:
        return
    usable(imported)


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_is_refused_with_a_position(text):
    with pytest.raises(InvalidInput) as error:
        read(text)
    assert all(str(problem).startswith("proxlb.yaml:") for problem in error.value.problems)
