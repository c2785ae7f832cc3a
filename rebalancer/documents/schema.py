"""Which keys a model knows at a place: for messages about keys that it does not know."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

__all__ = ["keys_at"]


def keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys of the mapping at a location in pydantic's sense (which also names the members of unions)."""
    current: list[Any] = [model]
    for step in loc:
        following = [part for annotation in current for part in _enter(annotation, step)]
        # A step that leads nowhere is the name of a union's member, and narrows it where it is a model's name.
        narrowed = [part for part in current if getattr(part, "__name__", None) == step]
        current = following or narrowed or current
    models = [part for part in current if isinstance(part, type) and issubclass(part, BaseModel)]
    return sorted({key for found in models for key in _keys(found)})


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def _enter(annotation: Any, step: str | int) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if step in (name, field.alias):
                yield from _members(field.annotation)
        return
    arguments = get_args(annotation)
    if not arguments:
        return
    if isinstance(step, int):
        yield from _flatten(arguments)
    elif len(arguments) == 2:
        yield from _members(arguments[1])


def _members(annotation: Any) -> Iterator[Any]:
    """What an annotation may stand for, once ``Annotated`` and unions are taken off."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        yield from _flatten(get_args(annotation))
    else:
        yield annotation


def _flatten(annotations: Iterable[Any]) -> Iterator[Any]:
    for annotation in annotations:
        yield from _members(annotation)
