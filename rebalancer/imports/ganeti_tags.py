"""What Ganeti's tags mean: cluster tags say which tags of nodes and instances concern placement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rebalancer.errors import InvalidInput
from rebalancer.imports.ganeti_text import GanetiData, Node
from rebalancer.imports.labels import TagLabels, tag_labels
from rebalancer.values import dataclass

__all__ = ["GanetiTags", "Kind", "ganeti_tags"]

MAX_KINDS = 32
"""Cluster tags of one meaning."""

EXCLUSION = "htools:iextags:"
LOCATION = "htools:nlocation:"
DESIRED = "htools:desiredlocation:"
MIGRATION = "htools:migration:"
ALLOW_MIGRATION = "htools:allowmigration:"
_PLACEMENT = (EXCLUSION, LOCATION, DESIRED, MIGRATION, ALLOW_MIGRATION)

HOST_LABELS = frozenset(
    {
        "host",
        "group",
        "role",
        "tags",
        "memory_total",
        "memory_node",
        "memory_free",
        "memory_unaccounted",
        "disk_free",
        "spindles",
        "spindles_free",
        "node_cpus",
        "cpu_speed",
        "exclusive_storage",
    }
)
DOMAIN_LABELS = frozenset(
    {"group", "secondary", "disk_template", "status", "auto_balance", "spindle_use", "spindles", "forthcoming", "tags"}
)
"""Labels that importing gives itself; tags take others."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The tags with one prefix: ``service`` for ``service:dns``."""

    prefix: str
    labels: TagLabels

    def values(self) -> Iterable[tuple[str, str, str]]:
        """(tag, its label, its value), in a stable order."""
        for tag, slot in sorted(self.labels.slot.items()):
            yield tag, self.labels.names[slot], self.labels.value(tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class GanetiTags:
    exclusion: tuple[Kind, ...]
    """Of instances: two with the same tag do not share a node."""
    desired: tuple[Kind, ...]
    """Of instances: they want a node whose location tag is the same."""
    location: tuple[Kind, ...]
    """Of nodes: those with the same tag fail together."""
    migration: tuple[str, ...]
    """Prefixes of nodes' tags: instances only go where all those of their node are."""
    allowed: tuple[tuple[str, str], ...]
    """(x, y): a node tagged y counts as tagged x, too."""
    unused: tuple[str, ...]
    """Other cluster tags for htools."""

    def migration_tags(self, node: Node) -> frozenset[str]:
        return frozenset(tag for tag in node.tags if tag.startswith(self.migration)) if self.migration else frozenset()

    def accepted(self, node: Node) -> frozenset[str]:
        """The migration tags that a node has or may stand in for."""
        own = self.migration_tags(node)
        return own | {x for x, y in self.allowed if y in own}

    def host_labels(self, node: Node) -> dict[str, str]:
        return {name: value for kind in self.location for name, value in kind.labels.of(node.tags).items()}

    def domain_labels(self, tags: Sequence[str]) -> dict[str, str]:
        kinds = (*self.exclusion, *self.desired)
        return {name: value for kind in kinds for name, value in kind.labels.of(tags).items()}


def ganeti_tags(data: GanetiData) -> GanetiTags:
    on_domains, on_hosts = set(DOMAIN_LABELS), set(HOST_LABELS)
    of_instances = [instance.tags for instance in data.instances]
    of_nodes = [node.tags for node in data.nodes]
    # htools takes exclusion tags by their bare prefix, and the others with a colon after it.
    return GanetiTags(
        exclusion=_kinds(_suffixes(data, EXCLUSION), on_domains, of_instances, colon=""),
        desired=_kinds(_suffixes(data, DESIRED), on_domains, of_instances, base="desired_"),
        location=_kinds(_suffixes(data, LOCATION), on_hosts, of_nodes),
        migration=tuple(f"{prefix}:" for prefix in _suffixes(data, MIGRATION)),
        allowed=tuple(
            (x, y) for x, found, y in (pair.partition("::") for pair in _suffixes(data, ALLOW_MIGRATION)) if found
        ),
        unused=tuple(tag for tag in data.tags if tag.startswith("htools:") and not tag.startswith(_PLACEMENT)),
    )


def _suffixes(data: GanetiData, prefix: str) -> tuple[str, ...]:
    found = dict.fromkeys(tag.removeprefix(prefix) for tag in data.tags if tag.startswith(prefix))
    if len(found) > MAX_KINDS:
        raise InvalidInput(f"more than {MAX_KINDS} cluster tags {prefix}…")
    return tuple(filter(None, found))


def _kinds(
    prefixes: Iterable[str], taken: set[str], sets: Sequence[Iterable[str]], *, base: str = "", colon: str = ":"
) -> tuple[Kind, ...]:
    kinds: list[Kind] = []
    seen: tuple[str, ...] = ()
    # The longest first: a tag belongs to the prefix that says most about it.
    for prefix in sorted(prefixes, key=len, reverse=True):
        start = prefix + colon
        mine = [[tag for tag in tags if tag.startswith(start) and not tag.startswith(seen or ("\n",))] for tags in sets]
        kinds.append(Kind(prefix, tag_labels(f"{base}{prefix}", taken, mine, _without(prefix))))
        seen = (*seen, start)
    return tuple(kinds)


def _without(prefix: str) -> Callable[[str], str]:
    def value(tag: str) -> str:
        rest = tag.removeprefix(f"{prefix}:")
        # The whole tag where the rest could be mistaken for another one.
        return rest if rest and rest != tag and not rest.startswith(prefix) else tag

    return value
