"""The first two keys of every file: which format it is in."""

from __future__ import annotations

from difflib import get_close_matches

from rebalancer.cluster.text import shown
from rebalancer.documents.document import Document
from rebalancer.errors import InvalidInput, Problem

__all__ = ["API_VERSION", "header"]

API_VERSION = "rebalancer/v1"
KINDS = ("Cluster", "Domains", "Inventory", "Plan", "Policy")


def header(document: Document, kind: str) -> None:
    """Checks ``apiVersion`` and ``kind``; raises InvalidInput with what to write instead."""
    data = document.data
    if data is None:
        raise InvalidInput(f"the file is empty; expected {_a(kind)}", document.position())
    if not isinstance(data, dict):
        raise InvalidInput(f"expected {_a(kind)}, not {shown(data)}", document.position())
    problems = [*_check(document, data, "apiVersion", API_VERSION), *_check(document, data, "kind", kind)]
    if problems:
        raise InvalidInput(sorted(problems, key=lambda problem: problem.position or document.position()))


def _check(document: Document, data: dict[str, object], key: str, expected: str) -> list[Problem]:
    if key not in data:
        misspelt = get_close_matches(key.lower(), [name.lower() for name in data], n=1, cutoff=0.8)
        for name in data:
            if [name.lower()] == misspelt:
                position = document.position([name], key=True)
                return [Problem(f"unknown key {shown(name)}; did you mean '{key}'?", position)]
        return [Problem(f"'{key}' is missing; add '{key}: {expected}'", document.position())]
    given = data[key]
    if given == expected:
        return []
    return [Problem(_wrong(key, given, expected), document.position([key]))]


def _wrong(key: str, given: object, expected: str) -> str:
    if key == "apiVersion":
        return f"apiVersion {shown(given)} is not known; this version reads '{expected}'"
    if given in KINDS:
        return f"this is {_a(str(given))}; expected {_a(expected)}"
    return f"kind {shown(given)} is not known; expected '{expected}'"


def _a(kind: str) -> str:
    if kind == "Domains":
        return "a list of Domains"
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
