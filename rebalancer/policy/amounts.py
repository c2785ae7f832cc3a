"""Amounts of a resource that stands under another key of the same clause: ``8 GiB``, ``2 cores``, ``80%``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from rebalancer.cluster.units import parse_quantity, parse_share
from rebalancer.policy.expressions import DomainNumber
from rebalancer.values import dataclass

__all__ = ["Amount", "AmountField", "AmountOrNumberField", "ReserveField", "Target", "TargetField", "per_amount"]

Amount = WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "examples": ["1 GiB", 1]})


def _parsed(value: object, info: ValidationInfo) -> float:
    return parse_quantity(str(info.data.get("resource", "")), value)


def _positive(value: object, info: ValidationInfo, key: str) -> float:
    amount = parse_quantity(str(info.data.get(key, "")), value)
    if amount <= 0:
        raise ValueError("must be more than 0")
    return amount


def per_amount(key: str) -> PlainValidator:
    """Reads an amount, more than 0, of the resource that stands under another key of the model."""
    return PlainValidator(_reader(key))


def _reader(key: str) -> Callable[[object, ValidationInfo], float | None]:
    return lambda value, info: None if value is None else _positive(value, info, key)


AmountField = Annotated[float | None, per_amount("resource"), Amount]
"""An amount of ``resource``, more than 0."""


def _number(value: object) -> float | DomainNumber:
    if isinstance(value, DomainNumber):
        return value
    if isinstance(value, str) and not value[:1].isdigit():
        return DomainNumber(value)
    return float(parse_quantity("", value))


AmountOrNumberField = Annotated[
    float | DomainNumber,
    PlainValidator(_number),
    PlainSerializer(lambda value: value if isinstance(value, float) else str(value)),
    WithJsonSchema({"type": ["number", "string"], "examples": ["2 GiB", "double(labels.image_bytes)"]}),
]
"""An amount in base units or with a unit, or a CEL expression over the domain."""


ReserveField = Annotated[
    float,
    PlainValidator(_parsed),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "examples": ["8 GiB", "2 cores"]}),
]
"""An amount of ``resource``."""


@dataclass(frozen=True, slots=True)
class Target:
    """A share of a host's capacity, or an amount in base units."""

    share: float | None = None
    amount: float | None = None

    def __str__(self) -> str:
        return f"{self.amount!r}" if self.share is None else f"{self.share * 100:.12g}%"


def _target(value: object, info: ValidationInfo) -> Target:
    if isinstance(value, Target):
        return value
    if isinstance(value, str) and "%" in value:
        return Target(share=parse_share(value))
    try:
        return Target(amount=_parsed(value, info))
    except ValueError as error:
        raise ValueError(f"{error}; or a share such as 80%") from error


TargetField = Annotated[
    Target,
    PlainValidator(_target),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["number", "string"], "examples": ["80%", "200 GiB"]}),
]
"""A share, or an amount of ``resource``."""
