"""Small problems, after the search: all placements, or some domains at once in every way, while that betters anything.

Where rules leave few ways, the next better placement is often several moves away and each of them alone forbidden.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from rebalancer.placement.engine import Engine
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.kernels import tasks

__all__ = ["better_together", "try_every"]

_MOST_PLACEMENTS = 2_000_000
"""Of a problem of which all are tried, in about a second, where kernels are compiled."""
_MOST_DOMAINS = 20
"""Of a problem; where there are more, some that are picked by chance have little to do with each other."""
_MOST_WAYS = 10_000
"""That some domains are looked at in, together."""
_MOST_VAIN = 30
"""Times in a row that nothing is bettered."""
_MOST_STEPS = 600_000
_COMPILED_IS_FASTER = 10


def try_every(engine: Engine, hosts: int, elapsed: Callable[[], float]) -> bool:
    """Whether every placement was tried: the best is the best there is.

    The kernels go through the placements of the first domains, here those of the others are gone through, from the same
    state each time: what is added up inexactly in millions of moves would hide what is a little better.
    """
    if engine.compiled is None or hosts ** min(engine.domains, 60) > _MOST_PLACEMENTS:
        return False
    inner = _together(hosts, engine.domains)
    engine.run(tasks.RESTORE_BEST)
    first, now, spent = engine.another(0), engine.best, engine.spent
    for placement in product(range(hosts), repeat=engine.domains - inner):
        if elapsed() >= 1.0:
            return False
        engine.follow(first)
        engine.tell(at.SPENT, spent)
        for domain, host in enumerate(placement, start=inner):
            if host != now[domain]:
                engine.tell(at.SUBJECT, domain)
                engine.tell(at.DESTINATION, host)
                engine.run(tasks.MOVE)
        engine.tell(at.SUBJECT, (1 << inner) - 1)
        engine.run(tasks.TRY_SOME)
        spent = engine.spent
    return True


def better_together(engine: Engine, hosts: int, seed: int, elapsed: Callable[[], float]) -> bool:
    """Betters the best placement of a search; whether it looked at all that it should: less where kernels are
    interpreted, which would take ten seconds for a few domains."""
    many = _together(hosts, engine.domains)
    if engine.domains > _MOST_DOMAINS or many < 2:
        return True
    chance = np.random.default_rng(seed)
    part = 1 if engine.compiled is not None else _COMPILED_IS_FASTER
    vain, end = 0, engine.spent + _MOST_STEPS // part
    while vain < _MOST_VAIN // part and engine.spent < end and elapsed() < 1.0:
        engine.run(tasks.RESTORE_BEST)
        some = chance.permutation(engine.domains)[:many].tolist()
        engine.tell(at.SUBJECT, sum(1 << domain for domain in some))
        before = engine.spent
        vain = 0 if engine.run(tasks.TRY_SOME) else vain + 1
        ways = engine.spent - before
        if many == engine.domains:
            break
        if ways > 2 * _MOST_WAYS:
            many -= 1
        elif ways * hosts <= _MOST_WAYS:
            many += 1  # rules leave them few hosts
    return part == 1


def _together(hosts: int, domains: int) -> int:
    """How many domains, so that there are not too many ways."""
    many = 0
    while many < domains and hosts ** (many + 1) <= _MOST_WAYS:
        many += 1
    return many if hosts > 1 else 0
