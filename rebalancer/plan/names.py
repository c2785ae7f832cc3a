"""New names for domains whose own is taken where they go."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection

from rebalancer.cluster import NameForm
from rebalancer.errors import PlanImpossible

__all__ = ["FIELDS", "check_template", "fitted", "new_name"]

FIELDS = ("name", "source", "destination", "uuid", "short_uuid", "n")

_MOST_NUMBERS = 10_000
_LONGEST = 255 - len(".xml")
"""Bytes. libvirt keeps a file of that name, and no usual file system has names of more than 255 bytes."""


def check_template(template: str) -> str:
    """The template, if it is one; raises ValueError with what to write instead."""
    try:
        parsed = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{template!r} is not a template ({error}); write e.g. '{{name}}-{{source}}'") from error
    for _, field, form, conversion in parsed:
        if field not in FIELDS:
            raise ValueError(f"unknown field {{{field}}} in {template!r}; there are {', '.join(FIELDS)}")
        if form or conversion:
            raise ValueError(f"{{{field}}} in {template!r} takes no format; write {{{field}}} alone")
    if not {"source", "uuid", "short_uuid", "n"} & {part[1] for part in parsed}:
        raise ValueError(f"{template!r} gives two domains one name; add {{source}}, {{short_uuid}} or {{n}}")
    return template


def fitted(name: str, forms: Collection[NameForm]) -> str:
    """The nearest name that all these forms allow: what they refuse becomes ``-``.

    >>> fitted("my db/1", [NameForm.DNS])
    'my-db-1'
    """
    found = re.sub(r"[/\x00-\x1f\x7f]", "-", name)
    if NameForm.DNS in forms:
        labels = re.sub(r"[^A-Za-z0-9.-]", "-", found).split(".")
        found = ".".join(stripped for label in labels if (stripped := label.strip("-")))
    found = found if found.strip(". ") else "vm"
    return f"vm-{found}" if NameForm.NO_NUMBER in forms and found.isdigit() else found


def new_name(
    template: str,
    *,
    name: str,
    source: str,
    destination: str,
    uuid: str,
    is_free: Callable[[str], bool],
    forms: Collection[NameForm] = (),
) -> str:
    """The first name that the template gives and that is free; a number is appended where it has no ``{n}``.

    ``forms``: what the hypervisors concerned take for a name. Where it would be too long, ``{name}`` is cut.
    """

    def render(pattern: str, number: int, name: str) -> str:
        rendered = pattern.format(
            name=name, source=source, destination=destination, uuid=uuid, short_uuid=uuid[:8], n=number
        )
        return fitted(rendered, forms)

    numbered = template if "{n}" in template else template + "-{n}"
    candidates = [template] if "{n}" not in template else []
    for number in range(2 if candidates else 1, _MOST_NUMBERS):
        for pattern in [*candidates, numbered]:
            found, shorter = render(pattern, number, name), name
            while len(found.encode()) > _LONGEST and shorter:
                shorter = shorter[:-1]
                found = render(pattern, number, shorter)
            if is_free(found):
                return found
        candidates = []
    raise PlanImpossible(f"no name that {template!r} gives for '{name}' is free on {destination}")
