from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from functools import cached_property
from typing import Any

import pytest

from rebalancer import values

FLAVOURS = [
    {"frozen": frozen, "slots": slots, "kw_only": kw_only, "eq": eq}
    for frozen in (True, False)
    for slots in (True, False)
    for kw_only in (True, False)
    for eq in (True, False)
]
flavours = pytest.mark.parametrize(
    "flavour", FLAVOURS, ids=lambda flavour: "+".join(k for k, v in flavour.items() if v)
)


def _links(decorate: Any) -> Any:
    class Link:
        name: str
        rate: float = 1.5
        tags: list[str] = field(default_factory=list)
        note: str = field(default="", compare=False)
        steps: int = field(default=0, init=False)
        seen: list[str] = field(default_factory=list, init=False, repr=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "steps", len(self.name))

    return decorate(Link)


def both(flavour: dict[str, bool]) -> tuple[Any, Any]:
    """The same class by us and by the standard library."""
    return _links(values.dataclass(**flavour)), _links(dataclasses.dataclass(**flavour))


@flavours
def test_is_what_the_standard_library_makes(flavour: dict[str, bool]) -> None:
    ours, theirs = both(flavour)
    assert [(f.name, f.type, f.default, f.kw_only, f.init) for f in fields(ours)] == [
        (f.name, f.type, f.default, f.kw_only, f.init) for f in fields(theirs)
    ]
    made = [kind(name="a", tags=["x"], note="n") for kind in (ours, theirs)]
    assert repr(made[0]) == repr(made[1])
    assert asdict(made[0]) == asdict(made[1])
    assert [hasattr(each, "__dict__") for each in made] == 2 * [not flavour["slots"]]
    assert repr(replace(made[0], rate=3.0)) == repr(replace(made[1], rate=3.0))
    assert made[0].seen is not ours(name="a").seen


@flavours
def test_is_equal_to_what_the_standard_library_finds_equal(flavour: dict[str, bool]) -> None:
    for kind in both(flavour):
        one, same, other = kind(name="a"), kind(name="a", note="not compared"), kind(name="b")
        assert (one == same) is flavour["eq"]
        assert one != other
        assert one != "a"
        assert one == one


@pytest.mark.parametrize("decorator", [values.dataclass, dataclasses.dataclass])
def test_hashes(decorator: Any) -> None:
    class Point:
        x: int
        y: tuple[int, ...] = ()

    for eq, frozen, hashed in ((True, True, True), (False, True, True), (True, False, False), (False, False, True)):
        kind = decorator(eq=eq, frozen=frozen)(type("Point", (), dict(vars(Point))))
        if not hashed:
            with pytest.raises(TypeError, match="unhashable"):
                hash(kind(1))
        else:
            assert (len({kind(1), kind(1), kind(2)}) == 2) is eq


@flavours
def test_arguments_are_checked(flavour: dict[str, bool]) -> None:
    ours, _ = both(flavour)
    with pytest.raises(TypeError, match=r"Link.__init__\(\) missing 1 required .*'name'"):
        ours()
    with pytest.raises(TypeError, match="unexpected keyword argument 'steps'"):
        ours(name="a", steps=3)
    if flavour["kw_only"]:
        with pytest.raises(TypeError, match="positional"):
            ours("a")
    else:
        assert ours("a", 2.0).rate == 2.0


@pytest.mark.parametrize("slots", [True, False])
def test_what_is_frozen_cannot_be_changed(slots: bool) -> None:
    link = _links(values.dataclass(frozen=True, slots=slots))("a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        link.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del link.name
    assert link.name == "a"


@values.dataclass(frozen=True, slots=True)
class Route:
    links: tuple[str, ...]
    cost: float = 0.0


@values.dataclass(frozen=True, slots=True)
class Detour(Route):
    reason: str = "none"


def test_is_copied_and_pickled() -> None:
    route = Detour(("a", "b"), reason="full")
    for again in (copy.copy(route), copy.deepcopy(route), pickle.loads(pickle.dumps(route))):
        assert again == route
        assert again is not route
        assert again.reason == "full"


def test_inherits() -> None:
    assert [f.name for f in fields(Detour)] == ["links", "cost", "reason"]
    assert Detour(("a",)) != Route(("a",))
    assert repr(Detour(("a",))) == "Detour(links=('a',), cost=0.0, reason='none')"


def test_what_a_class_defines_itself_stays() -> None:
    @values.dataclass(frozen=True)
    class Load:
        amount: int

        def __repr__(self) -> str:
            return f"{self.amount} B"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        @cached_property
        def twice(self) -> int:
            return 2 * self.amount

    assert repr(Load(3)) == "3 B"
    assert Load(3) == Load(4)
    assert hash(Load(3)) == 7
    assert Load(3).twice == 6


def test_may_be_called_with_the_class() -> None:
    link = _links(lambda kind: values.dataclass(kind, frozen=True))("a")
    with pytest.raises(FrozenInstanceError):
        link.name = "b"


def test_order_is_the_standard_librarys() -> None:
    @values.dataclass(frozen=True, order=True)
    class Version:
        major: int

    assert Version(1) < Version(2)
