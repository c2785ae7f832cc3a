"""CEL expressions over domains, hosts and links; the only module that knows which CEL library is used.

Expressions are type-checked when they are loaded and cannot run long: their length, their nesting, their loops and
(in the library) the number of iterations are bounded, and regular expressions are RE2's. What an expression reads
and a domain or host does not have (a label, a resource) means "not selected", and for a key "no group".

===========  =========================================================================================
of a domain  ``name``, ``uuid``, ``host``, ``state``, ``persistent`` and the maps ``labels`` (text),
             ``uses`` (cores, bytes, …: decimal numbers) and ``loads`` (such maps: ``loads.p95.cpu``)
of a host    ``name``, ``state`` and the maps ``labels``, ``capacity`` and ``pressure`` (0.0 to 1.0)
of a pair    all that of a domain and of a host it may go to: ``domain.labels.zone == host.labels.zone``
of a link    ``name``, ``connects`` (a list of two names) and ``capacity`` (bytes per second)
===========  =========================================================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, ClassVar

import cel_expr_python.cel as cel
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticSerializationUnexpectedValue, core_schema

from rebalancer.cluster import Domain, Host, Link
from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput
from rebalancer.policy.expression_errors import ExpressionError, explained, type_word
from rebalancer.values import dataclass

__all__ = [
    "DomainKey",
    "DomainNumber",
    "DomainSelector",
    "ExpressionError",
    "HostSelector",
    "LinkSelector",
    "PairCondition",
    "PairNumber",
]

MAX_LENGTH = 2000
MAX_LOOPS = 2
"""Of ``map``, ``filter``, ``all``, ``exists`` and ``exists_one`` together: each may double what it is given."""

MAX_KNOWN = 100_000
"""Values of an expression that are remembered."""
MAX_PAIRS = 1_000_000
"""Different domains × different hosts that an expression over both is asked about: a few seconds."""

_TEXT = cel.Type.STRING
_TEXTS = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
_NUMBERS = cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE)


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """What an expression is about, which variables it has, and what it must be."""

    subject: str
    variables: Mapping[str, cel.Type]
    results: tuple[cel.Type, ...]
    wanted: str
    example: str


@cache
def _environment(kind: _Kind) -> cel.Env:
    return cel.NewEnv(variables=dict(kind.variables))


_OF_DOMAIN = {
    "name": _TEXT,
    "uuid": _TEXT,
    "host": _TEXT,
    "state": _TEXT,
    "labels": _TEXTS,
    "uses": _NUMBERS,
    "loads": cel.Type.Map(cel.Type.STRING, _NUMBERS),
    "persistent": cel.Type.BOOL,
}
_OF_HOST = {"name": _TEXT, "state": _TEXT, "labels": _TEXTS, "capacity": _NUMBERS, "pressure": _NUMBERS}
# Names with a dot, rather than two variables that are messages: this way every part has a type.
_OF_PAIR = {
    f"{of}.{name}": kind for of, part in (("domain", _OF_DOMAIN), ("host", _OF_HOST)) for name, kind in part.items()
}
_OF_LINK = {"name": _TEXT, "connects": cel.Type.List(cel.Type.STRING), "capacity": cel.Type.DOUBLE}


def _text(text: str) -> str:
    """The library cuts text at a NUL and takes no half surrogate pairs; a host may answer anything."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in values.items()}


def _numbers(values: Mapping[str, float]) -> dict[str, float]:
    return {_text(name): float(value) for name, value in values.items()}


def _of_domain(domain: Domain) -> dict[str, object]:
    return {
        "name": _text(domain.name),
        "uuid": _text(domain.uuid),
        "host": _text(domain.host),
        "state": str(domain.state),
        "labels": _texts(domain.labels),
        "uses": _numbers(domain.uses),
        "loads": {name: _numbers(amounts) for name, amounts in domain.loads.items()},
        "persistent": domain.persistent,
    }


def _of_host(host: Host) -> dict[str, object]:
    return {
        "name": _text(host.name),
        "state": str(host.state),
        "labels": _texts(host.labels),
        "capacity": _numbers(host.capacity),
        "pressure": _numbers(host.pressure),
    }


def _of_link(link: Link) -> dict[str, object]:
    return {"name": _text(link.name), "connects": list(map(_text, link.connects)), "capacity": float(link.capacity)}


def _write(value: object) -> str:
    if not isinstance(value, _Expression):
        # What pydantic asks for where another member of a union is meant.
        raise PydanticSerializationUnexpectedValue("not an expression")
    return value.source


@dataclass(frozen=True, slots=True)
class _Expression:
    """An expression by its source text. As a field of a model it is read from text and written back as such."""

    source: str

    _kind: ClassVar[_Kind]

    def __post_init__(self) -> None:
        self._compiled()

    def __str__(self) -> str:
        return self.source

    def _compiled(self) -> cel.Expression:
        return _compile(self._kind, self.source)

    def _evaluate(self, variables: Mapping[str, object]) -> Any:
        """The plain value; None where a label or resource that it reads is missing."""
        try:
            value = self._compiled().eval(data=variables)
        except (RuntimeError, TypeError, UnicodeError) as error:
            raise self._failure(variables, str(error)) from error
        if value.type() in self._kind.results:
            return self._finite(value.value(), variables)
        # The library returns an error as a value.
        answer = str(value.value())
        if answer.startswith("NOT_FOUND: Key not found in map"):
            return None
        raise self._failure(variables, answer)

    def _finite(self, value: Any, variables: Mapping[str, object]) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise self._failure(variables, "the result is no finite number")
        return value

    def _failure(self, variables: Mapping[str, object], answer: str) -> InvalidInput:
        words = re.sub(r"\s*\[[A-Z_]+\]$", "", answer).removeprefix("INVALID_ARGUMENT: ").removeprefix("UNKNOWN: ")
        if "Iteration budget exceeded" in words:
            words = "it loops too often"
        return InvalidInput(f"the expression {shown(self.source)} fails for {self._subject(variables)}: {words}")

    def _subject(self, variables: Mapping[str, object]) -> str:
        return f"{self._kind.subject} {shown(variables['name'])}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(_write),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        kind = cls._kind
        return {
            "type": "string",
            "maxLength": MAX_LENGTH,
            "description": f"CEL, {kind.wanted} for each {kind.subject}; variables: {', '.join(kind.variables)}",
            "examples": [kind.example],
        }


@dataclass(frozen=True, slots=True)
class _OfDomain(_Expression):
    """An expression over a domain."""

    def _value(self, domain: Domain) -> Any:
        """As :meth:`_evaluate`; domains that are alike in what is read are asked about once."""
        read = tuple(_frozen(getattr(domain, name), key) for name, key in _read_of_domain(self.source))
        known = _known_values(self._kind, self.source)
        if read not in known:
            if len(known) >= MAX_KNOWN:
                known.clear()
            known[read] = self._evaluate(_of_domain(domain))
        return known[read]


@dataclass(frozen=True, slots=True)
class DomainSelector(_OfDomain):
    """Which domains: ``labels.app == 'db' && name.startsWith('prod-')``."""

    _kind = _Kind("domain", _OF_DOMAIN, (cel.Type.BOOL,), "true or false", "labels.app == 'db'")

    def matches(self, domain: Domain) -> bool:
        return self.source == "true" or self._value(domain) is True


@dataclass(frozen=True, slots=True)
class HostSelector(_Expression):
    """Which hosts: ``labels.rack in ['r1', 'r2']``."""

    _kind = _Kind("host", _OF_HOST, (cel.Type.BOOL,), "true or false", "labels.rack == 'r1'")

    def matches(self, host: Host) -> bool:
        return self.source == "true" or self._evaluate(_of_host(host)) is True


@dataclass(frozen=True, slots=True)
class LinkSelector(_Expression):
    """Which links: ``name == 'uplink' || 'h1' in connects``."""

    _kind = _Kind("link", _OF_LINK, (cel.Type.BOOL,), "true or false", "name == 'uplink'")

    def matches(self, link: Link) -> bool:
        return self.source == "true" or self._evaluate(_of_link(link)) is True


@dataclass(frozen=True, slots=True)
class DomainKey(_OfDomain):
    """Which group a domain belongs to: ``labels.app + '/' + labels.tier``; None: to none."""

    _kind = _Kind("domain", _OF_DOMAIN, (cel.Type.STRING,), "text", "labels.app")

    def key(self, domain: Domain) -> str | None:
        found = self._value(domain)
        return None if found is None else str(found)


_NUMBER = (cel.Type.DOUBLE, cel.Type.INT, cel.Type.UINT)


@dataclass(frozen=True, slots=True)
class DomainNumber(_OfDomain):
    """A number for each domain: ``uses.cpu * 2.0 + double(labels.price)``; None: it has none."""

    _kind = _Kind("domain", _OF_DOMAIN, _NUMBER, "a number", "double(labels.price)")

    def number(self, domain: Domain) -> float | None:
        found = self._value(domain)
        return None if found is None else float(found)


@dataclass(frozen=True, slots=True)
class _OfPair(_Expression):
    """An expression over a domain and a host that it may go to."""

    def table(self, domains: Iterable[Domain], hosts: Iterable[Host]) -> tuple[list[int], list[list[Any]]]:
        """Each domain's row, and the rows: a value for each host, None where something that is read is missing.

        Only what the expression reads is looked at, and domains (hosts) that are alike in it are asked about once.
        """
        rows, of_domain = _alike(self._read("domain", _of_domain(domain)) for domain in domains)
        columns, of_host = _alike(self._read("host", _of_host(host)) for host in hosts)
        if len(of_domain) * len(of_host) > MAX_PAIRS:
            raise InvalidInput(
                f"the expression {shown(self.source)} tells {len(of_domain)} domains and {len(of_host)} hosts apart; "
                f"more than {MAX_PAIRS} pairs are not looked at"
            )
        table = [[self._evaluate({**domain, **host}) for host in of_host] for domain in of_domain]
        return rows, [[row[column] for column in columns] for row in table]

    def _subject(self, variables: Mapping[str, object]) -> str:
        parts = [f"{of} {shown(variables[f'{of}.name'])}" for of in ("domain", "host")]
        return " on ".join(parts)

    def _read(self, of: str, values: Mapping[str, object]) -> tuple[Hashable, dict[str, object]]:
        """What the expression reads of a domain or host, to tell which are alike, and all its variables."""
        key = tuple(_frozen(values.get(name), key) for part, name, key in _reads(self.source) if part == of)
        return key, {f"{of}.{name}": value for name, value in values.items()}


def _alike(items: Iterable[tuple[Hashable, dict[str, object]]]) -> tuple[list[int], list[dict[str, object]]]:
    """The number of each item among the different ones, and the first of each of those."""
    number: dict[Hashable, int] = {}
    first: list[dict[str, object]] = []
    numbers = []
    for key, item in items:
        if key not in number:
            number[key] = len(first)
            first.append(item)
        numbers.append(number[key])
    return numbers, first


_MISSING = object()


def _frozen(value: object, key: str = "") -> Hashable:
    if isinstance(value, Mapping):
        return _frozen(value.get(key, _MISSING)) if key else tuple(sorted((k, _frozen(v)) for k, v in value.items()))
    return value


@lru_cache(maxsize=4096)
def _known_values(_kind: _Kind, _source: str) -> dict[Hashable, Any]:
    """The values of an expression, by what it reads of a domain."""
    return {}


@lru_cache(maxsize=4096)
def _read_of_domain(source: str) -> tuple[tuple[str, str], ...]:
    """What an expression over a domain reads: (variable, key), no key for the whole variable. May name too much, as
    where a loop's variable is called like one of the domain's, never too little."""
    return tuple(dict.fromkeys((name, key) for name, key in _VARIABLE.findall(_QUIET.sub(" ", source))))


@lru_cache(maxsize=4096)
def _reads(source: str) -> tuple[tuple[str, str, str], ...]:
    """What an expression over a pair reads: (``domain`` or ``host``, variable, key), no key for the whole variable.

    May name too much, never too little: ``domain`` and ``host`` can stand for nothing else than the pair's.
    """
    return tuple(dict.fromkeys((of, name, key) for of, name, key in _PART.findall(_QUIET.sub(" ", source))))


@dataclass(frozen=True, slots=True)
class PairNumber(_OfPair):
    """A number for each domain on each host: ``domain.uses.cpu * double(host.labels.price)``."""

    _kind = _Kind("pair", _OF_PAIR, _NUMBER, "a number", "double(host.labels.price)")


@dataclass(frozen=True, slots=True)
class PairCondition(_OfPair):
    """Whether a domain may be on a host: ``domain.labels.zone == host.labels.zone``."""

    _kind = _Kind("pair", _OF_PAIR, (cel.Type.BOOL,), "true or false", "domain.labels.zone == host.labels.zone")


@lru_cache(maxsize=4096)
def _compile(kind: _Kind, source: str) -> cel.Expression:
    """Type-checked; raises ExpressionError in plain words."""
    if not source.strip():
        raise ExpressionError(f"the expression is empty; write e.g. {kind.example}")
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in source):
        raise ExpressionError("the expression contains a character that is no text")
    try:
        compiled = _environment(kind).compile(source)
    except RuntimeError as error:
        raise explained(str(error), source, kind.subject, tuple(kind.variables)) from None
    if compiled.return_type() not in kind.results:
        raise ExpressionError(
            f"must be {kind.wanted} for each {kind.subject}, but {shown(source)} is "
            f"{type_word(compiled.return_type().name().lower())}; write e.g. {kind.example}"
        )
    _refuse_loops(source)
    _check_patterns(kind, source)
    return compiled


_LITERAL = r"[rR]?(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
_QUIET = re.compile(rf"{_LITERAL}|//[^\n]*", re.DOTALL)
_LOOP = re.compile(r"\.\s*(?:map|filter|all|exists|exists_one)\s*\(")
_PART = re.compile(r"\b(domain|host)\s*\.\s*(\w+)(?:\s*\.\s*(\w+)(?!\w|\s*\())?")
_VARIABLE = re.compile(rf"\b({'|'.join(_OF_DOMAIN)})\b(?:\s*\.\s*(\w+)(?!\w|\s*\())?")
_PATTERN = re.compile(rf"\.\s*matches\s*\(\s*({_LITERAL})\s*\)", re.DOTALL)


def _refuse_loops(source: str) -> None:
    if len(_LOOP.findall(_QUIET.sub(" ", source))) > MAX_LOOPS:
        raise ExpressionError(f"the expression has more than {MAX_LOOPS} of map, filter, all, exists and exists_one")


def _check_patterns(kind: _Kind, source: str) -> None:
    """Regular expressions are looked at when they are used, which is too late to be told."""
    for found in _PATTERN.finditer(source):
        answer = _environment(kind).compile(f"''.matches({found[1]})").eval(data={})
        if answer.type() == cel.Type.ERROR:
            words = str(answer.value()).removeprefix("INVALID_ARGUMENT: ")
            raise ExpressionError(words, *_line_and_column(source, found.start(1)))


def _line_and_column(source: str, offset: int) -> tuple[int, int]:
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
