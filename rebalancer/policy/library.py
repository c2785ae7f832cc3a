"""The ready-made policies, by name; they ship with the package."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput, Position

__all__ = ["policy_names", "policy_text"]


def _folder() -> Traversable:
    installed = files("rebalancer") / "policies"
    # In a checkout they stand beside the package.
    return installed if installed.is_dir() else Path(__file__).parents[2] / "policies"


def policy_names() -> tuple[str, ...]:
    """The names of all ready-made policies, sorted."""
    folder = _folder()
    if not folder.is_dir():
        return ()
    return tuple(sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")))


def policy_text(name: str, position: Position | None = None) -> tuple[str, str]:
    """Text and file of a ready-made policy; ``position``: where it is asked for, for the error when there is none."""
    names = policy_names()
    if name not in names:
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(names)}"
        raise InvalidInput(
            f"there is no ready-made policy {shown(name)}; {hint} (a file is given as ./{name}.yaml)", position
        )
    return (_folder() / f"{name}.yaml").read_text("utf-8"), f"policies/{name}.yaml"
