"""Any cluster, for properties over clusters."""

from __future__ import annotations

from datetime import UTC

from hypothesis import strategies as st

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, Host, HostState, Link, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
HOST_NAMES = st.from_regex(r"[a-zé0-9](-?[a-z0-9.]){0,5}", fullmatch=True)
AMOUNTS = st.dictionaries(
    st.sampled_from(["cpu", "memory", "disk", "slots"]), st.floats(0, 1e18) | st.integers(0, 2**60)
)
SHARES = st.dictionaries(st.sampled_from(["cpu", "memory", "io"]), st.floats(0, 1), max_size=2)
LOADS = st.dictionaries(st.sampled_from(["requested", "p95", "p95@1h", "mean@0.5s", "max@7d"]), AMOUNTS, max_size=2)
LABELS = st.dictionaries(TEXT, st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=3)
SETS = st.dictionaries(st.sampled_from(["network", "machine", "type"]), st.frozensets(TEXT, max_size=3))
RATES = st.floats(0.125, 1e12).map(BytesPerSecond)
SIZES = st.integers(0, 2**50).map(Bytes)
CAPABILITIES = st.builds(
    Capabilities,
    live=st.booleans(),
    rename=st.booleans(),
    bandwidth=st.booleans(),
    transports=st.lists(st.sampled_from(["tcp", "tls", "ssh"]), unique=True).map(tuple),
    bandwidth_unit=st.sampled_from([1, 2**20]),
)
TRAITS = st.builds(
    MigrationTraits,
    memory=SIZES,
    dirty_rate=st.none() | RATES,
    allowed=st.booleans(),
    reason=st.none() | TEXT,
)

INTERFACES = st.dictionaries(st.from_regex(r"52:54:00:00:00:0[a-d]", fullmatch=True), TEXT | st.just(""), max_size=2)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    names = draw(st.lists(HOST_NAMES, unique=True, max_size=4))
    hosts = [
        Host(
            name=name,
            state=draw(st.sampled_from(HostState)),
            labels=draw(LABELS),
            capacity=draw(AMOUNTS),
            migration=draw(CAPABILITIES),
            offers=draw(SETS),
            reason=draw(st.none() | TEXT),
            pressure=draw(SHARES),
            distance=draw(st.dictionaries(st.sampled_from(names), st.floats(0, 1e9) | st.integers(0, 9))),
        )
        for name in names
    ]
    # Few different ones, so that they clash now and then.
    places = st.tuples(st.sampled_from(names), TEXT, st.sampled_from(range(6))) if names else st.nothing()
    found = draw(st.lists(places, max_size=6, unique_by=(lambda p: p[:2], lambda p: (p[0], p[2])))) if names else []
    domains = [
        Domain(
            name=name,
            uuid=f"00000000-0000-4000-8000-00000000000{number}",
            host=host,
            state=draw(st.sampled_from(DomainState)),
            uses=draw(AMOUNTS),
            labels=draw(LABELS),
            needs=draw(SETS),
            migration=draw(TRAITS),
            persistent=draw(st.booleans()),
            interfaces=draw(INTERFACES),
            loads=draw(LOADS),
        )
        for host, name, number in found
    ]
    ends = st.lists(st.sampled_from([*names, "tor1", "tor2"]), min_size=2, max_size=2, unique=True)
    links = [
        Link(name=f"link{index}", connects=(a, b), capacity=draw(RATES))
        for index, (a, b) in enumerate(draw(st.lists(ends, max_size=3)))
    ]
    return Cluster(
        name=draw(st.just("") | TEXT),
        hosts=tuple(hosts),
        domains=tuple(domains),
        links=tuple(links),
        taken_at=draw(st.just("") | st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat())),
    )
