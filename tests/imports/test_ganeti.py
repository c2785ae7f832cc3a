"""Ganeti's text format: what it means here, what is refused, and that nothing in it can do harm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.cluster import Cluster, HostState
from rebalancer.errors import InvalidInput
from rebalancer.imports import Imported, SourceText
from rebalancer.imports.ganeti import import_ganeti
from rebalancer.policy import compile_problem
from tests.imports.common import placed, planned, policy_of, usable
from tests.imports.ganeti_clusters import make

MIB = 2**20
SEEDS = st.integers(0, 10**6)
NAMES = st.text("aä' \"\\|:,{}[]#%&*!-_é日\u200b\t\n", min_size=1, max_size=8)


def read(text: str) -> Imported:
    return import_ganeti(SourceText(text, "cluster.txt"))


def cluster_of(text: str) -> Cluster:
    found = read(text).cluster
    assert found is not None
    return found


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as error:
        read(text)
    return [str(problem) for problem in error.value.problems]


def sections(*parts: list[str]) -> str:
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts)


def file(nodes: str, instances: str = "", tags: str = "", policies: str = "") -> str:
    """One group ``g``; a node is ``name`` and what follows its ten first fields, an instance as it stands."""
    rows = [f"{n.split()[0]}|16384|0|16384|100000|100000|8|N|u|1|{' '.join(n.split()[1:])}" for n in nodes.split(";")]
    parts = [["g|u|preferred||"], rows, instances.split(), tags.split(), [policies] if policies else []]
    return sections(*parts)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_totals_are_kept(seed):
    made = make(seed)
    imported = read(made.text)
    usable(imported)
    cluster = imported.cluster
    assert cluster is not None
    uses = [domain.uses for domain in cluster.domains]
    assert sum(use["memory"] for use in uses) == made.memory * MIB
    assert sum(use["cpu"] for use in uses) == made.vcpus
    assert sum(amount for use in uses for kind, amount in use.items() if kind.endswith("disk")) == made.disk * MIB
    assert sum(host.capacity["cpu"] for host in cluster.hosts) == made.cpus
    assert sum(host.capacity["disk"] for host in cluster.hosts) == made.node_disk * MIB
    for host in cluster.hosts:
        parts = ("memory_node", "memory_unaccounted")
        kept = sum(int(host.labels.get(part, "0")) for part in parts)
        assert host.capacity["memory"] + kept == int(host.labels["memory_total"])
    assert sum(int(host.labels["memory_total"]) for host in cluster.hosts) == made.node_memory * MIB
    assert [domain.name for domain in cluster.domains] == made.names


@given(SEEDS)
@settings(max_examples=8, deadline=None)
def test_it_can_be_planned(seed):
    imported = read(make(seed).text)
    assert imported.cluster is not None
    moved = planned(imported).placement
    assert set(moved) <= {domain.uuid for domain in imported.cluster.domains if domain.migration.allowed}


@given(SEEDS, NAMES, NAMES, NAMES)
@settings(max_examples=60, deadline=None)
def test_any_name_is_kept_or_refused(seed, node, instance, group):
    made = make(seed, names=(node, instance, group))
    try:
        imported = read(made.text)
    except InvalidInput:
        return
    usable(imported)
    assert [domain.name for domain in imported.cluster.domains] == made.names


@given(SEEDS, st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused(seed, data):
    text = make(seed).text
    at = data.draw(st.integers(0, len(text)))
    damage = data.draw(
        st.sampled_from(["", "|", "\n", "\n\n", "?", "-1", "9" * 30, "\x1b[2J", "ß", ",", "1e99", "'", '"'])
    )
    try:
        imported = read(text[:at] + damage + text[at + data.draw(st.integers(0, 40)) :])
    except InvalidInput as error:
        for problem in error.problems:
            assert problem.position is not None
            assert problem.position.file == "cluster.txt"
            assert problem.message.isprintable()
        return
    usable(imported)


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_is_refused_with_a_position(text):
    assert all(problem.startswith("cluster.txt:") for problem in problems(text))


def test_uuids_are_of_the_groups_and_the_name():
    before = cluster_of(file("a; b", "vm|1024|0|1|running|Y|a||rbd|"))
    after = cluster_of(file("b; a; c", "vm|2048|9|2|running|N|b||rbd|x other|1|0|1|running|Y|a||rbd|"))
    assert before.domains[0].uuid == after.domains[0].uuid
    elsewhere = cluster_of(file("a", "vm|1024|0|1|running|Y|a||rbd|").replace("|u|", "|v|"))
    assert elsewhere.domains[0].uuid != before.domains[0].uuid


def allowed(text: str, name: str) -> set[str]:
    """The hosts where a domain may go by hard rules about that domain alone."""
    imported = read(text)
    compiled = compile_problem(policy_of(imported), imported.cluster)
    d = [domain.name for domain in compiled.view.domains].index(name)
    hosts = {host.name for host in compiled.view.hosts}
    for term in compiled.problem.terms:
        masks = getattr(term.primitive, "masks", None)
        if masks is not None and term.tier == 0 and term.primitive.mask[d] >= 0:
            row = masks[term.primitive.mask[d]]
            hosts &= {host.name for host, may in zip(compiled.view.hosts, row, strict=True) if may}
    return hosts


def test_a_mirrored_instance_goes_to_its_secondary_only():
    assert allowed(file("a; b; c", "vm|1024|10|1|running|Y|a|b|drbd|"), "vm") == {"a", "b"}


def test_a_plain_disk_stays():
    assert allowed(file("a; b", "vm|1024|10|1|running|Y|a||plain|"), "vm") == {"a"}


def test_shared_storage_goes_anywhere():
    assert allowed(file("a; b; c", "vm|1024|10|1|running|Y|a||rbd|"), "vm") == {"a", "b", "c"}


def test_migration_tags_are_one_way():
    nodes, tags = "old; new hv:9; newer hv:9,hv:10", "htools:migration:hv"
    instances = "up|1|0|1|running|Y|old||rbd| down|1|0|1|running|Y|new||rbd|"
    assert allowed(file(nodes, instances, tags), "up") == {"old", "new", "newer"}
    assert allowed(file(nodes, instances, tags), "down") == {"new", "newer"}


def test_a_tag_may_stand_in_for_another():
    tags = "htools:migration:hv htools:allowmigration:hv:8::hv:9"
    instance = "vm|1|0|1|running|Y|a||rbd|"
    assert allowed(file("a hv:8; b hv:9; c", instance, tags), "vm") == {"a", "b"}
    assert allowed(file("a hv:9; b hv:8; c", instance, tags), "vm") == {"a"}


def test_exclusion_tags_keep_apart_even_with_several_of_a_kind():
    instances = "x|64|0|1|running|Y|a||rbd|s:1,s:2 y|64|0|1|running|Y|a||rbd|s:2,s:3 z|64|0|1|running|Y|a||rbd|s:3"
    at = placed(read(file("a; b", instances, "htools:iextags:s")))
    assert at["x"] != at["y"] != at["z"]


def test_a_group_of_its_own_is_not_left():
    text = (
        "g|u|preferred||\nh|v|preferred||\n\n"
        "a|16384|0|0|9|9|8|N|u\nb|16384|0|16384|9|9|8|N|v\n\n"
        "vm|16384|0|1|running|Y|a||rbd|\n\n\n"
    )
    assert allowed(text, "vm") == {"a"}


@pytest.mark.parametrize(
    ("row", "instance", "state"),
    [
        ("a|1024|0|0|9|9|8|N|u", "", HostState.UP),
        ("a|1024|0|0|9|9|8|M|u", "", HostState.UP),
        ("a|1024|0|0|9|9|8|Y|u", "", HostState.DOWN),
        ("a|1024|0|0|9|9|8|Y|u", "vm|1|0|1|ERROR_nodeoffline|Y|a||rbd|", HostState.DOWN),
        ("a|1024|0|0|9|9|8|Y|u", "vm|1|0|1|running|Y|a||rbd|", HostState.MAINTENANCE),
        ("a|?|0|0|9|9|8|N|u", "", HostState.UNREACHABLE),
    ],
)
def test_states_of_nodes(row, instance, state):
    text = sections(["g|u|preferred"], [row], [instance] if instance else [], [])
    assert cluster_of(text).hosts[0].state is state


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm():
    text = make(7).text
    assert read("\ufeff" + text.replace("\n", "\r\n")) == read(text)


def test_cpu_limits_are_exactly_those_of_hbal():
    text = "g|u|preferred\n\na|99999|0|0|9|9|8|N|u|1||N|0|2|1.0\n\nvm|1|0|1|running|Y|a||rbd|\n\n\n"
    text += "|1,1,1,1,1,1|1,1,1,1,1,1;1,1,1,1,1,1|rbd|3.3|32.0\n"
    imported = read(text)
    compiled = compile_problem(policy_of(imported), imported.cluster)
    (limit,) = [term.primitive.limit[0] for term in compiled.problem.terms if term.name == "capacity: cpu"]
    assert limit == pytest.approx(3.3 * 8 - 2)


GOOD = make(3).text
NODE = "a|16384|0|16384|100000|100000|8|N|u"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "cluster.txt:1:1: 2 sections; expected at least 4"),
        ("g|u|preferred\n\n", "sections; expected at least 4"),
        ("\n\n\n\n", "cluster.txt:1:1: there is no group"),
        ("g\n\n\n\n", "cluster.txt:1:1: too few fields for a group: 1; expected name|uuid|"),
        ("g|u|best\n\n\n\n", "cluster.txt:1:5: 'best' is not an allocation policy; known: preferred"),
        ("g|u\n g|v\n\n\n\n", "cluster.txt:2:1: ' g' is not a group's name"),
        ("g|u\ng|v\n\n\n\n", "cluster.txt:2:1: group 'g' is already given in line 1"),
        (f"g|u\n\n{NODE[:-2]}\n\n\n\n", "cluster.txt:3:1: too few fields for a node: 8"),
        (f"g|u\n\n{NODE}x\n\n\n\n", "cluster.txt:3:35: there is no group with UUID 'ux' in the file"),
        (f"g|u\n\n{NODE.replace('|8|', '|lots|')}\n\n\n\n", "cluster.txt:3:31: 'lots' is not a number of CPUs"),
        (f"g|u\n\n{NODE.replace('|0|', '|-5|')}\n\n\n\n", "3:9: the node's own memory in MiB is negative"),
        (f"g|u\n\n{NODE.replace('|0|', '|0.5|')}\n\n\n\n", "3:9: the node's own memory in MiB is not a whole number"),
        (f"g|u\n\n{NODE.replace('|0|', '|' + '9' * 14 + '|')}\n\n\n\n", "is out of range"),
        (
            f"g|u\n\n{NODE.replace('|N|', '|no|')}\n\n\n\n",
            "3:33: 'no' is not an offline flag; known: N, Y, M",
        ),
        (f"g|u\n\n{NODE}|1||N|0|0|0\n\n\n\n", "the relative speed of the CPUs must be between 0.001 and 1000"),
        (f"g|u\n\n{NODE}|1|a tag\n\n\n\n", "3:39: 'a tag' is not a tag: at most 255 characters, no spaces"),
        (f"g|u\n\n{NODE}\n\nvm|1|1|1|running|Y|b||rbd|\n\n\n", "5:20: there is no node 'b' in the file"),
        (f"g|u\n\n{NODE}\n\nvm|1|1|1|resting|Y|a||rbd|\n\n\n", "5:10: 'resting' is not an instance's status; known: "),
        (f"g|u\n\n{NODE}\n\nvm|1|1|1|running|Y|a|a|drbd|\n\n\n", "'vm' has 'a' as primary and as secondary node"),
        (f"g|u\n\n{NODE}\n\nvm|1|1|1|running|Y|a||drbd|\n\n\n", "is mirrored by DRBD, but has no secondary node"),
        (f"g|u\n\n{NODE}\n\nvm|1|1|1|running|Y|a||floppy|\n\n\n", "5:23: 'floppy' is not a disk template"),
        (f"g|u\n\n{NODE}\n\nvm|1|1|1|running|Y|a||rbd||1|x\n\n\n", "'x' is not a number of spindles"),
        (f"g|u\n\n{NODE}\n\n\n\n|a|b|c|0|1\n", "the ratio of virtual to physical CPUs must be between 0.001"),
        (f"g|u\n\n{NODE}\n\n\n\nh|a|b|c|4|1\n", "there is no group 'h' in the file"),
        ("g|u\n\x00\n\n\n\n", "cluster.txt:2:1: character U+0000 is not allowed; expected Ganeti's text format"),
        ("PK\x03\x04" * 50, "cluster.txt:1:3: character U+0003 is not allowed"),
        ("g|" * 40000, "cluster.txt:1:1: a line longer than 65,536 characters"),
        ("\n" * 1_000_001, "more than 1,000,000 lines"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(text, expected):
    assert any(expected in problem for problem in problems(text)), problems(text)


def test_all_problems_come_at_once_but_not_without_end():
    assert len(problems("g|u\n\n" + "a|x\n" * 500 + "\n\n\n")) == 50


def test_too_many_rules_are_refused():
    tags = "\n".join(f"z:{i}" for i in range(3))
    nodes = "\n".join(f"n{i}|9|0|9|9|9|8|N|u|1|z:{i}" for i in range(2100))
    instances = "\n".join(f"v{i}|1|1|1|running|Y|n{i}||rbd|z:{i}" for i in range(2100))
    text = f"g|u\n\n{nodes}\n\n{instances}\n\nhtools:nlocation:z\nhtools:desiredlocation:z\n{tags}\n\n"
    with pytest.raises(InvalidInput, match="the policy would have 2,102 rules; more than 2,000 are refused"):
        read(text)


def test_work_is_bounded():
    kinds = "\n".join(f"htools:iextags:{i}" for i in range(33))
    with pytest.raises(InvalidInput, match="more than 32 cluster tags htools:iextags:"):
        read(f"g|u\n\n{NODE}\n\n\n{kinds}\n\n")
    instances = "\n".join(f"v{i}|1|1|1|running|Y|a||rbd|{','.join(f's:{n}' for n in range(1000))}" for i in range(6))
    with pytest.raises(InvalidInput, match="too many tags of the kind 's'"):
        read(f"g|u\n\n{NODE}\n\n{instances}\n\nhtools:iextags:s\n\n")
    with pytest.raises(InvalidInput, match="larger than 32 MiB"):
        read("x" * (32 * 2**20 + 1))


def test_the_policy_is_the_same_for_equal_files_of_another_name():
    first = import_ganeti(SourceText(GOOD, "x/cluster.txt"))
    assert first.policy == read(GOOD).policy
    assert replace(first, policy="") == replace(read(GOOD), policy="")
