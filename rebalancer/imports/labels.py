"""Tags as labels: a domain has any number of tags, but one value a label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rebalancer.errors import InvalidInput
from rebalancer.values import dataclass

__all__ = ["TagLabels", "tag_labels"]

MAX_PAIRS = 5_000_000
"""Of tags beside each other: seconds of work, and far more than any cluster has."""


@dataclass(frozen=True, slots=True)
class TagLabels:
    """Which label carries which tag of one kind; a tag always has the same one, so a label's values form groups."""

    names: tuple[str, ...]
    slot: Mapping[str, int]
    """Tag → index into ``names``."""
    value: Callable[[str], str]

    def of(self, tags: Iterable[str]) -> dict[str, str]:
        """The labels that say these tags; tags of another kind are left out."""
        return {self.names[self.slot[tag]]: self.value(tag) for tag in tags if tag in self.slot}


def tag_labels(
    base: str, taken: set[str], sets: Sequence[Iterable[str]], value: Callable[[str], str] = str
) -> TagLabels:
    """Labels for tags that occur in these sets: as many as it takes so that no set has two tags in one label.

    That is a colouring of the tags where those of one set differ. Mostly no set has two of a kind, and the label
    ``base`` is enough; else ``base_2``, … follow. ``taken``: names that are used already; the new ones are added.

    >>> tag_labels("app", set(), [["web"], ["db", "web"]]).slot
    {'web': 0, 'db': 1}
    """
    beside: dict[str, set[str]] = {}
    pairs = 0
    for tags in sets:
        members = list(dict.fromkeys(tags))
        pairs += len(members) ** 2
        if pairs > MAX_PAIRS:
            raise InvalidInput(f"too many tags of the kind '{base}' beside each other")
        for tag in members:
            beside.setdefault(tag, set()).update(members)
    slot: dict[str, int] = {}
    for tag, others in beside.items():
        used = {slot[other] for other in others if other in slot}
        slot[tag] = next(number for number in range(len(used) + 1) if number not in used)
    names = tuple(_free(base, number, taken) for number in range(max(slot.values(), default=-1) + 1))
    return TagLabels(names, slot, value)


def _free(base: str, number: int, taken: set[str]) -> str:
    name = base if number == 0 else f"{base}_{number + 1}"
    while name in taken:
        name = f"tag_{name}"
    taken.add(name)
    return name
