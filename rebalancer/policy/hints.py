"""What the owners of domains write on them, as far as a policy lets it count.

With ``from: labels`` a hint is a label: ``rebalance.stay`` (``true``), ``rebalance.avoid`` and ``rebalance.only``
(names of hosts), ``rebalance.apart`` and ``rebalance.together`` (the name of a group). With ``from: tags`` it is a word
in one of the labels ``tags``, ``title`` and ``description``: ``rebalance:stay``, ``rebalance:avoid=h1,h2``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from rebalancer.cluster import Domain
from rebalancer.cluster.text import shown
from rebalancer.policy.settings import Hint, Hints, HintsFrom
from rebalancer.values import dataclass

__all__ = ["Hinted", "hinted"]

_PREFIX = "rebalance"
_TEXTS = ("tags", "title", "description")
_WORD = re.compile(rf"(?<!\S){_PREFIX}:([a-z_]+)(?:=(\S+))?", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s,;]+")
_NO = ("", "false", "no", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinted:
    """What one domain's hints say. ``avoid`` and ``only``: names as they are written, of hosts or not.

    ``problems``: what is written and not understood, or not allowed.
    """

    stay: bool = False
    avoid: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    apart: str | None = None
    together: str | None = None
    problems: tuple[str, ...] = ()


def hinted(domain: Domain, hints: Hints) -> Hinted:
    if not hints.allow:
        return Hinted()
    values: dict[Hint, str] = {}
    problems: list[str] = []
    for word, value in _written(domain.labels, hints.source):
        try:
            hint = Hint(word)
        except ValueError:
            close = get_close_matches(word, list(Hint), n=1)
            hint_text = f"; did you mean '{close[0]}'?" if close else f" (hints: {', '.join(Hint)})"
            problems.append(f"there is no hint {shown(word)}{hint_text}")
            continue
        if hint not in hints.allow:
            problems.append(f"the hint '{hint}' is not allowed by the policy and does not count")
        elif hint is not Hint.STAY and not value:
            problems.append(f"the hint '{hint}' says nothing")
        else:
            values[hint] = value
    return Hinted(
        stay=values.get(Hint.STAY, "no").lower() not in _NO,
        avoid=_names(values.get(Hint.AVOID, "")),
        only=_names(values.get(Hint.ONLY, "")),
        apart=values.get(Hint.APART),
        together=values.get(Hint.TOGETHER),
        problems=tuple(problems),
    )


def _written(labels: Mapping[str, str], source: HintsFrom) -> Iterator[tuple[str, str]]:
    if source is HintsFrom.LABELS:
        for label, value in labels.items():
            prefix, _, word = label.partition(".")
            if prefix == _PREFIX and word:
                yield word, value.strip()
        return
    for text in (labels.get(label, "") for label in _TEXTS):
        for match in _WORD.finditer(text.replace(";", " ")):
            word = match[1].lower()
            yield word, match[2] or ("true" if word == Hint.STAY else "")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in _SEPARATORS.split(text) if name)
