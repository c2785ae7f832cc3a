"""Building blocks of the models of our files: quantities with units, names, and a base class that guesses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from rebalancer.cluster.units import (
    Bytes,
    BytesPerSecond,
    Seconds,
    parse_bytes,
    parse_cores,
    parse_duration,
    parse_quantity,
    parse_rate,
    parse_share,
)

__all__ = [
    "AmountsField",
    "BytesField",
    "CoresField",
    "CountField",
    "DurationField",
    "FileModel",
    "Metadata",
    "Model",
    "Name",
    "PositiveField",
    "RateField",
    "ShareField",
    "quantity",
]


def quantity(parse: Callable[[object], Any], description: str, *examples: str | float) -> tuple[Any, Any]:
    """What to annotate a number with that may carry a unit; ``parse`` raises ValueError with what to write instead.

    ``Annotated[Bytes, *quantity(parse_bytes, "a size", "64 GiB")]``
    """
    schema = {"type": ["number", "string"], "minimum": 0, "description": description, "examples": [*examples]}
    return PlainValidator(parse), WithJsonSchema(schema)


BytesField = Annotated[Bytes, *quantity(parse_bytes, "a size: bytes, or with a unit", "64 GiB", "500 MB")]
RateField = Annotated[
    BytesPerSecond, *quantity(parse_rate, "a rate: bytes per second, or with a unit", "10 Gbit/s", "30 MiB/s")
]
DurationField = Annotated[
    Seconds, *quantity(parse_duration, "a duration: seconds, or with a unit", "300 ms", "30 s", "15 min")
]
ShareField = Annotated[float, *quantity(parse_share, "a share: a fraction, or per cent", "40%", 0.4)]
_LARGEST = 1_000_000_000
"""What every integer of the arrays that these numbers meet can hold, with room for sums."""
CountField = Annotated[int, Field(ge=0, le=_LARGEST)]
PositiveField = Annotated[int, Field(ge=1, le=_LARGEST)]
CoresField = Annotated[float, *quantity(parse_cores, "a number of cores", "1.5 cores", 2)]


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if text != text.strip() or not text.isprintable():
        raise ValueError("must not contain control characters nor begin or end with spaces")
    return text


Name = Annotated[str, Field(max_length=255), AfterValidator(_name)]
"""A name that people give: not empty, printable, no spaces around it."""


class Model(BaseModel):
    """Base of everything read from a file: unknown keys are refused, nothing is converted, values are immutable.

    Strict: ``1`` is no text and ``yes`` is no truth value. :func:`~rebalancer.documents.validate` reads lists into
    tuples and text into enums nevertheless; a direct ``Model(...)`` takes Python's own values.
    Defaults that are models are made by ``model_construct``: to validate one, its validator is built at import.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
        defer_build=True,
    )


class Metadata(Model):
    """What the file is called and what it is for."""

    name: str = ""
    description: str = ""


class FileModel(Model):
    """Base of a whole file; :func:`~rebalancer.documents.header` has checked the first two keys already."""

    api_version: str = Field(alias="apiVersion")
    """``rebalancer/v1``"""
    kind: str
    metadata: Metadata = Metadata.model_construct()


def _amounts(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise PydanticCustomError("dict_type", "must be a mapping")
    amounts: dict[str, float] = {}
    errors: list[InitErrorDetails] = []
    for resource, amount in value.items():
        try:
            amounts[resource] = parse_quantity(resource, amount)
        except ValueError as error:
            problem = PydanticCustomError("quantity", "{error}", {"error": str(error)})
            errors.append({"type": problem, "loc": (resource,), "input": amount})
    if errors:
        # Not the first as a ValueError: this way each has its own position.
        raise ValidationError.from_exception_data("amounts", errors)
    return amounts


AmountsField = Annotated[
    Mapping[str, float],
    PlainValidator(_amounts),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": ["number", "string"]},
            "description": "resource → amount: cpu in cores, memory in bytes, or with units",
            "examples": [{"cpu": 32, "memory": "256 GiB"}],
        }
    ),
]
"""Amounts of resources by name; which units fit depends on the resource."""
