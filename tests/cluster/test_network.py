"""Routes: shortest, then widest, then by name; and that both directions of a link are two things."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import DirectedLink, Link, Network
from rebalancer.cluster.network import follow
from rebalancer.cluster.units import BytesPerSecond


def link(name: str, start: str, end: str, capacity: float = 1.0) -> Link:
    return Link(name=name, connects=(start, end), capacity=BytesPerSecond(capacity))


TWO_RACKS = (
    link("h1-nic", "h1", "tor1", 10),
    link("h2-nic", "tor1", "h2", 10),
    link("h3-nic", "h3", "tor2", 10),
    link("uplink", "tor1", "tor2"),
)


def test_a_route_crosses_each_link_in_its_direction():
    network = Network(TWO_RACKS)
    assert network.route("h1", "h2") == (DirectedLink("h1-nic", "h1"), DirectedLink("h2-nic", "tor1"))
    assert network.route("h3", "h1") == (
        DirectedLink("h3-nic", "h3"),
        DirectedLink("uplink", "tor2"),
        DirectedLink("h1-nic", "tor1"),
    )
    assert network.capacity == {"h1-nic": 10, "h2-nic": 10, "h3-nic": 10, "uplink": 1}


def test_hosts_that_no_links_join_have_no_route():
    network = Network(TWO_RACKS)
    assert network.route("h1", "h1") == ()
    assert network.route("h1", "elsewhere") == ()
    assert network.route("elsewhere", "h1") == ()
    assert Network(()).route("a", "b") == ()


def test_of_two_links_the_wider_is_taken_and_of_two_equal_ones_the_first_by_name():
    assert Network((link("a", "x", "y", 1), link("b", "x", "y", 2))).route("x", "y") == (DirectedLink("b", "x"),)
    assert Network((link("b", "x", "y"), link("a", "x", "y"))).route("x", "y") == (DirectedLink("a", "x"),)


def test_follow_gives_the_directions_of_a_route():
    ends = {one.name: one.connects for one in TWO_RACKS}
    assert follow(["h3-nic", "uplink", "h1-nic"], "h3", ends) == Network(TWO_RACKS).route("h3", "h1")
    with pytest.raises(ValueError, match="link 'uplink' does not start at 'h3'"):
        follow(["uplink"], "h3", ends)


NODES = [f"n{index}" for index in range(7)]


@st.composite
def networks(draw: st.DrawFn) -> tuple[Link, ...]:
    ends = st.lists(st.sampled_from(NODES), min_size=2, max_size=2, unique=True)
    pairs = draw(st.lists(ends, max_size=12))
    return tuple(link(f"l{index}", a, b, draw(st.sampled_from([1, 2, 3]))) for index, (a, b) in enumerate(pairs))


@given(networks(), st.sampled_from(NODES), st.sampled_from(NODES), st.randoms(use_true_random=False))
def test_routes_are_shortest_connected_and_do_not_depend_on_the_order_of_links(links, source, destination, shuffled):
    route = Network(links).route(source, destination)
    graph = nx.Graph()
    graph.add_nodes_from(NODES)
    graph.add_edges_from(one.connects for one in links)
    if nx.has_path(graph, source, destination):
        assert len(route) == nx.shortest_path_length(graph, source, destination)
    else:
        assert route == ()
    ends = {one.name: one.connects for one in links}
    assert follow([step.link for step in route], source, ends) == route
    mixed = list(links)
    shuffled.shuffle(mixed)
    assert Network(tuple(mixed)).route(source, destination) == route
