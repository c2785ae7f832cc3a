"""Single keys of several layers, the last one winning: ``limits``, and where each key that counts is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rebalancer.policy.aggressiveness import LEVELS
from rebalancer.policy.entries import LimitsEntry, PerDomainEntry, PerGroupEntry
from rebalancer.policy.file import Layer
from rebalancer.policy.model import Setting, Source
from rebalancer.policy.settings import Limits, PerDomain, PerGroup

__all__ = ["merged_limits", "merged_settings"]


def merged_limits(layers: Sequence[Layer]) -> Limits:
    """An ``aggressiveness`` counts as the keys that it stands for, but for those that are written beside it."""
    values: dict[str, Any] = {}
    for layer in layers:
        level = layer.limits.aggressiveness
        if level is not None:
            stands_for = {key: value for key, value in LEVELS[level].limits.items() if value is not None}
            values |= dict.fromkeys(LEVELS[level].limits) | LimitsEntry.model_validate(stands_for).written()
        values |= {key: _value(value) for key, value in layer.limits.written().items()}
    # Nothing is what leaving it out means.
    return Limits(**{key: value for key, value in values.items() if value is not None})


def _value(value: object) -> object:
    if isinstance(value, PerGroupEntry):
        return PerGroup(group=value.group, most=value.most)
    if isinstance(value, PerDomainEntry):
        return PerDomain(most=value.most, within=value.within)
    return value


def merged_settings(layers: Sequence[Layer]) -> Mapping[str, Mapping[str, Setting]]:
    """Section → key → the value that counts, as it is written, and where."""
    found: dict[str, dict[str, Setting]] = {}
    for layer in layers:
        for section, source in layer.sources.items():
            found.setdefault(section, {}).update(_written(section, source))
    return found


def _written(section: str, source: Source) -> dict[str, Setting]:
    data = source.data if isinstance(source.data, dict) else {}
    settings: dict[str, Setting] = {}
    level = data.get("aggressiveness") if section == "limits" else None
    if level is not None:
        words = f"aggressiveness: {level} = {LEVELS[level].words}"
        position = source.at(("aggressiveness",))
        settings |= {key: Setting(value, position, words) for key, value in LEVELS[level].limits.items()}
    settings |= {
        key: Setting(value, source.at((key,)))
        for key, value in data.items()
        if key != "aggressiveness" and value is not None
    }
    return settings
