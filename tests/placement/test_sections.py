"""Sections of large problems: what they list, and that searching in them is still searching everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from rebalancer.placement.engine import Engine, best_speed, interpreted_only
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.kernels import tasks
from rebalancer.placement.kernels.section import choose_section, tries_in_section
from rebalancer.placement.packing import problem as packing
from rebalancer.placement.search import search
from rebalancer.placement.state import State
from rebalancer.policy import compile_problem
from tests.benchmarks.searching.clusters import BALANCE, policy, skewed
from tests.placement.problems import random_problem

HOSTS, DOMAINS = 12, 40


@pytest.fixture
def small_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_SECTION_HOSTS", 3)
    monkeypatch.setattr(packing, "_SECTION_DOMAINS", 10)


def _engine(seed: int) -> Engine:
    return Engine(random_problem(seed, hosts=HOSTS, domains=DOMAINS), seed, interpreted_only)


def _table(engine: Engine, table: int, length: int) -> list[int]:
    offset = engine._ci[table]
    return list(engine._si[offset : offset + length])


def _listed(engine: Engine) -> list[int]:
    return _table(engine, at.MOVED_DOMAIN, engine.told(at.LISTED))


def _move(engine: Engine, domain: int, host: int) -> None:
    engine.tell(at.SUBJECT, domain)
    engine.tell(at.DESTINATION, host)
    engine.run(tasks.MOVE)


@pytest.mark.usefixtures("small_sections")
@pytest.mark.parametrize("seed", range(10))
def test_a_section_lists_what_stands_on_its_hosts(seed: int) -> None:
    engine, random = _engine(seed), np.random.default_rng(seed)
    ci, si = engine._ci, engine._si
    by_size = ci[ci[at.BY_SIZE] : ci[at.BY_SIZE] + ci[at.MOVERS]]
    first = ci[ci[at.LARGE_FIRST] : ci[at.LARGE_FIRST] + ci[at.MOVERS] + 1]
    start = np.array(_table(engine, at.PLACE, DOMAINS))
    drawn = set()
    for _ in range(20):
        for domain in random.integers(DOMAINS, size=5):
            _move(engine, int(domain), int(random.integers(HOSTS)))
        choose_section(ci, si)
        hosts = _table(engine, at.SECTION_HOST, ci[at.SECTION])
        place = np.array(_table(engine, at.PLACE, DOMAINS))
        assert len(set(hosts)) == 3
        assert sorted(_table(engine, at.SECTION_HOST, HOSTS)) == list(range(HOSTS))
        domains = _table(engine, at.SECTION_DOMAIN, engine.told(at.SECTION_DOMAINS))
        assert domains == [domain for domain in by_size if place[domain] in hosts]
        places = _table(engine, at.SECTION_LARGE, engine.told(at.SECTION_LARGES))
        sizes = [first[by_size.index(domain) + 1] - first[by_size.index(domain)] for domain in domains]
        assert places == [index for index, size in enumerate(sizes) for _ in range(size)]
        assert sorted(_listed(engine)) == sorted(domain for domain in domains if place[domain] != start[domain])
        drawn |= set(hosts)
    assert drawn == set(range(HOSTS))


@pytest.mark.usefixtures("small_sections")
def test_what_moves_after_a_section_was_chosen_is_listed_and_unlisted() -> None:
    engine = _engine(1)
    start = _table(engine, at.PLACE, DOMAINS)
    for domain in range(DOMAINS):
        _move(engine, domain, (start[domain] + 1) % HOSTS)
    choose_section(engine._ci, engine._si)
    before = set(_listed(engine))
    gone, other = next(iter(before)), next(domain for domain in range(DOMAINS) if domain not in before)
    _move(engine, gone, start[gone])
    _move(engine, other, start[other])
    assert set(_listed(engine)) == before - {gone}
    _move(engine, gone, (start[gone] + 2) % HOSTS)
    _move(engine, other, (start[other] + 2) % HOSTS)
    assert set(_listed(engine)) == before | {other}
    assert engine._si[engine._ci[at.MOVED]] == DOMAINS


@pytest.mark.usefixtures("small_sections")
def test_a_section_in_which_nothing_can_move_takes_no_tries() -> None:
    engine = _engine(2)
    engine.tell(at.SECTION_DOMAINS, 0)
    assert tries_in_section(engine._ci, engine._si, 100) == 0


def test_a_small_problem_is_one_section() -> None:
    engine = _engine(3)
    before = list(engine._si)
    choose_section(engine._ci, engine._si)
    assert engine._ci[at.SECTION] == HOSTS
    assert list(engine._si) == before
    assert tries_in_section(engine._ci, engine._si, 100) == 100


@pytest.mark.usefixtures("small_sections")
@pytest.mark.parametrize("seed", range(3))
def test_both_speeds_search_sections_alike(seed: int) -> None:
    problem = random_problem(seed, hosts=HOSTS, domains=DOMAINS)
    slow, fast = (search(problem, effort=2, speed=speed) for speed in (interpreted_only, best_speed))
    assert (slow.host == fast.host).all()


@pytest.mark.parametrize("seed", range(3))
def test_sections_find_about_what_the_whole_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = compile_problem(policy(BALANCE), skewed(20, 200, seed)).problem
    costs = []
    for domains in (50, 1_000):
        monkeypatch.setattr(packing, "_SECTION_HOSTS", 5)
        monkeypatch.setattr(packing, "_SECTION_DOMAINS", domains)
        costs.append(sum(State(problem, search(problem, seed=seed).host).costs()[1:]))
    before = sum(State(problem).costs()[1:])
    assert costs[0] <= costs[1] + 0.01 * (before - costs[1])
