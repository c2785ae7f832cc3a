"""The network graph: which links a migration crosses, and in which direction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

from rebalancer.cluster.model import Link
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.values import dataclass

__all__ = ["Caps", "DirectedLink", "Network", "cap_of", "follow", "host_first"]


class DirectedLink(NamedTuple):
    """A link crossed from ``start`` to its other end; each direction has the whole capacity to itself."""

    link: str
    start: str


Caps: TypeAlias = Mapping[str | DirectedLink, BytesPerSecond]
"""What migrations together may take: of a link, by its name, in each direction; or of one direction alone."""


def cap_of(caps: Caps, link: DirectedLink) -> BytesPerSecond | None:
    """None: it has none."""
    found = caps.get(link)
    return caps.get(link.link) if found is None else found


def host_first(link: Link, hosts: Collection[str]) -> tuple[str, str]:
    """The ends of a link, its host first; of two switches, or two hosts, in the order in which it names them."""
    first, second = link.connects
    return (second, first) if second in hosts and first not in hosts else (first, second)


@dataclass(frozen=True)
class Network:
    """Links between hosts and switches. Two hosts that no links join are taken to reach each other unhindered."""

    links: tuple[Link, ...]

    @cached_property
    def capacity(self) -> Mapping[str, BytesPerSecond]:
        return {link.name: link.capacity for link in self.links}

    @cached_property
    def _neighbours(self) -> Mapping[str, tuple[tuple[str, Link], ...]]:
        found: dict[str, list[tuple[str, Link]]] = {}
        for link in self.links:
            a, b = link.connects
            found.setdefault(a, []).append((b, link))
            found.setdefault(b, []).append((a, link))
        return {
            node: tuple(sorted(edges, key=lambda edge: (-edge[1].capacity, edge[1].name)))
            for node, edges in found.items()
        }

    @cached_property
    def _joining(self) -> Mapping[frozenset[str], tuple[str, ...]]:
        """What two nodes are joined by, where that is more than one link: the widest first, then by name."""
        found: dict[frozenset[str], list[Link]] = {}
        for link in self.links:
            found.setdefault(frozenset(link.connects), []).append(link)
        return {
            nodes: tuple(link.name for link in sorted(links, key=lambda link: (-link.capacity, link.name)))
            for nodes, links in found.items()
            if len(links) > 1
        }

    def parallel(self, route: Sequence[DirectedLink], destination: str) -> Sequence[Sequence[DirectedLink]]:
        """For each link of a route all that could be crossed instead, itself too; nothing where there is no choice."""
        if not self._joining:
            return ()
        ends = [*(link.start for link in route[1:]), destination]
        choices = [
            [DirectedLink(name, link.start) for name in self._joining.get(frozenset((link.start, end)), (link.link,))]
            for link, end in zip(route, ends, strict=True)
        ]
        return choices if any(len(each) > 1 for each in choices) else ()

    @cached_property
    def _trees(self) -> dict[str, Mapping[str, tuple[str, Link]]]:
        return {}

    def route(self, source: str, destination: str) -> tuple[DirectedLink, ...]:
        """The links from one host to another: fewest hops, then widest first, then by name. Empty when unknown."""
        if source == destination:
            return ()
        # Nearly every host hangs on one link, so that what has to be searched is the network between switches.
        up, first = self._way_out(source)
        down, last = self._way_out(destination)
        if first == destination:
            return up
        if last == source:
            return _back(down, last)
        between = self._between(first, last)
        return () if between is None else (*up, *between, *_back(down, last))

    def _way_out(self, node: str) -> tuple[tuple[DirectedLink, ...], str]:
        """The only link of a node that has but one, and where it leads; nothing, and the node itself, of any other."""
        edges = self._neighbours.get(node, ())
        if len(edges) != 1:
            return (), node
        ((neighbour, link),) = edges
        return (DirectedLink(link.name, node),), neighbour

    def _between(self, source: str, destination: str) -> tuple[DirectedLink, ...] | None:
        tree = self._trees.get(source)
        if tree is None:
            tree = self._trees[source] = self._breadth_first(source)
        steps: list[DirectedLink] = []
        node = destination
        while node != source:
            if node not in tree:
                return None
            previous, link = tree[node]
            steps.append(DirectedLink(link.name, previous))
            node = previous
        return tuple(reversed(steps))

    @cached_property
    def _inner(self) -> Mapping[str, tuple[tuple[str, Link], ...]]:
        """The network without the nodes that have but one link: no way between others leads through them."""
        return {
            node: tuple(edge for edge in edges if len(self._neighbours[edge[0]]) > 1)
            for node, edges in self._neighbours.items()
            if len(edges) > 1
        }

    def _breadth_first(self, source: str) -> Mapping[str, tuple[str, Link]]:
        tree: dict[str, tuple[str, Link]] = {}
        seen, frontier = {source}, [source]
        while frontier:
            following: list[str] = []
            for node in frontier:
                for neighbour, link in self._inner.get(node, ()):
                    if neighbour not in seen:
                        seen.add(neighbour)
                        tree[neighbour] = (node, link)
                        following.append(neighbour)
            frontier = following
        return tree


def _back(way: tuple[DirectedLink, ...], start: str) -> tuple[DirectedLink, ...]:
    """A way of one link or none, walked the other way from where it leads."""
    return tuple(DirectedLink(link.link, start) for link in way)


def follow(links: Sequence[str], source: str, ends: Mapping[str, tuple[str, str]]) -> tuple[DirectedLink, ...]:
    """Directions of a route given as names of links, walked from its source; ValueError where it does not connect."""
    steps: list[DirectedLink] = []
    node = source
    for name in links:
        a, b = ends[name]
        if node not in (a, b):
            raise ValueError(f"link {name!r} does not start at {node!r}")
        steps.append(DirectedLink(name, node))
        node = b if node == a else a
    return tuple(steps)
