"""What an aggressiveness from 1 to 5 stands for: a shorthand for limits, as DRS's migration threshold is."""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.values import dataclass

__all__ = ["LEVELS", "Level"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """``limits``: as a policy writes them; None where the level lifts a limit."""

    words: str
    limits: Mapping[str, object]


def _level(words: str, *, min_gain: str, payback: str | None = None, cooldown: str | None = None) -> Level:
    limits = {"only_repairs": False, "min_gain": min_gain, "payback": payback, "cooldown": cooldown}
    return Level(words=words, limits=limits)


LEVELS: Mapping[int, Level] = {
    1: Level(
        words="only repair broken rules, with as few moves as that takes",
        limits={"only_repairs": True, "min_gain": None, "payback": None, "cooldown": None},
    ),
    2: _level("repair broken rules, else take large gains only", min_gain="20%", payback="1 h", cooldown="24 h"),
    3: _level("repair broken rules, else take what is worth it", min_gain="5%", payback="8 h", cooldown="6 h"),
    4: _level("repair broken rules, else take moderate gains", min_gain="1%", payback="24 h", cooldown="1 h"),
    5: _level("take any gain", min_gain="0%"),
}
