"""Descriptions of fields from the docstrings below them, made when a schema or a reference asks for them.

Pydantic could read them whenever a model is defined (``use_attribute_docstrings``), which would make every command
read the source of every rule: a fifth of a second.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from itertools import pairwise
from textwrap import dedent

from rebalancer.documents.fields import Model

__all__ = ["describe"]


def describe() -> None:
    """Gives every field of every model that is loaded its description."""
    models = list(dict.fromkeys(_below(Model)))
    for model in models:
        found = _docstrings(model)
        for name, field in model.model_fields.items():
            if field.description is None and name in found:
                field.description = found[name]
    # All are forgotten before the first is made anew, or it would take over what it contains as that was built before.
    for model in models:
        if "__pydantic_core_schema__" in vars(model):
            del model.__pydantic_core_schema__
    for model in models:
        model.model_rebuild(force=True)


def _below(model: type[Model]) -> Iterator[type[Model]]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)


def _docstrings(model: type[Model]) -> Mapping[str, str]:
    """Of the model's own fields and of those that it inherits."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, Model) and owner is not Model:
            found.update(_own_docstrings(owner))
    return found


def _own_docstrings(model: type[Model]) -> Iterator[tuple[str, str]]:
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):  # a model made at run time
        return
    definition = ast.parse(dedent(source)).body[0]
    if not isinstance(definition, ast.ClassDef):
        return
    for statement, following in pairwise(definition.body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)
            case _:
                pass
