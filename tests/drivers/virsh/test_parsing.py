"""Saved answers of real hosts, and broken ones, through the pure parsers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rebalancer_virsh.domain import Circumstances, cpu_seconds, parse_domain, parse_info, state_of
from rebalancer_virsh.host import HostFacts, read_facts
from rebalancer_virsh.hypervisors import MIB, capabilities_of, kind_of, version_of
from rebalancer_virsh.jobs import parse_job
from rebalancer_virsh.stats import (
    Sample,
    dirty_rate,
    parse_sample,
    parse_stats,
    rates,
    resident_memory,
    unrounded,
    windows,
)
from rebalancer_virsh.storage import SharedStorage

from rebalancer.cluster import Domain, DomainState, Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.cluster.writes import Window
from rebalancer.drivers.xml import Element, parse_xml
from rebalancer.policy.hints import hinted
from rebalancer.policy.settings import Hint, Hints, HintsFrom
from tests.drivers.virsh.fake import ALPHA, saved

FACTS = read_facts("qemu", saved("capabilities.xml"), saved("version.txt").decode())
KNOWN = Circumstances(state=DomainState.RUNNING, stats={}, rates={})


def domain(xml: str, known: Circumstances = KNOWN, facts: HostFacts = FACTS) -> Domain:
    document = f"<domain type='kvm'><name>a</name><uuid>{ALPHA}</uuid><memory unit='MiB'>64</memory>{xml}</domain>"
    return parse_domain("h1", ALPHA, document.encode(), facts, SharedStorage(), known)


# Hosts


def test_facts_of_a_host() -> None:
    assert FACTS.version == (9, 0, 0)
    assert FACTS.types == {"qemu", "kvm"}
    assert {"pc", "pc-i440fx-7.2", "q35", "pc-q35-7.2"} <= FACTS.machines
    assert FACTS.capabilities.live
    assert FACTS.capabilities.dirty_rate
    assert FACTS.capabilities.transports == ("tcp", "tls")
    assert FACTS.capabilities.bandwidth_unit == MIB
    assert FACTS.drops_cache


def etree_with(features: bytes) -> Element:
    inner = b"<host><migration_features>" + features + b"</migration_features></host>"
    return parse_xml(b"<capabilities>" + inner + b"</capabilities>", "capabilities")


def test_the_table_of_hypervisors() -> None:
    both = etree_with(b"<live/>")
    none = parse_xml(b"<capabilities><host/></capabilities>", "capabilities")
    xen = capabilities_of("xen", both, (9, 0, 0))
    assert (xen.live, xen.rename, xen.bandwidth, xen.set_bandwidth, xen.cancel, xen.progress) == (
        (True, True) + (False,) * 4
    )
    assert not capabilities_of("qemu", none, (9, 0, 0)).live
    assert not capabilities_of("qemu", both, (7, 1, 0)).dirty_rate
    assert not capabilities_of("test", both, (9, 0, 0)).rename
    transports = b"<uri_transports><uri_transport>rdma</uri_transport></uri_transports>"
    rdma = etree_with(b"<live/>" + transports)
    assert capabilities_of("qemu", rdma, (9, 0, 0)).transports == ()


def test_small_readers() -> None:
    assert kind_of("qemu+ssh://h1/system") == "qemu"
    assert kind_of("xen:///") == "xen"
    assert version_of("nonsense") == ()
    assert version_of("Using library: libvirt 10.4.1\n") == (10, 4, 1)
    info = parse_info(saved("dominfo.txt").decode())
    assert info["State"] == "running"
    assert cpu_seconds(info) is not None
    assert cpu_seconds({"CPU time": "nan"}) is None
    assert state_of("shut off") is DomainState.SHUT_OFF
    assert state_of("no state") is DomainState.UNKNOWN


# Domains


def test_title_and_description_are_labels_and_their_marked_words_tags() -> None:
    xml = (
        "<title>Shop  database #production</title>"
        "<description>Run by the DB team.\nrebalance:stay rebalance:avoid=h1,h2 http://wiki/db 12:30 #production"
        "</description><metadata><labels xmlns='https://rebalancer.dev/xmlns/domain/1'>"
        "<label name='title'>mine</label></labels></metadata>"
    )
    labels = domain(xml).labels
    assert labels["description"].startswith("Run by the DB team. rebalance:stay rebalance:avoid=h1,h2 http://")
    assert labels["tags"] == "#production rebalance:stay rebalance:avoid=h1,h2"
    assert labels["title"] == "mine"
    assert "tags" not in domain("<title>plain words: none</title>").labels
    assert domain("").labels == {}
    assert len(domain(f"<description>{'x' * 5000}</description>").labels["description"]) == 1000


def test_a_disk_in_a_pool_needs_the_pool() -> None:
    disk = "<devices><disk type='volume'><source pool='ceph' volume='x'/></disk><disk type='file'/></devices>"
    assert domain(disk).needs["pool"] == {"ceph"}
    assert "pool" not in domain("<devices><disk type='file'><source file='/x'/></disk></devices>").needs


def test_hints_are_read_from_the_title() -> None:
    hints = Hints(source=HintsFrom.TAGS, allow=(Hint.STAY, Hint.AVOID))
    found = hinted(domain("<title>db rebalance:stay</title><description>rebalance:avoid=h1,h2</description>"), hints)
    assert (found.stay, found.avoid, found.problems) == (True, ("h1", "h2"), ())


def test_loads_are_what_was_promised_set_aside_and_taken() -> None:
    known = replace(KNOWN, stats={"balloon.rss": "46176", "balloon.current": "49152"}, rates={"cpu": 0.5, "net": 10.0})
    found = domain("<vcpu current='2'>4</vcpu><currentMemory unit='MiB'>48</currentMemory>", known)
    assert found.loads == {
        "requested": {"cpu": 4.0, "memory": 64.0 * MIB},
        "allocated": {"cpu": 2.0, "memory": 48.0 * MIB},
        "used": {"cpu": 0.5, "net": 10.0, "memory": 46176.0 * 1024},
    }
    assert found.load("memory", "used") == 46176 * 1024
    bare = domain("<vcpu>1</vcpu>").loads
    assert bare == {"requested": {"cpu": 1.0, "memory": 64.0 * MIB}, "allocated": {"cpu": 1.0, "memory": 64.0 * MIB}}
    assert domain("", replace(KNOWN, state=DomainState.SHUT_OFF)).loads == {}


def test_a_real_domain() -> None:
    stats = parse_stats(saved("domstats.txt").decode())
    known = replace(KNOWN, stats=stats, rates={"cpu": 0.5}, persistent=False, dirty=(Window(1.0, 1.0),))
    found = parse_domain("h1", ALPHA, saved("domain-running.xml"), FACTS, SharedStorage(), known)
    assert found.name == "alpha"
    assert found.uses == {"cpu": 0.5, "memory": 64 * MIB}
    assert found.labels == {"app": "db", "tier": "gold"}
    assert found.needs == {
        "type": {"qemu"},
        "machine": {"pc-i440fx-7.2"},
        "cpu_model": {"qemu64 (emulated)"},
    }
    assert found.migration.allowed
    assert found.migration.memory == (resident_memory(stats) or 0) - 30 * MIB
    assert found.migration.dirty_rate == 1.0
    assert found.migration.writes is None
    assert not found.persistent


def test_two_windows_tell_what_is_written_again_and_again() -> None:
    known = replace(KNOWN, dirty=(Window(1.0, 32.0 * MIB), Window(5.0, 8.0 * MIB)))
    traits = parse_domain("h1", ALPHA, saved("domain-running.xml"), FACTS, SharedStorage(), known).migration
    assert traits.dirty_rate == 32.0 * MIB
    assert traits.writes == Writes(hot=Bytes(round(29.5 * MIB)), period=Seconds(1.0), cold=BytesPerSecond(2.5 * MIB))
    idle = replace(KNOWN, dirty=(Window(1.0, 0.0), Window(5.0, 0.0)))
    assert (
        parse_domain("h1", ALPHA, saved("domain-running.xml"), FACTS, SharedStorage(), idle).migration.writes
        == Writes()
    )


@pytest.mark.parametrize(("seconds", "more"), [(1.0, 0.0), (2.0, 0.0), (3.0, 1 / 3), (5.0, 0.4), (8.0, 0.375)])
def test_rates_are_rounded_down_from_what_so_few_samples_can_tell(seconds: float, more: float) -> None:
    """The mean of all multiples of 2 MiB in a window's time that libvirt calls 7 MiB/s, or a rate near it."""
    assert unrounded(Window(seconds, 7.0 * MIB)).rate == pytest.approx((7.0 + more) * MIB)
    assert unrounded(Window(seconds, 0.0)).rate == 0.0


def test_a_domain_that_is_shut_off_uses_nothing() -> None:
    found = domain("", replace(KNOWN, state=DomainState.SHUT_OFF))
    assert (found.uses, found.migration.memory) == ({}, 0)


def test_memory_is_what_is_in_use() -> None:
    current = "<currentMemory unit='KiB'>32768</currentMemory>"
    resident = replace(KNOWN, stats={"balloon.rss": str(40 * 1024)})
    assert domain("").migration.memory == 64 * MIB
    assert domain(current).migration.memory == 32 * MIB
    assert domain(current, resident).migration.memory == 10 * MIB, "30 MiB are QEMU's own"
    assert domain(current, replace(KNOWN, stats={"balloon.rss": str(20 * 1024)})).migration.memory == 2 * MIB
    assert domain(current, replace(KNOWN, stats={"balloon.rss": "99999999"})).migration.memory == 32 * MIB
    hugepages = "<memoryBacking><hugepages/></memoryBacking>"
    assert domain(current + hugepages, resident).migration.memory == 32 * MIB
    assert domain(current).uses["memory"] == 64 * MIB


def test_what_a_domain_needs() -> None:
    found = domain(
        "<cpu mode='custom'><model>EPYC</model></cpu><devices>"
        "<interface type='network'><source network='prod' bridge='virbr0'/></interface>"
        "<interface type='bridge'><source bridge='br0'/></interface>"
        "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>"
        "<interface type='user'/></devices>"
    )
    assert found.needs == {
        "type": {"kvm"},
        "cpu_model": {"EPYC"},
        "network": {"prod"},
        "bridge": {"br0", "eth0"},
    }


def test_mac_addresses_and_what_they_are_on() -> None:
    found = domain(
        "<devices>"
        "<interface type='network'><mac address='52:54:00:00:00:0A'/><source network='prod' bridge='virbr0'/>"
        "</interface>"
        "<interface type='bridge'><mac address='52:54:00:00:00:0b'/><source bridge='br0'/><vlan><tag id='5'/></vlan>"
        "</interface>"
        "<interface type='direct'><mac address='52:54:00:00:00:0c'/><source dev='eth0' mode='bridge'/></interface>"
        "<interface type='vhostuser'><mac address='52:54:00:00:00:0d'/></interface>"
        "<interface type='bridge'><mac address='nonsense'/><source bridge='br0'/></interface>"
        "<interface type='user'><mac address='52:54:00:00:00:0e'/></interface></devices>"
    )
    assert found.interfaces == {
        "52:54:00:00:00:0a": "network prod",
        "52:54:00:00:00:0b": "bridge br0 vlan 5",
        "52:54:00:00:00:0c": "device eth0",
        "52:54:00:00:00:0d": "",
    }


@pytest.mark.parametrize(
    ("cpu", "token"),
    [
        ("<cpu mode='host-passthrough'/>", "host-passthrough:EPYC-Rome"),
        ("<cpu mode='host-model'/>", None),
        ("<cpu><model>EPYC</model><feature policy='disable' name='svm'/></cpu>", None),
        ("<cpu match='exact'><model>EPYC</model></cpu>", "EPYC"),
        ("", None),
    ],
)
def test_processors(cpu: str, token: str | None) -> None:
    found = domain(cpu, facts=replace(FACTS, cpu_model="EPYC-Rome"))
    assert found.needs.get("cpu_model") == ({token} if token else None)


def test_labels_in_the_namespace_of_the_outermost_element_only() -> None:
    metadata = (
        "<metadata><r:labels xmlns:r='https://rebalancer.dev/xmlns/domain/1'>"
        "<label name='app'> db </label><r:label name='b'/><label>x</label></r:labels>"
        "<labels><label name='other'>x</label></labels></metadata>"
    )
    assert domain(metadata).labels == {"app": "db", "b": ""}


def test_snapshots_and_devices_forbid() -> None:
    found = domain("<devices><shmem name='x'/></devices>", replace(KNOWN, snapshots=True))
    assert not found.migration.allowed
    assert found.migration.reason is not None
    assert "shared memory 'x'" in found.migration.reason
    assert "snapshots" in found.migration.reason


def test_another_domains_xml_is_refused() -> None:
    with pytest.raises(ValueError, match="answered with another domain"):
        parse_domain("h1", ALPHA.replace("5", "6"), saved("domain-running.xml"), FACTS, SharedStorage(), KNOWN)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown unit 'furlong'"):
        domain("<currentMemory unit='furlong'>1</currentMemory>")


# Statistics


def test_rates_between_two_samples() -> None:
    before = Sample(at=10.0, cpu_time=1.0, net=1000, disk=0)
    after = Sample(at=12.0, cpu_time=4.0, net=5000, disk=100)
    assert rates(before, after) == {"cpu": 1.5, "net": 2000.0, "disk_io": 50.0}
    assert rates(after, replace(before, at=13.0)) == {"cpu": 0.0, "net": 0.0, "disk_io": 0.0}
    assert rates(before, replace(after, cpu_time=None)) == {}
    assert rates(before, replace(after, at=10.0)) == {}


def test_a_sample_of_real_statistics() -> None:
    sample = parse_sample(parse_stats(saved("domstats.txt").decode()), 1.0)
    assert sample.cpu_time is not None
    assert sample.cpu_time > 0
    counters = "net.count=2\nnet.0.rx.bytes=1\nnet.0.tx.bytes=2\nnet.1.rx.bytes=3\nblock.count=1\nblock.0.wr.bytes=7\n"
    assert (parse_sample(parse_stats(counters), 0).net, parse_sample(parse_stats(counters), 0).disk) == (6, 7)


def test_dirty_rates() -> None:
    assert dirty_rate({"dirtyrate.calc_status": "2", "dirtyrate.megabytes_per_second": "58"}) == 58 * MIB
    assert dirty_rate({"dirtyrate.calc_status": "1", "dirtyrate.megabytes_per_second": "58"}) is None
    assert dirty_rate({"dirtyrate.calc_status": "0"}) is None


def test_one_window_or_two() -> None:
    assert windows(None) == ()
    assert [windows(Seconds(s)) for s in (0.2, 1.0, 2.0, 5.0, 600.0)] == [(1,), (1,), (2,), (1, 5), (1, 60)]


@given(st.text(max_size=300))
def test_no_statistics_break_the_parser(answer: str) -> None:
    stats = parse_stats(answer)
    parse_sample(stats, 0)
    dirty_rate(stats)
    resident_memory(stats)


# Jobs


def test_a_running_migration_in_both_forms() -> None:
    raw = parse_job(saved("jobinfo-running-raw.txt").decode())
    words = parse_job(saved("jobinfo-running.txt").decode())
    assert raw.migrating
    assert words.migrating
    exact = raw.progress(Seconds(0))
    assert exact.elapsed == 797.509
    assert (exact.processed, exact.remaining, exact.total) == (2498741259, 2633728, 67502080)
    assert (exact.iteration, exact.dirty_rate, exact.expected_downtime) == (719, 766 * 4096, 1.332)
    rough = words.progress(Seconds(0))
    assert rough.elapsed == 774.298
    assert rough.total == pytest.approx(67502080, rel=1e-3)
    assert (rough.iteration, rough.dirty_rate, rough.expected_downtime) == (698, 768 * 4096, 1.332)


def test_nothing_is_made_up_before_the_first_counters() -> None:
    job = parse_job("Job type: 2\n\noperation: 5\ntime_elapsed: 20\ndata_total: 0\ndata_remaining: 0\n")
    progress = job.progress(Seconds(9))
    assert (progress.elapsed, progress.processed, progress.remaining, progress.total) == (0.02, None, None, None)


def test_xen_knows_the_time_only() -> None:
    job = parse_job("Job type:         Unbounded   \nTime elapsed:     2527         ms\n")
    assert job.migrating
    assert job.progress(Seconds(0)).elapsed == 2.527
    assert job.outcome() is None


def test_other_jobs_are_no_migrations() -> None:
    assert not parse_job("Job type:         Unbounded   \nOperation:        Save        \n").migrating
    assert not parse_job("Job type:         None        \n").migrating


def test_what_a_migration_took() -> None:
    outcome = parse_job(saved("jobinfo-completed-raw.txt").decode()).outcome()
    assert outcome is not None
    assert (outcome.duration, outcome.downtime, outcome.transferred) == (798.163, 0.542, 2505599059)
    assert outcome.memory is None


def test_what_of_the_memory_was_not_empty() -> None:
    """As a guest with a working set of 24 MiB was seen to migrate, all told in either form."""
    counted = "memory_total: 159776768\nmemory_constant: 32762\nmemory_page_size: 4096\n"
    told = "Memory total: 152.375 MiB\nConstant pages: 32762\nPage size: 4096 bytes\n"
    raw = parse_job(f"Job type: 3\ntime_elapsed: 2802\n{counted}").outcome()
    words = parse_job(f"Job type: Completed\nTime elapsed: 2802 ms\n{told}").outcome()
    assert raw is not None
    assert words is not None
    assert raw.memory == words.memory == 159776768 - 32762 * 4096


@given(st.text(max_size=300))
def test_no_job_breaks_the_parser(answer: str) -> None:
    try:
        job = parse_job(answer)
    except ValueError:
        return
    job.progress(Seconds(0))
    job.outcome()
