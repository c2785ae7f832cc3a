"""Dataclasses that are quick to define.

``dataclasses.dataclass`` compiles half a dozen methods of each class at once. A command loads some 150 classes and
calls few of these methods: compiling all of them took an eighth of the time of a plan for ten hosts. Here ``__init__``
is compiled when a class is first instantiated, and the other methods are not compiled at all. What comes out is a
dataclass to ``fields``, ``replace`` and ``asdict``, and to type checkers; only a frozen dataclass of the standard
library cannot inherit from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]


def _make(cls: type, *, frozen: bool = False, slots: bool = False, kw_only: bool = False, eq: bool = True) -> Any:
    has_own = frozenset(vars(cls))
    # A dataclass without a docstring gets one that says its signature, which takes as long as a method.
    cls.__doc__ = cls.__doc__ or cls.__name__
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    methods: dict[str, Any] = {"__init__": _first_init(made, frozen=frozen), "__repr__": _repr}
    if eq:
        methods |= _comparison(made, frozen=frozen)
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        if slots:
            methods |= {"__getstate__": _state, "__setstate__": _restore}
    for name, method in methods.items():
        if name not in has_own:
            setattr(made, name, method)
    return made


def _first_init(cls: Any, *, frozen: bool) -> Callable[..., None]:
    """Stands in for ``__init__`` until the first call."""

    def init(self: object, *args: object, **kwargs: object) -> None:
        cls.__init__ = _init(cls, frozen=frozen)
        cls.__init__(self, *args, **kwargs)

    return init


def _init(cls: Any, *, frozen: bool) -> Callable[..., None]:
    scope: dict[str, Any] = {"_set": object.__setattr__, "_absent": MISSING}
    positional, by_name, body = ["self"], ["*"], []
    for field in dataclasses.fields(cls):
        name, value, default = field.name, field.name, ""
        if field.default_factory is not MISSING:
            scope[f"_make_{name}"], default = field.default_factory, "=_absent"
            value = f"_make_{name}() if {name} is _absent else {name}" if field.init else f"_make_{name}()"
        elif field.default is not MISSING:
            scope[f"_default_{name}"], default = field.default, f"=_default_{name}"
            value = name if field.init else f"_default_{name}"
        if field.init:
            (by_name if field.kw_only else positional).append(name + default)
        if field.init or default:
            body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(positional + (by_name if len(by_name) > 1 else []))
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), scope)  # noqa: S102 (names of fields)
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _comparison(cls: Any, *, frozen: bool) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(cls) if field.compare]
    values: Callable[[object], object] = attrgetter(*names) if names else lambda _: ()

    def equals(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(values(self))

    return {"__eq__": equals, "__hash__": hashed if frozen else None}


def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(_: object, name: str, __: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, order=False, **options):
        if order:  # compared by methods that only the standard library writes
            return dataclasses.dataclass(cls, order=order, **options)
        return _make(cls, **options) if cls is not None else lambda given: _make(given, **options)
